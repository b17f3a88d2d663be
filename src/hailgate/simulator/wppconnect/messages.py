"""Sends of every kind, to one recipient or several in a call."""

import base64
import sqlite3
from functools import partial
from typing import Any

import aiohttp
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hailgate.simulator import groups, phones
from hailgate.simulator.endpoints import Asked
from hailgate.simulator.faults import Plan
from hailgate.simulator.model import Channel, File, Phone, Send, Upload
from hailgate.simulator.problems import ProviderError, json_response, read_body
from hailgate.simulator.wppconnect import errors
from hailgate.simulator.wppconnect.calls import SENDS, SendCall, parse_json
from hailgate.simulator.wppconnect.content import Head, render_message
from hailgate.simulator.wppconnect.endpoints import MAX_BODY, Endpoint
from hailgate.simulator.wppconnect.provider import NOWHERE
from hailgate.simulator.wppconnect.wire import make_id

# All that the server says of a reaction: not even its id.
REACTED = {"message": "Reaction sended"}
FETCH_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)


class Recipient(msgspec.Struct, frozen=True):
    """`chat` as the server has read it; `to` is the phone's number, or the group; `phone` None: not on WhatsApp."""

    chat: str
    to: str
    phone: Phone | None
    is_group: bool = False


class SendEndpoint(Endpoint):
    """`POST /api/{session}/{kind}`."""

    operation = "send"

    async def ask(self, request: Request) -> Asked:
        channel = self.enter(request)
        body = await read_body(request, MAX_BODY)
        call = SENDS[request.path_params["kind"]](await self._with_file(parse_json(body)))
        find = partial(find_recipients, channel=channel, chats=call.phones)
        recipients = await self._world.store.read(find)
        to = recipients[0].to if recipients else None
        return Asked(channel, self.operation, to, (call, body, recipients))

    async def carry_out(self, request: Request, asked: Asked, plan: Plan) -> Response:
        if self.session_of(asked.channel).state != "open":
            answer = errors.session_inactive().answer()
        else:
            try:
                answer = await self._send_all(request, asked, plan)
            except ProviderError as error:
                answer = error.answer()
        return self.name_session(request, asked.channel, answer)

    async def _send_all(self, request: Request, asked: Asked, plan: Plan) -> Response:
        """A number that does not exist is said at once, and the others are sent all the same."""
        call, body, recipients = asked.call
        file = await self._keep(asked.channel, call) if call.source else None
        known = [one for one in recipients if one.phone]
        sends = [self._compose(asked.channel, call, one, file, body) for one in known]
        for send in sends:
            await self.accept(request, send, plan)
        missing = next((one for one in recipients if one.phone is None), None)
        if missing:
            raise errors.number_missing(missing.to)
        response = REACTED if call.answer == "done" else [render_answer(call, send) for send in sends]
        return json_response({"status": "success", "response": response, "mapper": "return"}, call.status)

    async def _with_file(self, call: dict[str, Any]) -> dict[str, Any]:
        """What is behind a link is fetched first, and is then as good as a data URL."""
        link = str(call.get("path") or "")
        if not link.startswith(("http://", "https://")):
            return call
        try:
            async with self._world.webhooks.session.get(link, timeout=FETCH_TIMEOUT, raise_for_status=True) as answer:
                content = base64.b64encode(await answer.read()).decode()
                return {**call, "path": f"data:{answer.content_type};base64,{content}"}
        except (aiohttp.ClientError, OSError, TimeoutError):
            raise errors.send_failed(code="empty_file", level="error") from None

    def _compose(self, channel: Channel, call: SendCall, to: Recipient, file: File | None, body: bytes) -> Send:
        own = f"{channel.number}@c.us" if to.is_group else None
        message_id = make_id(to.chat, from_me=True, participant=own)
        message = {"id": message_id, **fill_in(call.message, file)}
        name, now = to.phone.name if to.phone else "", self._world.clock.now()
        head = Head(message_id, to.chat, channel.number, from_me=True, name=name, at=now, author=own)
        record = {**render_message(head, message, file), "file": file.id if file else None}
        return Send(channel, to.to, message_id, message, None, body, to.is_group, record=record)

    async def _keep(self, channel: Channel, call: SendCall) -> File:
        if call.source is None:
            raise AssertionError("this send has no file")
        source = call.source
        upload = Upload("business", channel.number, source.mime_type, source.filename, source.content)
        return await self._world.add_file(upload)


def fill_in(message: dict[str, Any], file: File | None) -> dict[str, Any]:
    """With the file in its place."""
    if file is None:
        return message
    kind = message["type"]
    known = {"id": file.id, "mime_type": file.mime_type, "sha256": file.sha256, "size": file.size}
    return {**message, kind: {**known, **message[kind]}}


def render_answer(call: SendCall, send: Send) -> Any:
    record = send.record or {}
    match call.answer:
        case "phones":
            return record["chatId"]
        case "ack":
            return {"ack": 1, "id": send.provider_id}
        case _:
            return {name: value for name, value in record.items() if name != "file"}


def find_recipients(db: sqlite3.Connection, channel: Channel, chats: list[str]) -> list[Recipient]:
    return [find_recipient(db, channel, chat) for chat in chats]


def find_recipient(db: sqlite3.Connection, channel: Channel, chat: str) -> Recipient:
    user, _, server = chat.partition("@")
    if server == "g.us":
        members = groups.list_members(db, chat, channel.number)
        phone = phones.find_phone(db, members[0]) if members else None
        return Recipient(chat, chat, phone, is_group=True)
    if server == "lid":
        known = phones.find_by_lid(db, user)
        return Recipient(chat, known.number if known else user, known)
    found = phones.find_phone(db, user) if user.isdigit() else None
    exists = found is not None and found.reachable and not user.startswith(NOWHERE)
    return Recipient(chat, user, found if exists else None)
