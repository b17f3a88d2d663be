"""What the page of people reads: who is one person by what proof, and whom somebody may also be."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from hailgate.console.inbox.queries import addresses_of, contacts_like, sign_place
from hailgate.console.presenters import show_address, show_name
from hailgate.core.consent_scopes import ASSISTANT, MARKETING, UNASKED
from hailgate.core.uids import find_uid
from hailgate.messaging.models import Contact, Join, JoinState
from hailgate.messaging.people.consent_by_hand import ConsentShown, find_consents
from hailgate.messaging.people.listing import JoinShown, find_joins, show_joins

PAGE: Final = 40
MOST_FOUND: Final = 20

SHOWN: Final = {
    "asked": (JoinState.SUGGESTED,),
    "joined": (JoinState.PROVEN, JoinState.JOINED, JoinState.UNDOING),
    "parted": (JoinState.UNDONE, JoinState.DISMISSED),
}

_STATES: Final = {
    "suggested": gettext_noop("To decide"),
    "proven": gettext_noop("Being joined"),
    "joined": gettext_noop("One person"),
    "undoing": gettext_noop("Being parted"),
    "undone": gettext_noop("Parted"),
    "dismissed": gettext_noop("Two people"),
}
_PROOFS: Final = {
    "answer": gettext_noop("The provider answered a message to one of them with the other's address."),
    "status": gettext_noop("The status of a message to one of them named the other."),
    "webhook": gettext_noop("The provider named both as one person's."),
    "change": gettext_noop("WhatsApp told of a new number or id."),
    "card": gettext_noop("They sent a card of their own with the other number."),
    "country": gettext_noop("The country's numbering plan: both are one number."),
    "operator": gettext_noop("Somebody of your team said so."),
    "spelling": gettext_noop("The two numbers look alike; nothing proves that they are one."),
}


_SCOPES: Final = {
    UNASKED: gettext_noop("Templates and bulk"),
    MARKETING: gettext_noop("Marketing"),
    ASSISTANT: gettext_noop("An assistant"),
}
_REASONS: Final = {
    "wrote_it": gettext_noop("They wrote it."),
    "user_preferences": gettext_noop("They told WhatsApp."),
    "recipient_opted_out": gettext_noop("The provider said so."),
    "given_back": gettext_noop("Given back by your team."),
    "by_hand": gettext_noop("Taken down by your team."),
    "same_person": gettext_noop("Chosen at another address of theirs."),
}


class ConsentRow(NamedTuple):
    """``message`` is the one in which they chose; ``proof`` what somebody took down."""

    scope: str
    word: str
    wanted: bool | None
    at: datetime | None
    why: str
    proof: str
    message: str


class JoinRow(NamedTuple):
    """A pair of contacts; ``join`` has who they are, when and by whom."""

    join: JoinShown
    state: str
    proof: str


class JoinPage(NamedTuple):
    items: list[JoinRow]
    older: str


class PersonFound(NamedTuple):
    uid: str
    name: str
    addresses: list[str]


def list_joins(tenant_id: int, show: str, contact: UUID | None, before: int | None) -> JoinPage:
    """Newest first: of one part of the list, or all of one person."""
    rows = find_joins(tenant_id).order_by("-id")
    if show in SHOWN:
        rows = rows.filter(state__in=SHOWN[show])
    if contact is not None:
        members = list(_members(tenant_id, contact))
        rows = rows.filter(Q(left_id__in=members) | Q(right_id__in=members))
    if before is not None:
        rows = rows.filter(id__lt=before)
    found = list(rows[: PAGE + 1])
    page = found[:PAGE]
    return JoinPage(_shown(tenant_id, page), sign_place(page[-1].pk) if len(found) > PAGE else "")


def count_asked(tenant_id: int) -> int:
    """Questions that wait for somebody's word, counted no further than anybody would read."""
    return find_joins(tenant_id, "suggested")[:100].count()


def find_people(tenant_id: int, words: str, but: int) -> list[PersonFound]:
    """Contacts that are not one person with ``but`` yet, by a part of the name or of the number."""
    if not words:
        return []
    roots = contacts_like(tenant_id, words).annotate(root=F("merged_into")).values_list("id", "root")
    ids = {root or id_ for id_, root in roots[: 2 * MOST_FOUND]} - {but}
    contacts = Contact.objects.filter(tenant_id=tenant_id, id__in=ids, is_group=False)[:MOST_FOUND]
    addresses = addresses_of(tenant_id, [contact.pk for contact in contacts])
    return [
        PersonFound(
            contact.uid.hex,
            show_name(contact, addresses.get(contact.pk, [])),
            [show_address(each.kind, each.value) for each in addresses.get(contact.pk, [])],
        )
        for contact in contacts
    ]


def list_consents(tenant_id: int, contact: UUID) -> list[ConsentRow]:
    shown = {each.scope: each for each in find_consents(tenant_id, contact)}
    return [_consent(shown[scope], word) for scope, word in _SCOPES.items()]


def _consent(shown: ConsentShown, word: str) -> ConsentRow:
    message = find_uid(shown.proof) if shown.reason == "wrote_it" else None
    return ConsentRow(
        scope=shown.scope,
        word=_(word),
        wanted=shown.wanted,
        at=None if shown.at is None else datetime.fromtimestamp(shown.at, UTC),
        why=_(_REASONS.get(shown.reason, "")) if shown.reason else "",
        proof="" if message else shown.proof,
        message=message.hex if message else "",
    )


def _members(tenant_id: int, contact: UUID) -> QuerySet[Contact, int]:
    """All contacts that are one person with this one now."""
    ours = Contact.objects.filter(tenant_id=tenant_id)
    found = ours.filter(uid=contact).values_list("id", "merged_into_id").first()
    root = (found[1] or found[0]) if found else 0
    return ours.filter(Q(id=root) | Q(merged_into_id=root)).values_list("id", flat=True)


def _shown(tenant_id: int, page: Sequence[Join]) -> list[JoinRow]:
    return [JoinRow(join, _(_STATES[join.state]), _(_PROOFS[join.proof])) for join in show_joins(tenant_id, page)]
