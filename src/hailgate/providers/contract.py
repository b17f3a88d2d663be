"""The contract: what Hailgate asks of a provider, and the only words in which the two talk.

A provider is a translator: it verifies, parses, renders and calls one remote API. It never sees the database,
a web request object or a conversation. What differs between providers is data (`Capabilities`) or a small
optional protocol found with `isinstance`, never `if provider ==`.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, runtime_checkable
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec

from hailgate.core.address import Address
from hailgate.core.content import Outbound
from hailgate.core.events import ProviderEvent
from hailgate.core.media import LocalMedia, RemoteMedia
from hailgate.core.templates import TemplateDefinition
from hailgate.providers.config import Secret
from hailgate.providers.guard import Guard

if TYPE_CHECKING:
    from hailgate.providers.transport import Transport

ChannelConfig = TypeVar("ChannelConfig", bound=msgspec.Struct)


class WebhookRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a provider as it came in: bytes untouched, header names in lower case.

    `url` is the public one, with path and query byte for byte as they were called: never what a `Host` header claims.
    `query` is what stands behind its question mark. The worker makes the same request again from the stored row, with
    the headers that were kept. Of a large body, strings beyond `embedded_files.LONGEST_STRING` are left out by then.
    """

    url: str
    method: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<WebhookRequest {self.method}, {len(self.body)} bytes>"

    @property
    def params(self) -> Mapping[str, str]:
        """The query by name; of a name that comes twice, the last."""
        return dict(parse_qsl(self.query, keep_blank_values=True))


class OutboundMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to send one message.

    `files` are those that the content names as `attachment`, by that id, where the provider takes files inline.
    """

    id: UUID
    attempt: int
    to: Address
    content: Outbound
    context_id: str | None = None
    files: Mapping[str, LocalMedia] = {}

    def __repr__(self) -> str:
        return f"<OutboundMessage {self.tracker}>"

    @property
    def tracker(self) -> str:
        """Travels with the message where the provider lets it, and comes back with its statuses."""
        return f"{self.id}.{self.attempt}"


class SendReceipt(msgspec.Struct, frozen=True):
    """The provider took the message. `address` is how the provider itself calls the recipient, `also` how else.

    `message_token` is what all ids of the message have in common, where the provider calls one message by several.
    """

    provider_id: str
    status_note: str | None = None
    address: Address | None = None
    also: tuple[Address, ...] = ()
    message_token: str | None = None


class ChannelHealth(msgspec.Struct, frozen=True):
    """`facts` are for the owner's eyes (they hold the channel's number), not for logs.

    `sends` is for a channel that can send, although something else about it is not as it should be.
    """

    ok: bool
    detail: str
    facts: Mapping[str, str] = {}
    sends: bool = False


Keep = Callable[[Mapping[str, Secret]], Awaitable[None]]
"""Stores derived secrets, sealed, in place of those of the same name."""


async def forget(_: Mapping[str, Secret]) -> None:
    """Keep for a connection that nothing outlives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection(Generic[ChannelConfig]):
    """What a provider is connected with.

    `number` is the channel's, digits only, and None before it is paired. `hook_url` is where the provider may post to
    the channel's hook, None without a hook or a public address. `secrets` are what was derived from the settings (the
    token of a session); what is given to `keep` is among them from the next connection on. `clock` gives seconds since
    the epoch.
    """

    config: ChannelConfig
    transport: "Transport"
    number: str | None = None
    hook_url: str | None = None
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    keep: Keep = forget
    clock: Callable[[], float] = time.time

    def __repr__(self) -> str:
        return f"<Connection by {type(self.config).__name__}>"


class Receiver(Protocol):
    """One hook: where a provider posts."""

    def verify(self, request: WebhookRequest) -> None:
        """Raise SignatureInvalid unless the call is surely the provider's, by the spec's `proof`.

        Where the proof does not cover the body, it is called before the body is read.
        """

    def parse(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        """Pure and total: events, or PayloadForeign. Never another exception, whatever the body."""


@runtime_checkable
class AnswersHandshake(Protocol):
    def handshake(self, request: WebhookRequest) -> str:
        """Return the plain text that proves that the hook is ours, or raise SignatureInvalid."""


class Provider(Protocol):
    """One channel, connected."""

    async def send(self, message: OutboundMessage, guard: Guard) -> SendReceipt:
        """Send once, never twice. Everything but a receipt is a SendError whose class says what to do."""

    async def check(self) -> ChannelHealth:
        """Ask the provider whether this channel can send. Never raises a SendError."""


@runtime_checkable
class FetchesMedia(Protocol):
    def fetch_media(self, media: RemoteMedia) -> AsyncIterator[bytes]:
        """The bytes as they come; raises SendError, at the end too, where they are not the ones that were sent."""


@runtime_checkable
class StoresMedia(Protocol):
    async def upload_media(self, media: LocalMedia) -> str:
        """The id by which messages may name it from now on. Harmless to repeat; raises SendError."""


@runtime_checkable
class MarksRead(Protocol):
    async def mark_read(self, message_id: str, *, typing: bool) -> None:
        """Show the person that we read (and, if `typing`, write). Harmless to repeat; raises SendError."""


class TemplatePage(msgspec.Struct, frozen=True):
    """`after` leads to the next page; None on the last."""

    templates: Sequence[TemplateDefinition]
    after: str | None


@runtime_checkable
class ListsTemplates(Protocol):
    async def list_templates(self, after: str | None = None) -> TemplatePage:
        """One page of what the channel's account has, whatever their state. Harmless to repeat; raises SendError."""
