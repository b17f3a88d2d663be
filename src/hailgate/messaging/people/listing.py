"""Joins as people read them: who, by what proof, since when, and what can be done about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import QuerySet

from hailgate.accounts.seal import sealer
from hailgate.messaging.models import Contact, ContactAddress, Join, JoinState

STATES: Final = {
    "proven": JoinState.PROVEN,
    "joined": JoinState.JOINED,
    "undoing": JoinState.UNDOING,
    "undone": JoinState.UNDONE,
    "confirmed": JoinState.CONFIRMED,
    "suggested": JoinState.SUGGESTED,
    "dismissed": JoinState.DISMISSED,
}
WORDS: Final = {state: word for word, state in STATES.items()}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two contacts, with the addresses that are at home there."""

    id: str
    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JoinShown:
    id: str
    state: str
    proof: str
    source: str
    one: Side
    other: Side
    by: str
    told_at: datetime
    joined_at: datetime | None
    undone_at: datetime | None


def find_joins(tenant_id: int, state: str | None = None) -> QuerySet[Join]:
    found = Join.objects.filter(tenant_id=tenant_id).select_related("left", "right")
    return found.filter(state=STATES[state]) if state else found.exclude(state=JoinState.CONFIRMED)


def find_join(tenant_id: int, uid: UUID) -> Join | None:
    return find_joins(tenant_id).filter(uid=uid).first()


def show_joins(tenant_id: int, joins: Sequence[Join]) -> list[JoinShown]:
    addresses = _addresses(tenant_id, [contact for join in joins for contact in (join.left_id, join.right_id)])
    return [
        JoinShown(
            id=str(join.uid),
            state=WORDS[JoinState(join.state)],
            proof=join.proof,
            source=join.source,
            one=_side(join.left, addresses),
            other=_side(join.right, addresses),
            by=join.by,
            told_at=join.told_at,
            joined_at=join.joined_at,
            undone_at=join.undone_at,
        )
        for join in joins
    ]


def _addresses(tenant_id: int, contacts: Sequence[int]) -> dict[int, list[str]]:
    """By the contact where they are at home."""
    rows = ContactAddress.objects.filter(tenant_id=tenant_id)
    home = rows.filter(home_id__in=contacts) | rows.filter(home=None, contact_id__in=contacts)
    found: dict[int, list[str]] = {}
    for row in home.order_by("id"):
        value = sealer().unseal(row.value)
        found.setdefault(row.home_id or row.contact_id, []).append(f"+{value}" if row.kind == "phone" else value)
    return found


def _side(contact: Contact, addresses: dict[int, list[str]]) -> Side:
    name = sealer().unseal(contact.own_name or contact.name)
    return Side(str(contact.uid), name, tuple(addresses.get(contact.pk, [])))
