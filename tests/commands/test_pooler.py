"""Behind PgBouncer in transaction mode: migrated past it, time-outs that hold through it, notifications that arrive."""

import json
import os
import secrets
import subprocess
import sys
from urllib.parse import urlsplit

import psycopg
import pytest

from pooler import open_pooler, through

SERVER = os.environ.get("HAILGATE_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres")
REQUIRE_ALL = os.environ.get("HAILGATE_TEST_REQUIRE") == "all"

pytestmark = pytest.mark.timeout(300)


def absent(what: str) -> None:
    if REQUIRE_ALL:
        pytest.fail(what)
    pytest.skip(f"{what}: what needs it was skipped")


@pytest.fixture(scope="module")
def database():
    name = f"hailgate_test_{secrets.token_hex(4)}"
    try:
        with psycopg.connect(SERVER, autocommit=True, connect_timeout=3) as server:
            server.execute(f"CREATE DATABASE {name}")
    except psycopg.OperationalError:
        absent("PostgreSQL does not answer")
    yield urlsplit(SERVER)._replace(path=f"/{name}").geturl()
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def pooled(database):
    """The same database through a PgBouncer of this test's own."""
    try:
        with open_pooler(database, pool=4) as pooler:
            yield through(pooler, database)
    except FileNotFoundError as missing:
        absent(str(missing))


@pytest.fixture(scope="module")
def hailgate(database, pooled, tmp_path_factory):
    """The command, with a home of its own behind the pooler."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path_factory.mktemp("user")),
        "HAILGATE_HOME": str(tmp_path_factory.mktemp("home")),
        "HAILGATE_DATABASE_URL": pooled,
        "HAILGATE_DATABASE_DIRECT_URL": database,
        "HAILGATE_PREPARE": "no",
        "HAILGATE_SECRET_KEYS": f"test:{'A' * 42}E=",
    }

    def run(*arguments, **changed):
        return subprocess.run(
            [sys.executable, "-m", "hailgate", *arguments],
            env=environment | changed, capture_output=True, text=True, timeout=200, check=False,
            cwd=environment["HOME"],
        )  # fmt: skip

    migrated = run("migrate", "--json")
    assert migrated.returncode == 0, migrated.stdout + migrated.stderr
    return run


def findings(checked) -> dict[str, dict[str, str]]:
    return {found["subject"]: found for found in json.loads(checked.stdout)["findings"]}


def test_time_outs_hold_through_it_and_notifications_are_heard_past_it(hailgate, pooled):
    found = findings(hailgate("check", "--json"))
    assert (found["database"]["state"], found["pooler"]["state"]) == ("ok", "ok"), found["pooler"]
    with psycopg.connect(pooled, prepare_threshold=None) as through:
        assert through.execute("SHOW statement_timeout").fetchone() == ("5s",)
        assert through.execute("SHOW enable_seqscan").fetchone() == ("off",)


def test_ten_of_ten_notifications_arrive_and_listening_through_it_is_told_by_check(hailgate, pooled, database):
    with psycopg.connect(database, autocommit=True) as listening:
        listening.execute("LISTEN ten")
        with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as through:
            for number in range(10):
                through.execute("SELECT pg_notify('ten', %s)", [str(number)])
        heard = [each.payload for each in listening.notifies(timeout=10, stop_after=10)]
    assert heard == [str(number) for number in range(10)]


def test_the_product_writes_and_reads_through_it(hailgate):
    made = hailgate("tenant", "add", "clinic", "--json")
    assert made.returncode == 0, made.stderr
    assert hailgate("tenant", "list", "--json").stdout.count("clinic") == 1
    key = hailgate("key", "add", "--json")
    assert "key" in json.loads(key.stdout)


def test_defaults_that_are_missing_are_told(hailgate, database):
    with psycopg.connect(database, autocommit=True) as server:
        role = server.execute("SELECT quote_ident(current_user), quote_ident(current_database())").fetchone()
        server.execute("ALTER ROLE {} IN DATABASE {} SET lock_timeout = '1s'".format(*role))
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid()"
        )
    found = findings(hailgate("check", "--json"))["pooler"]
    assert (found["state"], "lock_timeout" in found["detail"]) == ("fail", True)
    assert hailgate("migrate").returncode == 0
