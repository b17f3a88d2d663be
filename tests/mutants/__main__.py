"""Plants bugs one at a time and runs the tests that run through them until one notices.

Forty are chosen by a fixed seed; ``--seed`` chooses others, ``--all`` takes every one. Tests are loaded once for all
of them (see warm.py). A result is kept and not asked for again, so that ``--minutes`` takes it in parts. Ends with 1
where a bug went unnoticed that is not known to be equivalent, or has not been tried yet.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .equivalents import EQUIVALENT
from .sites import ROOMS, Kind, Room, Site, find_all
from .table import Found, Table
from .touched import PACKAGE, read_touched, tests_of
from .warm import ERRAND, OUT_OF_TIME, UNPLANTABLE

HERE = Path(__file__).parents[2]
TESTS = HERE / "tests"
KEPT = HERE / "build" / "mutants"
TOUCHED = KEPT / "touched.json"
COUNT, SEED = 40, 20261
# For one planted bug on one database. A test that hangs ends after the other: it has noticed.
PATIENCE_S, TEST_TIMEOUT_S = 300, 60
NAMED_AT_ONCE = 60
# Two connections, the second begun after each statement of the first: PostgreSQL alone shows what a lock is for.
INTERLEAVED = [f"tests/messaging/test_{name}.py" for name in ("races", "lock_order", "interleavings")]
# Reads what is written, not what runs: a planted order is seen by it only in a changed copy.
AS_WRITTEN = "tests/messaging/test_lock_order.py"


def main() -> None:
    given = parse_arguments()
    KEPT.mkdir(parents=True, exist_ok=True)
    until = time.time() + 60 * given.minutes
    if given.map or not TOUCHED.exists():
        see_what_tests_touch(until)
    sites = chosen(given)
    table = Table(given.results)
    print(f"{len(sites)} planted bugs, {sum(site.id not in table for site in sites)} of them not tried yet", flush=True)
    for database in given.database:
        asked = [site for site in sites if database in databases_of(site) and (given.again or site.id not in table)]
        if given.again:
            told_file(database).unlink(missing_ok=True)
        try_on(database, asked, table, until)
    if given.write_docs:
        table.write(HERE / "docs" / "mutants.md", [site.id for site in find_all(PACKAGE)], [site.id for site in sites])
    missed = [site for site in sites if site.id not in EQUIVALENT and not table.notices(site.id)]
    for site in missed:
        print("MISSED" if site.id in table else "NOT TRIED", site.kind, site.id)
    sys.exit(1 if missed else 0)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--room", choices=[room.name for room in ROOMS], action="append")
    parser.add_argument("--only", default="", help="a part of a file's name or of what is taken out")
    parser.add_argument("--again", action="store_true", help="also what has a result")
    parser.add_argument("--map", action="store_true", help="see anew which tests run which function")
    parser.add_argument("--minutes", type=float, default=1_000.0, help="begin nothing after this long")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--results", type=Path, default=HERE / "docs" / "mutants.jsonl")
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    given.database = given.database or ["sqlite", "postgresql"]
    return given


def chosen(given: argparse.Namespace) -> list[Site]:
    """Without a room or a word: of the rooms through which messages go. One place more changes one at most."""
    names = given.room or [room.name for room in ROOMS if room.name != "assistant"]
    sites = [site for site in find_all(PACKAGE) if site.room in names and given.only in site.id]
    if given.list:
        for site in sites:
            print(f"{site.room:9} {site.kind:9} {site.file}:{site.line}: {' '.join(site.was.split())[:80]}")
        sys.exit(0)
    if given.all or given.only or given.count >= len(sites):
        return sites
    drawn = sorted(sites, key=lambda site: hashlib.sha256(f"{given.seed} {site.id}".encode()).digest())
    return sorted(drawn[: given.count], key=sites.index)


def databases_of(site: Site) -> Sequence[str]:
    """Where it can be noticed. SQLite has one writer and no locks of rows; a lock of a file is the same on both."""
    if site.kind is Kind.LOCK:
        return ["sqlite"] if "flock" in site.was else ["postgresql"]
    return ["sqlite", "postgresql"]


# --- trying -----------------------------------------------------------------------------------------------------------


def try_on(database: str, sites: Sequence[Site], table: Table, until: float) -> None:
    """Unnoticed is what no database shows on which it could be seen. What few tests run through is tried first."""
    kept, touched = told_file(database), read_touched(TOUCHED)
    tests = {site.id: tests_for(site, database, touched) for site in sites}
    known = read_told(kept)
    left = [site for site in sites if site.id not in known]
    left.sort(key=lambda site: sum(touched["seconds"].get(test, 1.0) for test in tests[site.id]))
    run_errand(database, {test.partition("::")[0] for site in left for test in tests[site.id]}, {
        "bugs": [{"site": site._asdict(), "tests": tests[site.id]} for site in left],
        "results": str(kept), "touched": "", "patience_s": PATIENCE_S, "until": until,
    })  # fmt: skip
    told = read_told(kept)
    for site in sites:
        if site.id in told and (found := judge(site, database, told[site.id], tests[site.id])):
            table.add(found)
            print(found.told(), flush=True)


def tests_for(site: Site, database: str, touched: Mapping[str, Any]) -> list[str]:
    """Near files come after all that was seen to run through it: they may hold tests that are newer than that."""
    near = near_files(site)
    locks = database == "postgresql" and site.kind in {Kind.LOCK, Kind.ORDER}
    return [*tests_of(site, touched, near), *near, *(INTERLEAVED if locks else ())]


def judge(site: Site, database: str, told: Mapping[str, Any], tests: Sequence[str]) -> Found | None:
    """None where it remains open."""
    caught = told["told"]
    if caught == OUT_OF_TIME:
        return None
    if caught == UNPLANTABLE:
        caught = run_alone(site, tests, database)
    if not caught and site.kind is Kind.ORDER:
        caught = run_alone(site, [AS_WRITTEN], database)
    if not caught and any(site.id not in read_told(told_file(other)) for other in databases_of(site)):
        return None
    return Found.of(site, caught.removeprefix("tests/"), database if caught else "", told["seconds"])


def told_file(database: str) -> Path:
    return KEPT / f"told-{database}.jsonl"


def read_told(file: Path) -> Mapping[str, Mapping[str, Any]]:
    lines = file.read_bytes().splitlines() if file.exists() else []
    return {told["id"]: told for told in map(json.loads, lines)}


def run_errand(database: str, files: set[str], errand: Mapping[str, Any]) -> None:
    if not files or time.time() > errand["until"]:
        return
    (file := KEPT / f"errand-{database}.json").write_text(json.dumps(errand), "utf-8")
    command = [*pytest(database), "-p", "tests.mutants.warm", *sorted(files)]
    subprocess.run(command, cwd=HERE, env=environment() | {ERRAND: str(file)}, stdout=subprocess.DEVNULL, check=False)


def pytest(database: str) -> list[str]:
    return [
        sys.executable, "-m", "pytest", "-q", "-m", "not faults and not browser", "--tb=no", "-p", "no:cacheprovider",
        "-o", f"timeout={TEST_TIMEOUT_S}", f"--database={database}",
        *(["-p", "only_store"] if database == "postgresql" else []),
    ]  # fmt: skip


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(TESTS), "PYTHONDONTWRITEBYTECODE": "1"}


def run_alone(site: Site, tests: Sequence[str], database: str) -> str:
    """In a process that loads a changed copy by itself: the first test that notices."""
    shutil.copytree(
        HERE / "src", copy := KEPT / "src", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
    )
    file = copy / "hailgate" / site.file
    file.write_text(site.plant(file.read_text("utf-8")), "utf-8")
    command = [*pytest(database), "-x", *tests[:NAMED_AT_ONCE]]
    paths = {"PYTHONPATH": f"{copy}:{TESTS}"}
    told = subprocess.run(command, cwd=HERE, env=environment() | paths, capture_output=True, text=True, check=False)
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", told.stdout, re.MULTILINE)
    return failed.group(1) if failed else ""


# --- which tests are near ---------------------------------------------------------------------------------------------


def see_what_tests_touch(until: float) -> None:
    """Of the rooms' folders, one after the other: what was seen of one is kept."""
    for folder in sorted({folder for room in ROOMS for folder in room.tests}):
        print(f"what tests/{folder} touches …", flush=True)
        run_errand("sqlite", {f"tests/{folder}"}, {
            "bugs": [], "results": os.devnull, "touched": str(TOUCHED), "patience_s": 0, "until": until,
        })  # fmt: skip


def near_files(site: Site) -> list[str]:
    """Test files of its room that name the module; where none does, those that name its package."""
    room = next(room for room in ROOMS if room.name == site.room)
    module = "hailgate." + site.file.removesuffix(".py").replace("/", ".")
    parent, _, name = module.rpartition(".")
    named = rf"\b{re.escape(module)}\b|from {re.escape(parent)} import [^\n]*\b{name}\b"
    return _naming(room, named) or _naming(room, rf"\b{re.escape(parent)}\b")


def _naming(room: Room, named: str) -> list[str]:
    tests = [path for folder in room.tests for path in sorted((TESTS / folder).glob("test_*.py"))]
    return [str(path.relative_to(HERE)) for path in tests if re.search(named, path.read_text("utf-8"))]


if __name__ == "__main__":
    main()
