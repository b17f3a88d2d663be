"""Who hands in messages faster than they may: 429 before anything is read or stored, and how much is left."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Final

from hailgate.core import limits
from hailgate.core.errors import RateLimited
from hailgate.messaging.allowances import Pace
from hailgate.telemetry import CALLERS_REFUSED, of_tenant

NAMES: Final = {"tenant": "This tenant", "key": "This API key"}


class Paces:
    """Counted by this process for itself: with several web processes each lets the whole rate pass.

    ``clock`` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tats: dict[int, float] = {}

    def spend(self, paces: Sequence[Pace], count: int = 1) -> Mapping[str, str]:
        """What the answer says of it. Raises RateLimited; then nothing is spent.

        A batch is taken or refused as a whole: what is beyond its limit is borrowed, and those after it wait for it.
        """
        if not paces:
            return {}
        now = self._clock()
        wait, slowest = max(((self._wait(pace, now), pace) for pace in paces), key=itemgetter(0))
        if wait > 0:
            CALLERS_REFUSED.labels(of_tenant(slowest.tenant_id), slowest.of).inc()
            rate = 1 / slowest.limit.interval
            raise RateLimited(
                f"{NAMES[slowest.of]} may hand in {rate:g} messages a second; wait for Retry-After.",
                retry_after=math.ceil(wait),
            )
        for pace in paces:
            self._tats[pace.id] = max(self._tats.get(pace.id, 0.0), now) + count * pace.limit.interval
        return self._standing(min(paces, key=lambda pace: self._left(pace, now)), now)

    def _wait(self, pace: Pace, now: float) -> float:
        return limits.ready_at(pace.limit, self._tats.get(pace.id, 0.0)) - now

    def _left(self, pace: Pace, now: float) -> int:
        debt = max(0.0, self._tats[pace.id] - now)
        return max(0, math.floor(pace.limit.burst - debt / pace.limit.interval + 1e-6))

    def _standing(self, pace: Pace, now: float) -> Mapping[str, str]:
        """The RateLimit headers of the draft: how many in how many seconds, how many are left, when all will be."""
        window = math.ceil(pace.limit.burst * pace.limit.interval)
        full_in = math.ceil(max(0.0, self._tats[pace.id] - now))
        return {
            "RateLimit-Policy": f'"{pace.of}";q={pace.limit.burst};w={window}',
            "RateLimit": f'"{pace.of}";r={self._left(pace, now)};t={full_in}',
        }
