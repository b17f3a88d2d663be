"""The loop of ingest: each hook's webhooks, in the order in which they came."""

import math
import time
from collections.abc import Iterable

from hailgate.accounts.alarms import raise_alarm
from hailgate.core.alarms import Alarm, Cause
from hailgate.messaging.inbound.echoes import release_held
from hailgate.messaging.inbound.ingest import Ingested, hooks_with_events
from hailgate.messaging.store.notify import Wake
from hailgate.messaging.store.ports import Db
from hailgate.pipeline.inbound import Inbound
from hailgate.pipeline.loop import apart
from hailgate.pipeline.wakes import Wakes
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log
from hailgate.telemetry.metrics import INGESTED


class Ingesting:
    def __init__(self, db: Db, worker_id: int, wakes: Wakes, inbound: Inbound) -> None:
        self._db, self._worker_id, self._wakes, self._inbound = db, worker_id, wakes, inbound
        # Of time.monotonic(): when the first of those that wait to be put in order has waited long enough.
        self._settled_at = math.inf

    async def step(self) -> None:
        if time.monotonic() >= self._settled_at:
            self._settled_at = math.inf
            await apart(self._worker_id, self._db(release_held))
        taken = 0
        for hook_id in await self._db(hooks_with_events):
            taken += await apart(self._worker_id, self._ingest(hook_id)) or 0
        if not taken:
            await self._wakes.wait(Wake.INGEST, self._settled_at - time.monotonic())

    async def _ingest(self, hook_id: int) -> int:
        ingested = await self._inbound.ingest(hook_id)
        _tell(hook_id, ingested)
        hook = await self._inbound.hook(hook_id)
        waits_s = settles_in(ingested.held_s, hook.spec.capabilities.settle_s)
        self._settled_at = min(self._settled_at, time.monotonic() + waits_s)
        if ingested.buried:
            await self._db(raise_alarm, Cause(Alarm.WEBHOOK_BURIED, f"hook:{hook.uid}", hook.tenant_id))
        return ingested.webhooks


def settles_in(ages: Iterable[float], settle_s: float) -> float:
    """Seconds until the oldest that waits to be put in order may go on; what is older waits for something else."""
    return min((settle_s - age for age in ages if age < settle_s), default=math.inf)


def _tell(hook_id: int, ingested: Ingested) -> None:
    for kind, event in (("message", Event.MESSAGE_RECEIVED), ("status", Event.MESSAGE_STATUS)):
        if count := ingested.tally[kind]:
            INGESTED.labels(kind).inc(count)
            log.info(event, hook=hook_id, count=count)
    if ingested.buried:
        log.error(Event.WEBHOOK_BURIED, hook=hook_id, count=ingested.buried)
