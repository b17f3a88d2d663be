"""Holding: webhooks and calls are taken but nothing leaves, until a person releases it.

For whoever has brought back a backup: what waits in it may have been sent since. It is a mark in the store, so that
every process obeys, at once where it begins and otherwise with the next renewal of its lease.
"""

from hailgate.messaging.store.sql import atomic_cursor, fetch_value, now


def hold() -> None:
    with atomic_cursor() as cursor:
        moment = now(cursor)
        cursor.execute("UPDATE accounts_installation SET held_at = %s WHERE held_at IS NULL", [moment])


def release() -> bool:
    """False where nothing was held."""
    with atomic_cursor() as cursor:
        cursor.execute("UPDATE accounts_installation SET held_at = NULL WHERE held_at IS NOT NULL")
        return bool(cursor.rowcount)


def is_held() -> bool:
    with atomic_cursor(read_only=True) as cursor:
        return fetch_value(cursor, "SELECT 1 FROM accounts_installation WHERE held_at IS NOT NULL") is not None
