"""What is done about a session: what is wanted, what is seen, and what a person with the phone must do."""

import pytest

from hailgate.core.sessions import (
    HANGS_AFTER_S,
    LAST_RESTART_S,
    LOOK_S,
    PairingCode,
    SessionAct,
    SessionReport,
    SessionState,
    SessionWish,
    Standing,
    next_act,
    next_look,
    settle,
    shows_another_code,
)

NOW = 1000.0
CLOSED, STARTING, PAIRING, OPEN, UNPAIRED = SessionState
SCANNING = Standing(PAIRING, SessionWish.PAIR, NOW, pair_until=NOW + 60)
KEPT_OPEN = Standing(OPEN, SessionWish.OPEN, NOW - 3600)


@pytest.mark.parametrize(
    ("seen", "standing", "act"),
    [
        (OPEN, KEPT_OPEN, SessionAct.LOOK),
        (CLOSED, KEPT_OPEN, SessionAct.START),
        (STARTING, KEPT_OPEN, SessionAct.LOOK),
        (PAIRING, SCANNING, SessionAct.LOOK),
        (PAIRING, SCANNING._replace(pair_until=NOW - 1), SessionAct.CLOSE),
        (PAIRING, KEPT_OPEN, SessionAct.CLOSE),
        (UNPAIRED, KEPT_OPEN._replace(state=UNPAIRED, starts=1), SessionAct.LOOK),
        (CLOSED, KEPT_OPEN._replace(state=UNPAIRED, starts=1), SessionAct.LOOK),
        (CLOSED, KEPT_OPEN._replace(state=UNPAIRED), SessionAct.START),
        (CLOSED, SCANNING._replace(state=UNPAIRED), SessionAct.START),
        (OPEN, KEPT_OPEN._replace(state=CLOSED), SessionAct.START),
        (OPEN, KEPT_OPEN._replace(state=UNPAIRED), SessionAct.START),
        (OPEN, SCANNING, SessionAct.LOOK),
        (OPEN, KEPT_OPEN._replace(wish=SessionWish.CLOSE), SessionAct.CLOSE),
        (CLOSED, KEPT_OPEN._replace(wish=SessionWish.CLOSE), SessionAct.LOOK),
        (CLOSED, KEPT_OPEN._replace(wish=SessionWish.LOG_OUT), SessionAct.LOG_OUT),
        (UNPAIRED, KEPT_OPEN._replace(wish=SessionWish.LOG_OUT), SessionAct.LOOK),
        (CLOSED, KEPT_OPEN._replace(wish=SessionWish.DELETE), SessionAct.DELETE),
        (OPEN, KEPT_OPEN._replace(wish=SessionWish.DELETE), SessionAct.DELETE),
        (UNPAIRED, KEPT_OPEN._replace(wish=SessionWish.DELETE), SessionAct.LOOK),
    ],
)
def test_what_is_done_follows_from_what_is_wanted_and_what_is_seen(seen, standing, act):
    assert next_act(seen, standing, NOW) is act


def test_a_start_that_hangs_is_ended_and_begun_anew():
    hanging = Standing(STARTING, SessionWish.OPEN, NOW)
    assert next_act(STARTING, hanging, NOW + HANGS_AFTER_S) is SessionAct.LOOK
    assert next_act(STARTING, hanging, NOW + HANGS_AFTER_S + 1) is SessionAct.RESTART


SCANNED, TYPED = PairingCode("2@x", False, 45.0), PairingCode("ABCD1234", True, 160.0)


@pytest.mark.parametrize(
    ("code", "typed", "starts", "other"),
    [
        (SCANNED, False, 0, False),
        (TYPED, True, 0, False),
        (SCANNED, True, 0, True),
        (TYPED, False, 0, True),
        (None, True, 0, True),
        (SCANNED, True, 1, False),
        (None, True, 1, False),
    ],
)
def test_a_code_of_an_earlier_wish_is_replaced_once(code, typed, starts, other):
    report = SessionReport(state=PAIRING, code=code)
    assert shows_another_code(report, SCANNING._replace(starts=starts), typed=typed) is other


@pytest.mark.parametrize(
    ("seen", "standing", "state"),
    [
        (PAIRING, SCANNING, PAIRING),
        (PAIRING, KEPT_OPEN, UNPAIRED),
        (PAIRING, SCANNING._replace(pair_until=NOW - 1), UNPAIRED),
        (CLOSED, KEPT_OPEN, CLOSED),
        (CLOSED, KEPT_OPEN._replace(state=UNPAIRED), UNPAIRED),
        (OPEN, KEPT_OPEN._replace(state=UNPAIRED), OPEN),
    ],
)
def test_a_code_that_nobody_asked_for_means_that_the_phone_is_gone(seen, standing, state):
    assert settle(seen, standing, NOW) is state


def test_restarts_grow_apart_and_none_is_put_off_for_long():
    waits = [next_look(CLOSED, KEPT_OPEN._replace(starts=starts), NOW, lambda: 1.0) - NOW for starts in range(12)]
    assert waits[0] == 5.0
    assert waits == sorted(waits)
    assert waits[-1] == LAST_RESTART_S
    assert next_look(CLOSED, KEPT_OPEN, NOW, lambda: 0.0) == NOW + 2.5


def test_what_is_closed_on_purpose_is_not_looked_at_again():
    closed = KEPT_OPEN._replace(wish=SessionWish.CLOSE)
    assert next_look(CLOSED, closed, NOW, lambda: 0.5) is None
    assert next_look(OPEN, closed, NOW, lambda: 0.5) == NOW + LOOK_S[STARTING]
    assert next_look(OPEN, KEPT_OPEN, NOW, lambda: 0.5) == NOW + LOOK_S[OPEN]


def test_a_code_does_not_show_itself():
    assert "2@secret" not in repr(PairingCode("2@secret", False, 20.0))
