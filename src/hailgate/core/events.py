"""What providers tell us, in one vocabulary: values that carry no provider's names for things.

Every string is cleaned as the value is made, so that nothing can reach a database that refuses it. No event
shows what it carries in its `repr`: provider ids may contain a phone number.
"""

from enum import StrEnum
from hashlib import blake2b
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import force_setattr

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import Inbound, clean_text
from hailgate.core.content.inbound import Origin
from hailgate.core.media import RemoteMedia
from hailgate.core.status import Status


class _Event(Struct, frozen=True):
    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if type(value) is str:
                force_setattr(self, name, clean_text(value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.effect_key().hex()})"

    def effect_key(self) -> bytes:
        """16 bytes, equal for two tellings of one event: the wall against a second effect."""
        raise NotImplementedError


class InboundMessage(_Event, frozen=True):
    """A person wrote.

    `account` is the provider's id of our number. `chat` holds all known addresses of the person or the
    group, best first; `author` is the person in a group. `at` is in seconds since the epoch, by the
    provider's clock. `context_id` is the provider's id of the message that this one answers. `media` is the
    file that came with it and is still to be fetched.
    """

    account: str
    message_id: str
    chat: tuple[Address, ...]
    author: Address | None
    name: str | None
    at: float
    content: Inbound
    context_id: str | None
    origin: Origin | None = None
    media: RemoteMedia | None = None

    def effect_key(self) -> bytes:
        return _key("message", self.account, _group(self.chat), self.message_id)


class EchoedMessage(InboundMessage, frozen=True):
    """We wrote, on a telephone of the business that shares the channel's number. `chat` is who it went to."""


class Change(StrEnum):
    """What a person may do to a message that is there already."""

    REACTION = "reaction"
    EDIT = "edit"
    DELETION = "deletion"


class MessageChange(_Event, frozen=True):
    """A person reacted to, edited or took back the message that the provider calls `target`.

    `message_id` is the provider's id of this change itself. `author` is None where it was us, on a telephone of the
    business. `emoji` is of a reaction, and empty where it was taken
    away; `content` is of an edit.
    """

    account: str
    message_id: str
    target: str
    change: Change
    author: Address | None
    at: float
    emoji: str = ""
    content: Inbound | None = None

    def effect_key(self) -> bytes:
        return _key("change", self.account, self.message_id, self.change)


class ContactChange(_Event, frozen=True):
    """A person who is known by one of `known` is now also reached under `learned`; empty for a change of keys."""

    account: str
    message_id: str
    known: tuple[Address, ...]
    learned: tuple[Address, ...]
    kind: str

    def effect_key(self) -> bytes:
        return _key("contact", self.account, self.message_id)


class MarketingChoice(_Event, frozen=True):
    """A person stopped or resumed marketing messages: this is consent, and to be kept to."""

    account: str
    address: Address
    wanted: bool
    at: float

    def effect_key(self) -> bytes:
        return _key("marketing", self.account, self.address.key, str(self.at), str(self.wanted))


class TemplateChange(_Event, frozen=True):
    """Something became of a template of the account that the provider calls `business`.

    What is empty did not change. `outdated` where the template has to be listed anew to know what did.
    """

    business: str
    provider_id: str
    name: str
    language: str
    at: float
    status: str = ""
    quality: str = ""
    category: str = ""
    reason: str = ""
    outdated: bool = False

    def effect_key(self) -> bytes:
        whole = (self.business, self.provider_id, self.name, self.language, str(self.at))
        return _key("template", *whole, self.status, self.quality, self.category, str(self.outdated))


class MessageStatus(_Event, frozen=True):
    """Something became of a message of ours.

    `tracker` is what we gave the provider to echo; `code` and `detail` explain a failure: the provider's
    number for it, and our sentence. `opted_out` where that is the recipient's wish not to be written to.
    """

    account: str
    message_id: str
    status: Status
    at: float
    recipient: Address | None
    tracker: str | None
    code: str | None
    detail: str | None
    opted_out: bool = False

    def effect_key(self) -> bytes:
        chat = _group((self.recipient,) if self.recipient else ())
        return _key("status", self.account, chat, self.message_id, self.status.word)


class Ignored(_Event, frozen=True):
    """Understood as nothing to do now: counted and shown, without an effect."""

    account: str | None
    field: str
    kind: str
    note: str
    message_id: str | None = None

    def effect_key(self) -> bytes:
        return _key("ignored", self.account or "", self.message_id or "", self.field, self.kind, self.note)


ProviderEvent: TypeAlias = (
    InboundMessage | MessageChange | ContactChange | MarketingChoice | TemplateChange | MessageStatus | Ignored
)


def _group(addresses: tuple[Address, ...]) -> str:
    """The group's id, since ids of group messages may be unique only within their group."""
    return next((address.value for address in addresses if address.kind is AddressKind.GROUP), "")


def _key(*parts: str) -> bytes:
    # No part holds a NUL (they are cleaned), so no two lists of parts share one joined form.
    return blake2b("\0".join(parts).encode(), digest_size=16).digest()
