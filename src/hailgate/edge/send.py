"""The door to send: `POST /v1/messages` and its batch. Parse, check against the channel, store, answer."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from hailgate import problems
from hailgate.core.address import Address, AddressKind
from hailgate.core.content.parts import Mark
from hailgate.core.content.templates import TemplateCall
from hailgate.core.errors import HailgateError, InputError, Unavailable
from hailgate.edge.bodies import check_json, read_body
from hailgate.edge.cache import Cache
from hailgate.edge.checks import check_idempotency_key, check_message
from hailgate.edge.frame import answer
from hailgate.edge.keys import Keys
from hailgate.edge.paces import Paces
from hailgate.edge.ports import Db, Submits
from hailgate.edge.wire import (
    AcceptedMessage,
    BatchAnswer,
    BatchItem,
    BatchRequest,
    MessageRequest,
    Recipient,
    decode,
)
from hailgate.messaging.channels import ChannelView, get_channel
from hailgate.messaging.models import Message
from hailgate.messaging.sending import Accepted, NewMessage, find_repeated
from hailgate.messaging.templates import Wanted, check_calls
from hailgate.telemetry import Event, log
from hailgate.tracing import is_traced, tell_span

MESSAGE_BYTES: Final = 1 << 20
BATCH_BYTES: Final = 8 << 20
# A batch gives way to other requests after this many of its messages.
PARSED_AT_ONCE: Final = 50

_message_decoder = msgspec.json.Decoder(MessageRequest)
_batch_decoder = msgspec.json.Decoder(BatchRequest)


class _Checked(NamedTuple):
    message: NewMessage
    channel: ChannelView
    template: TemplateCall | None


class Sending:
    """``life_s`` is how long a message lives that names no ``expires_at``."""

    def __init__(self, db: Db, gate: Submits[NewMessage, Accepted], keys: Keys, *, life_s: float) -> None:
        self._db, self._gate, self._keys, self._life_s = db, gate, keys, life_s
        self._paces = Paces()
        self._channels: Cache[ChannelView] = Cache(lambda tenant_id, name: db(find_channel, tenant_id, name))

    async def create_message(self, request: Request) -> Response:
        """202 after the commit; 400, 401, 408, 409, 413, 415, 422, 429, 503."""
        caller = await self._keys.caller(request)
        standing = self._paces.spend(caller.paces)
        check_json(request)
        key = check_idempotency_key(request.headers.get("idempotency-key"))
        body = await read_body(request, MESSAGE_BYTES)
        [checked] = await self._check_templates([await self._check(caller.tenant_id, body, key)])
        return answer(await self._stored(checked), 202, standing)

    async def create_batch(self, request: Request) -> Response:
        """200 with a result for each message; an error only where the request as a whole cannot be read or stored."""
        caller = await self._keys.caller(request)
        check_json(request)
        key = check_idempotency_key(request.headers.get("idempotency-key"))
        bodies = decode(_batch_decoder, await read_body(request, BATCH_BYTES)).messages
        standing = self._paces.spend(caller.paces, len(bodies))
        checked = await self._check_all(caller.tenant_id, bodies, key)
        results = await asyncio.gather(*(self._stored(each) for each in checked), return_exceptions=True)
        return answer(BatchAnswer(_items(results, request)), headers=standing)

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
            index: Wanted(each.channel.business_id, each.template, each.message.to.kind)
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
        wanted = decode(_message_decoder, body)
        channel = await self._channel(tenant_id, wanted.channel)
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

    async def _stored(self, checked: _Checked | HailgateError) -> AcceptedMessage:
        if isinstance(checked, HailgateError):
            raise checked
        message, channel = checked.message, checked.channel
        begun = time.monotonic()
        accepted = await self._gate.submit(message)
        if is_traced():
            facts = {"message": str(accepted.uid), "channel": channel.id, "tenant": message.tenant_id}
            tell_span("accept", accepted.uid, time.monotonic() - begun, facts)
        log.debug(Event.MESSAGE_ACCEPTED, message=str(accepted.uid), channel=channel.id)
        return AcceptedMessage(
            str(accepted.uid), "queued", str(channel.uid), _shown(message.to), _moment(accepted.accepted_at)
        )

    async def _channel(self, tenant_id: int, id_or_name: str) -> ChannelView:
        channel = await self._channels.get((tenant_id, id_or_name), tenant_id, id_or_name)
        if channel is None:
            raise InputError(
                "channel: you have no active channel of this id or name.", code="unknown_channel", field="channel"
            )
        return channel


# --- answers ----------------------------------------------------------------------------------------------------------


def _items(results: Sequence[AcceptedMessage | BaseException], request: Request) -> list[BatchItem]:
    """Raises what no item is to blame for: a store that is away for all of them, or a bug."""
    failures = [result for result in results if isinstance(result, BaseException)]
    for failure in failures:
        for_all = isinstance(failure, Unavailable) and len(failures) == len(results)
        if for_all or not isinstance(failure, HailgateError):
            raise failure
    return [_item(result, request) for result in results]


def _item(result: AcceptedMessage | BaseException, request: Request) -> BatchItem:
    if isinstance(result, AcceptedMessage):
        return BatchItem(status=202, message=result)
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


def find_context(tenant_id: int, channel_id: int, message_id: str, field: str = "context.message_id") -> str:
    """The provider's id of the message that is meant, by ours. Raises InputError where it has none."""
    try:
        uid = UUID(message_id)
    except ValueError:
        return message_id
    known = Message.objects.filter(tenant_id=tenant_id, channel_id=channel_id, uid=uid)
    provider_id = known.values_list("provider_id", flat=True).first()
    if not provider_id:
        raise InputError(
            f"{field}: no message of this channel with this id has reached the provider.",
            code="unknown_context",
            field=field,
        )
    return provider_id
