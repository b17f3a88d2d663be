"""The database as Django and libpq are told of it."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from hailgate.env import Environment

# What SQLite's write-ahead log may keep of its room on the disk once it is empty.
WAL_KEPT = 32 * 1024 * 1024

# Plans are made once for each connection, while a queue is still empty: a walk through the whole table looks cheapest
# then, and would be kept when it is not any more. Nothing here is worth compiling.
# A wait for a lock ends before its statement does, so that it is known to have been one.
SESSION_SETTINGS: Final[Mapping[str, str]] = {
    "statement_timeout": "5s",
    "lock_timeout": "4500ms",
    "idle_in_transaction_session_timeout": "5s",
    "enable_seqscan": "off",
    "jit": "off",
}


def database_settings(env: Environment) -> dict[str, Any]:
    """Django's DATABASES["default"] for this environment."""
    return _sqlite(env) if env.on_sqlite else _postgresql(env)


def _sqlite(env: Environment) -> dict[str, Any]:
    name = env.database.removeprefix("sqlite:///")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": name or str(env.home / "hailgate.db"),
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            # A deferred transaction that turns into a write fails at once with SQLITE_BUSY; an immediate one waits.
            "transaction_mode": "IMMEDIATE",
            "timeout": 5,
            # FULL: in WAL, NORMAL may lose the last commits at a power cut, which breaks "200 means committed".
            # The log that grew while a long reader kept checkpoints from finishing is cut back at its next restart.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000; "
            f"PRAGMA journal_size_limit={WAL_KEPT};",
        },
    }


def _postgresql(env: Environment) -> dict[str, Any]:
    url = urlsplit(env.database)
    query = dict(parse_qsl(url.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(url.path.lstrip("/")),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": query.pop("host", unquote(url.hostname or "")),
        "PORT": str(url.port or query.pop("port", "")),
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "pool": {
                "min_size": 1,
                "max_size": env.web_threads + env.database_threads + 4,
                "timeout": 3.0,
                "reconnect_timeout": 2.0,
            },
            "server_side_binding": True,
            "prepare_threshold": 3 if env.prepare else None,
            "connect_timeout": 3,
            "application_name": "hailgate",
            # A pooler refuses them: there they are defaults of the role, which `hailgate migrate` writes.
            **({} if env.direct else {"options": session_options()}),
            # A peer that vanished without a word is noticed within 15 s, not after two hours.
            "keepalives_idle": 5,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
            **query,
        },
        "DIRECT": env.direct,
    }


def session_options() -> str:
    """For libpq's ``options``."""
    return " ".join(f"-c {name}={value}" for name, value in SESSION_SETTINGS.items())
