"""Where providers post: find the hook by its token, check the signature over the raw bytes, store, answer.

Once token and signature hold, the call is stored and answered with 200, whatever its body says: a provider never
repeats what was refused, and what a body means is decided later, from the store. Where a provider repeats nothing at
all, the spool takes what the store cannot take now.
"""

import asyncio
import time
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from hailgate.core.errors import Forbidden, HailgateError, NotFound, SignatureInvalid, Unavailable
from hailgate.edge.bodies import read_body
from hailgate.edge.cache import Cache
from hailgate.edge.ports import Db, Submits
from hailgate.edge.rejections import Rejections
from hailgate.edge.spool import Spool
from hailgate.messaging.channels import HookView, find_hook, list_hooks
from hailgate.messaging.ids import uuid7
from hailgate.messaging.receiving import ReceivedWebhook
from hailgate.providers import list_providers
from hailgate.providers.contract import AnswersHandshake, WebhookRequest
from hailgate.telemetry import WEBHOOK_SECONDS, WEBHOOKS, Event, log
from hailgate.tracing import is_traced, tell_span

# Tokens of ours have 43 characters; what is far longer need not be looked up.
LONGEST_TOKEN: Final = 100
# Hooks whose webhooks are spooled are read in advance, the newest first: half of what the cache holds.
MOST_REMEMBERED: Final = 5_000
REMEMBER_EVERY_S: Final = 60.0
STORE_AWAY_S: Final = 1.0

_STORED: Final = Response()
_stored = WEBHOOKS.labels(result="stored")


class Hooks:
    def __init__(self, db: Db, gate: Submits[ReceivedWebhook, bool], rejections: Rejections, spool: Spool) -> None:
        self._db, self._gate, self._rejections, self._spool = db, gate, rejections, spool
        self._remembered: frozenset[bytes] = frozenset()
        self._known: Cache[HookView] = Cache(lambda token: db(find_hook, token))

    async def receive(self, request: Request) -> Response:
        """POST: 200 after the commit, or once it is on disk; 401, 404, 413, 503."""
        begun = time.monotonic()
        try:
            hook = await self._find(request.path_params["token"])
            body = await read_body(request, hook.spec.capabilities.max_webhook_body)
            call = _call(request, body)
            self._verify(hook, call)
            headers = msgspec.json.encode(hook.spec.mask(call.headers)).decode()
            received = ReceivedWebhook(uuid7(), hook.tenant_id, hook.id, headers, body)
            if self._spool.busy and self._spool.serves(hook.spec):  # before it, others wait
                await self._spool.submit(received)
            else:
                try:
                    await self._gate.submit(received)
                except Unavailable:
                    if not self._spool.serves(hook.spec):
                        raise
                    await self._spool.submit(received)
        except HailgateError as refused:
            _count(refused)
            raise
        _stored.inc()
        if is_traced():
            tell_span("webhook", received.uid, time.monotonic() - begun, {"hook": hook.id, "size": len(body)})
        WEBHOOK_SECONDS.observe(time.monotonic() - begun)
        log.debug(Event.WEBHOOK_STORED, hook=hook.id, size=len(body))
        return _STORED

    async def shake_hands(self, request: Request) -> Response:
        """GET: the provider asks whether this hook is ours, and we answer with what it sent."""
        hook = await self._find(request.path_params["token"])
        if not isinstance(hook.receiver, AnswersHandshake):
            raise NotFound
        try:
            return PlainTextResponse(hook.receiver.handshake(_call(request, b"")))
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
        served = [spec.name for spec in list_providers() if self._spool.serves(spec)]
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

    def _verify(self, hook: HookView, call: WebhookRequest) -> None:
        try:
            hook.receiver.verify(call)
        except SignatureInvalid as refused:
            self._rejections.note(hook, refused.detail, len(call.body))
            raise


def _call(request: Request, body: bytes) -> WebhookRequest:
    query = dict(request.query_params) if request.scope["query_string"] else {}
    return WebhookRequest(method=request.method, query=query, headers=_joined(request.scope["headers"]), body=body)


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
