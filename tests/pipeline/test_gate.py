"""The gate: many callers, one transaction; each gets its own answer, and only after its commit."""

import asyncio
import os
import threading

import psycopg
import pytest
from django.db import DataError, IntegrityError, OperationalError
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.errors import Overloaded, StoreUnavailable
from hailgate.messaging.inbound.receive import ReceivedWebhook, find_stored, store_webhooks
from hailgate.messaging.outbound.accept import Accepted, accept_messages, find_accepted
from hailgate.messaging.outbound.new_message import Idempotency
from hailgate.messaging.store.ids import uuid7
from hailgate.pipeline.bridge import Gate, run_in_database
from messaging.acting import messages, new_message


class Table:
    """A place to write to, that may be told to fail. Results are the items in capitals."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.batches: list[list[str]] = []
        self.plan: list[object] = []

    def write(self, items):
        self.batches.append(list(items))
        fault = self.plan.pop(0) if self.plan else None
        if isinstance(fault, Exception):
            raise fault
        if "bad" in items:
            raise DataError
        self.rows += items
        if fault == "commit, then break":
            raise OperationalError
        return [item.upper() for item in items]

    def find(self, items):
        return [item.upper() if item in self.rows else None for item in items]


class Held:
    """A database that waits before each call until it is let through."""

    def __init__(self) -> None:
        self.passes = asyncio.Semaphore(0)
        self.asked = 0

    async def __call__(self, function, *arguments):
        self.asked += 1
        await self.passes.acquire()
        return run_in_database(function, *arguments)

    def let_through(self, calls: int = 1) -> None:
        for _ in range(calls):
            self.passes.release()


async def at_once(function, *arguments):
    return run_in_database(function, *arguments)


@pytest.fixture(autouse=True)
def _inline(monkeypatch) -> None:
    """Closing a connection that never was is all that these faults do to Django."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")


@pytest.fixture
def table() -> Table:
    return Table()


async def submitted(gate, *items):
    """Every item's answer, or its exception, in order."""
    return await asyncio.gather(*(gate.submit(item) for item in items), return_exceptions=True)


def kinds(answers):
    return [type(answer) if isinstance(answer, Exception) else answer for answer in answers]


# --- batches ----------------------------------------------------------------------------------------------------------


async def test_what_gathers_while_a_commit_runs_is_one_transaction(table):
    db = Held()
    gate = Gate(db, table.write)
    answers = [asyncio.create_task(gate.submit(item)) for item in "abcde"]
    await asyncio.sleep(0)
    db.let_through(2)
    assert await asyncio.gather(*answers) == list("ABCDE")
    assert table.batches == [["a", "b", "c", "d", "e"]]


async def test_a_latecomer_waits_for_the_next_transaction(table):
    db = Held()
    gate = Gate(db, table.write)
    first = asyncio.create_task(gate.submit("first"))
    for _ in range(3):
        await asyncio.sleep(0)  # its batch is taken
    late = asyncio.create_task(gate.submit("late"))
    await asyncio.sleep(0)
    db.let_through(2)
    await asyncio.gather(first, late)
    assert table.batches == [["first"], ["late"]]


async def test_nobody_is_answered_before_the_commit(table):
    db = Held()
    answer = asyncio.create_task(Gate(db, table.write).submit("a"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not answer.done()
    db.let_through()
    assert await answer == "A"


async def test_a_batch_has_at_most_so_many_rows(table):
    gate = Gate(at_once, table.write, max_rows=3)
    await submitted(gate, *"abcdefgh")
    assert [len(batch) for batch in table.batches] == [3, 3, 2]
    assert table.rows == list("abcdefgh")


async def test_a_batch_ends_with_the_item_that_fills_its_bytes(table):
    gate = Gate(at_once, table.write, size=len, max_bytes=10)
    await submitted(gate, "x" * 6, "y" * 6, "z" * 6)
    assert [len(batch) for batch in table.batches] == [2, 1]


async def test_an_item_above_the_bytes_of_a_batch_goes_alone(table):
    gate = Gate(at_once, table.write, size=len, max_bytes=10)
    assert await submitted(gate, "x" * 15, "y") == ["X" * 15, "Y"]
    assert [len(batch) for batch in table.batches] == [1, 1]


@given(sizes=st.lists(st.integers(0, 12), max_size=30), rows=st.integers(1, 5), most=st.integers(1, 20))
def test_whatever_the_sizes_each_item_is_written_once_in_order(sizes, rows, most):
    table = Table()
    items = [f"{place}:{'x' * size}" for place, size in enumerate(sizes)]

    async def run():
        gate = Gate(at_once, table.write, size=len, max_rows=rows, max_bytes=max(most, 20))
        answers = await submitted(gate, *items)
        admitted = [item for item, answer in zip(items, answers, strict=True) if not isinstance(answer, Overloaded)]
        assert table.rows == admitted
        assert [answer for answer in answers if not isinstance(answer, Overloaded)] == [i.upper() for i in admitted]

    asyncio.run(run())


async def test_one_writer_writes_one_batch_after_the_other(table):
    db = Held()
    gate = Gate(db, table.write, max_rows=1)
    answers = [asyncio.create_task(gate.submit(item)) for item in "abc"]
    for asked in (1, 2, 3):
        for _ in range(10):
            await asyncio.sleep(0)
        assert db.asked == asked
        db.let_through()
    assert await asyncio.gather(*answers) == list("ABC")


async def test_two_writers_write_two_batches_at_once(table):
    db = Held()
    gate = Gate(db, table.write, writers=2, max_rows=1)
    answers = [asyncio.create_task(gate.submit(item)) for item in "ab"]
    await asyncio.sleep(0)
    assert len(gate._flushes) == 2
    db.let_through(2)
    assert sorted(await asyncio.gather(*answers)) == ["A", "B"]


async def test_draining_waits_for_everything_that_was_submitted(table):
    gate = Gate(at_once, table.write, max_rows=2)
    answers = [asyncio.create_task(gate.submit(item)) for item in "abcde"]
    await asyncio.sleep(0)
    await gate.drain()
    assert table.rows == list("abcde")
    await asyncio.gather(*answers)


# --- bounds -----------------------------------------------------------------------------------------------------------


async def test_more_rows_than_may_wait_are_refused_with_a_time_to_come_back(table):
    db = Held()
    gate = Gate(db, table.write, max_waiting=3)
    waiting = [asyncio.create_task(gate.submit(item)) for item in "abc"]
    await asyncio.sleep(0)
    waiting += [asyncio.create_task(gate.submit(item)) for item in "def"]
    await asyncio.sleep(0)
    assert gate.overloaded
    with pytest.raises(Overloaded) as refused:
        await gate.submit("too many")
    assert refused.value.retry_after > 0
    db.let_through(5)
    await asyncio.gather(*waiting)
    assert table.rows == list("abcdef")


async def test_more_bytes_than_may_wait_are_refused(table):
    """Twice the bytes of a batch may wait while another one is written."""
    db = Held()
    gate = Gate(db, table.write, size=len, max_bytes=10)
    waiting = [asyncio.create_task(gate.submit("w" * 10))]
    for _ in range(3):
        await asyncio.sleep(0)
    waiting += [asyncio.create_task(gate.submit("x" * 10)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await gate.submit("y")
    db.let_through(3)
    await asyncio.gather(*waiting)


async def test_after_a_flood_there_is_room_again(table):
    db = Held()
    gate = Gate(db, table.write, size=len, max_bytes=4, max_waiting=100)
    flood = [asyncio.create_task(gate.submit("xxxx")) for _ in range(10)]
    await asyncio.sleep(0)
    db.let_through(20)
    outcomes = kinds(await asyncio.gather(*flood, return_exceptions=True))
    assert set(outcomes) == {"XXXX", Overloaded}
    assert await gate.submit("yyyy") == "YYYY"
    assert (len(gate._waiting), gate._waiting_bytes, gate.overloaded) == (0, 0, False)


# --- callers ----------------------------------------------------------------------------------------------------------


async def test_what_a_caller_gave_up_on_is_written_all_the_same(table):
    db = Held()
    gate = Gate(db, table.write)
    gone = asyncio.create_task(gate.submit("gone"))
    stays = asyncio.create_task(gate.submit("stays"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    db.let_through()
    assert await stays == "STAYS"
    assert table.rows == ["gone", "stays"]


async def test_an_answer_that_is_an_exception_is_raised_to_its_own_caller(table):
    def write(items):
        return [KeyError(item) if item == "b" else item for item in items]

    assert kinds(await submitted(Gate(at_once, write), *"abc")) == ["a", KeyError, "c"]


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(7))
async def test_one_bad_row_fails_alone_wherever_it_stands(table, place):
    items = list("abcdef")
    items.insert(place, "bad")
    answers = await submitted(Gate(at_once, table.write), *items)
    assert kinds(answers) == [DataError if item == "bad" else item.upper() for item in items]
    assert table.rows == list("abcdef")


@pytest.mark.parametrize("error", [DataError, IntegrityError, ValueError, TypeError])
async def test_whatever_says_that_a_row_is_bad_ends_that_row(table, error):
    table.plan = [error()]
    assert kinds(await submitted(Gate(at_once, table.write), "a")) == [error]


async def test_several_bad_rows_fail_and_the_others_do_not(table):
    answers = await submitted(Gate(at_once, table.write), "bad", "a", "bad", "b", "bad")
    assert kinds(answers) == [DataError, "A", DataError, "B", DataError]


async def test_a_store_that_is_away_is_told_to_every_caller(table):
    table.plan = [OperationalError(), OperationalError()]
    gate = Gate(at_once, table.write, read_back=table.find)
    assert kinds(await submitted(gate, "a", "b")) == [StoreUnavailable, StoreUnavailable]


async def test_after_a_failure_the_gate_goes_on(table):
    table.plan = [OperationalError()]
    gate = Gate(at_once, table.write)
    assert kinds(await submitted(gate, "a")) == [StoreUnavailable]
    assert await gate.submit("b") == "B"


async def test_a_commit_without_an_answer_is_read_back_and_not_repeated(table):
    table.plan = ["commit, then break"]
    gate = Gate(at_once, table.write, read_back=table.find)
    assert await submitted(gate, "a", "b") == ["A", "B"]
    assert table.rows == ["a", "b"]
    assert len(table.batches) == 1


async def test_what_a_broken_connection_lost_is_written_once_more(table):
    table.plan = [OperationalError()]
    gate = Gate(at_once, table.write, read_back=table.find)
    assert await submitted(gate, "a", "b") == ["A", "B"]
    assert table.rows == ["a", "b"]


async def test_of_a_batch_that_is_half_there_only_the_rest_is_written(table):
    table.rows = ["b"]
    table.plan = [OperationalError()]
    gate = Gate(at_once, table.write, read_back=table.find)
    assert await submitted(gate, "a", "b", "c") == ["A", "B", "C"]
    assert table.rows == ["b", "a", "c"]


async def test_what_is_there_is_told_even_if_the_rest_cannot_be_written(table):
    table.rows = ["b"]
    table.plan = [OperationalError(), OperationalError()]
    gate = Gate(at_once, table.write, read_back=table.find)
    assert kinds(await submitted(gate, "a", "b", "c")) == [StoreUnavailable, "B", StoreUnavailable]


async def test_a_bad_row_after_a_broken_connection_fails_alone(table):
    table.rows = ["b"]
    table.plan = [OperationalError()]
    gate = Gate(at_once, table.write, read_back=table.find)
    assert kinds(await submitted(gate, "a", "b", "bad", "c")) == ["A", "B", DataError, "C"]


async def test_a_row_refused_because_it_is_there_already_is_told_as_written(table):
    """The first COMMIT was not answered, and the row's own unique id refuses the second."""
    table.rows, table.plan = ["a"], [IntegrityError()]
    assert await Gate(at_once, table.write, read_back=table.find).submit("a") == "A"


async def test_without_a_way_to_read_back_a_broken_connection_is_told(table):
    table.plan = ["commit, then break"]
    assert kinds(await submitted(Gate(at_once, table.write), "a")) == [StoreUnavailable]


async def test_a_bug_in_the_writer_reaches_every_caller_and_nobody_waits_for_ever(table):
    table.plan = [ZeroDivisionError()]
    gate = Gate(at_once, table.write)
    assert kinds(await submitted(gate, "a", "b")) == [ZeroDivisionError, ZeroDivisionError]
    assert await gate.submit("c") == "C"


async def test_a_writer_that_answers_too_little_leaves_nobody_waiting(table):
    gate = Gate(at_once, lambda _: ["only one"])
    async with asyncio.timeout(2):
        answers = await submitted(gate, "a", "b")
    assert kinds(answers) == [AssertionError, AssertionError]


# --- the real store ---------------------------------------------------------------------------------------------------


async def test_messages_through_the_gate_are_stored_in_the_order_of_their_submits(db, channel):
    gate = Gate(db, accept_messages, read_back=find_accepted, max_rows=7)
    batch = [new_message(channel, to=1 + place % 3, body=str(place)) for place in range(30)]
    accepted = await submitted(gate, *batch)
    assert [one.uid for one in accepted] == [one.uid for one in batch]
    assert [row.uid for row in await db(messages, channel.tenant_id)] == [one.uid for one in batch]


async def test_a_row_that_the_store_refuses_fails_alone(db, channel):
    gate = Gate(db, accept_messages, read_back=find_accepted)
    good, bad = new_message(channel), new_message(channel, metadata=None)
    answers = await submitted(gate, good, bad, other := new_message(channel))
    assert isinstance(answers[1], IntegrityError)
    assert [answers[0].uid, answers[2].uid] == [good.uid, other.uid]
    assert len(await db(messages, channel.tenant_id)) == 2


class Unanswered:
    """A database whose next COMMIT happens and is not answered."""

    def __init__(self, db) -> None:
        self.db, self.broken = db, True

    async def __call__(self, function, *arguments):
        answer = await self.db(function, *arguments)
        if self.broken:
            self.broken = False
            raise StoreUnavailable
        return answer


async def test_an_unanswered_commit_stores_each_message_once(db, channel):
    gate = Gate(Unanswered(db), accept_messages, read_back=find_accepted)
    batch = [
        new_message(channel, idempotency=Idempotency(f"{place % 3:040}", f"{0:040}"), body=str(place))
        for place in range(9)
    ]
    accepted = await submitted(gate, *batch)
    assert len(await db(messages, channel.tenant_id)) == 3
    assert len({one.uid for one in accepted}) == 3


async def test_an_unanswered_commit_stores_each_webhook_once(db, hook, tenant):
    from hailgate.messaging.models import Hook, WebhookEvent

    hook_id = await db(lambda: Hook.objects.values_list("id", flat=True).get(tenant_id=tenant.id))
    gate = Gate(Unanswered(db), store_webhooks, read_back=find_stored)
    batch = [ReceivedWebhook(uuid7(), tenant.id, hook_id, "{}", b"{}") for _ in range(5)]
    assert await submitted(gate, *batch) == [True] * 5
    assert await db(WebhookEvent.objects.filter(tenant_id=tenant.id).count) == 5


async def test_a_deadlock_runs_the_whole_batch_once_more(postgresql, db, tenant):
    """Two transactions that take each other's locks: one is chosen, and runs again, and nobody hears of it."""
    from hailgate.accounts.models import Tenant
    from hailgate.messaging.store.sql import atomic_cursor

    other = await db(lambda: Tenant.objects.create(name="other", created_at=0.0))
    both, runs = threading.Barrier(2), []

    def touch(items):
        runs.append(items)
        again = len(runs) > 2
        first, second = sorted(items[0]) if again else items[0]  # both may be chosen, and meet once more
        with atomic_cursor() as cursor:
            cursor.execute("UPDATE accounts_tenant SET created_at = created_at + 1 WHERE id = %s", [first])
            if not again:
                both.wait(5)
            cursor.execute("UPDATE accounts_tenant SET created_at = created_at + 1 WHERE id = %s", [second])
        return ["done"]

    one, two = Gate(db, touch), Gate(db, touch)
    done = await asyncio.gather(one.submit((tenant.id, other.id)), two.submit((other.id, tenant.id)))
    assert done == ["done", "done"]
    assert len(runs) in {3, 4}  # both, where both look for a deadlock at the same moment


async def test_connections_that_are_cut_at_any_moment_lose_and_double_nothing(postgresql, db, channel):
    """Whoever was answered is stored once; whoever was not may be stored once too."""
    gate = Gate(db, accept_messages, read_back=find_accepted, max_rows=5)
    batch = [new_message(channel, to=place % 7, body=str(place)) for place in range(150)]
    done = asyncio.Event()

    def cut(other) -> None:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND application_name = 'hailgate'"
        )

    async def cut_again_and_again() -> int:
        cuts = 0
        with psycopg.connect(os.environ["HAILGATE_DATABASE_URL"], autocommit=True) as other:
            while not done.is_set() and cuts < 30:
                await asyncio.to_thread(cut, other)
                cuts += 1
                await asyncio.sleep(0.003)
        return cuts

    cutting = asyncio.create_task(cut_again_and_again())
    answers = []
    for message in batch:
        answers.append(asyncio.create_task(gate.submit(message)))
        await asyncio.sleep(0.001)
    told = await asyncio.gather(*answers, return_exceptions=True)
    done.set()
    assert await cutting
    stored = [row.uid for row in await db(run_in_database, messages, channel.tenant_id)]
    accepted = {answer.uid for answer in told if isinstance(answer, Accepted)}
    assert {type(answer) for answer in told} <= {Accepted, StoreUnavailable}
    assert accepted <= set(stored)
    assert len(stored) == len(set(stored))
    assert len(accepted) > 30
