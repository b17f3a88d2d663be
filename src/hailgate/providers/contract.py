"""What Hailgate asks of a provider, and the only words in which the two talk.

A provider is a translator: it verifies, parses, renders and calls one remote API. It never sees the database,
a web request object or a conversation. What differs between providers is data (`Capabilities`) or a small
optional protocol found with `isinstance`, never `if provider ==`.
"""

import hmac
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, get_args, runtime_checkable
from uuid import UUID

import msgspec

from hailgate.core.address import Address
from hailgate.core.content import Outbound
from hailgate.core.errors import InputError
from hailgate.core.events import ProviderEvent
from hailgate.core.limits import Limit
from hailgate.core.media import LocalMedia, RemoteMedia
from hailgate.core.templates import Template

if TYPE_CHECKING:
    from hailgate.providers.transport import Transport

HookConfig = TypeVar("HookConfig", bound=msgspec.Struct)
ChannelConfig = TypeVar("ChannelConfig", bound=msgspec.Struct)
Config = TypeVar("Config", bound=msgspec.Struct)

Guard = Callable[[], None]
"""Called with a connection in hand, directly before the first byte; raises LeaseLost if we may not send."""


class WebhookRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a provider as it came in: the bytes untouched, header names in lower case."""

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<WebhookRequest {self.method}, {len(self.body)} bytes>"


class OutboundMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to send one message."""

    id: UUID
    attempt: int
    to: Address
    content: Outbound
    context_id: str | None = None

    def __repr__(self) -> str:
        return f"<OutboundMessage {self.tracker}>"

    @property
    def tracker(self) -> str:
        """Travels with the message where the provider lets it, and comes back with its statuses."""
        return f"{self.id}.{self.attempt}"


class SendReceipt(msgspec.Struct, frozen=True):
    """The provider took the message. `address` is how the provider itself calls the recipient."""

    provider_id: str
    status_note: str | None = None
    address: Address | None = None


class ChannelHealth(msgspec.Struct, frozen=True):
    """`facts` are for the owner's eyes (they hold the channel's number), not for logs."""

    ok: bool
    detail: str
    facts: Mapping[str, str] = {}


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between providers. Durations in seconds, sizes in bytes, text in characters.

    `upload_life` is how long messages may name a file that the provider was given. `repeats_webhooks` says that the
    provider posts a webhook again, for hours at least, until it is answered with 2xx: one that does not loses what it
    posts while the database is away, unless a disk takes it.
    """

    content_kinds: frozenset[str]
    text_limit: int
    channel_limit: Limit
    pair_limit: Limit | None = None
    window_seconds: float | None = None
    max_webhook_body: int
    keepalive_seconds: float
    echoes_tracker: bool
    upload_life: float = 0.0
    repeats_webhooks: bool = False


class Receiver(Protocol):
    """One hook: where a provider posts."""

    def verify(self, request: WebhookRequest) -> None:
        """Raise SignatureInvalid unless the bytes are surely the provider's."""

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

    templates: Sequence[Template]
    after: str | None


@runtime_checkable
class ListsTemplates(Protocol):
    async def list_templates(self, after: str | None = None) -> TemplatePage:
        """One page of what the channel's account has, whatever their state. Harmless to repeat; raises SendError."""


class Secret:
    """A value that does not show itself in a repr, a log line or an error."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec(Generic[HookConfig, ChannelConfig]):
    """Everything the rest of the program knows about a provider.

    `account_of` gives the provider's own id of the channel's number, as events name it. `mask` gives the
    headers of a webhook that may be stored with it. `templates_at` names the setting of a channel that says in which
    account of the provider's its templates are; None where there are no templates.
    """

    name: str
    label: str
    hook_config: type[HookConfig]
    channel_config: type[ChannelConfig]
    capabilities: Capabilities
    account_of: Callable[[ChannelConfig], str]
    mask: Callable[[Mapping[str, str]], dict[str, str]]
    receiver: Callable[[HookConfig], Receiver]
    connect: Callable[[ChannelConfig, "Transport"], Provider]
    templates_at: str | None = None

    def business_of(self, channel: ChannelConfig) -> str | None:
        """The account whose templates this channel sends; None where that is not known."""
        return getattr(channel, self.templates_at) if self.templates_at else None


AnyProviderSpec = ProviderSpec[Any, Any]


def parse_config(kind: type[Config], given: Mapping[str, str]) -> Config:
    """Read the settings of a hook or channel as a person typed them. Raises InputError naming the field."""
    known = {field.name: field for field in msgspec.structs.fields(kind)}
    _refuse_unknown(given, known)
    values = {}
    for name, field in known.items():
        text = given.get(name, "").strip()
        if text:
            values[name] = _read(name, text, field.type)
        elif name in given:
            raise InputError(f"Setting {name} is empty.", field=name)
        elif field.required:
            raise InputError(f"Setting {name} is missing.", field=name)
    return kind(**values)


def _refuse_unknown(given: Mapping[str, str], known: Mapping[str, object]) -> None:
    for name in given:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise InputError(f"Setting {name[:64]!r} is unknown; known settings: {listed}.", field=name[:64])


def _read(name: str, text: str, kind: Any) -> Any:
    if kind is Secret or Secret in get_args(kind):
        return Secret(text)
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        raise InputError(f"Setting {name} is not valid.", field=name) from None
