"""Who hands in messages faster than they may: 429 before anything is read or stored, and how much is left."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Final

from hailgate.core import limits
from hailgate.core.errors import RateLimited
from hailgate.edge.http.counters import Blocks, Shared, SharedAway
from hailgate.messaging.outbound.quotas import RateLimit
from hailgate.telemetry.metrics import CALLERS_REFUSED, of_tenant

NAMES: Final = {"tenant": "This tenant", "key": "This API key"}


class RateLimits:
    """Counted by all processes together where there is something ``shared``; else, and while it is away, by each.

    ``clock`` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, shared: Shared | None = None) -> None:
        self._clock = clock
        self._tats: dict[int, float] = {}
        self._blocks = Blocks(shared, clock) if shared else None

    async def spend(self, paces: Sequence[RateLimit], count: int = 1) -> Mapping[str, str]:
        """What the answer says of it. Raises RateLimited; then nothing is spent.

        A batch is taken or refused as a whole: what is beyond its limit is borrowed, and those after it wait for it.
        """
        if not paces:
            return {}
        now = self._clock()
        wait, slowest = await self._take(paces, count, now)
        if wait > 0:
            CALLERS_REFUSED.labels(of_tenant(slowest.tenant_id), slowest.of).inc()
            rate = 1 / slowest.limit.interval
            raise RateLimited(
                f"{NAMES[slowest.of]} may hand in {rate:g} messages a second; wait for Retry-After.",
                retry_after=wait,
                headers=_headers(slowest, 0, wait),
            )
        tightest = min(paces, key=lambda pace: self._left(pace, now))
        return _headers(tightest, self._left(tightest, now), self._full_in(tightest, now))

    async def _take(self, paces: Sequence[RateLimit], count: int, now: float) -> tuple[float, RateLimit]:
        """The longest wait; 0 where all have given."""
        wait, slowest = max(((self._wait(pace, now), pace) for pace in paces), key=itemgetter(0))
        if wait <= 0 and self._blocks is not None:
            wait, slowest = await self._take_shared(self._blocks, paces, count)
        if wait <= 0:
            for pace in paces:
                self._tats[pace.id] = max(self._tats.get(pace.id, 0.0), now) + count * pace.limit.interval
        return wait, slowest

    async def _take_shared(self, blocks: Blocks, paces: Sequence[RateLimit], count: int) -> tuple[float, RateLimit]:
        taken: list[RateLimit] = []
        try:
            for pace in paces:
                if wait := await blocks.take(pace.id, pace.limit, count):
                    for other in taken:
                        blocks.give_back(other.id, count)
                    return wait, pace
                taken.append(pace)
        except SharedAway:  # what this process has counted for itself holds
            pass
        return 0.0, paces[0]

    def _wait(self, pace: RateLimit, now: float) -> float:
        return limits.ready_at(pace.limit, self._tats.get(pace.id, 0.0)) - now

    def _left(self, pace: RateLimit, now: float) -> int:
        return max(0, math.floor(pace.limit.burst - self._debt(pace, now) / pace.limit.interval + 1e-6))

    def _full_in(self, pace: RateLimit, now: float) -> float:
        return self._debt(pace, now)

    def _debt(self, pace: RateLimit, now: float) -> float:
        return max(0.0, self._tats.get(pace.id, 0.0) - now)


def _headers(pace: RateLimit, left: int, reset_s: float) -> Mapping[str, str]:
    """Of the IETF's draft: how many in how many seconds, how many are left, when all will be; and as it was before."""
    window, reset = math.ceil(pace.limit.burst * pace.limit.interval), math.ceil(reset_s)
    return {
        "RateLimit-Policy": f'"{pace.of}";q={pace.limit.burst};w={window}',
        "RateLimit": f'"{pace.of}";r={left};t={reset}',
        "X-RateLimit-Limit": str(pace.limit.burst),
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": str(reset),
    }
