"""Evidence: how an outcome that nobody knows ends. Pure.

A provider's list of what it sent is asked for the message. One that fits is the message; two that fit prove nothing.
That it is absent is believed only on positive evidence: several looks over minutes, at a list that shows something
newer, so that a list which lags behind cannot make us send twice.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

LOOKS: Final = 3
LOOKED_FOR_S: Final = 120.0
FIRST_LOOK_S, LAST_LOOK_S = 2.0, 60.0
# Counted no further: by then each wait is the last.
MOST_ASKED: Final = 100
# Afterwards a person decides: no list is waited for longer.
GIVE_UP_S: Final = 600.0


class Findings(Struct, frozen=True, kw_only=True):
    """What one look at the provider's list showed.

    `matches` are the provider's ids of messages that fit; `newer` where the list holds something of after the attempt,
    so that it does not lag; `settled` is False while something may still be on its way there (a session that was not
    open throughout, a queue that is not empty).
    """

    matches: tuple[str, ...] = ()
    newer: bool = False
    settled: bool = True


class Verdict(StrEnum):
    SENT = "sent"
    ABSENT = "absent"
    AMBIGUOUS = "ambiguous"
    OPEN = "open"
    GIVEN_UP = "given_up"


class Looks(Struct, frozen=True):
    """The looks so far. `empty` counts those in a row that were evidence of absence, since `empty_since`."""

    since: float
    count: int = 0
    empty: int = 0
    empty_since: float = 0.0


def judge(found: Findings, before: Looks, now: float) -> tuple[Verdict, Looks]:
    """Fold one look in."""
    positive = not found.matches and found.newer and found.settled
    empty_since = before.empty_since if before.empty else now
    after = Looks(before.since, before.count + 1, before.empty + 1 if positive else 0, empty_since if positive else 0.0)
    if len(found.matches) == 1:
        return Verdict.SENT, after
    if found.matches:
        return Verdict.AMBIGUOUS, after
    if after.empty >= LOOKS and now - after.empty_since >= LOOKED_FOR_S:
        return Verdict.ABSENT, after
    return Verdict.GIVEN_UP if now - after.since >= GIVE_UP_S else Verdict.OPEN, after


def next_look(looks: Looks, asked: int, now: float) -> float:
    """Soon at first, when most lists already tell; later no look misses the moment from which absence is proven.

    A conversation is held for little longer than that. `asked` counts the looks so far, and since the last of them the
    times that nobody answered.
    """
    due_at = now + min(FIRST_LOOK_S * 2.0 ** min(asked, MOST_ASKED), LAST_LOOK_S)
    proven_at = looks.empty_since + LOOKED_FOR_S
    return min(due_at, proven_at) if looks.empty and proven_at > now else due_at
