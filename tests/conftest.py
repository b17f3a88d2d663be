"""The house that tests live in: one run per database, in a folder and a database of its own.

    pytest --database=sqlite|postgresql

``HAILGATE_TEST_POSTGRESQL`` names the server (a URL with a user that may create databases), ``HAILGATE_TEST_POOLER`` a
PgBouncer before it (``host:port``). Where the server does not answer, tests that need the store are skipped and the end
of the run says so; ``HAILGATE_TEST_REQUIRE=all`` fails them.

Hypothesis gives every run the same examples, so that a failure says something about the change and not about luck.
``--hypothesis-seed=7`` gives others: that is what ``make explore`` does, one seed after another.
"""

import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from hypothesis import HealthCheck, settings
from psycopg import sql

from pooler import through
from tenancy import Tenancy

SERVER = os.environ.get("HAILGATE_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres")
POOLER = os.environ.get("HAILGATE_TEST_POOLER", "")
REQUIRE_ALL = os.environ.get("HAILGATE_TEST_REQUIRE") == "all"
# These configure the tests; every other HAILGATE_* of the caller would configure the product under test.
KEPT = ("HAILGATE_TEST_", "HAILGATE_OPENAPI_DIR", "HAILGATE_SIM")
DATABASE = f"hailgate_test_{secrets.token_hex(4)}"
DATABASES = pytest.StashKey[str]()
HOME = pytest.StashKey[Path]()
ABSENT = f"PostgreSQL does not answer at {urlsplit(SERVER).hostname}: what needs it was skipped"

tenancy = Tenancy()
opened_elsewhere: list[tuple[threading.Thread, BaseDatabaseWrapper]] = []


# --- the run ----------------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=["sqlite", "postgresql"], default="sqlite", help="what the store runs on")


def pytest_configure(config: pytest.Config) -> None:
    """Django is ready before any test module is imported; the store itself waits for the first test that needs it."""
    config.addinivalue_line("markers", "fuzz: generated calls against the OpenAPI document; SCALE= for more")
    for name in [name for name in os.environ if name.startswith("HAILGATE_") and not name.startswith(KEPT)]:
        del os.environ[name]
    config.stash[HOME] = home = Path(tempfile.mkdtemp(prefix="hailgate-test-"))
    on_postgresql = config.getoption("--database") == "postgresql"
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "hailgate.settings",
        "HAILGATE_HOME": str(home),
        "HAILGATE_SECRET_KEYS": "test:c2VhbGVkIGJ5IHRlc3RzIGFuZCBub2JvZHkgZWxzZS4=",
        **(_on_postgresql() if on_postgresql else {"HAILGATE_DATABASE_URL": f"sqlite:///{home / 'hailgate.db'}"}),
    }
    _choose_examples(by_seed=config.getoption("hypothesis_seed") is not None)
    import django

    django.setup()
    _use_sealer()
    tenancy.watch()
    connection_created.connect(_remember)


def _choose_examples(*, by_seed: bool) -> None:
    """No file remembers a failing example: one that was found becomes a test. A busy machine fails no property."""
    settings.register_profile(
        "hailgate",
        derandomize=not by_seed,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    settings.load_profile("hailgate")


def pytest_report_header(config: pytest.Config) -> str:
    return f"store: {config.getoption('--database')}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash.get(DATABASES, "") == "absent":
        terminalreporter.section("NOT TESTED", red=True, bold=True)
        terminalreporter.line(ABSENT)


def pytest_unconfigure(config: pytest.Config) -> None:
    if home := config.stash.get(HOME, None):
        shutil.rmtree(home, ignore_errors=True)


def _use_sealer() -> None:
    from hailgate.accounts.seal import Sealer, use_sealer
    from hailgate.settings import ENV

    use_sealer(Sealer(ENV.sealing_keys, content=ENV.seal_content))


def _on_postgresql() -> dict[str, str]:
    own = urlsplit(SERVER)._replace(path=f"/{DATABASE}").geturl()
    if not POOLER:
        return {"HAILGATE_DATABASE_URL": own}
    behind = {"HAILGATE_DATABASE_DIRECT_URL": own, "HAILGATE_PREPARE": "no"}
    return {"HAILGATE_DATABASE_URL": through(POOLER, own), **behind}


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


# --- the store --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def migrated_store(pytestconfig: pytest.Config) -> Iterator[None]:
    if pytestconfig.getoption("--database") == "postgresql":
        _make_database(pytestconfig)
    from django.db import connection

    from hailgate.commands.schema import apply_migrations

    apply_migrations()
    connection.close()  # with the patience of a migration
    yield
    _close_connections()
    if pytestconfig.getoption("--database") == "postgresql":
        _on_server(sql.SQL("DROP DATABASE {} WITH (FORCE)"))


def _remember(connection: BaseDatabaseWrapper, **_: object) -> None:
    if threading.current_thread() is not threading.main_thread():
        opened_elsewhere.append((threading.current_thread(), connection))


def _close_what_threads_left_open() -> None:
    """A test's own threads end with their connections open, which Python 3.13 warns of in whatever test runs then."""
    ended = [connection for thread, connection in opened_elsewhere if not thread.is_alive()]
    opened_elsewhere[:] = [pair for pair in opened_elsewhere if pair[0].is_alive()]
    for connection in ended:
        connection.inc_thread_sharing()
        connection.close()


@pytest.fixture
def store(migrated_store: None) -> Iterator[None]:
    """An empty store; whatever the test, its threads and its workers wrote is gone afterwards."""
    from hailgate.messaging.store.sql import use_clock

    tenancy.enforced = True
    yield
    tenancy.enforced = False
    use_clock(None)
    _close_what_threads_left_open()
    empty_tables()


@pytest.fixture
async def db(store: None) -> "AsyncIterator[object]":
    """The bridge to the store, for coroutines: ``await db(function, …)``."""
    from hailgate.pipeline.bridge import ThreadedDatabase
    from hailgate.settings import ENV

    db = ThreadedDatabase(1 if ENV.on_sqlite else ENV.database_threads)
    yield db
    db.close()


@pytest.fixture
async def site(store: None) -> "AsyncIterator[object]":
    """The whole program without a worker, behind real HTTP. Tests ask faster than any person; limits have their own."""
    from hailgate.asgi import create_app
    from hailgate.settings import ENV
    from serving import serving

    ends = []
    env = ENV.model_copy(update={"source_rate": 100_000})
    async with serving(create_app(env, with_worker=False, at_stop=ends.append), ends) as site:
        yield site


@pytest.fixture
def capture_log():
    """The lines that are logged during a test, as the facts that callers passed."""
    from structlog.testing import capture_logs

    with capture_logs() as lines:
        yield lines


def _make_database(config: pytest.Config) -> None:
    try:
        _on_server(sql.SQL("CREATE DATABASE {}"))
    except psycopg.OperationalError:
        config.stash[DATABASES] = "absent"
        if REQUIRE_ALL:
            pytest.fail(ABSENT)
        pytest.skip(ABSENT)


def _on_server(statement: sql.SQL) -> None:
    with psycopg.connect(SERVER, autocommit=True, connect_timeout=3) as server:
        server.execute(statement.format(sql.Identifier(DATABASE)))


def _close_connections() -> None:
    from django.db import connection

    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()


def _renew_used_pool() -> None:
    """A thread that ended with a connection in hand never gives it back; the next test would have one less."""
    from django.db import connection

    held = connection.pool.get_stats()
    if held["pool_size"] > held["pool_available"]:
        connection.close_pool()


def empty_tables() -> None:
    """DELETE in one transaction: on small tables far faster than TRUNCATE.

    The installation's own row stays, since it holds the key under which everything else is looked up; but nothing is
    held or restored any more.
    """
    from django.apps import apps
    from django.db import connection, transaction

    kept = {"Installation", "ContentType", "Permission"}  # what migrations made
    models = apps.get_models(include_auto_created=True)
    tables = [model._meta.db_table for model in models if model.__name__ not in kept]
    if connection.vendor == "postgresql":
        connection.close()  # a test may have cut it; the pool hands out one that answers
        _renew_used_pool()
    connection.disable_constraint_checking()  # all goes: nothing is looked up for each row
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"DO $$ BEGIN {' '.join(f'DELETE FROM {table};' for table in tables)} END $$")
        else:
            for table in tables:
                cursor.execute(f"DELETE FROM {table}")
        cursor.execute("UPDATE accounts_installation SET held_at = NULL, restored_at = NULL")
    connection.enable_constraint_checking()


# --- who lives there --------------------------------------------------------------------------------------------------


@pytest.fixture
def tenant(store: None):
    from hailgate.accounts.keys import add_tenant

    return add_tenant("clinic")


@pytest.fixture
def key(tenant) -> str:
    """An API key of ``tenant``, as its holder has it."""
    from hailgate.accounts.keys import add_key

    return add_key(tenant.id).key


@pytest.fixture
def hook(tenant):
    """A Cloud API hook of ``tenant``; what it is signed with is in ``given``."""
    import given
    from hailgate.messaging.channels.hooks import add_hook

    return add_hook(tenant.id, "cloud", given.HOOK_SETTINGS)


@pytest.fixture
def channel(tenant, hook):
    """A channel of ``tenant`` on ``hook``, whose provider is a port where nobody listens."""
    import given
    from hailgate.messaging.channels.registry import add_channel, get_channel

    uid = add_channel(tenant.id, "cloud", "front desk", given.NUMBER, given.CHANNEL_SETTINGS, hook=hook.id)
    return get_channel(tenant.id, str(uid))


@pytest.fixture
def stranger(store: None):
    """Another tenant, from whom everything is hidden."""
    from hailgate.accounts.keys import add_tenant

    return add_tenant("stranger")


@pytest.fixture
def stranger_key(stranger) -> str:
    from hailgate.accounts.keys import add_key

    return add_key(stranger.id).key
