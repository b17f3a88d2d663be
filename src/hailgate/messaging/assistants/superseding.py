"""Superseding: an answer that a newer message of the person makes pointless is not sent; the next turn answers both.

Bounded, or whoever writes on and on would never be answered.
"""

from collections.abc import Iterable
from typing import Final

from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch

SUPERSEDED: Final = "superseded"
MOST_IN_A_ROW: Final = 2
LONGEST_WAIT_S: Final = 20.0


def may_supersede(in_a_row: int, waited_s: float) -> bool:
    """``in_a_row`` answers were dropped before; ``waited_s`` since the first message that is not answered."""
    return in_a_row < MOST_IN_A_ROW and waited_s <= LONGEST_WAIT_S


def count_superseded(cursor: Cursor, conversation_ids: Iterable[int]) -> dict[int, int]:
    """Of each conversation, the answers in a row up to now that were dropped for a newer message."""
    found = fetch(
        cursor,
        f"SELECT conversation_id, count(*) FROM messaging_turnanswer dropped WHERE {among('conversation_id')} "
        f"AND outcome = '{SUPERSEDED}' AND NOT EXISTS (SELECT 1 FROM messaging_turnanswer later "
        f"WHERE later.conversation_id = dropped.conversation_id AND later.id > dropped.id "
        f"AND later.outcome <> '{SUPERSEDED}') {every_tenant('by key')} GROUP BY conversation_id",
        [array(conversation_ids)],
    )
    return dict(found)


def was_superseded(cursor: Cursor, conversation_id: int, turn: int) -> bool:
    """Whether what this turn said was dropped for a newer message."""
    found = fetch(
        cursor,
        f"SELECT 1 FROM messaging_turnanswer WHERE conversation_id = %s AND turn = %s AND outcome = '{SUPERSEDED}' "
        f"{every_tenant('by key')}",
        [conversation_id, turn],
    )
    return bool(found)


def find_asked_after(cursor: Cursor, conversation_id: int, turns: Iterable[int]) -> int | None:
    """The last message that had been answered before the first of these turns; None where none of them is on record."""
    found = fetch(
        cursor,
        f"SELECT min(asked_after) FROM messaging_turnanswer WHERE conversation_id = %s AND {among('turn')} "
        f"{every_tenant('by key')}",
        [conversation_id, array(turns)],
    )
    return found[0][0] if found else None


def mark_superseded(cursor: Cursor, conversation_id: int, turns: Iterable[int]) -> None:
    """Answers of these turns were taken back, and with them whatever they disclosed."""
    cursor.execute(
        f"UPDATE messaging_turnanswer SET outcome = '{SUPERSEDED}', disclosed = %s WHERE conversation_id = %s "
        f"AND {among('turn')} {every_tenant('by key')}",
        [False, conversation_id, array(turns)],
    )
