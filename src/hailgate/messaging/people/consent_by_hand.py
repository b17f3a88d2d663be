"""Consent of one person as people read it: what stands, since when, by what proof; and a choice taken down by hand."""

from typing import Final, NamedTuple
from uuid import UUID

from hailgate.core.consent_scopes import SCOPES
from hailgate.core.errors import InputError, NotFound
from hailgate.messaging.models import Consent, Contact, ContactAddress, Suppression
from hailgate.messaging.people.consents import ConsentChoice, record_choices
from hailgate.messaging.people.roots import lock_roots
from hailgate.messaging.store.sql import Cursor, atomic_cursor, now

BY_HAND: Final = "by_hand"
LONGEST_PROOF: Final = 40
# A choice by hand is the newest there is, also where a provider's clock is ahead of ours.
LATER_S: Final = 0.001


class ConsentShown(NamedTuple):
    """``wanted`` is None where nothing was ever chosen; ``proof`` is a message's id, or what somebody took down."""

    scope: str
    wanted: bool | None = None
    at: float | None = None
    reason: str = ""
    proof: str = ""


def find_consents(tenant_id: int, uid: UUID) -> list[ConsentShown]:
    """One for each scope: the newest choice at any address of the person. Raises NotFound."""
    digests = _digests(tenant_id, _get_root(tenant_id, uid))
    stops = Suppression.objects.filter(tenant_id=tenant_id, digest__in=digests)
    chosen = Consent.objects.filter(tenant_id=tenant_id, digest__in=digests)
    return [_newest(scope, list(chosen.filter(scope=scope)), list(stops.filter(scope=scope))) for scope in SCOPES]


def choose_by_hand(tenant_id: int, uid: UUID, scope: str, wanted: bool, proof: str) -> bool:
    """What a person told somebody otherwise, for all their addresses. Raises NotFound, InputError."""
    if scope not in SCOPES:
        raise InputError(f"scope: must be one of: {', '.join(SCOPES)}.", field="scope")
    if len(proof) > LONGEST_PROOF or not proof.isprintable():
        raise InputError(f"proof: may hold {LONGEST_PROOF} visible characters.", field="proof")
    with atomic_cursor() as cursor:
        contact = Contact.objects.filter(tenant_id=tenant_id, uid=uid).first()
        if contact is None:
            raise NotFound
        if contact.is_group:
            raise InputError("A group has no consent of its own; its members do.", field="contact")
        root = lock_roots(cursor, [contact.pk])[contact.pk]
        digests = _digests(tenant_id, root)
        at = _after_all(cursor, tenant_id, scope, digests)
        choices = [ConsentChoice(tenant_id, each, wanted, at, BY_HAND, scope, proof.strip()) for each in digests]
        record_choices(cursor, choices)
    return True


def _newest(scope: str, chosen: list[Consent], stops: list[Suppression]) -> ConsentShown:
    if chosen:
        last = max(chosen, key=lambda each: (each.at, not each.wanted))
        return ConsentShown(scope, last.wanted, last.at.timestamp(), last.reason, last.proof)
    if stops:  # of before choices were kept with their time
        first = min(stops, key=lambda each: each.at)
        return ConsentShown(scope, False, first.at.timestamp(), first.reason)
    return ConsentShown(scope)


def _after_all(cursor: Cursor, tenant_id: int, scope: str, digests: list[str]) -> float:
    known = Consent.objects.filter(tenant_id=tenant_id, scope=scope, digest__in=digests).order_by("-at").first()
    return max(now(cursor), known.at.timestamp() + LATER_S) if known else now(cursor)


def _get_root(tenant_id: int, uid: UUID) -> int:
    found = Contact.objects.filter(tenant_id=tenant_id, uid=uid).values_list("id", "merged_into_id").first()
    if found is None:
        raise NotFound
    return int(found[1] or found[0])


def _digests(tenant_id: int, root: int) -> list[str]:
    known = ContactAddress.objects.filter(tenant_id=tenant_id, contact_id=root)
    return list(known.order_by("id").values_list("digest", flat=True))
