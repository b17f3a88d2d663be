"""The queue while it moves: what stands where, channel by channel, and what holds it. The page asks again and again."""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from hailgate.accounts.operators import CurrentOperator
from hailgate.console.operations.channel_rows import ChannelRow, show_channel
from hailgate.console.sign_in.access import is_partial, signed_in
from hailgate.messaging.deadletters.dead_letters import find_letters
from hailgate.messaging.models import Channel, WorkKind, WorkState
from hailgate.messaging.upkeep.queue_stats import UNDONE, Rows, count_queue, oldest_undone

# Several who look ask the store once, and however long it takes, for a twentieth of the time at most.
COUNTED_FOR_S: Final = 2.0
REST: Final = 20.0
MOST_REMEMBERED: Final = 1_000


class QueueRow(NamedTuple):
    """``next_s`` is how long its own rate holds the channel back from now; 0 where it may send."""

    channel: ChannelRow
    to_send: int
    sending: int
    unknown: int
    dead: int
    oldest_s: float
    next_s: float


class Queue(NamedTuple):
    to_send: int
    sending: int
    stopped: int
    oldest_s: float
    channels: Sequence[QueueRow]


@require_GET
@signed_in
def show_queue(request: HttpRequest, viewer: CurrentOperator) -> HttpResponse:
    page = "console/_queue.html" if is_partial(request) else "console/queue.html"
    context = {"section": "overview", "queue": look_at(viewer.tenant_id, _counts.of(viewer.tenant_id))}
    return render(request, page, context)


def look_at(tenant_id: int, rows: Sequence[Rows]) -> Queue:
    now = time.time()
    oldest = oldest_undone(rows)
    counts = {(row.channel_id, row.state): row.number for row in rows}
    channels = []
    for channel in Channel.objects.filter(tenant_id=tenant_id).order_by("name"):
        waiting, ready, sending, unknown, dead = (counts.get((channel.pk, state), 0) for state in WorkState)
        shown = show_channel(channel, waiting + ready + sending)
        channels.append(
            QueueRow(
                channel=shown,
                to_send=waiting + ready,
                sending=sending,
                unknown=unknown,
                dead=dead,
                oldest_s=oldest.get((tenant_id, channel.pk), 0.0),
                next_s=max(0.0, channel.ready_at - now) if shown.state == "ok" and waiting + ready else 0.0,
            )
        )
    return Queue(
        to_send=sum(row.to_send for row in channels),
        sending=sum(row.sending for row in channels),
        stopped=sum(row.unknown + row.dead for row in channels),
        oldest_s=max((row.oldest_s for row in channels), default=0.0),
        channels=channels,
    )


class Counts:
    """The last count of each tenant, as long as it may stand."""

    def __init__(self, count: Callable[[int], Sequence[Rows]]) -> None:
        self._count, self._lock = count, threading.Lock()
        self._known: OrderedDict[int, tuple[float, Sequence[Rows]]] = OrderedDict()

    def of(self, tenant_id: int) -> Sequence[Rows]:
        with self._lock:
            until, rows = self._known.get(tenant_id, (0.0, ()))
        begun = time.monotonic()
        if begun < until:
            return rows
        rows = self._count(tenant_id)
        took = time.monotonic() - begun
        with self._lock:
            self._known[tenant_id] = (begun + max(COUNTED_FOR_S, took * REST), rows)
            self._known.move_to_end(tenant_id)
            while len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
        return rows


def count_shown(tenant_id: int) -> Sequence[Rows]:
    """What waits, and what has stopped as the list of stopped messages and the overview have it."""
    stopped: Counter[tuple[int, WorkState]] = Counter()
    ended = find_letters(tenant_id).order_by().values_list("channel_id", "state").annotate(number=Count("id"))
    for channel_id, state, number in ended:
        stopped[channel_id, WorkState.PARKED if state == "unknown" else WorkState.DEAD] += number
    return [
        *(row for row in count_queue(tenant_id) if row.state in UNDONE),
        *(Rows(tenant_id, id_, WorkKind.DELIVERY, state, number, 0.0) for (id_, state), number in stopped.items()),
    ]


_counts: Final = Counts(count_shown)
