"""Who is meant in a webhook of the Cloud API: numbers, user ids and names, and what changed of them.

Meta tells a person's ids in several places, each of which may be missing or empty: a message names who wrote it, the
contacts beside it say how else they are known, statuses do both, and a system message says what took the place of what.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from msgspec import Raw

from hailgate.core.address import Address, AddressKind
from hailgate.core.events import ContactChange
from hailgate.providers.cloud import shapes
from hailgate.providers.reading import address, instant, read

# Of a card: the person shared their own number because they were asked for it. Any other card is only a claim.
OWN_CARD = "contact_request"
_SEPARATORS = str.maketrans("", "", "+ -.()")

People: TypeAlias = Mapping[str, shapes.CloudContact]


class Person(NamedTuple):
    """All addresses known of somebody, best first, and what they call themselves."""

    addresses: tuple[Address, ...]
    name: str | None


NOBODY: Final = Person((), None)


def read_people(raw: Raw) -> People:
    """Contacts by each of their names. Their position in the list says nothing."""
    people: dict[str, shapes.CloudContact] = {}
    for item in read(shapes.items, raw) or []:
        if contact := read(shapes.contact, item):
            people |= {name: contact for name in (contact.wa_id, contact.user_id) if name}
    return people


def addresses_of(number: str | None, user_id: str | None, people: People) -> Person:
    """The phone first: it reaches the person with every kind of message, a business-scoped id does not."""
    contact = people.get(number or "") or people.get(user_id or "") or shapes.CloudContact()
    return Person(named(number or contact.wa_id, user_id or contact.user_id, contact.parent_user_id), _name(contact))


def named(number: str | None, *user_ids: str | None) -> tuple[Address, ...]:
    """What of these is there, each once; the number first."""
    found = [address(AddressKind.PHONE, number), *(address(AddressKind.BSUID, user_id) for user_id in user_ids)]
    return tuple(dict.fromkeys(one for one in found if one))


def recipient_of(status: shapes.CloudStatus, people: People) -> tuple[tuple[Address | None, ...], str | None]:
    """What the provider calls whom a message went to, best first (None where it does not say), and their name."""
    if status.recipient_type == "group":
        return (address(AddressKind.GROUP, status.recipient_id),), None
    person = addresses_of(status.recipient_id, status.recipient_user_id, people)
    return person.addresses or (None,), person.name


def contact_change(raw: Raw, account: str, message_id: str, person: tuple[Address, ...]) -> ContactChange | None:
    """A new number, a new id, or new keys of the same person; None where nothing says whose.

    Without a sender the ids from before say who it is.
    """
    told = read(shapes.system, raw)
    if told is None:
        return None
    news = told.system
    known = (*person, *named(None, news.previous_user_id, news.previous_parent_user_id))
    learned = named(news.wa_id, news.user_id, news.parent_user_id)
    before = tuple(one for one in dict.fromkeys(known) if one not in learned)
    if not known:
        return None
    at = instant(bytes(told.timestamp).strip(b'"'))
    return ContactChange(account, message_id, before or known, learned, news.type[:64], at)


def own_numbers(kind: str, raw: Raw) -> tuple[Address, ...]:
    """The sender's own numbers, where a card is told to be their own."""
    if kind != "contacts" or (told := read(shapes.cards, raw)) is None or not told.contacts:
        return ()
    card = read(shapes.card, told.contacts[0])
    if card is None or OWN_CARD not in {told.origin, card.origin}:
        return ()
    numbers = (phone.wa_id or (phone.phone or "").translate(_SEPARATORS) for phone in card.phones)
    return tuple(found for number in numbers if (found := address(AddressKind.PHONE, number)))


def _name(contact: shapes.CloudContact) -> str | None:
    profile = read(shapes.profile, contact.profile)
    return (profile.name or profile.username or None) if profile else None
