"""Messages found by what they have in common; one with everything that happened to it; taking one back."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from django.http import HttpRequest
from ninja import Query, Router

from hailgate.accounts.audit import AuditAction, AuditRecord, audited
from hailgate.api.access import actor_of, parse_id, tenant_of
from hailgate.api.paging import Cursor, Limit, Place, read_cursor
from hailgate.api.presenters import changes_of, files_of, message_facts, price_of, show_happening, show_messages
from hailgate.api.schemas.common import Page
from hailgate.api.schemas.messages import MessageFilter, MessageOut, MessageWithTimeline
from hailgate.core.errors import InputError, NotFound
from hailgate.core.status import Status
from hailgate.messaging.channels.admin import get_channel_row
from hailgate.messaging.inbound.quotes import find_quoted
from hailgate.messaging.models import Direction, Message
from hailgate.messaging.outbound.cancel import cancel_message
from hailgate.messaging.outbound.estimates import estimate_messages
from hailgate.messaging.outbound.stale import find_stale
from hailgate.messaging.outbound.timeline import tell_timeline
from hailgate.messaging.people.find_messages import LONGEST_WINDOW, Wanted, find_messages
from hailgate.messaging.store.sql import one_moment
from hailgate.messaging.store.sqlite_writer import write
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log

router = Router(tags=["Messages"])

MOST_PAIRS: Final = 5
BY_METADATA: Final[dict[str, Any]] = {
    "name": "metadata",
    "in": "query",
    "style": "deepObject",
    "explode": True,
    "description": "`metadata[order]=17`: messages whose metadata holds this key with this value. Needs `channel`, and "
    "looks at 31 days at most: those before `until`, or before now.",
    "schema": {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": MOST_PAIRS},
}


@router.get(
    "/messages",
    response=Page[MessageOut],
    operation_id="find_messages",
    openapi_extra={"parameters": [BY_METADATA]},
)
def find(
    request: HttpRequest, filters: Annotated[MessageFilter, Query()], limit: Limit = 50, cursor: Place = None
) -> Page[MessageOut]:
    """Newest first, of every channel and in both directions, or those that match all that is asked for.

    A page may hold fewer than `limit`, even none, while `next` leads on: a look passes ten thousand messages.
    """
    tenant_id = tenant_of(request)
    list_ = ("found messages", tenant_id)
    place = read_cursor(cursor, *list_)
    found = find_messages(tenant_id, _wanted(tenant_id, request, filters), place and place.place, limit)
    older = found.older_than
    return Page[MessageOut](
        items=show_messages(tenant_id, found.messages), next=None if older is None else Cursor(older).sign(*list_)
    )


def _wanted(tenant_id: int, request: HttpRequest, filters: MessageFilter) -> Wanted:
    received = filters.status == "received"
    direction = "inbound" if received else "outbound" if filters.status else filters.direction
    if filters.direction and direction != filters.direction:
        raise InputError("direction: does not go with this status.", field="direction")
    wanted = Wanted(
        channel_id=get_channel_row(tenant_id, filters.channel).pk if filters.channel else None,
        direction=Direction[direction.upper()] if direction else None,
        status=Status[filters.status.upper()] if filters.status and not received else None,
        since=filters.since,
        until=filters.until,
        metadata=_metadata(request),
    )
    return _within_reach(wanted) if wanted.metadata else wanted


def _metadata(request: HttpRequest) -> dict[str, str]:
    pairs = {
        name[len("metadata[") : -1]: str(value)
        for name, value in request.GET.items()
        if name.startswith("metadata[") and name.endswith("]")
    }
    if len(pairs) > MOST_PAIRS:
        raise InputError(f"metadata: may name at most {MOST_PAIRS} keys.", field="metadata")
    return pairs


def _within_reach(wanted: Wanted) -> Wanted:
    if wanted.channel_id is None:
        raise InputError("metadata: needs a `channel` beside it.", field="channel")
    until = wanted.until or datetime.now(UTC)
    since = wanted.since or until - LONGEST_WINDOW
    if until - since > LONGEST_WINDOW:
        raise InputError(f"since: metadata is looked for in {LONGEST_WINDOW.days} days at most.", field="since")
    return wanted._replace(since=since)


@router.get("/messages/{message_id}", response=MessageWithTimeline, operation_id="get_message")
def get_message(request: HttpRequest, message_id: str) -> MessageWithTimeline:
    """A message with its timeline: accepted, each attempt and its outcome, and what the provider reported."""
    tenant_id = tenant_of(request)
    known = Message.objects.filter(tenant_id=tenant_id, uid=parse_id(message_id))
    with one_moment():
        message = known.select_related("conversation__merged_into", "channel").first()
        if message is None:
            raise NotFound
        timeline = [show_happening(happening) for happening in tell_timeline(message)]
        changes = changes_of(tenant_id, [message]).get(message.id, ())
        file = files_of(tenant_id, [message]).get(message.id)
        quoted = find_quoted(tenant_id, [message])
        stale = message.pk in find_stale(tenant_id, [message], time.time())
    price = price_of(message, estimate_messages(tenant_id, [message]))
    facts = message_facts(message, changes, file, quoted, stale=stale)
    return MessageWithTimeline(**facts, price=price, timeline=timeline)


@router.post("/messages/{message_id}/cancel", response=MessageWithTimeline, operation_id="cancel_message")
def cancel(request: HttpRequest, message_id: str) -> MessageWithTimeline:
    """Take back a message that waits to be sent, or whose time has not come: it fails with `cancelled`.

    409 once it is being sent, was sent, has failed, or may have been sent. Cancelling it again changes nothing.
    """
    tenant_id, uid = tenant_of(request), parse_id(message_id)
    deed = AuditRecord(actor_of(request), tenant_id, AuditAction.MESSAGE_CANCELLED, f"message:{uid}")
    if write(audited, deed, cancel_message, tenant_id, uid):
        log.info(Event.MESSAGE_CANCELLED, message=str(uid))
    return get_message(request, message_id)
