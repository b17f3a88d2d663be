"""Floods: whether a person's messages are answered, when they or their whole tenant write more than a rule allows.

A rule is a rate (see rate limits): `most` messages at once, and as many again over its seconds.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from hailgate.core.limits import Limit, available, spend

# Whoever floods is asked to wait once; again only so long after.
QUIET_S: Final = 600.0


class FloodVerdict(StrEnum):
    """Answer as usual, ask the person to wait, or say nothing."""

    ANSWER = "answer"
    ASK_TO_WAIT = "ask_to_wait"
    SILENCE = "silence"

    @property
    def speaks(self) -> bool:
        return self is not FloodVerdict.SILENCE


class FloodState(NamedTuple):
    """``tat`` as in rate limits. ``told_at`` is when the person was last asked to wait."""

    tat: float = 0.0
    told_at: float | None = None


def pour(limit: Limit | None, state: FloodState, count: int, now: float) -> tuple[bool, FloodState]:
    """Whether ``count`` more messages are too many, and the state after them. Without a rule none ever are."""
    if limit is None:
        return False, state
    free = available(limit, state.tat, now)
    return count > free, state._replace(tat=spend(limit, state.tat, now, min(count, free)))


def judge(state: FloodState, now: float, *, flooded: bool) -> tuple[FloodVerdict, FloodState]:
    """Of a person: asked to wait once, then silence."""
    if not flooded:
        return FloodVerdict.ANSWER, state
    if state.told_at is None or now - state.told_at >= QUIET_S:
        return FloodVerdict.ASK_TO_WAIT, state._replace(told_at=now)
    return FloodVerdict.SILENCE, state
