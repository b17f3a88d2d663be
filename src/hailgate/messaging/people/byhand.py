"""Joining by hand: an operator says that two contacts are one person, or that two are not."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from hailgate.accounts.seal import sealer
from hailgate.core.errors import Conflict, InputError, NotFound
from hailgate.messaging.models import JoinState
from hailgate.messaging.people.joins import take_step
from hailgate.messaging.people.proofs import ProofKind
from hailgate.messaging.people.roots import lock_roots
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sql import Cursor, atomic_cursor, fetch_one, fetch_value, locked, now
from hailgate.messaging.store.tables import CONTACT, JOIN

LONGEST_NAME: Final = 200


def join_by_hand(tenant_id: int, one: UUID, other: UUID, by: str) -> bool:
    """False where it waits for what is being sent, and is done soon. Raises NotFound, InputError."""
    with atomic_cursor() as cursor:
        contacts = [_get_contact(cursor, tenant_id, uid) for uid in (one, other)]
        roots = lock_roots(cursor, contacts)
        if len({roots[id_] for id_ in contacts}) == 1:
            raise InputError("These two are one person already.", code="one_person", field="other")
        step = _record(cursor, tenant_id, sorted(contacts), by)
    return take_step(step)


def take_suggestion(tenant_id: int, uid: UUID, by: str) -> bool:
    """Join what was only asked, on an operator's word. Raises NotFound, Conflict."""
    return _decide(tenant_id, uid, by, JoinState.PROVEN)


def dismiss_suggestion(tenant_id: int, uid: UUID, by: str) -> None:
    """These are not one person. Raises NotFound, Conflict."""
    _decide(tenant_id, uid, by, JoinState.DISMISSED)


def undo_join(tenant_id: int, uid: UUID, by: str) -> bool:
    """False where it waits for what is being sent, and is done soon. Raises NotFound, or Conflict where none stands."""
    refused = Conflict("Only a join that stands can be undone.", code="not_joined")
    return take_step(_move(tenant_id, uid, by, JoinState.JOINED, JoinState.UNDOING, refused))


def _decide(tenant_id: int, uid: UUID, by: str, state: JoinState) -> bool:
    refused = Conflict("This question has been answered already.", code="not_suggested")
    join_id = _move(tenant_id, uid, by, JoinState.SUGGESTED, state, refused)
    return state is JoinState.PROVEN and take_step(join_id)


def _move(  # noqa: PLR0917 -- from one state to another, or why not
    tenant_id: int, uid: UUID, by: str, before: JoinState, after: JoinState, refused: Conflict
) -> int:
    """The id of the join. Raises NotFound, and what is to be said where it stands otherwise."""
    with atomic_cursor() as cursor:
        found = fetch_one(
            cursor,
            f"SELECT id, state FROM messaging_join WHERE tenant_id = %s AND uid = %s{locked()}",
            [tenant_id, uid.hex],
        )
        if found is None:
            raise NotFound
        if found[1] != before:
            raise refused
        JOIN.update(cursor, ("state", "by"), [(found[0], after.value, by[:100])])
        return int(found[0])


def _get_contact(cursor: Cursor, tenant_id: int, uid: UUID) -> int:
    found = fetch_value(
        cursor, "SELECT id FROM messaging_contact WHERE tenant_id = %s AND uid = %s AND NOT is_group",
        [tenant_id, uid.hex],
    )  # fmt: skip
    if found is None:
        raise NotFound
    return int(found)


def _record(cursor: Cursor, tenant_id: int, sides: Sequence[int], by: str) -> int:
    """One row for two contacts, however often they are joined: their addresses may be others' by the next time."""
    left, right = sides
    key = (tenant_id, ProofKind.OPERATOR.value, f"contact:{left}", f"contact:{right}")
    columns = (
        "tenant_id", "proof", "left_digest", "right_digest", "uid", "state", "left_id", "right_id", "source", "by",
        "told_at", "upto", "before",
    )  # fmt: skip
    unique = columns[:4]
    row = (*key, uuid7(), JoinState.PROVEN.value, left, right, "", by[:100], now(cursor), 0, "")
    JOIN.insert_new(cursor, columns, [row], unique=unique)
    JOIN.update(cursor, ("state", "by", "told_at"), [(*key, JoinState.PROVEN.value, by[:100], row[10])], key=unique)
    return int(
        fetch_value(
            cursor,
            "SELECT id FROM messaging_join WHERE tenant_id = %s AND proof = %s AND left_digest = %s "
            "AND right_digest = %s",
            list(key),
        )
    )


def name_contact(tenant_id: int, uid: UUID, name: str) -> None:
    """What an operator calls them; empty for what they call themselves. Raises NotFound."""
    with atomic_cursor() as cursor:
        contact = _get_contact(cursor, tenant_id, uid)
        root = lock_roots(cursor, [contact])[contact]
        CONTACT.update(
            cursor, ("own_name",), [(root, sealer().seal_content(name.strip()[:LONGEST_NAME]) if name else "")]
        )
