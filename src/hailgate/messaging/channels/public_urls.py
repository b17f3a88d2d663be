"""Public URLs: the address under which providers reach this installation, and those it had until lately."""

from collections.abc import Sequence
from typing import Final

from hailgate.messaging.store.sql import Cursor, atomic_cursor, every_tenant, fetch, fetch_one, now

# A provider goes on calling the old address until somebody has told it the new one.
FORMER_LIFE_S: Final = 7 * 86_400.0
_OF_ALL: Final = every_tenant("the installation's own address")


def record_public_url(url: str) -> Sequence[str]:
    """Remember that ``url`` is the address from now on; returns those that it replaced within the last seven days.

    Empty where there is none any more.
    """
    with atomic_cursor() as cursor:
        moment = now(cursor)
        if url:
            cursor.execute(
                "INSERT INTO messaging_publicurl (url, replaced_at) VALUES (%s, NULL) "
                f"ON CONFLICT (url) DO UPDATE SET replaced_at = NULL {_OF_ALL}",
                [url],
            )
        cursor.execute(
            f"UPDATE messaging_publicurl SET replaced_at = %s WHERE replaced_at IS NULL AND url <> %s {_OF_ALL}",
            [moment, url],
        )
        gone = moment - FORMER_LIFE_S
        cursor.execute(f"DELETE FROM messaging_publicurl WHERE replaced_at <= %s {_OF_ALL}", [gone])
        found = fetch(
            cursor,
            f"SELECT url FROM messaging_publicurl WHERE url <> %s {_OF_ALL} ORDER BY replaced_at DESC",
            [url],
        )
    return [row[0] for row in found]


def has_public_url(cursor: Cursor) -> bool:
    statement = f"SELECT 1 FROM messaging_publicurl WHERE replaced_at IS NULL {_OF_ALL} LIMIT 1"
    return fetch_one(cursor, statement) is not None
