"""Silence: since when a channel that hears nothing has been quiet for too long. Pure.

How long is too long, the channel itself has shown: twice the longest gap in what came in at the same hours of the last
four weeks, and two hours at the least. Hours of the week, since a practice that is closed on Sundays is not cut off.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

LEAST_S: Final = 2 * 3600.0
# A gap of half of the least changes nothing.
LEAST_GAP_S: Final = LEAST_S / 2
WEEK_S: Final = 7 * 86_400.0
WEEKS: Final = 4
# Without a week of history nothing is usual yet.
LEAST_HISTORY_S: Final = WEEK_S
# People come a little earlier or later than a week ago.
EITHER_WAY_S: Final = 3600.0


class Gap(NamedTuple):
    """From one message that came in to the next; in seconds since the epoch."""

    begun: float
    ended: float

    @property
    def length(self) -> float:
        return self.ended - self.begun


def too_quiet_from(last: float, gaps: Iterable[Gap]) -> float:
    """The moment from which it has been quiet for too long, if nothing came in after ``last``.

    ``gaps`` are those of the last four weeks that are longer than `LEAST_GAP_S`. The longer the silence, the more hours
    are compared; it is too long once twice the longest gap in them is shorter.
    """
    known = list(gaps)
    moment = last + LEAST_S
    while (later := last + max(LEAST_S, 2 * _longest(known, last, moment))) > moment:
        moment = later
    return moment


def _longest(gaps: Iterable[Gap], begun: float, ended: float) -> float:
    """Of the gaps that lie, wholly or in part, in the same hours of an earlier week."""
    return max((gap.length for gap in gaps if _is_usual(gap, begun, ended)), default=0.0)


def _is_usual(gap: Gap, begun: float, ended: float) -> bool:
    return any(
        gap.begun < ended - weeks * WEEK_S + EITHER_WAY_S and gap.ended > begun - weeks * WEEK_S - EITHER_WAY_S
        for weeks in range(1, WEEKS + 1)
    )
