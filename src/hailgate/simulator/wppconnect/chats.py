"""Look-ups, files of messages, reading, typing, edits and deletions."""

import base64
import sqlite3
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hailgate.simulator import files, phones, records
from hailgate.simulator.message_flow import MessageChange
from hailgate.simulator.model import Channel, lid_of
from hailgate.simulator.problems import json_response
from hailgate.simulator.records import Record
from hailgate.simulator.wppconnect import errors
from hailgate.simulator.wppconnect.calls import is_true, read_phones
from hailgate.simulator.wppconnect.endpoints import Endpoint
from hailgate.simulator.wppconnect.errors import WppError
from hailgate.simulator.wppconnect.messages import find_recipient
from hailgate.simulator.wppconnect.provider import ACKS, NOWHERE
from hailgate.simulator.wppconnect.wire import as_wid, read_phone, user_id

PAGE, LOOKED_THROUGH = 20, 10_000


class NumberEndpoint(Endpoint):
    """`GET check-number-status/{phone}`."""

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        number = read_phone(request.path_params["phone"], is_group=False, is_lid=False).partition("@")[0]
        phone = await self._world.store.read(partial(phones.find_phone, number=number))
        exists = phone.reachable and not number.startswith(NOWHERE)
        known = {"isBusiness": False, "canReceiveMessage": exists, "numberExists": exists}
        return json_response({"status": "success", "response": {"id": as_wid(user_id(number)), **known}})


class LidEndpoint(Endpoint):
    """`GET contact/pn-lid/{pnLid}`: from one to the other, where the other is known."""

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        user, _, server = request.path_params["pn_lid"].partition("@")
        if server == "lid":
            phone = await self._world.store.read(partial(phones.find_by_lid, lid=user))
        else:
            phone = await self._world.store.read(partial(phones.find_phone, number=user))
        number = phone.number if phone and not phone.hides_number else None
        lid = user if server == "lid" else lid_of(user)
        told = {"lid": as_wid(f"{lid}@lid"), "phoneNumber": as_wid(user_id(number)) if number else None}
        return json_response({**told, "contact": {"id": f"{lid}@lid", "pushname": phone.name if phone else None}})


class MessagesEndpoint(Endpoint):
    """`GET get-messages/{phone}`: the newest `count`, or those before or after the message `id`; the oldest first."""

    operation = "find"

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        query, chat = request.query_params, read_phone(request.path_params["phone"], is_group=False, is_lid=False)
        to = await self._world.store.read(partial(find_recipient, channel=channel, chat=chat))
        count = int(query["count"]) if query.get("count", "").isdigit() else PAGE
        newest = partial(records.list_newest, channels=[channel.number], phone=to.to, limit=LOOKED_THROUGH)
        found = (await self._world.store.read(newest))[::-1]
        shown = cut_page(found, query.get("id"), query.get("direction", "before"), count)
        return json_response({"status": "success", "response": [render_record(record) for record in shown]})


class MessageEndpoint(Endpoint):
    """`GET message-by-id/{id}`."""

    operation = "find"

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        record = await self.get_record(channel, request.path_params["id"])
        return json_response({"status": "success", "response": render_record(record), "mapper": "return"}, 201)

    async def get_record(self, channel: Channel, message_id: str) -> Record:
        record = await self._world.store.read(partial(records.find, provider_id=message_id))
        if record is None or record.channel != channel.number:
            raise errors.send_failed(code="msg_not_found", level="error")
        return record


class UnreadEndpoint(Endpoint):
    """`GET all-unread-messages`: what people wrote and the business has not read."""

    operation = "find"

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        found = await self._world.store.read(partial(records.list_unread, channel=channel.number))
        response = [render_record(record) for record in found]
        return json_response({"status": "success", "response": response, "mapper": "return"}, 201)


class FileEndpoint(MessageEndpoint):
    """`GET get-media-by-message/{id}`, `POST download-media {"messageId"}`."""

    operation = "download"

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        message_id = request.path_params.get("id") or str(call.get("messageId", ""))
        record = await self._world.store.read(partial(records.find, provider_id=message_id))
        if record is None or record.channel != channel.number or not record.content.get("file"):
            raise WppError(400, {"status": "error", "message": "Message not found"})
        return json_response(await self._world.store.read(partial(read_file, record=record)))


class SeenEndpoint(Endpoint):
    """`POST send-seen`."""

    operation = "read"

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        for chat in read_phones(call):
            to = await self._world.store.read(partial(find_recipient, channel=channel, chat=chat))
            await self._world.mark_chat_read(channel, to.to, body)
        return succeed(True)


class TypingEndpoint(Endpoint):
    """`POST typing`, `recording`: while `value` is true."""

    operation = "typing"

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        for chat in read_phones(call):
            to = await self._world.store.read(partial(find_recipient, channel=channel, chat=chat))
            if is_true(call, "value"):
                await self._world.show_typing(channel, to.to, body)
        return succeed(None)


class EditEndpoint(MessageEndpoint):
    """`POST edit-message {"id", "newText"}`."""

    operation = "edit"

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        record = await self.get_record(channel, str(call.get("id", "")))
        text = str(call.get("newText") or "")
        shown = {"type": "text", "text": {"body": text}, "edited": True}
        change = MessageChange(channel, record.provider_id, self.operation, shown, body)
        if not await self._world.change_message(change):
            raise errors.send_failed()
        return succeed({**render_record(record), "body": text})


class DeleteEndpoint(MessageEndpoint):
    """`POST delete-message {"messageId"}`."""

    operation = "delete"

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        record = await self.get_record(channel, str(call.get("messageId", "")))
        change = MessageChange(channel, record.provider_id, self.operation, {"type": "deleted", "deleted": {}}, body)
        if not await self._world.change_message(change):
            raise errors.send_failed()
        return json_response({"status": "success", "response": {"message": "Message deleted"}})


def succeed(response: Any) -> Response:
    return json_response({"status": "success", "response": response, "mapper": "return"}, 201)


def cut_page(found: list[Record], message_id: str | None, direction: str, count: int) -> list[Record]:
    place = next((index for index, record in enumerate(found) if record.provider_id == message_id), None)
    if direction == "after" and place is not None:
        return found[place + 1 : place + 1 + count]
    end = len(found) if place is None else place
    return found[max(0, end - count) : end]


def render_record(record: Record) -> dict[str, Any]:
    known = {name: value for name, value in record.content.items() if name != "file"}
    return {**known, "ack": ACKS.get(record.status, 1)}


def read_file(db: sqlite3.Connection, record: Record) -> dict[str, Any]:
    file = files.find_file(db, record.content["file"])
    if file is None:
        raise WppError(400, {"status": "error", "message": "Message not found"})
    return {"base64": base64.b64encode(files.get_content(db, file)).decode(), "mimetype": record.content["mimetype"]}
