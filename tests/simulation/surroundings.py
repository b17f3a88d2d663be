"""What the product reaches for by itself, replaced for as long as stories are told: time, chance, threads, the net.

Each stand-in asks the process that runs at the moment for its world, so that none of them holds any state.
"""

import asyncio
import random
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch
from uuid import UUID

from django import db as database
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import asyncio as django_asyncio

from hailgate import workers
from hailgate.messaging.outbound import failover
from hailgate.messaging.store import ids, notify, sql
from hailgate.messaging.store.notify import Wake
from hailgate.messaging.work import leases, marks
from hailgate.pipeline import connections, faultpoints, inbound, lease, wakes, worker_run
from hailgate.pipeline.worker_run import WorkerParts
from hailgate.providers import guarded_body
from hailgate.telemetry.logs import log

from .loop import Process, running
from .network import SimulatedTransport
from .rows import POISON, POISON_FOR_ASSISTANTS

# Fakes the first second of every story; far from any other clock, so that a mix-up shows.
EPOCH = 1_800_000_000.0


@contextmanager
def replaced(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """The whole process lives in simulated surroundings until the end of the block."""
    replacements = list(_replacements(connection))
    for each in replacements:
        each.start()
    sql.use_clock(_wall_clock)
    try:
        yield
    finally:
        sql.use_clock(None)
        for each in reversed(replacements):
            each.stop()


def _replacements(connection: BaseDatabaseWrapper) -> Iterator[Any]:
    # Read at every statement, and os.environ takes its time.
    yield patch.object(django_asyncio, "os", SimpleNamespace(environ={"DJANGO_ALLOW_ASYNC_UNSAFE": "1"}))
    # All contexts share one connection: nobody has to ask Django at every statement which is theirs.
    shared = ("connection", database.connection, connection)
    for module in _product():
        for name, real, simulated in (*_EVERYWHERE, shared):
            if module.__dict__.get(name) is real:
                yield patch.object(module, name, simulated)
    for module, name, simulated in (
        (workers, "_build", _built(workers._build)),
        (workers, "_begin_duties", _begun(workers._begin_duties)),
        (worker_run, "Lease", SimulatedLease),
        (worker_run, "listen", _listen_for_ever),
        (leases, "LockFile", SimulatedLockFile),
        (failover, "process_is_gone", _process_is_gone),
        (failover, "find_unsent", _find_unsent),
        (wakes, "on_wake", _on_wake),
        (notify, "wake_now", lambda wake: _world().wake(wake)),
        (connections, "Transport", SimulatedTransport),
        (inbound, "in_thread", _here),
        (guarded_body, "_is_closed", lambda connection: connection.is_closing()),
    ):
        yield patch.object(module, name, simulated)


def _product() -> Iterator[ModuleType]:
    for name, module in sorted(sys.modules.items()):
        if name.startswith(
            ("hailgate.pipeline.", "hailgate.messaging.", "hailgate.accounts.alarms", "hailgate.core.backoff")
        ):
            yield module


def _world() -> Any:
    return running.get().world


# --- workers ----------------------------------------------------------------------------------------------------------

# What no story has: people's telephones that pair, look-ups of what was sent, providers that are asked, templates.
_ELSEWHERE = frozenset({"watch", "search", "poll", "check", "list", "fetch"})


def _built(build: Callable[..., WorkerParts]) -> Callable[..., WorkerParts]:
    def build_what_a_story_has(*given: Any) -> WorkerParts:
        parts, world = build(*given), _world()
        if world.looks_everywhere:
            return parts
        left_out = _ELSEWHERE - {"search"} if world.dialect.finds_sent else _ELSEWHERE
        return parts._replace(steps={name: step for name, step in parts.steps.items() if name not in left_out})

    return build_what_a_story_has


def _begun(begin_duties: Callable[[], list[Callable[[], int]]]) -> Callable[[], list[Callable[[], int]]]:
    return lambda: begin_duties() if _world().looks_everywhere or _world().dialect.finds_sent else []


# --- poison -----------------------------------------------------------------------------------------------------------

_DEADLY = {"webhook": POISON, "delivery": POISON, "turn": POISON_FOR_ASSISTANTS}


def _die_of_poison(stage: str, content: str | bytes) -> None:
    text = content.decode() if isinstance(content, bytes) else content
    if _DEADLY[stage] in text:
        _world().kill_here()


# --- time and chance --------------------------------------------------------------------------------------------------


def _wall_clock() -> float:
    process = running.get()
    return EPOCH + process.world.loop.now + process.skew


def _monotonic() -> float:
    return float(_world().loop.now)


def _chance() -> float:
    return float(_world().chance.random())


def _bits(count: int) -> int:
    return int(_world().chance.getrandbits(count))


def _seeded_uuid() -> UUID:
    return UUID(int=_bits(128), version=4)


class SimulatedLog:
    """The product's log as the world reads it."""

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda event, **facts: _world().logged(event, facts)


_EVERYWHERE: Sequence[tuple[str, object, object]] = (
    ("time", time, SimpleNamespace(time=_wall_clock, monotonic=_monotonic, time_ns=lambda: int(_wall_clock() * 1e9))),
    ("random", random, SimpleNamespace(random=_chance)),
    ("random_bytes", ids.random_bytes, lambda: _bits(8 * ids.RANDOM_BYTES).to_bytes(ids.RANDOM_BYTES)),
    ("socket", socket, SimpleNamespace(gethostname=lambda: running.get().host)),
    ("uuid4", uuid.uuid4, _seeded_uuid),
    ("on_postgresql", sql.on_postgresql, lambda: False),
    ("log", log, SimulatedLog()),
    ("faultpoint", faultpoints.faultpoint, lambda name: _world().faultpoint(name)),
    ("crash_on", faultpoints.crash_on, _die_of_poison),
)  # fmt: skip


# --- threads, locks and wakes -----------------------------------------------------------------------------------------


async def _here(function: Callable[..., Any], *arguments: Any) -> Any:
    """No threads: one story has one order."""
    return function(*arguments)


class SimulatedLease(lease.Lease):
    """Renewed by a timer of its process, where the real one has a thread."""

    def __init__(self, lease_s: float, renew_s: float, folder: Path, on_lost: Callable[[], None]) -> None:
        super().__init__(lease_s, renew_s, folder, on_lost)
        self._thread = RenewalTimer(self._renew_again, renew_s)

    def _renew_again(self) -> bool:
        if self._stopping.is_set() or self.lost:
            return False
        self._renew()
        return True


class RenewalTimer:
    def __init__(self, renew: Callable[[], bool], every: float) -> None:
        self._renew, self._every = renew, every

    def start(self) -> None:
        asyncio.get_running_loop().call_later(self._every, self._reach)

    def is_alive(self) -> bool:
        return False

    def _reach(self) -> None:
        """The store takes its time, also for one that has just thawed and has to learn that it is lost."""
        asyncio.get_running_loop().call_later(_world().faults.renewal(), self._renew_then_wait)

    def _renew_then_wait(self) -> None:
        if self._renew():
            self.start()


class SimulatedLockFile:
    """Held until it is released or its process is killed; a frozen process keeps it."""

    def __init__(self, _: Path) -> None:
        process = running.get()
        self.path = Path(f"/nonexistent/{process.name}-{len(process.world.locks)}.lock")
        self.memory = bytearray(marks.SIZE)
        self.marks = marks.Marks(self.memory)
        process.world.locks[str(self.path)] = Held(process, self.memory)

    def release(self) -> None:
        _world().locks.pop(str(self.path), None)


class Held(NamedTuple):
    """A lock file as others see it."""

    holder: Process
    memory: bytearray


def _process_is_gone(host: str, lock_file: str) -> bool:
    process = running.get()
    held: Held | None = process.world.locks.get(lock_file)
    return host == process.host and held is not None and held.holder.dead


def _find_unsent(host: str, lock_file: str) -> frozenset[marks.AttemptMark]:
    if not _process_is_gone(host, lock_file):
        return frozenset()
    return marks.find_prepared(_world().locks[lock_file].memory)


def _on_wake(listener: Callable[[Wake], None]) -> Callable[[], None]:
    process = running.get()
    entry = (process, listener)
    process.world.listeners.append(entry)
    return lambda: process.world.listeners.remove(entry)


async def _listen_for_ever(_: wakes.Wakes) -> None:
    """The world carries wakes from process to process, late or never."""
    await asyncio.get_running_loop().create_future()
