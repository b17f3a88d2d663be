"""Histories of turns: the latest messages of a conversation, and whatever of it has not been answered."""

from collections.abc import Mapping

from hailgate.messaging.models import Direction
from hailgate.messaging.people.roots import joined_ids
from hailgate.messaging.store.sql import Cursor, Row, among, array, every_tenant, fetch, on_postgresql

_COLUMNS = ("id", "direction", "kind", "content", "provider_id", "uid", "accepted_at", "address_kind", "address")


def read_histories(
    cursor: Cursor, after: Mapping[int, int], answered: Mapping[int, int], most: int
) -> dict[int, list[Row]]:
    """The ``most`` latest messages of each conversation after the one that is named, the oldest first, as stored.

    Before them whatever else came after what was ``answered``: a word that brings a person may stand there.
    """
    histories = read_latest(cursor, after, most)
    for key, latest in histories.items():
        if len(latest) == most and latest[0][0] > answered[key] + 1:
            histories[key] = [*_read_between(cursor, key, answered[key], latest[0][0]), *latest]
    return histories


def read_history_of_all(
    cursor: Cursor, root: int, after: int, answered_id: int, most: int
) -> tuple[list[Row], set[int]]:
    """Of a conversation and those that were joined to it; and the ids of what each had answered before that."""
    found = fetch(
        cursor,
        f"SELECT id, CASE WHEN id = %s THEN own_answered_id ELSE answered_id END FROM messaging_conversation "
        f"WHERE {among('id')} {every_tenant('by key')}",
        [root, array(joined_ids(cursor, root))],
    )
    apart: dict[int, int] = dict(found)
    open_since = {key: max(own, answered_id) for key, own in apart.items()}
    each = read_histories(cursor, dict.fromkeys(apart, after), open_since, most)
    answered = {row[0] for key, history in each.items() for row in history if row[0] <= apart[key]}
    rows = sorted(row for history in each.values() for row in history)
    waiting = [row for row in rows[:-most] if _waits(row, answered_id) and row[0] not in answered]
    return [*waiting, *rows[-most:]], answered


def read_latest(cursor: Cursor, after: Mapping[int, int], most: int) -> dict[int, list[Row]]:
    if on_postgresql():
        columns = ", ".join(f"message.{name}" for name in _COLUMNS)
        statement = f"""
            SELECT wanted.key, {columns} FROM unnest(%b::bigint[], %b::bigint[]) AS wanted(key, after)
            CROSS JOIN LATERAL (
                SELECT * FROM messaging_message WHERE conversation_id = wanted.key AND id > wanted.after
                ORDER BY id DESC LIMIT {most:d}) message
            {every_tenant("by key")} ORDER BY message.id
        """
        found = fetch(cursor, statement, [array(after), array(after.values())])
    else:
        statement = (
            f"SELECT conversation_id, {', '.join(_COLUMNS)} FROM messaging_message "
            f"WHERE conversation_id = %s AND id > %s {every_tenant('by key')} ORDER BY id DESC LIMIT {most:d}"
        )
        found = [row for place in after.items() for row in reversed(fetch(cursor, statement, place))]
    histories: dict[int, list[Row]] = {}
    for key, *message in found:
        histories.setdefault(key, []).append(tuple(message))
    return histories


def _read_between(cursor: Cursor, key: int, after: int, before: int) -> list[Row]:
    """What a person wrote in between."""
    return fetch(
        cursor,
        f"SELECT {', '.join(_COLUMNS)} FROM messaging_message WHERE conversation_id = %s AND id > %s AND id < %s "
        f"AND direction = {Direction.INBOUND.value} {every_tenant('by key')} ORDER BY id",
        [key, after, before],
    )


def _waits(row: Row, answered_id: int) -> bool:
    return bool(row[1] == Direction.INBOUND.value and row[0] > answered_id)
