"""`POST /message/{kind}/{instance}`: every kind of send."""

import sqlite3
from collections.abc import Mapping
from functools import partial
from typing import Any

import aiohttp
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hailgate.simulator import groups, phones, records
from hailgate.simulator.endpoints import Asked
from hailgate.simulator.evolution import errors
from hailgate.simulator.evolution.calls import SENDS, Address, SendCall, Source, is_audio, parse_number, parse_send
from hailgate.simulator.evolution.content import add_reaction_key, render_content
from hailgate.simulator.evolution.endpoints import Endpoint
from hailgate.simulator.evolution.errors import EvolutionError
from hailgate.simulator.evolution.provider import NOWHERE
from hailgate.simulator.evolution.wire import instance_id, is_newer, jid_of, make_key, name_of, new_id, user_jid
from hailgate.simulator.faults import Plan
from hailgate.simulator.model import Channel, File, Phone, Send, Upload
from hailgate.simulator.problems import json_response
from hailgate.simulator.records import Record
from hailgate.simulator.wire_faults import cut

FETCH_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)
RESTART_S = 2.0  # what a process that died needs to be back
GENERAL = "application/octet-stream"


class Recipient(msgspec.Struct, frozen=True):
    """`to` is the phone's number or the group's JID."""

    to: str
    phone: Phone
    group: str | None


class SendEndpoint(Endpoint):
    operation = "send"

    async def ask(self, request: Request) -> Asked:
        channel, kind = self.enter(request), request.path_params["kind"]
        if kind not in SENDS:
            raise EvolutionError(404, [f"Cannot POST /message/{kind}/{name_of(channel)}"])
        call, body = await self.read(request)
        parsed = parse_send(kind, call)
        to = await self._world.store.read(partial(find_recipient, address=parse_number(parsed.number), channel=channel))
        return Asked(channel, self.operation, to.to, (parsed, to, body, kind))

    async def carry_out(self, request: Request, asked: Asked, plan: Plan) -> Response:
        call, to, body, kind = asked.call
        channel = asked.channel
        if self.session_of(channel).state != "open":
            raise errors.connection_closed()
        if kind == "sendList" and not is_newer(channel):
            raise EvolutionError(400, ["TypeError: this.isZero is not a function"])
        check_on_whatsapp(to, call.number)
        content = await self._bytes_of(call.source) if call.source else b""
        if kind == "sendWhatsAppAudio" and not is_audio(content):
            await self._die(channel)
            return await cut(request)
        if call.message_id and (known := await self._find_known(call.message_id)):
            return json_response(render_accepted(known.content), 201)
        file = await self._keep(channel, call.source, content) if call.source else None
        send = self._compose(channel, call, to, file, body)
        await self.accept(request, send, plan)
        return json_response(render_accepted(send.record or {}), 201)

    async def _find_known(self, message_id: str) -> Record | None:
        """WhatsApp takes an id once; a repeat changes nothing."""
        return await self._world.store.read(partial(records.find, provider_id=message_id))

    def _compose(self, channel: Channel, call: SendCall, to: Recipient, file: File | None, body: bytes) -> Send:
        now = self._world.clock.now()
        given = call.message_id if is_newer(channel) else None
        message_id = given or new_id(from_me=True)
        message = {"id": message_id, **fill_in(call.message, file)}
        key = make_key(to.phone, message_id, from_me=True, group=to.group)
        said = render_content(message, file, at=now, author=jid_of(to.phone))
        said = add_reaction_key(said, key, target_from_me=False, at=now)
        record = {
            "key": key,
            "pushName": "Você",
            "status": "PENDING",
            "message": {name: value for name, value in said.message.items() if name != "messageContextInfo"},
            **({"contextInfo": said.context} if said.context else {}),
            "messageType": said.kind,
            "messageTimestamp": int(now),
            "instanceId": instance_id(name_of(channel)),
            "source": "web",
            "file": file.id if file else None,
        }
        return Send(channel, to.to, message_id, message, given, body, to.group is not None, record=record)

    async def _keep(self, channel: Channel, source: Source, content: bytes) -> File:
        mime_type = source.mime_type or GENERAL
        return await self._world.add_file(Upload("business", channel.number, mime_type, source.filename, content))

    async def _bytes_of(self, source: Source) -> bytes:
        if source.link is None:
            return source.content
        try:
            async with self._world.webhooks.session.get(source.link, timeout=FETCH_TIMEOUT) as answer:
                if answer.status >= 400:
                    raise EvolutionError(400, [f"AxiosError: Request failed with status code {answer.status}"])
                return await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise EvolutionError(400, [f"AxiosError: {type(error).__name__}"]) from None

    async def _die(self, channel: Channel) -> None:
        """Ffmpeg cannot read it, and the whole process ends: every instance of the server goes with it."""
        for other in self._evolution.channels.values():
            same_server = other.credentials["api_key"] == channel.credentials["api_key"]
            if same_server and self.session_of(other).state == "open":
                await self._pairing.drop(other, RESTART_S)


def render_accepted(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "file"}


def fill_in(message: dict[str, Any], file: File | None) -> dict[str, Any]:
    """With the file in its place."""
    if file is None:
        return message
    kind = message["type"]
    known = {"id": file.id, "mime_type": file.mime_type, "sha256": file.sha256, "size": file.size}
    return {**message, kind: {**known, **message[kind]}}


def find_recipient(db: sqlite3.Connection, address: Address, channel: Channel) -> Recipient:
    """Raises EvolutionError for a group that this number is not in."""
    if address.server == "g.us":
        group = f"{address.user}@g.us"
        members = groups.list_members(db, group, channel.number)
        if not members:
            raise EvolutionError(400, ["[object Object]"])
        return Recipient(group, phones.find_phone(db, members[0]), group)
    if address.server == "lid":
        known = phones.find_by_lid(db, address.user)
        return Recipient(known.number, known, None) if known else unreachable(address.user)
    return Recipient(address.user, phones.find_phone(db, address.user), None)


def unreachable(user: str) -> Recipient:
    return Recipient(user, Phone(user, user, reachable=False), None)


def check_on_whatsapp(to: Recipient, number: str) -> None:
    if to.group is None and (not to.phone.reachable or to.phone.number.startswith(NOWHERE)):
        raise errors.not_on_whatsapp(user_jid(to.phone.number), number)
