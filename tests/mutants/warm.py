"""A plugin of pytest: tests are loaded once, and each planted bug meets them in a process that is split off.

    HAILGATE_TEST_MUTANTS=errand.json pytest -p tests.mutants.warm …

The errand either lists bugs with their tests, or asks for what each test touches and how long it takes.
"""

import json
import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from .planting import Unplantable, plant
from .sites import Site
from .touched import Touched

ERRAND = "HAILGATE_TEST_MUTANTS"
UNPLANTABLE, OUT_OF_TIME = "unplantable", "out of time"


class Errand:
    """What this process was started for, read from a file; what came of it is appended to another."""

    def __init__(self, file: Path) -> None:
        told = json.loads(file.read_bytes())
        self.bugs = [(Site(**bug["site"]), bug["tests"]) for bug in told["bugs"]]
        self.results, self.touched, self.patience_s = Path(told["results"]), told["touched"], told["patience_s"]
        self.until = told["until"]

    def add(self, **found: Any) -> None:
        with self.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")


class FirstFailure:
    """Remembers it, and how long each test took."""

    def __init__(self) -> None:
        self.test = ""
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed and not self.test:
            self.test = report.nodeid


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    errand, house = Errand(Path(os.environ[ERRAND])), find_house(session)
    first = FirstFailure()
    session.config.pluginmanager.register(first)
    with prepared_store(session, house):
        if errand.touched:
            with Touched(errand.touched, first.seconds) as touched:
                run_all(session.items, first, touched, errand.until)
            return True
        named = defaultdict(list)
        for item in session.items:
            named[item.nodeid].append(item)
            named[item.nodeid.partition("::")[0]].append(item)
        for site, tests in errand.bugs:
            if time.time() < errand.until:
                items = list(dict.fromkeys(item for test in tests for item in named[test]))
                errand.add(**try_out(site, items, first, errand.patience_s, house))
    return True


def try_out(
    site: Site, items: Sequence[pytest.Item], first: FirstFailure, patience_s: float, house: Any
) -> dict[str, Any]:
    """A test that fails without the bug as well has noticed nothing: those behind it are asked."""
    begun, count, told = time.monotonic(), len(items), ""
    while items:
        told = in_a_child(lambda items=items: with_bug(site, items, first, house), patience_s)
        place = next((place for place, item in enumerate(items) if item.nodeid == told), None)
        if place is None or not in_a_child(lambda item=items[place]: without_bug(item, first, house), patience_s):
            break
        items, told = items[place + 1 :], ""
    return {"id": site.id, "told": told, "tests": count, "seconds": round(time.monotonic() - begun, 1)}


def with_bug(site: Site, items: Sequence[pytest.Item], first: FirstFailure, house: Any) -> str:
    try:
        plant(site)
    except Unplantable:
        return UNPLANTABLE
    house.empty_tables()
    return run_until_failure(items, first)


def without_bug(item: pytest.Item, first: FirstFailure, house: Any) -> str:
    house.empty_tables()
    return run_until_failure([item], first)


def run_until_failure(items: Sequence[pytest.Item], first: FirstFailure) -> str:
    for place, item in enumerate(items):
        following = items[place + 1] if place + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if first.test:
            break
    return first.test


def run_all(items: Sequence[pytest.Item], first: FirstFailure, touched: Touched, until: float) -> None:
    for place, item in enumerate(items):
        if time.time() > until:
            return
        following = items[place + 1] if place + 1 < len(items) else None
        touched.begin(item.nodeid)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def in_a_child(work: Any, patience_s: float) -> str:
    """What it returns; in a process that is gone afterwards, with everything that it changed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            told = work()
        except BaseException as failed:  # noqa: BLE001 -- the bug may bring down anything
            told = f"{type(failed).__name__}: {failed}"[:120]
        os.write(writer, told.encode())
        os._exit(0)
    os.close(writer)
    return _read(reader, child, time.monotonic() + patience_s)


def _read(reader: int, child: int, deadline: float) -> str:
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(reader)
            return OUT_OF_TIME
        time.sleep(0.02)
    with os.fdopen(reader, "rb") as pipe:
        return pipe.read().decode() or ""


@contextmanager
def prepared_store(session: pytest.Session, house: Any) -> Iterator[None]:
    """Made once. Whoever is split off finds it there and leaves it there."""
    from hailgate.commands import schema

    on_server = house._on_server
    if on_postgresql := session.config.getoption("--database") == "postgresql":
        house._make_database(session.config)
    schema.apply_migrations()
    house._close_connections()
    house._on_server = lambda _statement: None
    schema.apply_migrations = lambda: None
    try:
        yield
    finally:
        if on_postgresql:
            on_server(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)"))


def find_house(session: pytest.Session) -> Any:
    """The tests' own conftest."""
    return next(plugin for plugin in session.config.pluginmanager.get_plugins() if hasattr(plugin, "migrated_store"))
