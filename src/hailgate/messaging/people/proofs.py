"""Proofs that two addresses are one person, stored with the event that told them; joining is a step of its own."""

from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Final, NamedTuple

from django.db import DatabaseError, transaction

from hailgate.core.address import Address, AddressKind
from hailgate.messaging.models import JoinState
from hailgate.messaging.people.addresses import Key, Known, NewAddress, find_known, key_of, learn_addresses
from hailgate.messaging.people.joins import join_proven
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sql import Cursor, Row, among, array, fetch
from hailgate.messaging.store.tables import ADDRESS, JOIN


class ProofKind(StrEnum):
    """``SPELLING`` proves nothing: it is a question for an operator."""

    ANSWER = "answer"
    STATUS = "status"
    WEBHOOK = "webhook"
    CHANGE = "change"
    CARD = "card"
    COUNTRY = "country"
    OPERATOR = "operator"
    SPELLING = "spelling"


# The left address is what was said before, the right one what the provider says now.
_RENAMES: Final = frozenset({ProofKind.ANSWER, ProofKind.STATUS, ProofKind.CHANGE})
_LEARNS: Final = _RENAMES | {ProofKind.WEBHOOK, ProofKind.CARD}


class PersonProof(NamedTuple):
    """``at`` is the provider's time. ``source`` says more about it, without naming anybody.

    ``portfolio`` is that of a scoped id on the right.
    """

    tenant_id: int
    kind: ProofKind
    left: Address
    right: Address
    at: float
    source: str = ""
    portfolio: str = ""


def record_proofs(cursor: Cursor, proofs: Sequence[PersonProof], moment: float) -> None:
    """Learn what nobody has, and store what is to be joined: that step follows the commit. Strangers stay strangers."""
    wanted = [proof for proof in proofs if proof.left != proof.right and _is_persons(proof)]
    if not wanted:
        return
    for proof in [proof for proof in wanted if proof.kind in _LEARNS]:
        _learn(cursor, proof, moment)
    keys = {key_of(proof.tenant_id, side) for proof in wanted for side in (proof.left, proof.right)}
    known = find_known(cursor, keys)
    for proof in wanted:
        left, right = (known.get(key_of(proof.tenant_id, side)) for side in (proof.left, proof.right))
        if left and right and proof.kind in _RENAMES and proof.left.kind == proof.right.kind:
            _rename(cursor, left, right, proof.at)
    if _store(cursor, wanted, known, moment, JoinState.PROVEN):
        transaction.on_commit(_join)


def _join() -> None:
    """At once where nothing is in the way; else the sweep comes back to it."""
    with suppress(DatabaseError):
        join_proven()


def suggest(cursor: Cursor, proofs: Sequence[PersonProof], moment: float) -> int:
    """Ask about what may be one person, with its proof; how many were asked anew."""
    keys = {key_of(proof.tenant_id, side) for proof in proofs for side in (proof.left, proof.right)}
    known = find_known(cursor, keys) if keys else {}
    return _store(cursor, proofs, known, moment, JoinState.SUGGESTED)


def _is_persons(proof: PersonProof) -> bool:
    return AddressKind.GROUP not in {proof.left.kind, proof.right.kind}


def _learn(cursor: Cursor, proof: PersonProof, moment: float) -> None:
    """What is said now is theirs from now on; whatever it was told together with may have been theirs before."""
    keys = [key_of(proof.tenant_id, side) for side in (proof.left, proof.right)]
    known = find_known(cursor, keys)
    if len(known) == 1:
        (theirs,) = known.values()
        new = proof.right if keys[0] in known else proof.left
        at = min(proof.at, moment) if proof.kind in _RENAMES and new is proof.right else 0.0
        told = NewAddress(proof.tenant_id, theirs.contact_id, new, theirs.home_id, proof.portfolio, at)
        learn_addresses(cursor, [told])


def _store(
    cursor: Cursor, proofs: Sequence[PersonProof], known: dict[Key, Known], moment: float, as_what: JoinState
) -> int:
    """How many are new, or believed now where they were only asked before."""
    rows = []
    for proof in proofs:
        sides = sorted(
            (key.digest, known[key].home_id, known[key].contact_id)
            for side in (proof.left, proof.right)
            if (key := key_of(proof.tenant_id, side)) in known
        )
        if len(sides) == 2 and sides[0][2] != sides[1][2]:
            state = JoinState.SUGGESTED if proof.kind is ProofKind.SPELLING else as_what
            rows.append((
                proof.tenant_id, uuid7(), state.value, proof.kind.value, sides[0][1], sides[1][1], sides[0][0],
                sides[1][0], proof.source[:200], "", proof.at or moment, 0, "",
            ))  # fmt: skip
    fresh = [row for row in rows if (row[0], row[6], row[7]) not in _parted(cursor, rows)]
    unique = ("tenant_id", "proof", "left_digest", "right_digest")
    new = JOIN.insert_new(cursor, _COLUMNS, fresh, unique=unique)
    asked = [row for row in fresh if (row[0], row[3], row[6], row[7]) not in new]
    _believe(cursor, [row for row in asked if row[2] == JoinState.PROVEN.value])
    return len(new) + len(asked)


_COLUMNS = (
    "tenant_id", "uid", "state", "proof", "left_id", "right_id", "left_digest", "right_digest", "source", "by",
    "told_at", "upto", "before",
)  # fmt: skip


def _believe(cursor: Cursor, rows: Sequence[Row]) -> None:
    """What was only asked is told now."""
    for row in rows:
        cursor.execute(
            f"UPDATE messaging_join SET state = {JoinState.PROVEN.value} WHERE tenant_id = %s AND proof = %s "
            f"AND left_digest = %s AND right_digest = %s AND state = {JoinState.SUGGESTED.value}",
            [row[0], row[3], row[6], row[7]],
        )


def _parted(cursor: Cursor, rows: Sequence[Row]) -> set[tuple[int, str, str]]:
    """Pairs of addresses that somebody has parted: what told them before does not join them again."""
    if not rows:
        return set()
    parted = (JoinState.UNDOING.value, JoinState.UNDONE.value, JoinState.DISMISSED.value)
    found = fetch(
        cursor,
        f"SELECT tenant_id, left_digest, right_digest FROM messaging_join WHERE {among('tenant_id')} "
        f"AND {among('left_digest')} AND state IN {parted}",
        [array({row[0] for row in rows}), array({row[6] for row in rows})],
    )
    return set(found)


def _rename(cursor: Cursor, old: Known, new: Known, at: float) -> None:
    """From now on the line or account is called ``new``; what was told later than ``at`` stands."""
    rows = fetch(
        cursor,
        f"SELECT id, instead_id, instead_at FROM messaging_contactaddress WHERE {among('id')} "
        f"/* every tenant: by key */",
        [array([old.id, new.id])],
    )
    instead = {id_: (to, since) for id_, to, since in rows}
    to, since = instead[new.id]
    if (to == old.id and since > at) or instead[old.id][1] > at:
        return
    target = to if to is not None and to != old.id else new.id
    ADDRESS.update(cursor, ("instead_id", "instead_at"), [(old.id, target, at)])
    if to == old.id:
        ADDRESS.update(cursor, ("instead_id", "instead_at"), [(new.id, None, at)])
    cursor.execute(
        "UPDATE messaging_contactaddress SET instead_id = %s, instead_at = %s WHERE instead_id = %s AND id <> %s "
        "/* every tenant: by key */",
        [target, at, old.id, target],
    )
