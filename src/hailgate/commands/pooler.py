"""A pooler between us and PostgreSQL: what it does not let through, brought to where it holds, and proven."""

import secrets
from typing import Final

from hailgate.database import SESSION_SETTINGS

HEARD_WITHIN_S: Final = 3.0


def write_role_defaults() -> None:
    """Time-outs and planner settings as defaults of our role in this database: a pooler refuses them from clients."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_user), quote_ident(current_database())")
        role, database = cursor.fetchone()
        for name, value in SESSION_SETTINGS.items():
            cursor.execute(f"ALTER ROLE {role} IN DATABASE {database} SET {name} = '{value}'")


def find_missing_defaults() -> list[str]:
    """Those that do not hold on a connection as it comes through the pooler."""
    from django.db import connection

    missing = []
    with connection.cursor() as cursor:
        for name, value in SESSION_SETTINGS.items():
            cursor.execute("SELECT current_setting(%s)", [name])
            if cursor.fetchone()[0] != value:
                missing.append(name)
    return missing


def hears_notifications() -> bool:
    """Whether what is notified through the pooler is heard past it."""
    import psycopg
    from django.db import connection

    from hailgate.pipeline.wakes import listening_parameters

    channel = f"hailgate_check_{secrets.token_hex(4)}"
    with psycopg.connect(**listening_parameters(), autocommit=True) as listening:
        listening.execute(f"LISTEN {channel}")
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [channel, "heard"])
        return any(True for _ in listening.notifies(timeout=HEARD_WITHIN_S, stop_after=1))
