"""How an unknown outcome ends: by one that fits, by absence that is proven, or not at all."""

import pytest

from hailgate.core.evidence import (
    GIVE_UP_S,
    LAST_LOOK_S,
    LOOKED_FOR_S,
    Findings,
    Looks,
    Verdict,
    judge,
    next_look,
)
from hailgate.env import Environment

NOW = 1000.0
# The conversation is held from the attempt's end, and the search begins at the next round.
WHILE_IT_PARKS_S = 10.0
ABSENT = Findings(newer=True)


def after(*looks: tuple[float, Findings]) -> Verdict:
    """The verdict of looks at these seconds after the first."""
    so_far = Looks(NOW)
    for at, found in looks:
        verdict, so_far = judge(found, so_far, NOW + at)
    return verdict


@pytest.mark.parametrize(
    ("looks", "verdict"),
    [
        ([(0, Findings(matches=("a",)))], Verdict.SENT),
        ([(0, Findings(matches=("a", "b")))], Verdict.AMBIGUOUS),
        ([(0, ABSENT)], Verdict.OPEN),
        ([(0, ABSENT), (60, ABSENT), (120, ABSENT)], Verdict.ABSENT),
        ([(0, ABSENT), (60, ABSENT), (119, ABSENT)], Verdict.OPEN),
        ([(0, ABSENT), (120, ABSENT)], Verdict.OPEN),
        ([(0, ABSENT), (60, Findings()), (120, ABSENT), (180, ABSENT)], Verdict.OPEN),
        ([(0, ABSENT), (60, Findings(newer=True, settled=False)), (120, ABSENT)], Verdict.OPEN),
        ([(0, Findings()), (300, Findings()), (GIVE_UP_S, Findings())], Verdict.GIVEN_UP),
        ([(0, ABSENT), (60, ABSENT), (GIVE_UP_S, ABSENT)], Verdict.ABSENT),
        ([(0, ABSENT), (60, ABSENT), (120, Findings(matches=("a",)))], Verdict.SENT),
    ],
)
def test_the_verdict_follows_from_the_looks(looks, verdict):
    assert after(*looks) is verdict


def test_a_list_that_shows_nothing_newer_never_proves_absence():
    assert after(*((at, Findings()) for at in range(0, int(GIVE_UP_S), 10))) is Verdict.OPEN


def test_looks_spread_over_what_absence_needs():
    looks, at = Looks(NOW), NOW
    for _ in range(20):
        due = next_look(looks, looks.count, at)
        assert 0 < due - at <= LAST_LOOK_S
        _, looks = judge(ABSENT, looks, due)
        at = due
        if looks.empty >= 3 and at - looks.empty_since >= LOOKED_FOR_S:
            break
    assert at - NOW < GIVE_UP_S / 2


@pytest.mark.parametrize("first_shown_s", [0.0, 5.5, 6.5, 13.0])
def test_absence_is_proven_while_the_conversation_is_still_held(first_shown_s):
    """A list shows something newer only once clocks that differ cannot be why."""
    looks, at, verdict = Looks(NOW), NOW, Verdict.OPEN
    while verdict is Verdict.OPEN:
        at = next_look(looks, looks.count, at)
        verdict, looks = judge(ABSENT if at - NOW >= first_shown_s else Findings(), looks, at)
    assert verdict is Verdict.ABSENT
    assert at - NOW < Environment.model_fields["hold_s"].default - WHILE_IT_PARKS_S
