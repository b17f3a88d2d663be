"""Where providers post: find the hook by its token, check the signature over the raw bytes, store, answer.

Once token and signature hold, the call is stored and answered with 200, whatever its body says: a provider never
repeats what was refused, and what a body means is decided later, from the store. Where a provider repeats nothing at
all, the spool takes what the store cannot take now.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from hailgate.core.cache import Cache
from hailgate.core.errors import Forbidden, HailgateError, NotFound, SignatureInvalid, Unavailable
from hailgate.edge.doors.rejections import Rejections
from hailgate.edge.doors.repeated_notices import RepeatedNotices
from hailgate.edge.doors.webhook_bodies import Body, WebhookBodies, fits_row, mask_body
from hailgate.messaging.channels.hooks import HookView, find_hook, list_hooks
from hailgate.messaging.channels.public_urls import record_public_url
from hailgate.messaging.inbound.receive import ReceivedWebhook
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.ports import Db, Submits
from hailgate.providers import list_providers
from hailgate.providers.contract import AnswersHandshake, WebhookRequest
from hailgate.providers.spec import Proof
from hailgate.spool.webhooks import Spool
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log
from hailgate.telemetry.metrics import WEBHOOK_SECONDS, WEBHOOKS
from hailgate.telemetry.traces import is_traced, tell_span

# Tokens of ours have 43 characters; what is far longer need not be looked up.
LONGEST_TOKEN: Final = 100
# Hooks whose webhooks are spooled are read in advance, the newest first: half of what the cache holds.
MOST_REMEMBERED: Final = 5_000
REMEMBER_EVERY_S: Final = 60.0
STORE_AWAY_S: Final = 1.0

_STORED: Final = Response()
_stored, _repeated = WEBHOOKS.labels(result="stored"), WEBHOOKS.labels(result="repeated")


class AppSecrets(Protocol):
    """Of tenants whose credentials another system keeps."""

    async def app_secrets_of(self, tenant_id: int, provider: str) -> Sequence[str]:
        """Raises Unavailable while nobody can say."""


class Hooks:
    """``url`` is where providers reach this installation, ``public_url`` the same where it is known from outside."""

    def __init__(
        self,
        db: Db,
        gate: Submits[ReceivedWebhook, bool],
        rejections: Rejections,
        spool: Spool,
        *,
        bodies: WebhookBodies,
        url: str,
        public_url: str,
        elsewhere: Callable[[], AppSecrets | None] = lambda: None,
    ) -> None:
        self._db, self._gate, self._rejections, self._spool = db, gate, rejections, spool
        self._bodies, self._url, self._public_url, self._elsewhere = bodies, url, public_url, elsewhere
        self._notices = RepeatedNotices()
        self._former_urls: Sequence[str] = ()
        self._remembered: frozenset[bytes] = frozenset()
        self._known: Cache[HookView] = Cache(lambda token: db(find_hook, token))

    async def receive(self, request: Request) -> Response:
        """POST: 200 after the commit, or once it is on disk; 401, 404, 413, 503."""
        begun = time.monotonic()
        try:
            hook = await self._find(request.path_params["token"])
            received = await self._believed(request, hook, begun)
            if self._notices.is_repeat(hook, received.body):
                _repeated.inc()
                return _STORED
            await self._store(received, hook)
        except HailgateError as refused:
            _count(refused)
            raise
        _stored.inc()
        self._notices.note(hook, received.body)
        if is_traced():
            size = len(received.body) or received.large.size
            tell_span("webhook", received.uid, time.monotonic() - begun, {"hook": hook.id, "size": size})
        WEBHOOK_SECONDS.observe(time.monotonic() - begun)
        log.debug(Event.WEBHOOK_STORED, hook=hook.id, size=len(received.body) or received.large.size)
        return _STORED

    async def shake_hands(self, request: Request) -> Response:
        """GET: the provider asks whether this hook is ours, and we answer with what it sent; some post so, too."""
        hook = await self._find(request.path_params["token"])
        if not isinstance(hook.receiver, AnswersHandshake):
            if request.method in hook.spec.capabilities.webhook_methods:
                return await self.receive(request)
            raise NotFound
        try:
            return PlainTextResponse(hook.receiver.handshake(self._call(request, b"")))
        except SignatureInvalid as refused:
            raise Forbidden(refused.detail) from None

    async def remember_for_ever(self) -> None:
        """Hooks that are spooled are known before anybody posts to them: they cannot be looked up when it matters."""
        while True:
            try:
                await self.remember()
            except Unavailable:
                await asyncio.sleep(STORE_AWAY_S)
            else:
                await asyncio.sleep(REMEMBER_EVERY_S)

    async def remember(self) -> None:
        self._former_urls = await self._db(record_public_url, self._public_url)
        served = [spec.name for spec in list_providers() if self._spool.serves(spec)]
        if not served:
            return
        known = dict(await self._db(list_hooks, served, MOST_REMEMBERED))
        for digest in self._remembered - known.keys():
            self._known.forget(digest)  # switched off
        for digest, hook in known.items():
            self._known.put(digest, hook)
        self._remembered = frozenset(known)

    async def _find(self, token: str) -> HookView:
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise NotFound
        hook = await self._known.get(sha256(token.encode()).digest(), token)
        if hook is None:
            raise NotFound
        return hook

    async def _believed(self, request: Request, hook: HookView, begun: float) -> ReceivedWebhook:
        """What its proof does not cover is read only once it is believed."""
        if hook.spec.proof.covers_body:
            call = self._call(request, await self._bodies.read(request, hook))
            await self._verify(hook, call)
            masked = mask_body(hook, call.body)
            body = Body(masked) if fits_row(masked) else await self._bodies.keep(hook, masked)
            return _received(hook, call, _behind_token(request), body, begun)
        call = self._call(request, b"")
        await self._verify(hook, call)
        return _received(hook, call, _behind_token(request), await self._bodies.take(request, hook), begun)

    def _call(self, request: Request, body: bytes) -> WebhookRequest:
        """With the address that we know to be ours: what a Host header says is the caller's word."""
        query = request.scope["query_string"].decode("latin-1")
        path = request.scope["raw_path"].decode("latin-1")
        url = f"{self._url}{path}?{query}" if query else f"{self._url}{path}"
        headers = _joined(request.scope["headers"])
        return WebhookRequest(url=url, method=request.method, query=query, headers=headers, body=body)

    async def _verify(self, hook: HookView, call: WebhookRequest) -> None:
        try:
            hook.receiver.verify(call)
        except SignatureInvalid as refused:
            if hook.spec.proof is Proof.URL_AND_FORM and self._fits_former_url(hook, call):
                return
            if await self._fits_elsewhere(hook, call):
                return
            self._rejections.note(hook, refused.detail, len(call.body))
            raise

    def _fits_former_url(self, hook: HookView, call: WebhookRequest) -> bool:
        behind = call.url.removeprefix(self._url)
        return any(_is_signed(hook, replace(call, url=f"{former}{behind}")) for former in self._former_urls)

    async def _fits_elsewhere(self, hook: HookView, call: WebhookRequest) -> bool:
        """The secret of the tenant's own app may be in its tenant service alone."""
        tenants = self._elsewhere()
        if tenants is None:
            return False
        secrets = await tenants.app_secrets_of(hook.tenant_id, hook.spec.name)
        return any(_is_signed(hook.signed_with(secret), call) for secret in secrets)

    def _store(self, received: ReceivedWebhook, hook: HookView) -> Awaitable[object]:
        return self._keep(received) if self._spool.serves(hook.spec) else self._gate.submit(received)

    async def _keep(self, received: ReceivedWebhook) -> None:
        """In the store, or on disk while it is away; where others wait there, behind them."""
        if self._spool.busy:
            await self._spool.submit(received)
            return
        try:
            await self._gate.submit(received)
        except Unavailable:
            await self._spool.submit(received)


def _received(hook: HookView, call: WebhookRequest, path: str, body: Body, begun: float) -> ReceivedWebhook:
    headers = msgspec.json.encode(hook.spec.mask_headers(call.headers)).decode()
    return ReceivedWebhook(
        uuid7(), hook.tenant_id, hook.id, headers, body.small, call.method, path, call.query, body.large, begun
    )


def _behind_token(request: Request) -> str:
    """`/messages-upsert` of `/hooks/{token}/messages-upsert`, byte for byte."""
    _, _, _, *rest = request.scope["raw_path"].decode("latin-1").split("/", 3)
    return f"/{rest[0]}" if rest else ""


def _is_signed(hook: HookView, call: WebhookRequest) -> bool:
    try:
        hook.receiver.verify(call)
    except SignatureInvalid:
        return False
    return True


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """A header that came twice is one header with a comma (RFC 9110): a second signature is not overlooked."""
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _count(refused: HailgateError) -> None:
    result = {SignatureInvalid: "rejected", NotFound: "unknown_hook"}.get(type(refused))
    WEBHOOKS.labels(result=result or ("unavailable" if isinstance(refused, Unavailable) else "refused")).inc()
