"""Calls to hooks whose signature did not hold: counted at once, kept without their bodies, written now and then.

A flood of forgeries costs no more than one short ring in memory and one transaction a second.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from hailgate.core.errors import StoreUnavailable
from hailgate.messaging.channels.hooks import HookView
from hailgate.messaging.store.ports import Db
from hailgate.messaging.store.sql import atomic_cursor
from hailgate.messaging.store.tables import REJECTED_CALL
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log
from hailgate.telemetry.metrics import REJECTED_WEBHOOKS

KEPT: Final = 100
MOST_HOOKS: Final = 1_000
EVERY_S: Final = 1.0


class Rejection(NamedTuple):
    at: float
    reason: str
    size: int


Place = tuple[int, int]
"""Tenant and hook."""


class Rejections:
    def __init__(self, db: Db) -> None:
        self._db = db
        self._rings: dict[Place, deque[Rejection]] = {}
        self._told: set[int] = set()

    def note(self, hook: HookView, reason: str, size: int) -> None:
        REJECTED_WEBHOOKS.inc()
        if hook.id not in self._told:  # once per hook and second: a flood must not fill the log either
            self._told.add(hook.id)
            log.warning(Event.WEBHOOK_REJECTED, hook=hook.id, provider=hook.spec.name, size=size)
        place = (hook.tenant_id, hook.id)
        if place in self._rings or len(self._rings) < MOST_HOOKS:
            self._rings.setdefault(place, deque(maxlen=KEPT)).append(Rejection(time.time(), reason[:200], size))

    async def write_for_ever(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await self.write()

    async def write(self) -> None:
        """What the store cannot take is forgotten: it is of interest, but nothing was promised."""
        rings, self._rings = self._rings, {}
        self._told.clear()
        if rings:
            with suppress(StoreUnavailable):
                await self._db(record_rejected, rings)


def record_rejected(calls: Mapping[Place, Sequence[Rejection]]) -> None:
    """Add calls and keep the last ones of each hook."""
    with atomic_cursor() as cursor:
        columns = ("tenant_id", "hook_id", "at", "reason", "size")
        places = sorted(calls)
        REJECTED_CALL.insert(cursor, columns, [(*place, *call) for place in places for call in calls[place]])
        for tenant_id, hook_id in places:
            cursor.execute(
                "DELETE FROM messaging_rejectedcall WHERE tenant_id = %s AND hook_id = %s AND id <= ("
                "SELECT id FROM messaging_rejectedcall WHERE tenant_id = %s AND hook_id = %s "
                "ORDER BY id DESC LIMIT 1 OFFSET %s)",
                [tenant_id, hook_id, tenant_id, hook_id, KEPT],
            )
