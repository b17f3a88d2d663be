"""Sessions as the store keeps them: wishes, watches, codes, numbers, and what a channel learns of them."""

import pytest

from hailgate.core.errors import ChannelDisconnected, InputError
from hailgate.core.events import SessionChange
from hailgate.core.sessions import LOOK_S, PAIRING_S, PairingCode, SessionReport, SessionState, SessionWish
from hailgate.core.slots import open_room
from hailgate.messaging.channels.credentials import get_credentials
from hailgate.messaging.channels.derived_secrets import keep_secrets, unseal_secrets
from hailgate.messaging.channels.session_views import find_code, find_session, forget_codes
from hailgate.messaging.channels.session_watch import claim_sessions, postpone_session, record_session
from hailgate.messaging.channels.sessions import NOT_PAIRED, OTHER_NUMBER, confirm_number, wish_session
from hailgate.messaging.models import Session, WorkKind
from hailgate.providers.config import Secret
from messaging.acting import apply, change_channel, channel_row, execute, fresh, work

QR = PairingCode("2@a secret code", False, 45.0)


@pytest.fixture
def unpaired(channel):
    change_channel(channel, paused_at=1.0, paused_reason=NOT_PAIRED)
    return channel_row(channel)


def watch_of(channel):
    (row,) = work(channel.tenant_id, kind=WorkKind.SESSION)
    return row


def see(worker, state, **told):
    """The next watch sees this; returns what was new, or None."""
    (claim,) = claim_sessions(worker, open_room(10)).claims
    return record_session(worker, claim, SessionReport(state=state, **told), False)


def seen_open(worker, channel, number=None):
    wish_session(channel, SessionWish.OPEN)
    return see(worker, SessionState.OPEN, number=number or channel.number)


def test_a_wish_makes_the_watch_due_and_a_second_one_makes_no_second(worker, clock, unpaired):
    first = wish_session(unpaired, SessionWish.PAIR)
    assert wish_session(unpaired, SessionWish.PAIR) == first + 1
    assert watch_of(unpaired).due_at == 0
    assert len(claim_sessions(worker, open_room(10)).claims) == 1


def test_an_open_session_lets_the_channel_send(worker, clock, unpaired):
    news = seen_open(worker, unpaired)
    assert (news.before, news.after) == (SessionState.UNPAIRED, SessionState.OPEN)
    assert channel_row(unpaired).paused_at is None
    assert find_session(unpaired.tenant_id, unpaired.pk).state is SessionState.OPEN
    assert watch_of(unpaired).due_at > clock.now  # it is looked at again


def test_one_that_was_paused_by_hand_stays_so_when_its_session_opens(worker, clock, unpaired):
    change_channel(unpaired, paused_reason="paused_by_hand")
    seen_open(worker, unpaired)
    assert channel_row(unpaired).paused_reason == "paused_by_hand"


def test_a_phone_that_goes_away_stops_the_channel(worker, clock, unpaired):
    seen_open(worker, unpaired)
    clock.forward(60)
    news = see(worker, SessionState.PAIRING, code=QR)  # nobody asked for a code
    assert news.after is SessionState.UNPAIRED
    assert channel_row(unpaired).paused_reason == ChannelDisconnected.code
    assert find_code(unpaired.tenant_id, unpaired.pk) is None


def test_a_result_for_an_earlier_wish_changes_nothing(worker, clock, unpaired):
    wish_session(unpaired, SessionWish.PAIR)
    (claim,) = claim_sessions(worker, open_room(10)).claims
    wish_session(unpaired, SessionWish.LOG_OUT)
    assert record_session(worker, claim, SessionReport(state=SessionState.OPEN), True) is None
    assert find_session(unpaired.tenant_id, unpaired.pk).state is SessionState.UNPAIRED
    assert channel_row(unpaired).paused_reason == NOT_PAIRED
    assert watch_of(unpaired).due_at == 0  # the new wish is next


def test_a_worker_that_was_declared_dead_records_nothing(worker, clock, unpaired):
    wish_session(unpaired, SessionWish.PAIR)
    (claim,) = claim_sessions(worker, open_room(10)).claims
    execute(f"UPDATE messaging_worker SET alive = FALSE WHERE id = {worker}")
    assert record_session(worker, claim, SessionReport(state=SessionState.OPEN), True) is None


def test_a_code_is_sealed_shown_while_it_lives_and_forgotten(worker, clock, unpaired):
    wish_session(unpaired, SessionWish.PAIR)
    see(worker, SessionState.PAIRING, code=QR)
    session = Session.objects.get(tenant_id=unpaired.tenant_id)
    assert QR.value not in session.code
    shown = find_code(unpaired.tenant_id, unpaired.pk)
    assert (shown.value, shown.typed) == (QR.value, False)
    clock.forward(QR.life_s + 1)
    assert find_code(unpaired.tenant_id, unpaired.pk) is None
    assert forget_codes() == 1
    assert fresh(session).code == ""
    assert forget_codes() == 0


def test_a_code_is_not_shown_to_another_tenant(worker, clock, unpaired):
    wish_session(unpaired, SessionWish.PAIR)
    see(worker, SessionState.PAIRING, code=QR)
    assert find_code(unpaired.tenant_id + 1, unpaired.pk) is None
    assert find_session(unpaired.tenant_id + 1, unpaired.pk) is None


def test_once_paired_another_code_means_that_the_phone_is_gone(worker, clock, unpaired):
    wish_session(unpaired, SessionWish.PAIR)
    see(worker, SessionState.OPEN, number=unpaired.number)
    assert find_session(unpaired.tenant_id, unpaired.pk).wish is SessionWish.OPEN
    clock.forward(60)
    assert see(worker, SessionState.PAIRING, code=QR).after is SessionState.UNPAIRED


def test_pairing_ends_when_nobody_scanned_in_time(worker, clock, unpaired):
    wish_session(unpaired, SessionWish.PAIR)
    see(worker, SessionState.PAIRING, code=QR)
    clock.forward(PAIRING_S + 1)
    assert see(worker, SessionState.PAIRING, code=QR).after is SessionState.UNPAIRED


@pytest.mark.parametrize("number", ["", "15550100000"])
def test_the_phone_tells_the_number_of_a_channel_that_has_none(worker, clock, unpaired, number):
    change_channel(unpaired, number="")
    wish_session(unpaired, SessionWish.OPEN)
    news = see(worker, SessionState.OPEN, number=number or None)
    assert not news.other_number
    assert channel_row(unpaired).number == number


def test_another_phone_than_expected_sends_nothing_until_it_is_confirmed(worker, clock, unpaired):
    version = unpaired.version
    assert seen_open(worker, unpaired, "15559999999").other_number
    assert channel_row(unpaired).paused_reason == OTHER_NUMBER
    clock.forward(60)
    assert not see(worker, SessionState.OPEN, number="15559999999").other_number  # told once
    assert find_session(unpaired.tenant_id, unpaired.pk).unconfirmed == "15559999999"
    assert confirm_number(unpaired)
    after = channel_row(unpaired)
    assert (after.number, after.paused_at, after.version) == ("15559999999", None, version + 1)
    assert not confirm_number(unpaired)


def test_another_phone_than_before_is_not_trusted_either(worker, clock, unpaired):
    seen_open(worker, unpaired)
    clock.forward(60)
    assert see(worker, SessionState.OPEN, number="15559999999").other_number


def test_the_right_phone_lets_the_channel_send_again(worker, clock, unpaired):
    seen_open(worker, unpaired, "15559999999")
    clock.forward(60)
    see(worker, SessionState.OPEN, number=unpaired.number)
    assert (channel_row(unpaired).paused_reason, find_session(unpaired.tenant_id, unpaired.pk).unconfirmed) == ("", "")


def test_until_the_number_is_told_nobody_knows_whose_phone_it_is(worker, clock, unpaired):
    wish_session(unpaired, SessionWish.OPEN)
    see(worker, SessionState.OPEN)
    assert (channel_row(unpaired).paused_reason, bool(find_session(unpaired.tenant_id, unpaired.pk).detail)) == (
        NOT_PAIRED,
        True,
    )
    assert watch_of(unpaired).due_at < clock.now + LOOK_S[SessionState.OPEN]  # it is asked again soon
    clock.forward(10)
    see(worker, SessionState.OPEN, number=unpaired.number)
    assert channel_row(unpaired).paused_at is None
    clock.forward(60)
    see(worker, SessionState.OPEN)  # known by now
    assert channel_row(unpaired).paused_at is None


def test_a_channel_that_is_not_paused_waits_for_the_number_of_what_opened_anew(worker, clock, unpaired):
    seen_open(worker, unpaired)
    for state, paused in ((SessionState.CLOSED, ""), (SessionState.OPEN, NOT_PAIRED)):
        clock.forward(400)
        see(worker, state)
        assert channel_row(unpaired).paused_reason == paused


def test_closing_on_purpose_ends_the_watch_and_needs_nobody(worker, clock, unpaired):
    seen_open(worker, unpaired)
    wish_session(unpaired, SessionWish.CLOSE)
    see(worker, SessionState.CLOSED)
    assert work(unpaired.tenant_id, kind=WorkKind.SESSION) == []
    assert channel_row(unpaired).paused_reason == NOT_PAIRED


def test_a_notice_of_the_other_side_makes_the_watch_due_each_time(worker, clock, unpaired):
    seen_open(worker, unpaired)
    for _ in range(2):
        assert apply(unpaired, SessionChange(unpaired.account, "close")) == "1 session"
        assert watch_of(unpaired).due_at == 0
        see(worker, SessionState.OPEN)


@pytest.mark.parametrize("away", [True, False])
def test_a_session_that_was_away_between_two_looks_was_not_open_throughout(worker, clock, unpaired, away):
    seen_open(worker, unpaired)
    opened = clock.now
    moment = clock.forward(10)
    apply(unpaired, SessionChange(unpaired.account, "told", away=away))
    see(worker, SessionState.OPEN, number=unpaired.number)
    session = Session.objects.get(tenant_id=unpaired.tenant_id, channel_id=unpaired.pk)
    assert session.open_since.timestamp() == (moment if away else opened)


def test_a_notice_during_a_look_is_followed_by_another_look(worker, clock, unpaired):
    wish_session(unpaired, SessionWish.OPEN)
    (claim,) = claim_sessions(worker, open_room(10)).claims
    apply(unpaired, SessionChange(unpaired.account, "close"))
    record_session(worker, claim, SessionReport(state=SessionState.OPEN), False)
    assert watch_of(unpaired).due_at == 0
    assert claim_sessions(worker, open_room(10)).claims


def test_a_server_that_does_not_answer_is_asked_again(worker, clock, unpaired):
    wish_session(unpaired, SessionWish.OPEN)
    (claim,) = claim_sessions(worker, open_room(10)).claims
    postpone_session(worker, claim, 10.0, "No answer in time.")
    assert watch_of(unpaired).due_at == clock.now + 10.0
    assert find_session(unpaired.tenant_id, unpaired.pk).detail == "No answer in time."
    assert claim_sessions(worker, open_room(10)).again_at == clock.now + 10.0


@pytest.mark.parametrize("phone", ["123", "abc", "+1 555 01 000000000000"])
def test_a_phone_that_is_no_number_is_refused(store, unpaired, phone):
    with pytest.raises(InputError, match="7 to 15 digits"):
        wish_session(unpaired, SessionWish.PAIR, phone)


def test_derived_secrets_are_sealed_and_reach_the_next_connection(store, unpaired):
    keep_secrets(unpaired.pk, {"token": Secret("one"), "other": Secret("two")})
    keep_secrets(unpaired.pk, {"token": Secret("three")})
    stored = Session.objects.get(tenant_id=unpaired.tenant_id).secrets
    assert "three" not in stored
    assert unseal_secrets(stored) == {"token": Secret("three"), "other": Secret("two")}
    assert get_credentials(unpaired.pk).secrets["token"].reveal() == "three"
    keep_secrets(unpaired.pk + 999, {"token": Secret("x")})  # a channel that is gone
    assert Session.objects.filter(tenant_id=unpaired.tenant_id).count() == 1
