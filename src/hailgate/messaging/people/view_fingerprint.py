"""Has anything changed that somebody looks at? A fingerprint of each view, cheap enough to be taken again and again.

No row says when it changed: ticks, unknown outcomes and hand-overs are read off the rows that are in view.
"""

from typing import Final
from uuid import UUID

from hailgate.messaging.people.roots import joined_ids
from hailgate.messaging.store.sql import Row, among, array, atomic_cursor, fetch_one

LIST_VIEW: Final = 40
THREAD_VIEW: Final = 50


def glance_at_list(tenant_id: int) -> Row | None:
    """The conversations on top of a tenant's list."""
    with atomic_cursor(read_only=True) as cursor:
        return fetch_one(
            cursor,
            f"""
            SELECT count(*), sum(top.last_message_id), sum(top.version), sum(top.seen_id),
                sum(message.status), sum(CASE WHEN message.unknown THEN 1 ELSE 0 END)
            FROM (
                SELECT last_message_id, version, seen_id FROM messaging_conversation
                WHERE tenant_id = %s AND last_message_id > 0 ORDER BY last_message_id DESC LIMIT {LIST_VIEW}
            ) top JOIN messaging_message message ON message.tenant_id = %s AND message.id = top.last_message_id
            """,
            [tenant_id, tenant_id],
        )


def glance_at_thread(tenant_id: int, conversation: UUID) -> Row | None:
    """The newest messages of a conversation, and who answers it; None where the tenant has no such conversation."""
    with atomic_cursor(read_only=True) as cursor:
        found = fetch_one(
            cursor,
            "SELECT id, version, answered_by, operator_id, last_inbound_id FROM messaging_conversation "
            "WHERE tenant_id = %s AND id = (SELECT coalesce(merged_into_id, id) FROM messaging_conversation "
            "WHERE tenant_id = %s AND uid = %s)",
            [tenant_id, tenant_id, conversation.hex],
        )
        if found is None:
            return None
        of_it = joined_ids(cursor, found[0])
        belongs = "conversation_id = %s" if len(of_it) == 1 else among("conversation_id")
        newest = fetch_one(
            cursor,
            f"""
            WITH newest AS (
                SELECT id, status, unknown, content FROM messaging_message
                WHERE tenant_id = %s AND {belongs} ORDER BY id DESC LIMIT {THREAD_VIEW}
            )
            SELECT max(id), count(*), sum(status), sum(CASE WHEN unknown THEN 1 ELSE 0 END), sum(length(content)),
                (SELECT count(*) FROM messaging_amendment
                    WHERE message_id IN (SELECT id FROM newest) AND tenant_id + 0 = %s),
                (SELECT sum(state) FROM messaging_attachment
                    WHERE message_id IN (SELECT id FROM newest) AND tenant_id + 0 = %s)
            FROM newest
            """,
            [tenant_id, found[0] if len(of_it) == 1 else array(of_it), tenant_id, tenant_id],
        )
    return (*found, *(newest or ()))
