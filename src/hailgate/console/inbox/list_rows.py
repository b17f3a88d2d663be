"""Conversations as the list of the inbox shows them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.utils.translation import gettext as _

from hailgate.accounts.operators import CurrentOperator
from hailgate.console.presenters import (
    Tick,
    assistant_of,
    excerpt,
    has_written,
    holder_of,
    initials,
    is_unread,
    operator_of,
    said_at,
    show_name,
    show_tick,
)
from hailgate.messaging.models import ContactAddress, Conversation, Message


class MessageShown(NamedTuple):
    """A conversation in the list."""

    uid: str
    name: str
    initials: str
    hue: int
    excerpt: str
    by: str
    at: datetime | None
    unread: bool
    tick: Tick | None
    assistant: str
    holder: str
    channel: str
    paused: bool


class ListBeside(NamedTuple):
    """What all rows of a list share. ``operators`` are names by uid."""

    viewer: CurrentOperator
    operators: dict[str, str]
    many_channels: bool


def show_row(
    conversation: Conversation, addresses: Sequence[ContactAddress], last: Message | None, beside: ListBeside
) -> MessageShown:
    """``last`` is the message whose words stand in the list."""
    name = show_name(conversation.contact, addresses)
    return MessageShown(
        uid=conversation.uid.hex,
        name=name,
        initials=initials(name),
        hue=conversation.contact_id % 8,
        excerpt=excerpt(last) if last else "",
        by=_writer(last, beside) if last else "",
        at=said_at(last) if last else conversation.last_message_at,
        unread=is_unread(conversation),
        tick=show_tick(last) if last else None,
        assistant=assistant_of(conversation) if has_written(conversation) else "",
        holder=holder_of(conversation, beside.viewer),
        channel=conversation.channel.name if beside.many_channels else "",
        paused=conversation.channel.paused_at is not None,
    )


def _writer(message: Message, beside: ListBeside) -> str:
    """Before the words of a list: a colleague's are not one's own."""
    uid = operator_of(message)
    if uid == beside.viewer.uid:
        return _("You")
    return beside.operators.get(uid, "") if uid else ""
