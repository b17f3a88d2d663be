"""Roots: of contacts that are one person the oldest, and of their conversations on one channel the one that counts."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q

from hailgate.core.errors import NotFound
from hailgate.messaging.models import Conversation
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch, fetch_one, locked
from hailgate.messaging.work.rows import lock_conversations


def lock_roots(cursor: Cursor, contact_ids: Iterable[int]) -> dict[int, int]:
    """The root of each contact, with the rows locked: no join goes on in them until the caller has committed."""
    ids = set(contact_ids)
    found = fetch(
        cursor,
        f"SELECT id, merged_into_id FROM messaging_contact WHERE {among('id')} {every_tenant('by key')} "
        f"ORDER BY id{locked()}",
        [array(ids)],
    )
    roots = {id_: id_ if root is None else root for id_, root in found}
    beyond = set(roots.values()) - ids
    return roots | lock_roots(cursor, beyond) if beyond else roots


def find_root(tenant_id: int, uid: UUID) -> int | None:
    """The id of the conversation that counts for the one that is called ``uid``; None where there is none."""
    found = Conversation.objects.filter(tenant_id=tenant_id, uid=uid).values_list("id", "merged_into_id").first()
    return None if found is None else found[1] or found[0]


def root_of(conversation: Conversation) -> Conversation:
    """``merged_into`` is loaded with it."""
    return conversation.merged_into or conversation


def joined_ids(cursor: Cursor, root_id: int) -> list[int]:
    """A conversation and those that were joined to it."""
    merged = fetch(
        cursor,
        f"SELECT id FROM messaging_conversation WHERE merged_into_id = %s {every_tenant('by key')} ORDER BY id",
        [root_id],
    )
    return [root_id, *(id_ for (id_,) in merged)]


def of_thread(tenant_id: int, root_id: int) -> Q:
    """The messages of a conversation and of all that were joined to it, as a condition."""
    merged = Conversation.objects.filter(tenant_id=tenant_id, merged_into_id=root_id).values_list("id", flat=True)
    ids = [root_id, *merged]
    return Q(conversation_id=root_id) if len(ids) == 1 else Q(conversation_id__in=ids)


def lock_key(cursor: Cursor, tenant_id: int, message: UUID) -> int:
    """The conversation under which the work of a message stands, locked: the root of its own. Raises NotFound."""
    key = _find_key(cursor, tenant_id, message)
    while True:
        lock_conversations(cursor, [key])
        now_under = _find_key(cursor, tenant_id, message)
        if now_under == key:
            return key
        key = now_under


def _find_key(cursor: Cursor, tenant_id: int, message: UUID) -> int:
    found = fetch_one(
        cursor,
        "SELECT coalesce(conversation.merged_into_id, conversation.id) FROM messaging_message message "
        "JOIN messaging_conversation conversation ON conversation.id = message.conversation_id "
        "WHERE message.tenant_id = %s AND message.uid = %s",
        [tenant_id, message.hex],
    )
    if found is None:
        raise NotFound
    return int(found[0])
