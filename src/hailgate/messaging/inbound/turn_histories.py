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
    """SQLite has no LATERAL: there the rows are found by their ids."""
    columns = ", ".join(f"message.{name}" for name in _COLUMNS)
    of_each = "FROM messaging_message WHERE conversation_id = wanted.key AND id > wanted.after"
    latest = f"{of_each} ORDER BY id DESC LIMIT {most:d}"
    if on_postgresql():
        places = [array(after), array(after.values())]
        wanted = "unnest(%b::bigint[], %b::bigint[]) AS wanted(key, after)"
        messages = f"LATERAL (SELECT * {latest}) message"
    else:
        places = [array(after.items())]
        pairs = "json_extract(value, '$[0]') AS key, json_extract(value, '$[1]') AS after FROM json_each(%s)"
        wanted = f"(SELECT {pairs}) wanted"
        messages = f"messaging_message message ON message.id IN (SELECT id {latest})"
    found = fetch(
        cursor,
        f"SELECT wanted.key, {columns} FROM {wanted} CROSS JOIN {messages} {every_tenant('by key')} "
        "ORDER BY message.id",
        places,
    )
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
