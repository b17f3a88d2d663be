"""What waits for what belongs to it: messages that others overtook, and those that could not be read yet."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from hailgate.core.content import content_as_json
from hailgate.core.content.inbound import Unsupported, WhyNot
from hailgate.core.events import UnreadableMessage
from hailgate.messaging.inbound.echoes import release_held
from hailgate.messaging.inbound.ingest import apply_webhooks, take_webhooks, understand_webhooks
from hailgate.messaging.inbound.ordering import Dated, put_in_order
from hailgate.messaging.inbound.receive import ReceivedWebhook, store_webhooks
from hailgate.messaging.inbound.unreadable import SHOWN_AFTER_S
from hailgate.messaging.store.ids import uuid7
from messaging.acting import NO_WAIT, Number, hook_id_of, messages, wrote

SETTLE_S = 1.0


class Hook:
    """Webhooks of one channel, each with one event, as a worker takes them."""

    def __init__(self, worker: int, channel) -> None:
        self._worker, self._channel, self._told = worker, channel, {}

    def tell(self, event) -> None:
        name = str(len(self._told)).encode()
        self._told[name] = event
        store_webhooks([ReceivedWebhook(uuid7(), self._channel.tenant_id, hook_id_of(self._channel), "{}", name)])

    def look(self) -> None:
        release_held()
        hook_id = hook_id_of(self._channel)
        taken = take_webhooks(self._worker, hook_id)
        understood = understand_webhooks(taken, lambda stored: [self._told[stored.body]])
        apply_webhooks(self._worker, hook_id, understood, NO_WAIT)

    def bodies(self) -> list[str]:
        found = messages(self._channel.tenant_id, direction=1)
        return [content_as_json(each.content).get("text", {}).get("body", each.kind) for each in found]


@pytest.fixture
def desk(tenant) -> Number:
    from messaging.test_menu_answers import connect

    return connect(tenant)


@pytest.fixture
def line(worker, desk, clock) -> Hook:
    return Hook(worker, desk)


# --- order ------------------------------------------------------------------------------------------------------------


def test_what_overtook_another_is_put_behind_it_after_a_second(line, desk, clock):
    line.tell(wrote(desk, body="second", at=clock.now - 1))
    line.look()
    assert line.bodies() == []
    clock.forward(0.5)
    line.tell(wrote(desk, body="first", at=clock.now - 5))
    clock.forward(SETTLE_S - 0.5)
    line.look()
    assert line.bodies() == ["first", "second"]


def test_each_chat_waits_for_itself_alone(line, desk, clock):
    line.tell(wrote(desk, 1, body="one", at=clock.now))
    clock.forward(SETTLE_S)
    line.tell(wrote(desk, 2, body="two", at=clock.now - 60))
    line.look()
    assert line.bodies() == ["one"]


def test_what_comes_later_keeps_its_place_and_its_own_time(line, desk, clock):
    line.tell(wrote(desk, body="in time", at=clock.now))
    clock.forward(SETTLE_S)
    line.look()
    line.tell(wrote(desk, body="late", at=clock.now - 60))
    clock.forward(SETTLE_S)
    line.look()
    assert line.bodies() == ["in time", "late"]
    first, second = messages(desk.tenant_id, direction=1)
    assert second.provider_at < first.provider_at


def test_other_providers_wait_for_nothing(worker, wide, clock):
    hook = Hook(worker, wide)
    hook.tell(wrote(wide, body="at once", at=clock.now))
    hook.look()
    assert hook.bodies() == ["at once"]


@given(some.lists(some.tuples(some.integers(0, 3), some.integers(0, 9)), max_size=12))
def test_a_chat_keeps_its_places_and_is_in_the_order_of_its_times(said):
    told = [Dated(place, 0.0, (1, str(chat)), float(at)) for place, (chat, at) in enumerate(said)]
    moves, waiting = put_in_order(told, SETTLE_S, SETTLE_S)
    assert not waiting
    assert sorted(moves.values()) == sorted(moves)
    for chat in {each.chat for each in told}:
        places = [each.place for each in told if each.chat == chat]
        after = [told[moves[place]] for place in places]
        assert after == sorted((told[place] for place in places), key=lambda each: each.at)


# --- what could not be read -------------------------------------------------------------------------------------------


def encrypted(message) -> UnreadableMessage:
    content = Unsupported("ciphertext", b"{}", WhyNot.UNREADABLE)
    return UnreadableMessage(**msgspec.structs.asdict(message) | {"content": content})


@pytest.fixture
def browser(worker, wide, clock) -> Hook:
    return Hook(worker, wide)


def test_what_could_not_be_read_is_shown_as_such_after_ten_minutes(browser, wide, clock):
    browser.tell(encrypted(wrote(wide, at=clock.now)))
    browser.look()
    assert browser.bodies() == []
    clock.forward(SHOWN_AFTER_S)
    browser.look()
    [shown] = messages(wide.tenant_id, direction=1)
    content = content_as_json(shown.content)
    assert (shown.kind, content["unsupported"]["why"]) == ("ciphertext", "unreadable")


@pytest.mark.parametrize("first", ["encrypted", "plain"])
def test_what_came_again_and_could_be_read_is_there_once(browser, wide, clock, first):
    plain = wrote(wide, body="as it was meant", at=clock.now)
    for event in (encrypted(plain), plain) if first == "encrypted" else (plain, encrypted(plain)):
        browser.tell(event)
        browser.look()
    clock.forward(SHOWN_AFTER_S)
    browser.look()
    assert browser.bodies() == ["as it was meant"]


def test_what_can_be_read_later_than_that_is_not_lost(browser, wide, clock):
    plain = wrote(wide, body="as it was meant", at=clock.now)
    browser.tell(encrypted(plain))
    browser.look()
    clock.forward(SHOWN_AFTER_S)
    browser.look()
    browser.tell(plain)
    browser.look()
    assert browser.bodies() == ["ciphertext", "as it was meant"]
