"""ProviderSpec: everything the rest of the program knows about a provider, as one value."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from hailgate.core.kinds import Kinds
from hailgate.core.remedies import Remedy
from hailgate.providers.capabilities import Capabilities
from hailgate.providers.contract import ChannelConfig, Connection, Provider, Receiver

CONTRACT: Final = 2
"""The version of this contract. A plug-in says which one it was written for."""

HookConfig = TypeVar("HookConfig", bound=msgspec.Struct)


class Proof(StrEnum):
    """What shows that a webhook is the provider's. The hook's unguessable URL is needed in every case."""

    BODY = "body"
    """A signature over the bytes of the body."""
    URL_AND_FORM = "url_and_form"
    """A signature over the public URL and what was posted to it."""
    HEADER = "header"
    """A secret in a header, whatever the body is."""
    URL = "url"
    """The hook's URL alone."""

    @property
    def covers_body(self) -> bool:
        """Whether the whole body is needed before the webhook can be believed."""
        return self is Proof.BODY or self is Proof.URL_AND_FORM


class CodeNote(NamedTuple):
    """What a code means with this provider, and what a person should do about it.

    `remedy` is what may help a message that ended so. `mended_by_settings` where new settings of the channel mend it:
    saving them lets the channel go on.
    """

    sentence: str
    advice: str
    mended_by_settings: bool = False
    remedy: Remedy = Remedy.AGAIN


class HandshakeProbe(NamedTuple):
    """How `hailgate check` plays the provider's handshake: the query of the GET, and what a hook of ours answers."""

    query: Mapping[str, str]
    answer: str


class BodyMask(Protocol):
    """Takes secrets out of a body before it is stored, as its pieces go by."""

    def feed(self, piece: bytes) -> bytes: ...

    def end(self) -> bytes:
        """What was held back."""


def keep_headers(*names: str) -> Callable[[Mapping[str, str]], dict[str, str]]:
    """A mask that keeps these headers alone."""
    return lambda headers: {name: headers[name] for name in names if name in headers}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec(Generic[HookConfig, ChannelConfig]):
    """Everything the rest of the program knows about a provider.

    `contract` is the version of the contract it was written for. `account_of` gives the provider's own id of the
    channel, as events name it, from its settings and its number: digits, or empty before it is paired. `mask_headers`
    gives the headers of a webhook that are stored with it, `mask_body` takes secrets out of its body, and `repeats`
    says of a body and the one before it that both are one notice of a state, told again and again.
    `needs_public_url` says that a hook cannot work before `HAILGATE_PUBLIC_URL` is set. `codes` are those of its own,
    and any of ours of which it has more to say. `templates_advice` is what to do where templates cannot be listed.
    `template_id` is the form of the provider's ids for templates, where a call may name one by its id, too.
    `templates_at` names the setting of a channel that says in which account of the provider's its templates are; None
    where there are no templates. `our_code` gives our code for one of the provider's that a status tells.
    `message_token` gives what several ids of one message have in common, where the provider gives one several.
    `kinds_of` gives what a channel takes by its settings, where these decide; see `kinds_for`. `warn` says of a
    channel's settings, at a time, what of them will soon work no more, and what to set instead; None for nothing.
    """

    contract: int
    name: str
    label: str
    hook_config: type[HookConfig]
    channel_config: type[ChannelConfig]
    capabilities: Capabilities
    proof: Proof
    account_of: Callable[[ChannelConfig, str], str]
    mask_headers: Callable[[Mapping[str, str]], dict[str, str]]
    receiver: Callable[[HookConfig], Receiver]
    connect: Callable[[Connection[ChannelConfig]], Provider]
    mask_body: Callable[[], BodyMask] | None = None
    repeats: Callable[[bytes, bytes], bool] | None = None
    needs_public_url: bool = False
    handshake_probe: Callable[[HookConfig, str], HandshakeProbe] | None = None
    codes: Mapping[str, CodeNote] = field(default_factory=dict)
    templates_at: str | None = None
    templates_advice: str = ""
    template_id: re.Pattern[str] | None = None
    message_token: Callable[[str], str | None] | None = None
    our_code: Callable[[str], str | None] | None = None
    kinds_of: Callable[[ChannelConfig], Kinds] | None = None
    warn: Callable[[ChannelConfig, float], str | None] | None = None

    def kinds_for(self, channel: ChannelConfig) -> Kinds:
        """What a channel takes of each kind, with these settings."""
        return self.kinds_of(channel) if self.kinds_of else self.capabilities.kinds

    def business_of(self, channel: ChannelConfig) -> str | None:
        """The account whose templates this channel sends; None where that is not known."""
        return getattr(channel, self.templates_at) if self.templates_at else None


AnyProviderSpec = ProviderSpec[Any, Any]
