"""Coroutines call database functions: each whole, each in a thread of the bridge, with errors that say what to do."""

import asyncio
import os
import threading

import psycopg
import pytest
from django.db import DataError, InterfaceError, OperationalError, connection

from hailgate.accounts.keys import add_tenant
from hailgate.accounts.models import Tenant
from hailgate.core.errors import StoreUnavailable
from hailgate.messaging.store.sql import atomic_cursor, fetch_value
from hailgate.pipeline.bridge import InlineDatabase, ThreadedDatabase, run_in_database


def names() -> set[str]:
    return set(Tenant.objects.values_list("name", flat=True))


def answer_of_the_database() -> int:
    with atomic_cursor(read_only=True) as cursor:
        return fetch_value(cursor, "SELECT 42")


async def test_a_function_runs_in_a_thread_of_the_bridge_and_returns(db):
    assert await db(lambda: threading.current_thread().name.startswith("db"))


async def test_a_function_gets_its_arguments(db):
    await db(add_tenant, "by argument")
    assert "by argument" in await db(names)


def test_threads_of_their_own_use_the_same_queue(store):
    bridge = ThreadedDatabase(1)
    try:
        assert bridge.run(lambda: threading.current_thread().name.startswith("db"))
    finally:
        bridge.close()


async def test_functions_in_one_thread_run_in_the_order_of_their_calls(store):
    bridge, order = ThreadedDatabase(1), []
    await asyncio.gather(*(bridge(order.append, place) for place in range(50)))
    bridge.close()
    assert order == list(range(50))


async def test_a_cancelled_caller_leaves_no_half_transaction(db):
    """The function goes on to its end and commits: whoever stops waiting changes nothing of it."""
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def write_both() -> None:
        with atomic_cursor():
            add_tenant("first half")
            begun.set()
            go_on.wait(5)
            add_tenant("second half")
        ended.set()

    task = asyncio.create_task(db(write_both))
    await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await asyncio.to_thread(ended.wait, 5)
    assert await db(names) >= {"first half", "second half"}


async def test_a_transaction_that_the_server_ended_is_an_absent_store_and_no_bad_row(postgresql, db):
    """As after a server that froze in the middle of it: 25P03, which Django calls an InternalError."""

    def idle_too_long() -> None:
        with atomic_cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 20")
            threading.Event().wait(0.2)
            cursor.execute("SELECT 1")

    with pytest.raises(StoreUnavailable):
        await db(idle_too_long)
    assert await db(answer_of_the_database) == 42


async def test_a_function_that_raises_leaves_nothing(db):
    def write_and_fail() -> None:
        with atomic_cursor():
            add_tenant("never")
            raise KeyError

    with pytest.raises(KeyError):
        await db(write_and_fail)
    assert "never" not in await db(names)


async def test_closing_gives_the_connection_of_every_thread_back(store):
    """Otherwise a pool of ten would be empty after three bridges."""
    for _ in range(6):
        bridge, together = ThreadedDatabase(4), threading.Barrier(4)

        def use_one_each(together=together) -> int:
            together.wait(5)
            return answer_of_the_database()

        assert await asyncio.gather(*(bridge(use_one_each) for _ in range(4))) == [42] * 4
        bridge.close()
    assert all(opened.connection is None for opened in bridge._connections._adopted)


async def test_closing_waits_for_what_is_under_way(store):
    bridge, go_on = ThreadedDatabase(1), threading.Event()

    def write() -> None:
        go_on.wait(5)
        add_tenant("written while closing")

    task = asyncio.create_task(bridge(write))
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(bridge.close))
    go_on.set()
    await asyncio.gather(task, closing)
    assert "written while closing" in await asyncio.to_thread(run_in_database, names_and_close)


def names_and_close() -> set[str]:
    try:
        return names()
    finally:
        connection.close()


# --- faults -----------------------------------------------------------------------------------------------------------


def caused_by(sqlstate: str) -> OperationalError:
    failed = OperationalError("told")
    failed.__cause__ = psycopg.errors.lookup(sqlstate)()
    return failed


class Fails:
    """A database function that fails so many times, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.mark.parametrize("sqlstate", ["40P01", "40001"], ids=["deadlock", "serialization failure"])
def test_what_was_rolled_back_whole_runs_once_more(store, sqlstate):
    function = Fails(caused_by(sqlstate))
    assert (run_in_database(function), function.calls) == ("done", 2)


def test_a_second_deadlock_is_told(store):
    function = Fails(caused_by("40P01"), caused_by("40P01"))
    with pytest.raises(StoreUnavailable):
        run_in_database(function)
    assert function.calls == 2


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("gone"),
        InterfaceError("gone"),
        caused_by("57P01"),
        caused_by("55P03"),
        caused_by("57014"),
    ],
    ids=["operational", "interface", "terminated", "lock time-out", "statement time-out"],
)
def test_a_store_that_does_not_answer_is_unavailable_and_nothing_is_repeated(store, error):
    function = Fails(error)
    with pytest.raises(StoreUnavailable):
        run_in_database(function)
    assert function.calls == 1


def test_an_error_of_the_row_is_the_callers(store):
    with pytest.raises(DataError):
        run_in_database(Fails(DataError("bad")))


def test_the_error_quotes_nothing_of_the_database(store):
    with pytest.raises(StoreUnavailable) as told:
        run_in_database(Fails(OperationalError("connection to 10.0.0.1 as secret_user failed")))
    assert "secret_user" not in told.value.detail


@pytest.mark.parametrize(
    ("error", "kept"),
    [(caused_by("55P03"), True), (caused_by("57014"), True), (caused_by("57P01"), False), (InterfaceError("x"), False)],
    ids=["lock time-out", "statement time-out", "terminated", "interface"],
)
def test_a_connection_that_broke_is_dropped_and_one_that_waited_is_kept(store, error, kept):
    connection.ensure_connection()
    before = connection.connection
    with pytest.raises(StoreUnavailable):
        run_in_database(Fails(error))
    assert (connection.connection is before) is kept


def test_a_terminated_connection_is_replaced_at_the_next_call(postgresql):
    with psycopg.connect(os.environ["HAILGATE_DATABASE_URL"], autocommit=True) as other:
        connection.ensure_connection()
        other.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
    with pytest.raises(StoreUnavailable):
        run_in_database(answer_of_the_database)
    assert run_in_database(answer_of_the_database) == 42


# --- the inline pair --------------------------------------------------------------------------------------------------


async def test_inline_runs_in_the_callers_own_thread(store, monkeypatch):
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    inline = InlineDatabase()
    assert await inline(threading.current_thread) is threading.current_thread()
    assert await inline(answer_of_the_database) == inline.run(answer_of_the_database) == 42
    with pytest.raises(StoreUnavailable):
        await inline(Fails(OperationalError("gone")))
    inline.close()
