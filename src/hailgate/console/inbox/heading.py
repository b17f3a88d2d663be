"""What stands above a thread: who it is, who answers, and until when one may write."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from django.utils.translation import gettext as _

from hailgate.accounts.operators import CurrentOperator
from hailgate.accounts.seal import sealer
from hailgate.console.presenters import assistant_of, holder_of, initials, show_address, show_name, show_pause
from hailgate.core import window
from hailgate.core.thread_owner import ThreadOwner, owner_now
from hailgate.messaging.models import ContactAddress, Conversation
from hailgate.providers import get_provider


class Heading(NamedTuple):
    """Above a thread, and in the panel beside it. They call themselves ``told_name``, we them ``own_name``."""

    uid: str
    contact: str
    name: str
    told_name: str
    own_name: str
    initials: str
    hue: int
    numbers: list[str]
    is_group: bool
    channel: str
    provider: str
    assistant: str
    operator: str
    held_by_other: bool
    responder: str
    paused: str
    window_open: bool
    window_closes_at: datetime | None
    free_until: datetime | None
    since: datetime


def show_heading(conversation: Conversation, addresses: Sequence[ContactAddress], viewer: CurrentOperator) -> Heading:
    operator, channel = conversation.operator, conversation.channel
    name = show_name(conversation.contact, addresses)
    length = get_provider(conversation.channel.provider).capabilities.window_seconds
    heard = conversation.last_inbound_at.timestamp() if conversation.last_inbound_at else None
    free_until = conversation.free_until
    closes_at = window.closes_at(heard, length, free_until)
    return Heading(
        uid=conversation.uid.hex,
        contact=conversation.contact.uid.hex,
        name=name,
        told_name=sealer().unseal(conversation.contact.name),
        own_name=sealer().unseal(conversation.contact.own_name),
        initials=initials(name),
        hue=conversation.contact_id % 8,
        numbers=[show_address(address.kind, address.value) for address in addresses],
        is_group=conversation.contact.is_group,
        channel=conversation.channel.name,
        provider=get_provider(conversation.channel.provider).label,
        assistant=assistant_of(conversation),
        operator=str(operator) if operator else "",
        held_by_other=bool(holder_of(conversation, viewer)),
        responder=_responder(conversation),
        paused=show_pause(channel) if channel.paused_at else "",
        window_open=conversation.window_unsure or window.is_open(heard, time.time(), length, free_until),
        window_closes_at=_moment(closes_at),
        free_until=_moment(free_until) if free_until > time.time() else None,
        since=conversation.created_at,
    )


def _responder(conversation: Conversation) -> str:
    """Who else answers at the same number now; empty where nobody does."""
    owner = owner_now(conversation.thread_owner, conversation.thread_owner_at, time.time())
    return (conversation.thread_owner_role or _("another responder")) if owner is ThreadOwner.OTHER else ""


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
