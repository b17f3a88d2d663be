"""Consent: what a person chose about marketing, by their own time, for every address that is known to be theirs."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from hailgate.core.consent_scopes import ASSISTANT, MARKETING, SCOPES
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch
from hailgate.messaging.store.tables import CONSENT, SUPPRESSION

GIVEN_BACK: Final = "given_back"
# A suppression that follows from a choice at another address of the same person.
FOLLOWS: Final = "same_person"


_Place = tuple[int, str]
"""The tenant and the digest of an address."""


class ConsentChoice(NamedTuple):
    """``at`` is when the person chose, seconds since the epoch; ``proof`` is the message in which they did."""

    tenant_id: int
    digest: str
    wanted: bool
    at: float
    reason: str
    scope: str = MARKETING
    proof: str = ""


def record_choices(cursor: Cursor, choices: Sequence[ConsentChoice]) -> None:
    """The newest choice at each address stands; of the same moment a stop goes before a resume."""
    choices = _of_who_chose(cursor, choices)
    for scope in SCOPES:
        if some := [choice for choice in choices if choice.scope == scope]:
            _record_choices(cursor, scope, some)


def _record_choices(cursor: Cursor, scope: str, choices: Sequence[ConsentChoice]) -> None:
    newest: dict[_Place, ConsentChoice] = {}
    for choice in choices:
        place = choice.tenant_id, choice.digest
        newest[place] = max(choice, newest.get(place, choice), key=_weight)
    stood = {place: (at, True) for place, (_, at, reason) in _stops(cursor, scope, newest).items() if reason != FOLLOWS}
    stood |= {place: weight for place, (weight, _) in _consents(cursor, scope, newest).items()}
    counting = [choice for place, choice in newest.items() if place not in stood or _weight(choice) > stood[place]]
    if not counting:
        return
    unique, facts = ("tenant_id", "digest", "scope"), ("wanted", "reason", "at", "proof")
    rows = sorted((c.tenant_id, c.digest, scope, c.wanted, c.reason, c.at, c.proof) for c in counting)
    CONSENT.insert_new(cursor, (*unique, *facts), rows, unique=unique)
    CONSENT.update(cursor, facts, rows, key=unique)
    contacts = _contacts(cursor, [(choice.tenant_id, choice.digest) for choice in counting])
    _settle(cursor, scope, [*_people(cursor, contacts.values()), *_unknown(counting, contacts)])


def _of_who_chose(cursor: Cursor, choices: Sequence[ConsentChoice]) -> Sequence[ConsentChoice]:
    """What was chosen before an address changed hands is for the other addresses of who had it then."""
    moved = fetch(
        cursor,
        f"SELECT tenant_id, digest, until, contact_id FROM messaging_formeraddress WHERE {among('tenant_id')} "
        f"AND {among('digest')} ORDER BY until",
        [array({choice.tenant_id for choice in choices}), array({choice.digest for choice in choices})],
    )
    if not moved:
        return choices
    former: dict[_Place, list[tuple[float, int]]] = defaultdict(list)
    for tenant_id, digest, until, contact_id in moved:
        former[tenant_id, digest].append((until, contact_id))
    holders = [
        next((holder for until, holder in former[choice.tenant_id, choice.digest] if choice.at < until), 0)
        for choice in choices
    ]
    theirs = _at_home(cursor, set(holders))
    return [
        choice._replace(digest=digest)
        for choice, holder in zip(choices, holders, strict=True)
        for digest in (theirs[holder] if holder else [choice.digest])
    ]


def _at_home(cursor: Cursor, contact_ids: Collection[int]) -> dict[int, list[str]]:
    found = fetch(
        cursor,
        f"SELECT contact.id, address.digest FROM messaging_contact contact JOIN messaging_contactaddress address "
        f"ON address.contact_id = coalesce(contact.merged_into_id, contact.id) "
        f"AND coalesce(address.home_id, address.contact_id) = contact.id "
        f"WHERE {among('contact.id')} {every_tenant('by key')} ORDER BY address.id",
        [array(contact_ids)],
    )
    digests: dict[int, list[str]] = defaultdict(list)
    for home, digest in found:
        digests[home].append(digest)
    return digests


def part_consents(cursor: Cursor, tenant_id: int, digests: Sequence[str]) -> None:
    """These have changed hands: what was chosen at them goes with who chose it."""
    given = [tenant_id, array(digests)]
    where = f"WHERE tenant_id = %s AND {among('digest')} AND scope IN {SCOPES}"
    chosen = fetch(cursor, f"SELECT digest, wanted, at, reason, scope, proof FROM messaging_consent {where}", given)
    stood = fetch(cursor, f"SELECT digest, at, reason, scope FROM messaging_suppression {where}", given)
    choices = [ConsentChoice(tenant_id, *row) for row in chosen]
    known = {(choice.digest, choice.scope) for choice in choices}
    choices += [
        ConsentChoice(tenant_id, digest, False, at, reason, scope)
        for digest, at, reason, scope in stood
        if reason != FOLLOWS and (digest, scope) not in known
    ]
    cursor.execute(f"DELETE FROM messaging_consent {where}", given)
    cursor.execute(f"DELETE FROM messaging_suppression {where}", given)
    record_choices(cursor, choices)


def lift_refusal(cursor: Cursor, tenant_id: int, contact_id: int, moment: float) -> None:
    """A person gave them back to the assistant."""
    refused = fetch(
        cursor,
        f"SELECT address.digest FROM messaging_contactaddress address JOIN messaging_suppression stopped "
        f"ON stopped.tenant_id = address.tenant_id AND stopped.digest = address.digest "
        f"WHERE address.tenant_id = %s AND address.contact_id = %s AND stopped.scope = '{ASSISTANT}'",
        [tenant_id, contact_id],
    )
    choices = [ConsentChoice(tenant_id, digest, True, moment, GIVEN_BACK, ASSISTANT) for (digest,) in refused]
    record_choices(cursor, choices)


def settle_consents(cursor: Cursor, contact_ids: Collection[int]) -> None:
    """Of these people the newest choice at any of their addresses holds for all of them."""
    if not contact_ids:
        return
    concerned = fetch(
        cursor,
        f"SELECT DISTINCT address.contact_id FROM messaging_contactaddress address "
        f"LEFT JOIN messaging_suppression stopped ON stopped.tenant_id = address.tenant_id "
        f"AND stopped.digest = address.digest LEFT JOIN messaging_consent refused "
        f"ON refused.tenant_id = address.tenant_id AND refused.digest = address.digest AND NOT refused.wanted "
        f"WHERE {among('address.contact_id')} AND (stopped.id IS NOT NULL OR refused.id IS NOT NULL) "
        f"{every_tenant('by key')}",
        [array(contact_ids)],
    )
    people = _people(cursor, [id_ for (id_,) in concerned])
    for scope in SCOPES:
        _settle(cursor, scope, people)


_Person = tuple[int, tuple[str, ...]]
"""The tenant and the digests of all addresses of one person."""


def _people(cursor: Cursor, contact_ids: Iterable[int]) -> list[_Person]:
    wanted = set(contact_ids)
    if not wanted:
        return []
    people: dict[tuple[int, int], list[str]] = defaultdict(list)
    for tenant_id, contact_id, digest in fetch(
        cursor,
        f"SELECT tenant_id, contact_id, digest FROM messaging_contactaddress WHERE {among('contact_id')} "
        f"{every_tenant('by key')} ORDER BY id",
        [array(wanted)],
    ):
        people[tenant_id, contact_id].append(digest)
    return [(tenant_id, tuple(digests)) for (tenant_id, _), digests in people.items()]


def _unknown(choices: Sequence[ConsentChoice], contacts: dict[_Place, int]) -> list[_Person]:
    return [(c.tenant_id, (c.digest,)) for c in choices if (c.tenant_id, c.digest) not in contacts]


def _contacts(cursor: Cursor, places: Sequence[_Place]) -> dict[_Place, int]:
    found = fetch(
        cursor,
        f"SELECT tenant_id, digest, contact_id FROM messaging_contactaddress WHERE {among('tenant_id')} "
        f"AND {among('digest')}",
        [array({tenant_id for tenant_id, _ in places}), array({digest for _, digest in places})],
    )
    return {(tenant_id, digest): contact_id for tenant_id, digest, contact_id in found}


_Weight = tuple[float, bool]


def _weight(choice: ConsentChoice) -> _Weight:
    return choice.at, not choice.wanted


def _consents(cursor: Cursor, scope: str, places: Iterable[_Place]) -> dict[_Place, tuple[_Weight, str]]:
    """The newest choice at each, and its reason."""
    wanted = set(places)
    found = fetch(
        cursor,
        f"SELECT tenant_id, digest, wanted, at, reason FROM messaging_consent WHERE {among('tenant_id')} "
        f"AND {among('digest')} AND scope = '{scope}'",
        [array({tenant_id for tenant_id, _ in wanted}), array({digest for _, digest in wanted})],
    )
    return {(tenant_id, digest): ((at, not chosen), reason) for tenant_id, digest, chosen, at, reason in found}


def _stops(cursor: Cursor, scope: str, places: Iterable[_Place]) -> dict[_Place, tuple[int, float, str]]:
    """Id, time and reason of what is suppressed."""
    wanted = set(places)
    found = fetch(
        cursor,
        f"SELECT tenant_id, digest, id, at, reason FROM messaging_suppression WHERE {among('tenant_id')} "
        f"AND {among('digest')} AND scope = '{scope}'",
        [array({tenant_id for tenant_id, _ in wanted}), array({digest for _, digest in wanted})],
    )
    return {(tenant_id, digest): tuple(rest) for tenant_id, digest, *rest in found}


def _settle(cursor: Cursor, scope: str, people: Sequence[_Person]) -> None:
    places = {(tenant_id, digest) for tenant_id, digests in people for digest in digests}
    if not places:
        return
    consents = _consents(cursor, scope, places)
    stopped = _stops(cursor, scope, places)
    lifted: list[int] = []
    new = []
    for tenant_id, digests in people:
        own = [(tenant_id, digest) for digest in digests]
        weights = [consents[place][0] for place in own if place in consents]
        # Of before choices were kept with their time: that of their arrival has to do.
        weights += [
            (stopped[place][1], True)
            for place in own
            if place in stopped and place not in consents and stopped[place][2] != FOLLOWS
        ]
        at, stops_now = max(weights, default=(0.0, False))
        if stops_now:
            reasons = {place: reason for place, (weight, reason) in consents.items() if weight[1]}
            new += [(*place, scope, reasons.get(place, FOLLOWS), at) for place in own if place not in stopped]
        else:
            lifted += [stopped[place][0] for place in own if place in stopped]
    columns = ("tenant_id", "digest", "scope", "reason", "at")
    SUPPRESSION.insert_new(cursor, columns, new, unique=("tenant_id", "digest", "scope"))
    cursor.execute(f"DELETE FROM messaging_suppression WHERE {among('id')} {every_tenant('by key')}", [array(lifted)])
