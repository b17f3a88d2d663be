"""Queries behind the page of stopped messages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from hailgate.accounts.seal import sealer
from hailgate.console.inbox.queries import addresses_of
from hailgate.console.paging import ListPage, page_of
from hailgate.console.presenters import excerpt, explain, show_address, show_name
from hailgate.core.content import Text, decode_outbound
from hailgate.delivery_codes import remedy_of
from hailgate.messaging.deadletters.dead_letters import AFTERWARDS, DeadLetterFilter, find_letters, our_code, told_code
from hailgate.messaging.models import Work, WorkKind, WorkState
from hailgate.messaging.people.roots import root_of


class StoppedMessage(NamedTuple):
    uid: str
    conversation: str
    dead: bool
    afterwards: bool
    remedy: str
    text: bool
    name: str
    channel: str
    excerpt: str
    why: str
    provider_code: str
    attempts: int
    at: datetime


def list_dead_letters(tenant_id: int, wanted: DeadLetterFilter, before: int | None) -> ListPage:
    rows = find_letters(tenant_id, wanted).select_related(
        "conversation__contact", "conversation__merged_into__contact", "channel"
    )
    page, older = page_of(rows, before)
    contacts = addresses_of(tenant_id, [root_of(message.conversation).contact_id for message in page])
    return ListPage([_dead_letter(message, contacts) for message in page], older)


def find_stopped(tenant_id: int, messages: Sequence[UUID]) -> list[int]:
    return list(find_letters(tenant_id).filter(uid__in=messages).values_list("id", flat=True))


def find_stopped_text(tenant_id: int, message: UUID) -> str | None:
    """What a failed message of plain text says."""
    failed = stopped_work(tenant_id).filter(state=WorkState.DEAD, message__uid=message, message__kind="text")
    work = failed.select_related("message").first()
    if work is None:
        return None
    content = decode_outbound(sealer().unseal(work.message.content))
    return content.text.body if isinstance(content, Text) else None


def _dead_letter(message: Any, contacts: dict[int, Any]) -> StoppedMessage:
    """A row of ``find_letters``."""
    provider = message.channel.provider
    code = our_code(provider, message.end_code)
    conversation = root_of(message.conversation)
    return StoppedMessage(
        uid=message.uid.hex,
        conversation=conversation.uid.hex,
        dead=message.state != "unknown",
        afterwards=message.state == AFTERWARDS,
        remedy=remedy_of(code, provider, unknown=message.state == "unknown"),
        text=message.kind == "text" and message.state == "dead",
        name=show_name(conversation.contact, contacts.get(conversation.contact_id, []))
        or show_address(message.address_kind, message.address),
        channel=message.channel.name,
        excerpt=excerpt(message),
        why=message.end_detail or explain(code, "", provider),
        provider_code=told_code(provider, message.end_code, message.provider_code),
        attempts=message.tries,
        at=message.accepted_at,
    )


def stopped_work(tenant_id: int) -> QuerySet[Work]:
    return Work.objects.filter(
        tenant_id=tenant_id, kind=WorkKind.DELIVERY, state__in=[WorkState.PARKED, WorkState.DEAD]
    )
