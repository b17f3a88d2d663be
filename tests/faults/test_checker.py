"""The checker itself: whatever is planted, it finds, and it accuses nobody who is innocent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .checker import Fate, check
from .ledgers import Delivery, Promise, find_token


def promise(number, conversation="a/b", **changes):
    """Asked for at `number`, accepted half a second later."""
    facts = {"answered_at": number + 0.5, "message_id": f"id-{number}"} | changes
    return Promise(f"T-00000000-{number}", conversation, float(number), **facts)


def delivery(number, conversation="a/b", at=None):
    return Delivery(f"T-00000000-{number}", conversation, number + 1.0 if at is None else at)


THREE = [promise(1), promise(2), promise(3)]


def test_a_clean_run_has_no_offence():
    verdict = check(THREE, [delivery(1), delivery(2), delivery(3)], {})
    assert (verdict.accepted, verdict.delivered, verdict.offences) == (3, 3, 0)
    assert (verdict.p50_ms, verdict.p99_ms, verdict.longest_wait_s) == (500.0, 500.0, 0.5)


@pytest.mark.parametrize(
    ("offence", "deliveries", "example"),
    [
        ("lost", [1, 3], "T-00000000-2"),
        ("duplicated", [1, 2, 3, 2], "T-00000000-2"),
        ("reordered", [2, 1, 3], "T-00000000-1"),
        ("unexpected", [1, 2, 3, 9], "T-00000000-9"),
    ],
)
def test_what_is_planted_is_found_and_nothing_else(offence, deliveries, example):
    verdict = check(THREE, [delivery(number) for number in deliveries], {})
    assert verdict.offences == getattr(verdict, offence) == 1
    assert verdict.examples == {offence: [example]}


@pytest.mark.parametrize(("fate", "counted"), [(Fate.UNKNOWN, "unknown"), (Fate.FAILED, "failed"), (Fate.OPEN, "lost")])
def test_an_undelivered_message_is_what_the_product_shows_of_it(fate, counted):
    verdict = check([promise(1)], [], {"T-00000000-1": fate})
    assert {name: getattr(verdict, name) for name in ("unknown", "failed", "lost")} == {
        name: int(name == counted) for name in ("unknown", "failed", "lost")
    }


def test_an_unknown_that_the_provider_has_is_delivered():
    verdict = check([promise(1)], [delivery(1)], {"T-00000000-1": Fate.UNKNOWN})
    assert (verdict.delivered, verdict.unknown, verdict.offences) == (1, 0, 0)


def test_a_delivery_whose_caller_saw_only_errors_is_recovered():
    unanswered = promise(1, answered_at=None, message_id=None, troubles=3)
    verdict = check([unanswered], [delivery(1)], {})
    assert (verdict.accepted, verdict.recovered, verdict.offences) == (0, 1, 0)


def test_a_caller_that_saw_only_errors_and_nothing_delivered_lost_nothing():
    unanswered = promise(1, answered_at=None, message_id=None, troubles=3)
    assert check([unanswered], [], {}).offences == 0


def test_a_delivery_of_what_was_refused_is_unexpected():
    refused = promise(1, answered_at=None, message_id=None, refused=422)
    verdict = check([refused], [delivery(1)], {})
    assert (verdict.refused, verdict.unexpected) == (1, 1)


def test_a_delivery_without_a_token_is_unexpected():
    assert check([], [Delivery("", "a/b", 1.0, "wamid.1")], {}).examples == {"unexpected": ["wamid.1"]}


def test_messages_asked_for_at_the_same_time_may_arrive_in_any_order():
    racing = [promise(1, answered_at=5.0), promise(2, answered_at=5.1)]
    assert check(racing, [delivery(2), delivery(1)], {}).reordered == 0


def test_order_is_kept_per_conversation_only():
    apart = [promise(1, "a/x"), promise(2, "a/y")]
    assert check(apart, [delivery(2, "a/y"), delivery(1, "a/x")], {}).reordered == 0


def test_a_late_duplicate_is_not_counted_as_reordered_too():
    verdict = check(THREE, [delivery(n) for n in (1, 2, 3, 1)], {})
    assert (verdict.duplicated, verdict.reordered) == (1, 0)


@given(st.permutations(range(1, 9)))
def test_exactly_the_sorted_order_has_no_reordering(order):
    promises = [promise(number) for number in range(1, 9)]
    verdict = check(promises, [delivery(number) for number in order], {})
    assert (verdict.reordered == 0) == (list(order) == sorted(order))


@given(st.lists(st.integers(1, 6), max_size=20))
def test_every_delivery_is_the_first_or_a_duplicate(numbers):
    promises = [promise(number, f"a/{number}") for number in range(1, 7)]
    verdict = check(promises, [delivery(number, f"a/{number}") for number in numbers], {})
    assert verdict.delivered + verdict.duplicated == len(numbers)
    assert verdict.delivered + verdict.lost == verdict.accepted


def test_a_token_is_found_in_whatever_surrounds_it():
    assert find_token("You wrote:\n> T-0123abcd-42 hello") == "T-0123abcd-42"
    assert find_token("no token of ours") == ""
