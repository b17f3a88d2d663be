"""The overview: how many of everything a tenant has now. No table is counted without an index."""

import time
from typing import Any, Final, NamedTuple

from django.db.models import Count, F

from hailgate.accounts.alarms import find_alarms
from hailgate.console.dead_letters.queries import stopped_work
from hailgate.console.operations.channel_rows import ChannelRow, list_channels
from hailgate.messaging.deadletters.dead_letters import find_letters
from hailgate.messaging.models import PERSON, Conversation, EventState, WebhookEvent, WorkState
from hailgate.messaging.upkeep.queue_stats import UNDONE, count_queue, oldest_undone

DAY_S: Final = 86_400.0
# Beyond this many, figures say "at least" by being this many.
MOST_COUNTED: Final = 10_000


class Overview(NamedTuple):
    active: int
    unread: int
    assistant: int
    waiting: int
    oldest_s: float
    dead: int
    parked: int
    pending: int
    alarms: int
    channels: list[ChannelRow]


def look_over(tenant_id: int) -> Overview:
    now = time.time()
    conversations = Conversation.objects.filter(tenant_id=tenant_id)
    stopped = dict(stopped_work(tenant_id).values_list("state").annotate(count=Count("id")))
    rows = count_queue(tenant_id)
    active = _active(tenant_id, now - DAY_S)
    return Overview(
        active=len(active),
        unread=conversations.filter(answered_by=PERSON, last_inbound_id__gt=F("seen_id"))[:MOST_COUNTED].count(),
        assistant=sum(answered_by != PERSON for answered_by in active),
        waiting=sum(row.number for row in rows if row.state in UNDONE),
        oldest_s=max(oldest_undone(rows).values(), default=0.0),
        dead=find_letters(tenant_id).exclude(state="unknown")[:MOST_COUNTED].count(),
        parked=stopped.get(WorkState.PARKED, 0),
        pending=WebhookEvent.objects.filter(tenant_id=tenant_id, state=EventState.PENDING).count(),
        alarms=find_alarms(tenant_id).filter(cleared_at=None).count(),
        channels=list_channels(tenant_id),
    )


def _active(tenant_id: int, since: float) -> list[str]:
    """Who answers each conversation with a message since then, among the newest of them."""
    recent = Conversation.objects.filter(tenant_id=tenant_id, last_message_id__gt=0).order_by("-last_message_id")
    newest: Any = recent.values_list("last_message_at", "answered_by")[:MOST_COUNTED]
    return [answered_by for at, answered_by in newest if at is not None and at.timestamp() >= since]
