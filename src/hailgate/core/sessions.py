"""Sessions: how a channel that is paired with a phone stands, and what is to be done about it next. Pure.

Times are seconds since the epoch by the database's clock.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

from msgspec import Struct


class SessionState(StrEnum):
    """`CLOSED` may still hold a login; `UNPAIRED` has none any more: only a person with the phone can mend it."""

    CLOSED = "closed"
    STARTING = "starting"
    PAIRING = "pairing"
    OPEN = "open"
    UNPAIRED = "unpaired"


class SessionWish(StrEnum):
    """What people last asked for. `PAIR` is `OPEN` that may show codes, for as long as somebody is there to scan.

    `DELETE` is `LOG_OUT` that leaves nothing of the session on its server.
    """

    OPEN = "open"
    PAIR = "pair"
    CLOSE = "close"
    LOG_OUT = "log_out"
    DELETE = "delete"


class SessionAct(StrEnum):
    """What to do with the other side. `RESTART` ends what hangs and starts it anew."""

    LOOK = "look"
    START = "start"
    RESTART = "restart"
    CLOSE = "close"
    LOG_OUT = "log_out"
    DELETE = "delete"


class PairingCode(Struct, frozen=True):
    """What the phone is shown: the text of a QR code, or (`typed`) a code to type in. Lives `life_s` seconds."""

    value: str
    typed: bool
    life_s: float

    def __repr__(self) -> str:
        return "<PairingCode>"


class SessionReport(Struct, frozen=True, kw_only=True):
    """What the other side said. `number` is the phone's own, once it is paired and where it is told."""

    state: SessionState
    code: PairingCode | None = None
    number: str | None = None
    detail: str = ""


class Standing(NamedTuple):
    """A session as it is on record. `since` is when it came to its state, `starts` how often it was started since."""

    state: SessionState
    wish: SessionWish
    since: float
    starts: int = 0
    pair_until: float = 0.0


# A browser that hangs says so by nothing: no event, and the same state for ever (providers.md 8.1).
HANGS_AFTER_S: Final = 90.0
# A person needs a minute to find the phone and its menu; codes are shown for this long after they were asked for.
PAIRING_S: Final = 300.0
LOOK_S: Final = {
    SessionState.STARTING: 2.0,
    SessionState.PAIRING: 3.0,
    SessionState.OPEN: 30.0,
    SessionState.CLOSED: 30.0,
    SessionState.UNPAIRED: 300.0,
}
FIRST_RESTART_S, LAST_RESTART_S = 5.0, 300.0
# Wishes after which nothing is sent, and those of them that forget the phone.
ENDING: Final = frozenset({SessionWish.CLOSE, SessionWish.LOG_OUT, SessionWish.DELETE})
FORGETTING: Final = {SessionWish.LOG_OUT: SessionAct.LOG_OUT, SessionWish.DELETE: SessionAct.DELETE}


def next_act(seen: SessionState, standing: Standing, now: float) -> SessionAct:
    """Judge what the other side says now against what is wanted."""
    if standing.wish in FORGETTING:
        return SessionAct.LOOK if seen is SessionState.UNPAIRED else FORGETTING[standing.wish]
    if standing.wish is SessionWish.CLOSE:
        return SessionAct.LOOK if seen in {SessionState.CLOSED, SessionState.UNPAIRED} else SessionAct.CLOSE
    if seen in _DOWN or (seen is SessionState.OPEN and standing.state in _DOWN):
        return _start(seen, standing, now)
    if seen is SessionState.STARTING and standing.state is seen and now - standing.since > HANGS_AFTER_S:
        return SessionAct.RESTART
    if seen is SessionState.PAIRING and not may_pair(standing, now):
        return SessionAct.CLOSE
    return SessionAct.LOOK


def shows_another_code(report: SessionReport, standing: Standing, *, typed: bool) -> bool:
    """Whether a code of an earlier wish is shown, to scan where one to type was asked for or the other way round."""
    if report.state is not SessionState.PAIRING or standing.starts:
        return False
    return report.code is None or report.code.typed is not typed


def may_pair(standing: Standing, now: float) -> bool:
    """Whether somebody is there to scan a code."""
    return standing.wish is SessionWish.PAIR and now < standing.pair_until


def settle(seen: SessionState, standing: Standing, now: float) -> SessionState:
    """The state to record: codes that nobody asked for mean that the phone is not paired (any more)."""
    if seen is SessionState.PAIRING and not may_pair(standing, now):
        return SessionState.UNPAIRED
    if seen is SessionState.CLOSED and standing.state is SessionState.UNPAIRED and not may_pair(standing, now):
        return SessionState.UNPAIRED
    return seen


def next_look(state: SessionState, standing: Standing, now: float, random: Callable[[], float]) -> float | None:
    """When to look again; None where nobody waits for anything. Restarts grow apart, each at its own moment."""
    if standing.wish in ENDING:
        return None if state in {SessionState.CLOSED, SessionState.UNPAIRED} else now + LOOK_S[SessionState.STARTING]
    if state is SessionState.CLOSED:
        ceiling = min(FIRST_RESTART_S * 2.0 ** min(standing.starts, 10), LAST_RESTART_S)
        return now + ceiling * (0.5 + random() / 2)
    return now + LOOK_S[state]


_DOWN: Final = frozenset({SessionState.CLOSED, SessionState.UNPAIRED})


def _start(seen: SessionState, standing: Standing, now: float) -> SessionAct:
    """A login that its server still holds is tried once; after that only a person with the phone can mend it.

    What somebody else opened, or what was told to be silent, is started so that it tells us what comes in.
    """
    if seen is SessionState.OPEN:
        return SessionAct.START
    tried = standing.state is SessionState.UNPAIRED and standing.starts > 0
    return SessionAct.LOOK if tried and not may_pair(standing, now) else SessionAct.START
