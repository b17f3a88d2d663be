"""JIDs: how WhatsApp Web's own ids name people and groups, as the unofficial servers pass them on. Pure."""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import Inbound, InboundText
from hailgate.core.content.mentions import MOST_MENTIONS
from hailgate.providers.reading import address

_PEOPLE: Final = frozenset({"c.us", "s.whatsapp.net"})
STORIES: Final = "status@broadcast"
"""Where stories come from; nobody writes to us there."""


def parse_jid(jid: object) -> Address | None:
    """A person's number, hidden id (LID) or a group; None for what is none of them, such as a story or a newsletter.

    A device's part (`15551234567:12@s.whatsapp.net`) is left out: the person is the same.
    """
    if not isinstance(jid, str):
        return None
    user, _, server = jid.partition("@")
    user = user.partition(":")[0]
    if server in _PEOPLE or not server:
        return address(AddressKind.PHONE, user)
    if server == "lid":
        return address(AddressKind.LID, user)
    if server == "g.us":
        return address(AddressKind.GROUP, f"{user}@{server}")
    return None


def user_of(place: Address) -> str:
    """The part before the `@`."""
    return place.value.partition("@")[0]


def render_jid(place: Address, people: str = "s.whatsapp.net") -> str:
    """The whole JID; `people` is the server's name for numbers, which differs between libraries."""
    if place.kind is AddressKind.PHONE:
        return f"{place.value}@{people}"
    if place.kind is AddressKind.LID:
        return f"{user_of(place)}@lid"
    if place.kind is AddressKind.GROUP:
        return f"{user_of(place)}@g.us"
    return place.value


def mentioning(content: Inbound, jids: Iterable[object]) -> Inbound:
    """A text with those whom it mentions; whatever else is itself."""
    people = tuple(dict.fromkeys(place for jid in jids if (place := parse_jid(jid))))[:MOST_MENTIONS]
    return replace(content, mentions=people) if isinstance(content, InboundText) and people else content
