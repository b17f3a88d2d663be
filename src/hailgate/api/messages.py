"""One message, with everything that happened to it; and taking back one that has not left."""

from django.http import HttpRequest
from ninja import Router

from hailgate.accounts.audit import Action, Deed, audited
from hailgate.api.access import actor_of, parse_id, tenant_of
from hailgate.api.schemas import MessageWithTimeline, TimelineEntry
from hailgate.api.showing import changes_of, files_of, message_facts
from hailgate.core.errors import NotFound
from hailgate.messaging.cancelling import cancel_message
from hailgate.messaging.models import Message
from hailgate.messaging.sql import one_moment
from hailgate.messaging.timeline import tell_timeline
from hailgate.messaging.writing import write
from hailgate.telemetry import Event, log

router = Router(tags=["Messages"])


@router.get("/messages/{message_id}", response=MessageWithTimeline, operation_id="get_message")
def get_message(request: HttpRequest, message_id: str) -> MessageWithTimeline:
    """A message with its timeline: accepted, each attempt and its outcome, and what the provider reported."""
    tenant_id = tenant_of(request)
    known = Message.objects.filter(tenant_id=tenant_id, uid=parse_id(message_id))
    with one_moment():
        message = known.select_related("conversation", "channel").first()
        if message is None:
            raise NotFound
        timeline = [TimelineEntry(**happening._asdict()) for happening in tell_timeline(message)]
        changes = changes_of(tenant_id, [message]).get(message.id, ())
        file = files_of(tenant_id, [message]).get(message.id)
    return MessageWithTimeline(**message_facts(message, changes, file), timeline=timeline)


@router.post("/messages/{message_id}/cancel", response=MessageWithTimeline, operation_id="cancel_message")
def cancel(request: HttpRequest, message_id: str) -> MessageWithTimeline:
    """Take back a message that waits to be sent, or whose time has not come: it fails with `cancelled`.

    409 once it is being sent, was sent, has failed, or may have been sent. Cancelling it again changes nothing.
    """
    tenant_id, uid = tenant_of(request), parse_id(message_id)
    deed = Deed(actor_of(request), tenant_id, Action.MESSAGE_CANCELLED, f"message:{uid}")
    if write(audited, deed, cancel_message, tenant_id, uid):
        log.info(Event.MESSAGE_CANCELLED, message=str(uid))
    return get_message(request, message_id)
