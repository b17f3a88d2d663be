"""The door to send: `POST /v1/messages` and its batch. Parse, check against the channel, store, answer."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from hailgate import problems
from hailgate.core.address import Address, AddressKind
from hailgate.core.cache import Cache
from hailgate.core.content.parts import Mark
from hailgate.core.content.templates import TemplateCall
from hailgate.core.decode import decode, decode_message
from hailgate.core.errors import HailgateError, InputError, Unavailable
from hailgate.edge.doors.wire import (
    AcceptedMessage,
    BatchAnswer,
    BatchItem,
    BatchRequest,
)
from hailgate.edge.http.bodies import check_json, check_no_query, read_body
from hailgate.edge.http.counters import Shared
from hailgate.edge.http.keys import Keys
from hailgate.edge.http.middleware import STANDING, answer
from hailgate.edge.http.rate_limit import RateLimits
from hailgate.messaging.channels.registry import ChannelView, get_channel
from hailgate.messaging.outbound.accept import Accepted, find_repeated
from hailgate.messaging.outbound.check_request import check_idempotency_key, check_message
from hailgate.messaging.outbound.context import find_context
from hailgate.messaging.outbound.new_message import NewMessage
from hailgate.messaging.outbound.pattern_request import fill_request
from hailgate.messaging.outbound.request import MessageRequest, Recipient
from hailgate.messaging.store.ports import Db, Submits
from hailgate.messaging.templates.lookup import TemplateQuery, check_calls
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log
from hailgate.telemetry.traces import is_traced, tell_span

MESSAGE_BYTES: Final = 1 << 20
BATCH_BYTES: Final = 8 << 20
# A batch gives way to other requests after this many of its messages.
PARSED_AT_ONCE: Final = 50

_message_decoder = msgspec.json.Decoder(MessageRequest)
_batch_decoder = msgspec.json.Decoder(BatchRequest)


REPLAYED: Final = {"Idempotency-Replayed": "true"}


class _Checked(NamedTuple):
    message: NewMessage
    channel: ChannelView
    template: TemplateCall | None


class _Stored(NamedTuple):
    """``replayed`` where the caller's key was known: this is what was answered then."""

    message: AcceptedMessage
    replayed: bool


class Sending:
    """``life_s`` is how long a message lives that names no ``expires_at``."""

    def __init__(
        self, db: Db, gate: Submits[NewMessage, Accepted], keys: Keys, *, life_s: float, shared: Shared | None = None
    ) -> None:
        self._db, self._gate, self._keys, self._life_s = db, gate, keys, life_s
        self._paces = RateLimits(shared=shared)
        self._channels: Cache[ChannelView] = Cache(lambda tenant_id, name: db(find_channel, tenant_id, name))

    async def create_message(self, request: Request) -> Response:
        """202 after the commit; 400, 401, 408, 409, 413, 415, 422, 429, 503."""
        caller = await self._keys.caller(request)
        request.scope[STANDING] = await self._paces.spend(caller.paces)
        check_no_query(request)
        check_json(request)
        key = check_idempotency_key(request.headers.get("idempotency-key"))
        body = await read_body(request, MESSAGE_BYTES)
        [checked] = await self._check_templates([await self._check(caller.tenant_id, body, key)])
        stored = await self._stored(checked)
        return answer(stored.message, 202, REPLAYED if stored.replayed else {})

    async def create_batch(self, request: Request) -> Response:
        """200 with a result for each message; an error only where the request as a whole cannot be read or stored."""
        caller = await self._keys.caller(request)
        check_no_query(request)
        check_json(request)
        key = check_idempotency_key(request.headers.get("idempotency-key"))
        bodies = decode(_batch_decoder, await read_body(request, BATCH_BYTES)).messages
        request.scope[STANDING] = await self._paces.spend(caller.paces, len(bodies))
        checked = await self._check_all(caller.tenant_id, bodies, key)
        results = await asyncio.gather(*(self._stored(each) for each in checked), return_exceptions=True)
        return answer(BatchAnswer(_items(results, request)))

    async def _check_all(
        self, tenant_id: int, bodies: Sequence[msgspec.Raw], key: str
    ) -> Sequence[_Checked | HailgateError]:
        """All are checked before the first is stored, so that a slow check makes no later message overtake."""
        checked: list[_Checked | HailgateError] = []
        for index, body in enumerate(bodies):
            try:
                checked.append(await self._check(tenant_id, bytes(body), f"{key}#{index}" if key else ""))
            except HailgateError as refused:
                checked.append(refused)
            if index % PARSED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return await self._check_templates(checked)

    async def _check_templates(self, checked: Sequence[_Checked | HailgateError]) -> Sequence[_Checked | HailgateError]:
        """All that send one against what is known of them, with one look-up."""
        calls = {
            index: TemplateQuery(each.channel.business_id, each.template, each.message.to.kind)
            for index, each in enumerate(checked)
            if isinstance(each, _Checked) and each.template and each.channel.business_id
        }
        if not calls:
            return checked
        faults = dict(zip(calls, await self._db(check_calls, list(calls.values())), strict=True))
        return await self._refuse(checked, {index: fault for index, fault in faults.items() if fault})

    async def _refuse(
        self, checked: Sequence[_Checked | HailgateError], faults: Mapping[int, InputError]
    ) -> Sequence[_Checked | HailgateError]:
        """But for repeated requests: what was accepted while its template was good is answered as it was then."""
        faulty = [each.message for index in faults if isinstance(each := checked[index], _Checked)]
        repeated = await self._db(find_repeated, faulty) if any(message.idempotency for message in faulty) else set()
        return [
            each if isinstance(each, HailgateError) or each.message.uid in repeated else faults.get(index, each)
            for index, each in enumerate(checked)
        ]

    async def _check(self, tenant_id: int, body: bytes, key: str) -> _Checked:
        wanted = decode_message(_message_decoder, body)
        channel = await self._channel(tenant_id, wanted.channel)
        if wanted.pattern is not UNSET:
            wanted = await self._db(fill_request, tenant_id, wanted)
        if wanted.reaction is not UNSET:
            named = await self._db(
                find_context, tenant_id, channel.id, wanted.reaction.message_id, "reaction.message_id"
            )
            wanted = msgspec.structs.replace(wanted, reaction=Mark(named, wanted.reaction.emoji))
        message = check_message(wanted, channel, tenant_id, key, self._life_s)
        if wanted.context is not UNSET:
            context = await self._db(find_context, tenant_id, channel.id, wanted.context.message_id)
            message = message._replace(context_id=context)
        return _Checked(message, channel, wanted.template or None)

    async def _stored(self, checked: _Checked | HailgateError) -> _Stored:
        if isinstance(checked, HailgateError):
            raise checked
        message, channel = checked.message, checked.channel
        begun = time.monotonic()
        accepted = await self._gate.submit(message)
        if is_traced():
            facts = {"message": str(accepted.uid), "channel": channel.id, "tenant": message.tenant_id}
            tell_span("accept", accepted.uid, time.monotonic() - begun, facts)
        log.debug(Event.MESSAGE_ACCEPTED, message=str(accepted.uid), channel=channel.id)
        told = AcceptedMessage(
            str(accepted.uid), "queued", str(channel.uid), _shown(message.to), _moment(accepted.accepted_at)
        )
        return _Stored(told, replayed=accepted.uid != message.uid)

    async def _channel(self, tenant_id: int, id_or_name: str) -> ChannelView:
        channel = await self._channels.get((tenant_id, id_or_name), tenant_id, id_or_name)
        if channel is None:
            raise InputError(
                "channel: you have no active channel of this id or name.", code="unknown_channel", field="channel"
            )
        return channel


# --- answers ----------------------------------------------------------------------------------------------------------


def _items(results: Sequence[_Stored | BaseException], request: Request) -> list[BatchItem]:
    """Raises what no item is to blame for: a store that is away for all of them, or a bug."""
    failures = [result for result in results if isinstance(result, BaseException)]
    for failure in failures:
        for_all = isinstance(failure, Unavailable) and len(failures) == len(results)
        if for_all or not isinstance(failure, HailgateError):
            raise failure
    return [_item(result, request) for result in results]


def _item(result: _Stored | BaseException, request: Request) -> BatchItem:
    if isinstance(result, _Stored):
        return BatchItem(status=202, message=result.message, replayed=result.replayed or UNSET)
    if not isinstance(result, HailgateError):
        raise result
    described = problems.describe(result, request.scope["request_id"])
    return BatchItem(status=result.status, error=described)


def _shown(to: Address) -> str | Recipient:
    return f"+{to.value}" if to.kind is AddressKind.PHONE else Recipient(to.kind, to.value)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- the store --------------------------------------------------------------------------------------------------------


def find_channel(tenant_id: int, id_or_name: str) -> ChannelView | None:
    try:
        return get_channel(tenant_id, id_or_name)
    except InputError:
        return None
