"""Sweeps: what no event brings about, such as taking over from the dead, promoting what is due, cleaning up."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from hailgate.messaging.channels.session_views import forget_codes
from hailgate.messaging.inbound.echoes import release_held
from hailgate.messaging.inbound.edits import apply_early_changes
from hailgate.messaging.inbound.statuses import apply_early_statuses
from hailgate.messaging.outbound.expire import EXPIRED_AT_ONCE, bury_expired
from hailgate.messaging.outbound.failover import declare_dead, find_ended
from hailgate.messaging.outbound.parked import settle_parked
from hailgate.messaging.people.early_changes import apply_early_contacts
from hailgate.messaging.people.joins import join_proven
from hailgate.messaging.store.notify import Wake
from hailgate.messaging.store.ports import Db
from hailgate.messaging.templates.sync import claim_business
from hailgate.messaging.upkeep.alarm_checks import keeps_house
from hailgate.messaging.upkeep.pull_in import pull_in
from hailgate.messaging.upkeep.purge import Housekeeping, RetentionPeriods
from hailgate.messaging.work.sweep import promote_all, promote_lost_heads
from hailgate.pipeline.loop import apart
from hailgate.pipeline.retention import EVERY_S as RETENTION_EVERY_S
from hailgate.pipeline.retention import Retention
from hailgate.pipeline.template_sync import TemplateLister
from hailgate.pipeline.wakes import Wakes
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log
from hailgate.telemetry.metrics import FORGOTTEN_HEADS, TAKEN_OVER

FORGOTTEN_EVERY_S = 15.0
HOUSEKEEPING_EVERY_S = 3600.0
HOUSEKEEPING_REST_S = 0.1


class Patience(NamedTuple):
    """Seconds: between two looks round, of a lease, of a hold, the longest wait of a turn, and the longest rest that
    a provider asks for.
    """

    poll_s: float
    lease_s: float
    hold_s: float
    longest_turn_s: float
    longest_rest_s: float


class Sweeps:
    """``find_strays`` gives back what this worker holds without knowing; ``begin`` makes duties of what has none."""

    def __init__(
        self,
        db: Db,
        worker_id: int,
        patience: Patience,
        find_strays: Callable[[], Awaitable[None]],
        begin: Sequence[Callable[[], int]],
    ) -> None:
        self._db, self._worker_id, self._patience, self._find_strays = db, worker_id, patience, find_strays
        self._begin = begin
        self._looked_at = time.monotonic()

    async def step(self) -> None:
        await self._apart(self._take_over())
        for look_round in (
            promote_all,
            settle_parked,
            join_proven,
            apply_early_statuses,
            apply_early_changes,
            apply_early_contacts,
            forget_codes,
            release_held,
        ):
            await self._apart(self._db(look_round))
        for begin in self._begin:
            await self._apart(self._db(begin))
        if time.monotonic() >= self._looked_at + FORGOTTEN_EVERY_S:
            self._looked_at = time.monotonic()
            await self._look_for_forgotten()
        await asyncio.sleep(self._patience.poll_s)

    async def _look_for_forgotten(self) -> None:
        patience = self._patience
        FORGOTTEN_HEADS.inc(await self._apart(self._db(promote_lost_heads)) or 0)
        await self._apart(self._db(pull_in, patience.longest_turn_s, patience.hold_s, patience.longest_rest_s))
        buried: int | None = EXPIRED_AT_ONCE
        while buried == EXPIRED_AT_ONCE:
            buried = await self._apart(self._db(bury_expired))
        await self._find_strays()

    async def _take_over(self) -> None:
        lease_s, hold_s = self._patience.lease_s, self._patience.hold_s
        for other in await self._db(find_ended, self._worker_id, lease_s):
            freed = await self._apart(self._db(declare_dead, other, lease_s, hold_s))
            if freed is not None:
                TAKEN_OVER.inc()
                log.warning(Event.WORKER_TOOK_OVER, worker=self._worker_id, other=other, count=freed)

    async def _apart(self, part: Awaitable[int | None]) -> int | None:
        return await apart(self._worker_id, part)


class Upkeep:
    """What one worker does for all, with a rest after every few rows: whoever sends or writes goes first."""

    def __init__(self, db: Db, worker_id: int, kept: RetentionPeriods, retention: Retention) -> None:
        self._db, self._worker_id, self._kept, self._retention = db, worker_id, kept, retention

    async def keep_house(self) -> None:
        await asyncio.sleep(HOUSEKEEPING_EVERY_S)
        if not await self._db(keeps_house, self._worker_id):
            return
        house = Housekeeping(self._kept)
        more = True
        while more:
            more = await self._db(house.some)
            await asyncio.sleep(HOUSEKEEPING_REST_S)

    async def retain(self) -> None:
        """Apart from the other sweeps, which must not wait for a store of files."""
        await asyncio.sleep(RETENTION_EVERY_S)
        await self._retention.sweep()


class TemplateSync:
    """The lists of templates that are due, one after the other."""

    def __init__(self, db: Db, listing: TemplateLister, wakes: Wakes) -> None:
        self._db, self._listing, self._wakes = db, listing, wakes

    async def step(self) -> None:
        claimed = await self._db(claim_business)
        if claimed:
            await self._listing.bring(claimed)
        else:
            await self._wakes.wait(Wake.TEMPLATES)
