"""What a channel may spend on retries: a fifth of what it sends for the first time, and a small floor.

Trouble that is not bad enough for the breaker would otherwise be answered with ever more calls. The state is one
number, that of the floor's rate (`limits`): a retry moves it ahead, and each first attempt pulls it back by a fifth of
that. Within any stretch of T seconds a channel repeats at most `burst + T / interval` and a fifth of its first
attempts. The fifth holds for each channel, and so it holds for its tenant.
"""

from hailgate.core import limits
from hailgate.core.limits import Limit

# Of the first attempts: a full outage then costs 1.2 calls for each message, and what the floor adds.
SHARE = 0.2

# The floor: sixty a minute, half of them at once, so that a lone message's retries need no traffic of others.
FLOOR_INTERVAL = 2.0
FLOOR_STRETCH = 60.0

# So many messages that passed in a row say that the trouble is over: from then on nothing counts as a retry.
WELL_AFTER = 20

# A slow channel gives a tenth of its pace to the floor.
FLOOR_SHARE = 0.1


def floor_of(rate: Limit) -> Limit:
    """What a channel of this rate may repeat without having sent anything new."""
    interval = max(FLOOR_INTERVAL, rate.interval / FLOOR_SHARE)
    return Limit(interval, max(1, int(FLOOR_STRETCH / interval)))


def spend(floor: Limit, tat: float, now: float, first: int, retries: int) -> float:
    """The new state after so many first attempts and retries, of which no more than `limits.available` may be given."""
    earned = max(min(tat, now), tat - SHARE * floor.interval * first)
    return limits.spend(floor, earned, now, retries) if retries else earned


def divide(room: int, first: int, retries: int, *, probing: bool = False) -> tuple[int, int]:
    """How many of each run, where there is room for so many together.

    Retries have a fifth of the room, and one at least, so that they never wait for a queue to end; what either does not
    need is the other's. A probe of a provider that is down is a message that has not been tried, where there is one:
    the same few would be tried to death.
    """
    reserved = 0 if probing else min(retries, max(1, int(room * SHARE)))
    chosen = min(first, max(0, room - reserved))
    return chosen, min(retries, room - chosen)
