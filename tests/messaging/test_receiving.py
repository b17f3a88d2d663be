"""Webhooks: stored raw, understood in order, each effect once, and no bad one holds up the others."""

import threading
import time
from collections import Counter
from contextlib import contextmanager

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection

import given as house
from hailgate.core.errors import PayloadForeign
from hailgate.core.events import Ignored
from hailgate.messaging.inbound import ingest as module
from hailgate.messaging.inbound.ingest import LONGEST_NOTE, MOST_TRIES, has_unread, hooks_with_events
from hailgate.messaging.inbound.receive import (
    ReceivedWebhook,
    find_stored,
    spool_webhook,
    store_spooled,
    store_webhooks,
)
from hailgate.messaging.models import EventState, Hook, WebhookEvent, WorkKind
from hailgate.messaging.outbound.failover import declare_dead, sign_off
from hailgate.messaging.store.arrays import Packed
from hailgate.messaging.store.ids import uuid7
from messaging.acting import (
    HOLD_S,
    LEASE_S,
    add_number,
    change_channel,
    channel_row,
    hook_id_of,
    ingest,
    let_expire,
    messages,
    new_worker,
    work,
    wrote,
)

PENDING, DONE, DEAD, _HELD = EventState


@pytest.fixture
def box(channel):
    """The hook of a channel, as the workers see it."""
    return Box(channel)


class Box:
    def __init__(self, channel) -> None:
        self.channel, self.hook_id, self.understood = channel, hook_id_of(channel), []
        self.answers: dict[bytes, object] = {}

    def post(self, *bodies: bytes) -> None:
        store_webhooks([ReceivedWebhook(uuid7(), self.channel.tenant_id, self.hook_id, "{}", body) for body in bodies])

    def understand(self, body: bytes):
        """Events that were planned for this body, or one message with the body as its id."""
        self.understood.append(body)
        answer = self.answers.get(body) or [wrote(self.channel, message_id=body.decode(), body=body.decode())]
        answer = answer() if callable(answer) else answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ingest(self, worker, limit=500, understand=None):
        return ingest(worker, self.hook_id, understand or self.understand, limit)

    @property
    def events(self) -> list[WebhookEvent]:
        return list(WebhookEvent.objects.filter(tenant_id=self.channel.tenant_id).order_by("id"))

    @property
    def states(self) -> list[EventState]:
        return [EventState(event.state) for event in self.events]

    @property
    def outcomes(self) -> list[str]:
        return [event.outcome for event in self.events]

    @property
    def stored_texts(self) -> list[str]:
        return [row.provider_id for row in messages(self.channel.tenant_id)]

    @property
    def holder(self) -> int | None:
        return Hook.objects.values_list("ingest_worker_id", flat=True).get(
            tenant_id=self.channel.tenant_id, id=self.hook_id
        )


# --- storing ----------------------------------------------------------------------------------------------------------


def test_a_webhook_is_stored_as_it_came(box, clock):
    body = b'\x00\xff{"not": "even JSON"'
    one = ReceivedWebhook(uuid7(), box.channel.tenant_id, box.hook_id, '{"user-agent":"x"}', body)
    assert store_webhooks([one]) == [True]
    (event,) = box.events
    assert (event.uid, bytes(event.body), event.headers) == (one.uid, body, one.headers)
    assert (event.state, event.tries, event.received_at.timestamp()) == (PENDING, 0, clock.now)


def test_the_same_bytes_twice_are_two_rows(box):
    box.post(b"{}", b"{}")
    assert len(box.events) == 2


def test_writing_a_batch_once_more_stores_nothing_twice(box):
    one = ReceivedWebhook(uuid7(), box.channel.tenant_id, box.hook_id, "{}", b"{}")
    store_webhooks([one])
    assert store_webhooks([one]) == [True]
    assert len(box.events) == 1


def test_what_is_stored_is_found(box):
    stored, lost = (ReceivedWebhook(uuid7(), box.channel.tenant_id, box.hook_id, "{}", b"{}") for _ in range(2))
    store_webhooks([stored])
    assert find_stored([lost, stored]) == [None, True]


def test_what_was_spooled_is_stored_as_if_it_had_been_received_then(box, clock):
    old, ahead = (ReceivedWebhook(uuid7(), box.channel.tenant_id, box.hook_id, '{"a":"b"}', b"{}") for _ in range(2))
    assert store_spooled([spool_webhook(old, clock.now - 60), spool_webhook(ahead, clock.now + 60)]) == [True, True]
    first, second = box.events
    assert (first.uid, first.headers, bytes(first.body), first.state) == (old.uid, old.headers, old.body, PENDING)
    # A clock that is ahead is not believed.
    assert (first.received_at.timestamp(), second.received_at.timestamp()) == (clock.now - 60, clock.now)
    assert hooks_with_events() == [box.hook_id]


def test_what_was_spooled_is_stored_once_whatever_was_stored_before(box, clock):
    """The process that brought it may have been killed after any commit, or its first commit went unanswered."""
    three = [ReceivedWebhook(uuid7(), box.channel.tenant_id, box.hook_id, "{}", b"%d" % n) for n in range(3)]
    store_webhooks(three[:1])
    spooled = [spool_webhook(each, clock.now) for each in three]
    for part in (spooled[:2], spooled, spooled):
        store_spooled(part)
    assert [event.uid for event in box.events] == [each.uid for each in three]


def test_hooks_with_something_to_understand_are_found(box, worker):
    assert hooks_with_events() == []
    box.post(b"a")
    assert hooks_with_events() == [box.hook_id]
    box.ingest(worker)
    assert hooks_with_events() == []


def test_a_channel_has_unread_webhooks_until_they_are_understood(box, tenant, hook, worker):
    """Before a window is called closed: the person may have written in one of them."""
    hookless = add_number(tenant, hook, 8)
    change_channel(hookless, hook_id=None)
    assert not has_unread(box.channel.id)
    box.post(b"a")
    assert (has_unread(box.channel.id), has_unread(hookless.id)) == (True, False)
    box.ingest(worker)
    assert not has_unread(box.channel.id)


# --- understanding ----------------------------------------------------------------------------------------------------


def test_webhooks_are_understood_in_the_order_of_their_arrival(box, worker):
    bodies = [str(place).encode() for place in range(20)]
    box.post(*bodies)
    assert box.ingest(worker).webhooks == 20
    assert box.stored_texts == [body.decode() for body in bodies]
    assert set(box.states) == {DONE}


def test_a_batch_takes_no_more_than_asked_for(box, worker):
    box.post(*(str(place).encode() for place in range(5)))
    assert [box.ingest(worker, limit=2).webhooks for _ in range(4)] == [2, 2, 1, 0]


def test_a_batch_takes_no_more_bytes_than_it_may(box, worker, monkeypatch):
    monkeypatch.setattr(module, "MOST_BATCH_BYTES", 10)
    box.post(b"aaaaaaa", b"bbb", b"c", b"d" * 50, b"e")
    box.answers[b"d" * 50] = [wrote(box.channel)]
    assert [box.ingest(worker).webhooks for _ in range(4)] == [2, 1, 1, 1]


def test_the_tally_counts_what_was_applied_by_kind(box, worker):
    repeated = wrote(box.channel, message_id="twice")
    nothing = Ignored(None, "field", "kind", "Nothing to do.")
    box.answers[b"x"] = [repeated, repeated, wrote(box.channel), nothing, wrote(box.channel, account="elsewhere")]
    box.post(b"x")
    told = box.ingest(worker)
    assert (told.webhooks, told.buried) == (1, 0)
    assert told.tally == Counter(message=2, repeated=1, ignored=1, **{"for": 1})


def test_each_webhook_says_what_it_came_to(box, worker):
    box.answers = {
        b"foreign": PayloadForeign("It is about another product."),
        b"nothing": list,
        b"elsewhere": [wrote(box.channel, account="elsewhere")],
        b"ignored": [Ignored(None, "template", "approved", "Nothing is done.")],
    }
    box.post(b"message", b"foreign", b"nothing", b"elsewhere", b"ignored", b"message")
    box.ingest(worker)
    assert box.outcomes == [
        "1 message",
        "foreign: It is about another product.",
        "nothing in it",
        "1 for a number not attached here",
        "1 ignored (template approved: Nothing is done.)",
        "1 repeated",
    ]
    assert set(box.states) == {DONE}


def test_what_is_for_a_number_of_another_hook_has_no_effect(box, worker, tenant):
    from hailgate.messaging.channels.hooks import add_hook
    from hailgate.messaging.channels.registry import add_channel

    other = add_hook(tenant.id, "cloud", house.HOOK_SETTINGS)
    settings = house.CHANNEL_SETTINGS | {"phone_number_id": "777"}
    add_channel(tenant.id, "cloud", "other", "15550100077", settings, hook=other.id)
    box.answers[b"x"] = [wrote(box.channel, account="777")]
    box.post(b"x")
    box.ingest(worker)
    assert messages(tenant.id) == []
    assert box.outcomes == ["1 for a number not attached here"]


def test_a_very_long_note_is_cut(box, worker):
    box.answers[b"x"] = [Ignored(None, "f" * 5_000, "k", "n")]
    box.post(b"x")
    box.ingest(worker)
    assert len(box.outcomes[0]) == LONGEST_NOTE


def test_a_note_names_everything_that_was_ignored(box, worker):
    box.answers[b"x"] = [Ignored(None, f"field_{n}", "k", "Nothing is done with this field.") for n in range(40)]
    box.post(b"x")
    box.ingest(worker)
    assert all(f"field_{n} " in box.outcomes[0] for n in range(40))


def test_an_event_says_how_long_storing_and_understanding_took(box, worker):
    begun = time.monotonic() - 0.25
    store_webhooks([ReceivedWebhook(uuid7(), box.channel.tenant_id, box.hook_id, "{}", b"x", begun=begun)])
    box.ingest(worker)
    [row] = WebhookEvent.objects.filter(tenant_id=box.channel.tenant_id)
    assert 0.25 <= row.stored_in_s < 60
    assert row.understood_at >= row.received_at


# --- repeats ----------------------------------------------------------------------------------------------------------


def test_the_same_webhook_fifty_times_is_one_message_and_one_turn(answering, worker):
    box = Box(answering)
    box.post(*[b"same"] * 50)
    box.ingest(worker, limit=20)
    box.post(*[b"same"] * 5)
    while box.ingest(worker).webhooks:
        pass
    assert box.stored_texts == ["same"]
    assert len(work(answering.tenant_id, kind=WorkKind.TURN)) == 1
    assert Counter(box.outcomes) == {"1 message": 1, "1 repeated": 54}


def test_the_same_webhook_fifty_times_at_once_with_four_workers(postgresql, answering, worker):
    box = Box(answering)
    together = threading.Barrier(4)

    def post_and_ingest(number: int) -> None:
        try:
            own = new_worker()
            together.wait(10)
            for place in range(13):
                box.post(b"same", f"{number}.{place}".encode())
                box.ingest(own)
        finally:
            connection.close()

    threads = [threading.Thread(target=post_and_ingest, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    box.ingest(worker)
    assert set(box.states) == {DONE}
    assert Counter(box.stored_texts) == Counter({"same": 1, **{f"{n}.{p}": 1 for n in range(4) for p in range(13)}})
    assert len(work(answering.tenant_id, kind=WorkKind.TURN)) == 1


def test_two_hooks_that_tell_the_same_message_of_two_numbers_tell_two(box, worker):
    """An effect belongs to its channel."""
    change_channel(box.channel, account="first")
    box.answers[b"x"] = [wrote(box.channel, message_id="m", account="first")]
    box.post(b"x")
    box.ingest(worker)
    assert box.stored_texts == ["m"]


# --- bad ones ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bug", [ValueError, KeyError, RecursionError, AssertionError, MemoryError])
def test_a_webhook_that_cannot_be_understood_is_set_aside_and_the_others_go_on(box, worker, bug):
    box.answers[b"bad"] = bug("it quotes +15550000001")
    box.post(b"a", b"bad", b"b")
    told = box.ingest(worker)
    assert (told.webhooks, told.buried) == (3, 1)
    assert box.states == [DONE, DEAD, DONE]
    assert box.outcomes[1] == f"not understood: {bug.__name__}"
    assert box.stored_texts == ["a", "b"]


def names_bad(params) -> bool:
    """Whether a text among them is just that; hexadecimal may spell it, too. PostgreSQL's arrays are packed."""
    packed = [each.data for each in params if isinstance(each, Packed)]
    return "'bad'" in repr(params) or any(b"\0\0\0\3bad" in data for data in packed)


@pytest.fixture
def refusing():
    """``with refusing(error)``: the database refuses each message with a bad id, as it would one it cannot store."""

    @contextmanager
    def refuse(error: Exception):
        def execute(run, statement, params, many, context):
            if "INSERT INTO messaging_message " in str(statement) and names_bad(params):
                raise error
            return run(statement, params, many, context)

        with connection.execute_wrapper(execute):
            yield

    return refuse


@pytest.mark.parametrize(
    "error",
    [DataError(), IntegrityError(), ValueError(), TypeError(), KeyError(), OverflowError(), AssertionError()],
    ids=lambda error: type(error).__name__,
)
def test_a_webhook_that_the_store_refuses_fails_alone(box, worker, refusing, error):
    box.post(b"a", b"bad", b"b")
    with refusing(error):
        told = box.ingest(worker)
    assert (told.webhooks, told.buried) == (3, 1)
    assert box.states == [DONE, DEAD, DONE]
    assert box.outcomes[1] == f"could not be applied: {type(error).__name__}"
    assert box.stored_texts == ["a", "b"]
    assert box.holder is None


def test_a_webhook_alone_that_the_store_refuses_is_set_aside(box, worker, refusing):
    box.post(b"bad")
    with refusing(DataError()):
        assert box.ingest(worker).buried == 1
    assert (box.states, box.holder) == ([DEAD], None)


def test_a_store_that_is_away_buries_nothing(box, worker, refusing):
    box.post(b"a", b"bad", b"b")
    with refusing(OperationalError()), pytest.raises(OperationalError):
        box.ingest(worker)
    assert box.states == [PENDING] * 3
    assert box.ingest(worker).webhooks == 3
    assert box.stored_texts == ["a", "bad", "b"]


def test_a_store_that_is_away_again_and_again_is_no_try_of_the_webhooks(box, worker, refusing):
    box.post(b"bad", b"b")
    for _ in range(3 * MOST_TRIES):
        with refusing(OperationalError()), pytest.raises(OperationalError):
            box.ingest(worker)
    box.ingest(worker)
    assert box.states == [DONE, DONE]


@pytest.mark.parametrize("body", [b"sealed:lost:gAAAA", b"sealed:test:altered", b"sealed:\xff:x"])
def test_a_body_that_can_no_longer_be_unsealed_is_set_aside(box, worker, body):
    box.post(b"a", b"x", b"b")
    middle = box.events[1]
    WebhookEvent.objects.filter(tenant_id=box.channel.tenant_id, id=middle.id).update(body=body)
    box.ingest(worker)
    assert box.states == [DONE, DEAD, DONE]
    assert box.outcomes[1].startswith("not understood")


# --- poison -----------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for SIGKILL: nothing is caught, nothing is written."""


def die(worker) -> int:
    let_expire(worker)
    declare_dead(worker, LEASE_S, HOLD_S)
    return new_worker()


def test_a_webhook_that_kills_its_process_is_buried_after_five_runs(box, worker):
    box.answers[b"killer"] = killing
    box.post(b"a", b"killer", b"b", b"c")
    deaths = 0
    for _ in range(40):
        try:
            if not box.ingest(worker).webhooks:
                break
        except Killed:
            deaths += 1
            worker = die(worker)
    assert deaths == MOST_TRIES
    assert box.states == [DONE, DEAD, DONE, DONE]
    assert box.outcomes[1] == f"poison: its process ended {MOST_TRIES} times"
    assert box.stored_texts == ["a", "b", "c"]


def killing():
    raise Killed


def test_what_ran_with_a_killer_is_taken_alone_and_goes_on(box, worker):
    box.answers[b"killer"] = killing
    box.post(b"a", b"b", b"killer")
    with pytest.raises(Killed):
        box.ingest(worker)
    worker = die(worker)
    assert [box.ingest(worker).webhooks for _ in range(2)] == [1, 1]
    assert box.stored_texts == ["a", "b"]


def test_only_what_its_process_had_taken_is_counted(box, worker):
    box.answers[b"killer"] = killing
    box.post(b"killer", b"a")
    with pytest.raises(Killed):
        box.ingest(worker)
    box.post(b"later")
    box.ingest(die(worker), understand=lambda _: [])
    assert [event.tries for event in box.events] == [1, 1, 0]


def test_a_worker_that_stops_on_purpose_costs_no_try(box, worker):
    box.answers[b"killer"] = killing
    box.post(b"killer", b"a")
    with pytest.raises(Killed):
        box.ingest(worker)
    sign_off(worker, HOLD_S)
    assert box.ingest(new_worker(), understand=lambda _: []).webhooks == 2
    assert [event.tries for event in box.events] == [0, 0]


# --- who holds the hook -----------------------------------------------------------------------------------------------


def test_a_hook_that_is_being_understood_is_nobody_elses(box, worker):
    box.answers[b"killer"] = killing
    box.post(b"killer")
    with pytest.raises(Killed):
        box.ingest(worker)
    assert box.holder == worker
    assert box.ingest(new_worker()).webhooks == 0
    assert box.ingest(die(worker), understand=lambda _: []).webhooks == 1


def test_a_worker_that_died_while_it_understood_applies_nothing(box, worker):
    box.post(b"a")

    def die_meanwhile(body):
        die(worker)
        return box.understand(body)

    assert box.ingest(worker, understand=die_meanwhile).webhooks == 0
    assert (box.states, box.stored_texts, box.holder) == ([PENDING], [], None)
    box.ingest(new_worker())
    assert box.stored_texts == ["a"]


def test_a_dead_worker_takes_nothing(box, worker):
    box.post(b"a")
    die(worker)
    assert box.ingest(worker).webhooks == 0


def test_a_worker_that_died_between_two_webhooks_keeps_no_hook_for_ever(box, worker, refusing):
    """After a bad batch they are applied one by one, and in between the hook is nobody's."""
    box.post(b"bad", b"b")
    calls = []

    def stop_at_the_third(body):
        calls.append(body)
        if len(calls) == 3:
            sign_off(worker, HOLD_S)
        return box.understand(body)

    with refusing(DataError()):
        box.ingest(worker, understand=stop_at_the_third)
    heir = new_worker()
    while box.ingest(heir).webhooks:
        pass
    assert PENDING not in box.states
    assert "b" in box.stored_texts
    assert channel_row(box.channel).hook_id == box.hook_id
