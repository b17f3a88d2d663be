"""Summaries of conversations: kept beside the turn that made one, and gone with any change of what one covers."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from hailgate.accounts.seal import sealer
from hailgate.assistant.contract import Summary
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch, fetch_one, locked
from hailgate.messaging.store.tables import SUMMARY

_COLUMNS = ("tenant_id", "conversation_id", "content", "upto", "created_at")
_IN_ITS_PLACE = (
    "ON CONFLICT (conversation_id) DO UPDATE SET content = excluded.content, upto = excluded.upto, "
    "created_at = excluded.created_at"
)


class NewSummary(NamedTuple):
    """What it was made of: ids and contents of messages that were ``read``, and the ``former`` one."""

    tenant_id: int
    conversation_id: int
    summary: Summary
    read: Sequence[tuple[int, str]]
    former: Summary | None


def keep_summary(cursor: Cursor, new: NewSummary, moment: float) -> bool:
    """The conversation is locked. False, and nothing is kept, where what it was made of does not stand as it was read.

    Whoever changes one of the messages afterwards waits for this, and takes the summary with it.
    """
    summary = new.summary
    covered = {id_: content for id_, content in new.read if id_ <= summary.upto}
    if _contents(cursor, covered) != covered or not _stands(cursor, new.conversation_id, new.former):
        return False
    row = (new.tenant_id, new.conversation_id, sealer().seal_content(summary.text), summary.upto, moment)
    SUMMARY.insert(cursor, _COLUMNS, [row], on_conflict=_IN_ITS_PLACE)
    return True


def forget_summaries(cursor: Cursor, conversation_ids: Collection[int]) -> None:
    """The caller has changed what they say, or which messages belong to them."""
    cursor.execute(
        f"DELETE FROM messaging_conversationsummary WHERE {among('conversation_id')} {every_tenant('by key')}",
        [array(conversation_ids)],
    )


def forget_covering(cursor: Cursor, message_ids: Collection[int]) -> None:
    """Those that one of these messages went into; the messages are locked."""
    cursor.execute(
        "DELETE FROM messaging_conversationsummary WHERE id IN (SELECT summary.id "
        "FROM messaging_conversationsummary summary "
        "JOIN messaging_conversation home ON summary.conversation_id IN (home.id, home.merged_into_id) "
        "JOIN messaging_message message ON message.conversation_id = home.id AND message.id <= summary.upto "
        f"WHERE {among('message.id')} {every_tenant('by key')})",
        [array(message_ids)],
    )


def _contents(cursor: Cursor, ids: Collection[int]) -> dict[int, str]:
    found = fetch(
        cursor,
        f"SELECT id, content FROM messaging_message WHERE {among('id')} {every_tenant('by key')} ORDER BY id{locked()}",
        [array(ids)],
    )
    return {id_: sealer().unseal(content) for id_, content in found}


def _stands(cursor: Cursor, conversation_id: int, former: Summary | None) -> bool:
    if former is None:
        return True
    found = fetch_one(
        cursor,
        f"SELECT upto, content FROM messaging_conversationsummary WHERE conversation_id = %s {every_tenant('by key')}"
        f"{locked()}",
        [conversation_id],
    )
    return found is not None and (found[0], sealer().unseal(found[1])) == (former.upto, former.text)
