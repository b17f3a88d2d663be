"""Capabilities: what differs between providers, as data, so that nothing asks for a provider by its name."""

from enum import StrEnum

from msgspec import Struct

from hailgate.core.address import AddressKind
from hailgate.core.delivery import ProviderWaits
from hailgate.core.kinds import Kinds
from hailgate.core.limits import Limit


class TakesFiles(StrEnum):
    """How a provider is given a file that a message names."""

    BY_ID = "by_id"
    """It is uploaded first (`StoresMedia`), and the message names the provider's id for it."""
    INLINE = "inline"
    """It travels inside the call that sends the message: `OutboundMessage.files`."""
    BY_LINK = "by_link"
    """The provider fetches it from a link of ours, which needs a public address."""


class Capabilities(Struct, frozen=True, kw_only=True):
    """What differs between providers. Durations in seconds, sizes in bytes.

    `upload_life` is how long messages may name a file that the provider was given, `media_kept_s` how long it keeps
    what people send. `link_life_s` is how long the provider may come back for a file behind a link of ours.
    `waits` are those that its documentation asks for after refusals.
    `addresses` are the kinds of address that it sends to: another is refused before its message is accepted.
    `repeats_webhooks` says that the provider posts a webhook again, for hours at least, until it is answered with 2xx:
    one that does not loses what it posts while the database is away, unless a disk takes it.

    `echoes_sends` says that what we send by the API is told to us as if somebody had typed it on the phone.
    `breaks_on_voice` says that a voice note which cannot be decoded does the provider harm.
    `settle_s` is how long a chat's messages wait for those that they overtook on their way here.
    `pairs_session`, `deletes_session`, `finds_sent` and `polls_inbound` say which optional abilities its channels
    have: what knows no connection must know of them, too.
    """

    kinds: Kinds
    addresses: frozenset[AddressKind] = frozenset(AddressKind)
    channel_limit: Limit
    pair_limit: Limit | None = None
    waits: ProviderWaits = ProviderWaits()
    window_seconds: float | None = None
    max_webhook_body: int
    webhook_methods: frozenset[str] = frozenset({"POST"})
    keepalive_seconds: float
    echoes_tracker: bool
    takes_files: TakesFiles | None = None
    upload_life: float = 0.0
    link_life_s: float = 0.0
    media_kept_s: float = 7 * 86_400.0
    repeats_webhooks: bool = False
    echoes_sends: bool = False
    breaks_on_voice: bool = False
    settle_s: float = 0.0
    pairs_session: bool = False
    deletes_session: bool = False
    finds_sent: bool = False
    polls_inbound: bool = False
