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
from hailgate.core.alarms import Alarm
from hailgate.core.content import Inbound, clean_text
from hailgate.core.content.inbound import Origin
from hailgate.core.media import InboundMedia
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
    file that came with it and is still to be fetched. `own` are numbers on a card of which the provider says that it
    is the sender's own. `wants` says what the provider's own list of who wants messages made of the words: it keeps to
    that, and has told the person. `message_token` is what all ids of the message have in common, where the provider
    calls one message by several.
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
    media: InboundMedia | None = None
    own: tuple[Address, ...] = ()
    wants: bool | None = None
    message_token: str = ""

    def effect_key(self) -> bytes:
        return _key("message", self.account, _group(self.chat), self.message_token or self.message_id)


class EchoedMessage(InboundMessage, frozen=True):
    """The business wrote, elsewhere than here. `chat` is who it went to.

    On a telephone that shares the channel's number; or another `responder` did, that answers at the same number.
    """

    responder: bool = False


class UnreadableMessage(InboundMessage, frozen=True):
    """A person wrote what the provider cannot read yet. It may come again under the same id, as it was meant."""

    def effect_key(self) -> bytes:
        return _key("unreadable", self.account, _group(self.chat), self.message_token or self.message_id)

    def readable_key(self) -> bytes:
        """The effect key of the message itself."""
        return InboundMessage.effect_key(self)


class Change(StrEnum):
    """What a person may do to a message that is there already."""

    REACTION = "reaction"
    EDIT = "edit"
    DELETION = "deletion"


class MessageChange(_Event, frozen=True):
    """A person reacted to, edited or took back the message that the provider calls `target`.

    `message_id` is the provider's id of this change itself. `author` is None where it was us, on a telephone of the
    business. `emoji` is of a reaction, and empty where it was taken
    away; `content` is of an edit. `chat` is where it was said, as far as that is told, and `name` what they call
    themselves. The tokens are what all ids of the change and of its target have in common, as for a message.
    """

    account: str
    message_id: str
    target: str
    change: Change
    author: Address | None
    at: float
    emoji: str = ""
    content: Inbound | None = None
    chat: tuple[Address, ...] = ()
    name: str | None = None
    message_token: str = ""
    target_token: str = ""

    def effect_key(self) -> bytes:
        return _key("change", self.account, self.message_token or self.message_id, self.change)


class ContactChange(_Event, frozen=True):
    """A person who is known by one of `known` is now reached under `learned`; empty for a change of keys.

    `at` is the provider's time of the change: who had an address then is meant, whoever has it now.
    """

    account: str
    message_id: str
    known: tuple[Address, ...]
    learned: tuple[Address, ...]
    kind: str
    at: float = 0.0

    def effect_key(self) -> bytes:
        return _key("contact", self.account, self.message_id)


class ThreadOwnerChange(_Event, frozen=True):
    """Who answers a person at a number that several responders share: we (`ours`), or somebody else.

    `source` is what told it: a message, or the change itself. `role` is the owner's, in the provider's words.
    """

    account: str
    source: str
    chat: tuple[Address, ...]
    ours: bool
    role: str
    at: float

    def effect_key(self) -> bytes:
        return _key("owner", self.account, self.chat[0].key, self.source, str(self.at), str(self.ours))


class MarketingChoice(_Event, frozen=True):
    """A person stopped or resumed marketing messages: this is consent, and to be kept to.

    `addresses` are all that name the person, `at` is when they chose.
    """

    account: str
    addresses: tuple[Address, ...]
    wanted: bool
    at: float
    name: str | None = None

    def effect_key(self) -> bytes:
        return _key("marketing", self.account, self.addresses[0].key, str(self.at), str(self.wanted))


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


class AccountTrouble(_Event, frozen=True):
    """The account that the provider calls `business` is in trouble that only its owner can mend: `alarm` says so."""

    business: str
    alarm: Alarm
    kind: str
    words: str
    at: float

    def effect_key(self) -> bytes:
        return _key("account", self.business, self.alarm, self.kind, str(self.at))


class Price(Struct, frozen=True):
    """What a message costs, in the provider's own words. `billed` is None where it was not told.

    `free_until` is when messages to this person end to be free, in seconds since the epoch.
    """

    category: str
    type: str
    billed: bool | None
    free_until: float | None = None


class ChannelFault(Struct, frozen=True):
    """What a failure says of the whole channel: our code, and whether it `pauses` or rests for `rest_s` seconds."""

    code: str
    pauses: bool
    rest_s: float = 0.0


class MessageStatus(_Event, frozen=True):
    """Something became of a message of ours.

    `tracker` is what we gave the provider to echo; `code` and `detail` explain a failure: the provider's
    number for it, and our sentence. `opted_out` where that is the recipient's wish not to be written to. `also` are
    further addresses of the recipient, `name` is what they call themselves. `told` is what the provider says of it in
    its own words, which may quote somebody. `participant` is the one person of a group whom this is about: it is not
    everybody's. `message_token` is what all ids of the message have in common, as for one that came in.
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
    also: tuple[Address, ...] = ()
    name: str | None = None
    price: Price | None = None
    told: str = ""
    participant: Address | None = None
    channel_fault: ChannelFault | None = None
    message_token: str = ""

    def effect_key(self) -> bytes:
        chat = _group((self.recipient,) if self.recipient else ())
        person = (self.participant.key,) if self.participant else ()
        return _key("status", self.account, chat, self.message_token or self.message_id, self.status.word, *person)


class SessionChange(_Event, frozen=True):
    """The other side says that a session changed, in a word of its own. It is not believed: the session is looked at.

    Telling it twice does no harm, and most tell it without an id or a time: it has its effect each time. `away` where
    the session is, or was, without its phone: until it is told otherwise nothing of before proves what was not sent.
    """

    account: str
    state: str
    away: bool = False

    def effect_key(self) -> bytes:
        return _key("session", self.account, self.state)


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
    InboundMessage
    | MessageChange
    | ContactChange
    | ThreadOwnerChange
    | MarketingChoice
    | TemplateChange
    | AccountTrouble
    | MessageStatus
    | SessionChange
    | Ignored
)


def _group(addresses: tuple[Address, ...]) -> str:
    """The group's id, since ids of group messages may be unique only within their group."""
    return next((address.value for address in addresses if address.kind is AddressKind.GROUP), "")


def _key(*parts: str) -> bytes:
    # No part holds a NUL (they are cleaned), so no two lists of parts share one joined form.
    return blake2b("\0".join(parts).encode(), digest_size=16).digest()
