"""What a turn's context costs: statements of a claim, and the history's beside what a cache in Redis would take.

`pytest -s --database=postgresql tests/messaging/test_context_cost.py` prints it; decision 0019 has the figures.
"""

import os
import statistics
import time

import pytest

from hailgate.accounts.seal import sealer
from hailgate.core.slots import open_room
from hailgate.messaging.inbound.call_turns import Debounce
from hailgate.messaging.inbound.turn_histories import read_latest
from hailgate.messaging.inbound.turns import HISTORY_LENGTH, claim_turns
from hailgate.messaging.models import Conversation
from hailgate.messaging.store.sql import atomic_cursor

from .acting import apply, text, wrote
from .test_assistants import answered, clinic  # noqa: F401 -- fixtures

PEOPLE = 10
WORDS = "What does a check-up cost, and may I come tomorrow? ".ljust(300, "x")
ROUNDS = 200


@pytest.fixture
def conversations(answered) -> list[int]:  # noqa: F811
    said = [
        wrote(answered, person + 1, body=f"{number} {WORDS}")
        for number in range(HISTORY_LENGTH + 5)
        for person in range(PEOPLE)
    ]
    apply(answered, *said, debounce=Debounce(0.0, 0.0))
    return list(Conversation.objects.filter(tenant_id=answered.tenant_id).values_list("id", flat=True))


def of_history(statements: list[str]) -> list[str]:
    return [each for each in statements if "wanted.after" in each]


@pytest.mark.parametrize("turns", [1, PEOPLE])
def test_the_history_is_one_statement_of_a_claim(conversations, worker, django_executes, turns):
    with django_executes() as statements:
        claimed = claim_turns(worker, open_room(turns)).claims
    assert [len(turn.lines) for turn in claimed] == [HISTORY_LENGTH + 5] * turns  # what is older is for a summary
    print(f"\n{turns} turns: {len(statements)} statements, {len(of_history(statements))} of them the history")
    assert len(of_history(statements)) == 1


def test_what_the_history_takes_beside_a_cache(conversations, postgresql):
    """A cache is read once a turn and written for each message: a turn has at least two."""
    redis = pytest.importorskip("redis").Redis.from_url(
        os.environ.get("HAILGATE_TEST_REDIS", "redis://127.0.0.1:6379/0")
    )
    key, line = "hailgate:test:context", sealer().seal_content(text(WORDS))
    try:
        redis.ping()
    except OSError:
        pytest.skip("no Redis answers")

    def read_store() -> None:
        with atomic_cursor(read_only=True) as cursor:
            read_latest(cursor, {conversations[0]: 0}, HISTORY_LENGTH)

    def read_cache() -> None:
        assert len(redis.zrange(key, 0, -1)) == HISTORY_LENGTH

    def write_cache() -> None:
        with redis.pipeline() as together:
            together.zadd(key, {line: 1.0}).zremrangebyrank(key, 0, -HISTORY_LENGTH - 1).expire(key, 86_400).execute()

    redis.delete(key)
    redis.zadd(key, {f"{number} {line}": number for number in range(HISTORY_LENGTH)})
    took = {act.__name__: median_us(act) for act in (read_store, read_cache, write_cache)}
    redis.delete(key)
    cached = took["read_cache"] + 2 * took["write_cache"]
    told = ", ".join(f"{name} {us:.0f} µs" for name, us in took.items())
    print(f"\n{told}; a turn: {took['read_store']:.0f} µs from the store, {cached:.0f} µs with a cache")
    assert all(us > 0 for us in took.values())


def median_us(act) -> float:
    took = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        act()
        took.append((time.perf_counter() - begun) * 1e6)
    return statistics.median(took)
