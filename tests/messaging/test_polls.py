"""What a poll brings goes the way of all webhooks, once, and the next one begins where it ended."""

import pytest

import given
from hailgate.core.sessions import SessionReport, SessionState, SessionWish
from hailgate.core.slots import open_room
from hailgate.messaging.channels.session_watch import claim_sessions, record_session
from hailgate.messaging.channels.sessions import wish_session
from hailgate.messaging.inbound.polls import (
    OVERLAP_S,
    POLL_EVERY_S,
    begin_polls,
    claim_polls,
    finish_poll,
    record_page,
)
from hailgate.messaging.models import EventOrigin, WebhookEvent, WorkKind
from messaging.acting import change_channel, channel_row, execute, work

POLLED = ["cloud"]  # as if it could be asked


@pytest.fixture
def poll(worker, clock, channel):
    """A poll that is due."""
    begin_polls(POLLED)
    clock.forward(POLL_EVERY_S)
    (only,) = claim_polls(worker, open_room(10)).claims
    return only


def events(channel):
    return list(WebhookEvent.objects.filter(tenant_id=channel.tenant_id).order_by("id"))


def test_each_channel_that_can_be_asked_has_one_poll_and_no_past(worker, clock, channel):
    assert begin_polls([]) == 0
    assert begin_polls(["another"]) == 0
    assert begin_polls(POLLED) == 1
    assert begin_polls(POLLED) == 0
    assert channel_row(channel).polled_until == clock.now
    assert claim_polls(worker, open_room(10)).again_at == clock.now + POLL_EVERY_S


def test_a_page_is_stored_as_webhooks_of_its_origin(worker, clock, channel, poll):
    assert poll.since == clock.now - POLL_EVERY_S - OVERLAP_S
    assert record_page(worker, poll, [given.text_webhook("one"), given.text_webhook("two", message_id="wamid.2")])
    assert [event.origin for event in events(channel)] == [EventOrigin.POLL] * 2


def test_the_next_poll_begins_where_the_last_ended(worker, clock, channel, poll):
    finish_poll(worker, poll, clock.now)
    assert channel_row(channel).polled_until == clock.now
    clock.forward(POLL_EVERY_S)
    (after,) = claim_polls(worker, open_room(10)).claims
    assert after.since == clock.now - POLL_EVERY_S - OVERLAP_S


def test_a_poll_that_did_not_end_is_asked_for_the_same_again(worker, clock, channel, poll):
    finish_poll(worker, poll, None)
    clock.forward(POLL_EVERY_S)
    (after,) = claim_polls(worker, open_room(10)).claims
    assert after.since == poll.since


def test_a_session_that_opens_is_polled_at_once(worker, clock, channel):
    begin_polls(POLLED)
    wish_session(channel_row(channel), SessionWish.OPEN)
    (watch,) = claim_sessions(worker, open_room(10)).claims
    record_session(worker, watch, SessionReport(state=SessionState.OPEN), False)
    assert claim_polls(worker, open_room(10)).claims


def test_a_session_that_had_to_be_started_is_polled_however_quickly_it_came(worker, clock, channel):
    wish_session(channel_row(channel), SessionWish.OPEN)
    (watch,) = claim_sessions(worker, open_room(10)).claims
    record_session(worker, watch, SessionReport(state=SessionState.OPEN), False)
    begin_polls(POLLED)
    clock.forward(60)
    (watch,) = claim_sessions(worker, open_room(10)).claims
    record_session(worker, watch, SessionReport(state=SessionState.OPEN), False)
    assert claim_polls(worker, open_room(10)).claims == []
    clock.forward(60)
    (watch,) = claim_sessions(worker, open_room(10)).claims
    record_session(worker, watch, SessionReport(state=SessionState.OPEN), True)
    assert claim_polls(worker, open_room(10)).claims


def see(worker, state):
    (watch,) = claim_sessions(worker, open_room(10)).claims
    record_session(worker, watch, SessionReport(state=state), False)


def test_while_the_phone_is_away_and_just_after_the_same_is_asked_for_again(worker, clock, channel):
    """What it fetches then is listed with the time at which it was written, in the gap."""
    begin_polls(POLLED)
    wish_session(channel_row(channel), SessionWish.OPEN)
    see(worker, SessionState.OPEN)
    clock.forward(POLL_EVERY_S)
    finish_poll(worker, claim_polls(worker, open_room(10)).claims[0], clock.now)
    before = clock.now
    see(worker, SessionState.CLOSED)

    def polled(seconds) -> bool:
        """The next poll asks for the same; whether the one after it will begin where this one ended."""
        clock.forward(seconds)
        (again,) = claim_polls(worker, open_room(10)).claims
        assert again.since == before - OVERLAP_S
        finish_poll(worker, again, clock.now)
        return channel_row(channel).polled_until == clock.now

    assert not polled(POLL_EVERY_S)
    see(worker, SessionState.OPEN)
    assert not polled(1)
    assert polled(POLL_EVERY_S)


def test_a_channel_that_lost_its_hook_is_not_asked_any_more(worker, clock, channel):
    begin_polls(POLLED)
    change_channel(channel, hook_id=None)
    clock.forward(POLL_EVERY_S)
    assert claim_polls(worker, open_room(10)).claims == []
    assert work(channel.tenant_id, kind=WorkKind.POLL) == []
    assert begin_polls(POLLED) == 0


def test_a_channel_that_was_switched_off_is_not_asked_any_more(worker, clock, channel):
    begin_polls(POLLED)
    change_channel(channel, active=False)
    clock.forward(POLL_EVERY_S)
    assert claim_polls(worker, open_room(10)).claims == []
    assert work(channel.tenant_id, kind=WorkKind.POLL) == []


def test_a_worker_that_was_declared_dead_stores_nothing(worker, clock, channel, poll):
    execute(f"UPDATE messaging_worker SET alive = FALSE WHERE id = {worker}")
    assert not record_page(worker, poll, [given.text_webhook("one")])
    finish_poll(worker, poll, clock.now)
    assert events(channel) == []
    assert channel_row(channel).polled_until < clock.now
