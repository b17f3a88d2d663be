"""A provider without a network, for tests of handlers and simulations; it passes the suite of the real ones.

provider = FakeProvider(FakeChannel(number="15550100000"))
provider.plan(ProviderThrottled(retry_after=3))   # the first send
...                                               # the next ones get receipts
assert [message.content for message in provider.taken] == [...]
"""

import hmac
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from hailgate.core.address import AddressKind
from hailgate.core.content import InboundText
from hailgate.core.errors import (
    OutcomeUnknown,
    PayloadForeign,
    ProviderUnavailable,
    Rejected,
    SendError,
    SignatureInvalid,
)
from hailgate.core.events import Ignored, InboundMessage, MessageStatus, ProviderEvent
from hailgate.core.kinds import KindLimits
from hailgate.core.limits import Limit
from hailgate.core.media import LocalMedia, RemoteMedia
from hailgate.core.status import Status
from hailgate.providers.capabilities import Capabilities, TakesFiles
from hailgate.providers.config import Secret
from hailgate.providers.contract import ChannelHealth, OutboundMessage, SendReceipt, TemplatePage, WebhookRequest
from hailgate.providers.guard import Guard
from hailgate.providers.reading import address, identifier, instant, read, read_body
from hailgate.providers.spec import Proof, ProviderSpec, keep_headers

if TYPE_CHECKING:
    from hailgate.core.templates import TemplateDefinition

PAGE = 2
SIGNATURE = "x-fake-signature"
URL = "https://hailgate.example/hooks/fake"
STATUSES = {status.word: status for status in Status if status is not Status.QUEUED}


class FakeHook(Struct, frozen=True, kw_only=True):
    secret: Annotated[Secret, Meta(title="Secret", description="Signs what the fake posts.")]


class FakeChannel(Struct, frozen=True, kw_only=True):
    number: Annotated[str, Meta(title="Number", description="Any digits.", examples=["15550100000"])]
    business: Annotated[str | None, Meta(title="Business", description="Whose templates the channel sends.")] = None


class Wrote(Struct, frozen=True, kw_only=True, tag_field="happened", tag="wrote"):
    """A person with the phone number `sender` wrote to us."""

    id: str
    sender: str
    text: str
    at: float = 0.0
    name: str | None = None
    context_id: str | None = None


class Reached(Struct, frozen=True, kw_only=True, tag_field="happened", tag="reached"):
    """A message of ours came as far as `status`, in the words of `Status.word`."""

    id: str
    status: str
    at: float = 0.0
    tracker: str | None = None
    code: str | None = None


class _Body(Struct):
    account: str
    happenings: list[Raw]


_body = msgspec.json.Decoder(_Body)
_happening = msgspec.json.Decoder(Wrote | Reached)


def webhook(hook: FakeHook, account: str, *happenings: Wrote | Reached) -> WebhookRequest:
    """What the provider would post, signed with the hook's secret."""
    body = msgspec.json.encode({"account": account, "happenings": happenings})
    headers = {"content-type": "application/json", SIGNATURE: _sign(hook, body)}
    return WebhookRequest(url=URL, method="POST", query="", headers=headers, body=body)


class FakeReceiver:
    def __init__(self, hook: FakeHook) -> None:
        self._hook = hook

    def verify(self, request: WebhookRequest) -> None:
        given = request.headers.get(SIGNATURE, "").encode("utf-8", "replace")
        expected = _sign(self._hook, request.body).encode()
        if not (self._hook.secret and hmac.compare_digest(given, expected)):
            raise SignatureInvalid

    def parse(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        body = read_body(_body, request.body)
        if body is None or (account := identifier(body.account)) is None:
            raise PayloadForeign
        return [_parse(raw, account) for raw in body.happenings]


class FakeProvider:
    """Takes every message, unless planned otherwise.

    `files` are what people sent, by id, or why one cannot be had; `uploaded` is what we gave it. `taken` holds what
    has reached the provider, `tried` every attempt, `marked_read` pairs of id and typing. With `echo`, the steps of
    each taken message are told to it, before the send returns: a status may be faster than an answer. `clock` gives
    seconds since the epoch. `templates` are listed, in pages of two, while `health` is good.
    """

    def __init__(
        self,
        channel: FakeChannel,
        *,
        echo: Callable[[Reached], None] | None = None,
        steps: Sequence[Status] = (Status.SENT, Status.DELIVERED),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.channel = channel
        self.taken: list[OutboundMessage] = []
        self.tried: list[OutboundMessage] = []
        self.marked_read: list[tuple[str, bool]] = []
        self.health = ChannelHealth(ok=True, detail="The fake is always there.")
        self._echo = echo
        self._steps = steps
        self._clock = clock
        self.files: dict[str, bytes | SendError] = {}
        self.uploaded: dict[str, bytes] = {}
        self._planned_uploads: deque[str | SendError] = deque()
        self.templates: list[TemplateDefinition] = []
        self._planned: deque[SendReceipt | SendError] = deque()

    def plan(self, *outcomes: SendReceipt | SendError) -> None:
        """Set the outcomes of the next sends, in order. A message whose outcome is unknown was taken."""
        self._planned.extend(outcomes)

    def plan_uploads(self, *outcomes: str | SendError) -> None:
        """Set the ids that the next uploads get, or why they fail."""
        self._planned_uploads.extend(outcomes)

    async def send(self, message: OutboundMessage, guard: Guard) -> SendReceipt:
        self.tried.append(message)
        guard()
        outcome = self._planned.popleft() if self._planned else SendReceipt(f"fake.{len(self.tried)}")
        if isinstance(outcome, SendReceipt | OutcomeUnknown):
            self._take(message, outcome)
        if isinstance(outcome, SendError):
            raise outcome
        return outcome

    async def mark_read(self, message_id: str, *, typing: bool) -> None:
        self.marked_read.append((message_id, typing))

    async def fetch_media(self, media: RemoteMedia) -> AsyncIterator[bytes]:
        file = self.files.get(media.provider_id, Rejected("There is no such file.", code="media_gone"))
        if isinstance(file, SendError):
            raise file
        yield file

    async def upload_media(self, media: LocalMedia) -> str:
        content = b"".join([chunk async for chunk in media.chunks()])
        outcome = self._planned_uploads.popleft() if self._planned_uploads else f"file.{len(self.uploaded) + 1}"
        if isinstance(outcome, SendError):
            raise outcome
        self.uploaded[outcome] = content
        return outcome

    async def list_templates(self, after: str | None = None) -> TemplatePage:
        if not self.health.ok:
            raise ProviderUnavailable(self.health.detail)
        start = int(after or 0)
        more = start + PAGE < len(self.templates)
        return TemplatePage(self.templates[start : start + PAGE], str(start + PAGE) if more else None)

    async def check(self) -> ChannelHealth:
        return self.health

    def _take(self, message: OutboundMessage, outcome: SendReceipt | OutcomeUnknown) -> None:
        self.taken.append(message)
        if self._echo is None:
            return
        known = outcome.provider_id if isinstance(outcome, SendReceipt) else f"fake.{len(self.tried)}"
        for step in self._steps:
            self._echo(Reached(id=known, status=step.word, at=self._clock(), tracker=message.tracker))


def _sign(hook: FakeHook, body: bytes) -> str:
    return hmac.digest(hook.secret.reveal().encode(), body, "sha256").hex()


def _parse(raw: Raw, account: str) -> ProviderEvent:
    happening = read(_happening, raw)
    if happening is None or (message_id := identifier(happening.id)) is None:
        return Ignored(account, "happenings", "malformed", "It has another shape than the fake's.")
    if isinstance(happening, Wrote):
        return _parse_wrote(happening, account, message_id)
    if happening.status not in STATUSES:
        return Ignored(account, "happenings", "status", "No such step.", message_id)
    return MessageStatus(
        account=account,
        message_id=message_id,
        status=STATUSES[happening.status],
        at=instant(happening.at),
        recipient=None,
        tracker=identifier(happening.tracker),
        code=identifier(happening.code),
        detail=None,
    )


def _parse_wrote(wrote: Wrote, account: str, message_id: str) -> ProviderEvent:
    sender = address(AddressKind.PHONE, wrote.sender)
    if sender is None:
        return Ignored(account, "happenings", "wrote", "The message names no sender.", message_id)
    return InboundMessage(
        account=account,
        message_id=message_id,
        chat=(sender,),
        author=None,
        name=wrote.name,
        at=instant(wrote.at),
        content=InboundText(wrote.text),
        context_id=identifier(wrote.context_id),
    )


SPEC: Final = ProviderSpec(
    contract=2,
    name="fake",
    label="Fake, for tests",
    hook_config=FakeHook,
    channel_config=FakeChannel,
    capabilities=Capabilities(
        kinds={"text": KindLimits(text=4096)},
        channel_limit=Limit.per_second(1000, 1000),
        max_webhook_body=1 << 20,
        keepalive_seconds=15.0,
        echoes_tracker=True,
        repeats_webhooks=True,
        takes_files=TakesFiles.BY_ID,
    ),
    proof=Proof.BODY,
    account_of=lambda channel, _: channel.number,
    mask_headers=keep_headers(SIGNATURE),
    receiver=FakeReceiver,
    connect=lambda connection: FakeProvider(connection.config, clock=connection.clock),
    templates_at="business",
)
