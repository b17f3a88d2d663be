"""Waiting for work: until somebody says so, until something is due, or until the next look round."""

import asyncio
import os
import sqlite3

import psycopg
import pytest

from hailgate.messaging.store import notify
from hailgate.messaging.store.notify import Wake, wake_now
from hailgate.messaging.store.sql import on_postgresql
from hailgate.pipeline import wakes as module
from hailgate.pipeline.wakes import Wakes, listen, seconds_until
from messaging.acting import send

FOR_EVER = 3600.0


@pytest.fixture
async def wakes():
    wakes = Wakes(FOR_EVER)
    yield wakes
    wakes.close()


async def is_woken(wakes, wake, at_most=None) -> None:
    async with asyncio.timeout(10):
        await wakes.wait(wake, at_most)


async def test_a_wake_ends_the_waiting(wakes):
    waiting = asyncio.create_task(is_woken(wakes, Wake.DELIVER))
    await asyncio.sleep(0)
    wakes.set(Wake.DELIVER)
    await waiting


async def test_a_wake_from_another_thread_ends_the_waiting(wakes):
    waiting = asyncio.create_task(is_woken(wakes, Wake.DELIVER))
    await asyncio.to_thread(wake_now, Wake.DELIVER)
    await waiting


async def test_a_wake_before_the_waiting_is_not_lost(wakes):
    wakes.set(Wake.DELIVER)
    await is_woken(wakes, Wake.DELIVER)


async def test_a_wake_is_heard_once(wakes):
    wakes.set(Wake.DELIVER)
    await is_woken(wakes, Wake.DELIVER)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await wakes.wait(Wake.DELIVER)


async def test_a_wake_of_another_kind_does_not_disturb(wakes):
    wakes.set(Wake.ANSWER)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await wakes.wait(Wake.DELIVER)


@pytest.mark.parametrize("at_most", [0.0, -5.0, 0.001])
async def test_what_is_due_ends_the_waiting_too(wakes, at_most):
    await is_woken(wakes, Wake.DELIVER, at_most)


async def test_nobody_waits_longer_than_the_next_look_round():
    wakes = Wakes(0.001)
    await is_woken(wakes, Wake.DELIVER, FOR_EVER)
    wakes.close()


async def test_all_may_be_woken(wakes):
    wakes.set_all()
    for wake in Wake:
        await is_woken(wakes, wake)


async def test_who_has_closed_hears_nothing_and_costs_nothing(wakes):
    closed = Wakes(FOR_EVER)
    closed.close()
    wake_now(Wake.DELIVER)
    await is_woken(wakes, Wake.DELIVER)


def test_a_loop_that_has_ended_hinders_no_commit():
    async def make():
        return Wakes(FOR_EVER)

    left = asyncio.run(make())
    try:
        wake_now(Wake.DELIVER)
    finally:
        left.close()


def test_seconds_until_count_from_when_they_were_asked_for(monkeypatch):
    at = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: at)
    assert seconds_until(None, 50.0, 90.0) is None
    assert seconds_until(60.0, 50.0, 90.0) == 0.0
    assert seconds_until(60.0, 50.0, 97.0) == 7.0


# --- other processes --------------------------------------------------------------------------------------------------


@pytest.fixture
async def listening(wakes, store, monkeypatch):
    """Listens to other processes; inside this one nothing is said."""
    monkeypatch.setattr(notify, "_listeners", [])
    monkeypatch.setattr(module, "RECONNECT_S", 0.01)
    task = asyncio.create_task(listen(wakes))
    await is_woken(wakes, Wake.DELIVER)  # whatever was said before
    yield wakes
    task.cancel()
    await asyncio.wait([task])


async def test_a_commit_of_another_process_is_heard(listening, db, channel):
    await db(send, channel)
    await is_woken(listening, Wake.DELIVER)


async def test_a_commit_of_another_process_wakes_nobody_who_has_no_row(listening, db, channel):
    if on_postgresql():
        pytest.skip("NOTIFY says whom it means")
    async with asyncio.timeout(10):
        await listening.wait(Wake.FETCH, 0.2)  # what the fixture's migrations and rows brought about
    await db(send, channel)
    await is_woken(listening, Wake.DELIVER)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await listening.wait(Wake.FETCH)


async def test_a_store_that_is_busy_wakes_all():
    assert set(module._perhaps_meant(Busy())) == set(Wake)


class Busy:
    def execute(self, _statement):
        raise sqlite3.OperationalError("database is locked")


async def test_a_connection_that_broke_is_made_again(postgresql, listening, db, channel):
    def break_all() -> None:
        with psycopg.connect(os.environ["HAILGATE_DATABASE_URL"], autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            )

    await asyncio.to_thread(break_all)
    await is_woken(listening, Wake.DELIVER)  # whatever was said while nobody listened
    await db(send, channel)
    await is_woken(listening, Wake.DELIVER)
