"""`/chat/…`: look-ups, files of messages, reading, presence, edits and deletions."""

import base64
import sqlite3
from datetime import datetime
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from hailgate.simulator import files, phones, records
from hailgate.simulator.endpoints import Asked
from hailgate.simulator.evolution import errors
from hailgate.simulator.evolution.calls import parse_number
from hailgate.simulator.evolution.endpoints import Endpoint
from hailgate.simulator.evolution.errors import EvolutionError, required
from hailgate.simulator.evolution.messages import find_recipient
from hailgate.simulator.evolution.provider import NOWHERE, WORDS
from hailgate.simulator.evolution.wire import as_long, database_id, user_jid
from hailgate.simulator.faults import Plan
from hailgate.simulator.message_flow import MessageChange, ReadMark
from hailgate.simulator.model import Channel
from hailgate.simulator.problems import json_response
from hailgate.simulator.records import Record

PAGE, LOOKED_THROUGH = 50, 10_000
ORDER = ("sent", "delivered", "read", "played")


class NumbersEndpoint(Endpoint):
    """`POST /chat/whatsappNumbers/{instance}`."""

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any]) -> Response:  # noqa: ARG002
        if self.session_of(channel).state != "open":
            raise errors.look_up_closed()
        if not isinstance(call.get("numbers"), list):
            raise required("numbers")
        found = [await self._look_up(str(number)) for number in call["numbers"]]
        return json_response(found)

    async def _look_up(self, number: str) -> dict[str, Any]:
        address = parse_number(number)
        phone = await self._world.store.read(partial(phones.find_phone, number=address.user))
        exists = phone.reachable and not phone.number.startswith(NOWHERE)
        lid = {"lid": f"{phone.lid}@lid"} if exists else {}
        return {"jid": user_jid(phone.number), "exists": exists, "number": number, **lid}


class FindEndpoint(Endpoint):
    """`POST /chat/findMessages/{instance}`: newest first, in pages of `offset`."""

    operation = "find"

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any]) -> Response:  # noqa: ARG002
        where, size, page = call.get("where") or {}, int(call.get("offset") or PAGE), int(call.get("page") or 1)
        found = await self._world.store.read(partial(find_matching, channel=channel.number, where=where))
        shown = found[(page - 1) * size : page * size]
        pages = max(1, -(-len(found) // size))
        answer = {"total": len(found), "pages": pages, "currentPage": page, "records": list(map(render_record, shown))}
        return json_response({"messages": answer})


class FileEndpoint(Endpoint):
    """`POST /chat/getBase64FromMediaMessage/{instance}`."""

    operation = "download"

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any]) -> Response:  # noqa: ARG002
        message_id = str(((call.get("message") or {}).get("key") or {}).get("id", ""))
        record = await self._world.store.read(partial(records.find, provider_id=message_id))
        if record is None or record.channel != channel.number:
            raise EvolutionError(400, ["Message not found"])
        if not record.content.get("file"):
            raise EvolutionError(400, ["The message is not of the media type"])
        return json_response(await self._world.store.read(partial(read_file, record=record)), 201)


class ReadEndpoint(Endpoint):
    """`POST /chat/markMessageAsRead/{instance}`."""

    operation = "read"

    async def carry_out(self, request: Request, asked: Asked, plan: Plan) -> Response:  # noqa: ARG002 - no statuses
        call, body = asked.call
        if not isinstance(call.get("readMessages"), list):
            raise required("readMessages")
        if self.session_of(asked.channel).state != "open":
            raise errors.connection_closed()
        for key in call["readMessages"]:
            await self._world.mark_read(ReadMark(asked.channel, str(key.get("id", "")), "read", body))
        return json_response({"message": "Read messages", "read": "success"}, 201)


class PresenceEndpoint(Endpoint):
    """`POST /chat/sendPresence/{instance}`."""

    operation = "typing"

    async def carry_out(self, request: Request, asked: Asked, plan: Plan) -> Response:  # noqa: ARG002 - no statuses
        call, body = asked.call
        for name in ("number", "presence"):
            if not call.get(name):
                raise required(name)
        if self.session_of(asked.channel).state != "open":
            raise errors.connection_closed()
        address = parse_number(str(call["number"]))
        to = await self._world.store.read(partial(find_recipient, address=address, channel=asked.channel))
        if call["presence"] in {"composing", "recording"}:
            await self._world.show_typing(asked.channel, to.to, body)
        return json_response({"presence": call["presence"]}, 201)


class EditEndpoint(Endpoint):
    """`POST /chat/updateMessage/{instance}`."""

    operation = "edit"

    async def carry_out(self, request: Request, asked: Asked, plan: Plan) -> Response:  # noqa: ARG002 - no statuses
        call, body = asked.call
        key, text = call.get("key") or {}, call.get("text")
        if not (key.get("id") and text):
            raise required("text" if key.get("id") else "key")
        if self.session_of(asked.channel).state != "open":
            raise errors.connection_closed()
        now = self._world.clock.now()
        stamp = as_long(now * 1000, unsigned=False)
        data = {"key": key, "type": "MESSAGE_EDIT", "editedMessage": {"conversation": text}, "timestampMs": stamp}
        posts = self._evolution.post(asked.channel, "send.message.update", data, now)
        shown = {"type": "text", "text": {"body": text}, "edited": True}
        change = MessageChange(asked.channel, str(key["id"]), self.operation, shown, body, posts)
        if not await self._world.change_message(change):
            raise EvolutionError(400, ["Message not found"])
        return json_response(data)


class DeleteMessageEndpoint(Endpoint):
    """`DELETE /chat/deleteMessageForEveryone/{instance}`."""

    operation = "delete"

    async def carry_out(self, request: Request, asked: Asked, plan: Plan) -> Response:  # noqa: ARG002 - no statuses
        key, body = asked.call
        if self.session_of(asked.channel).state != "open":
            raise errors.connection_closed()
        record = await self._world.store.read(partial(records.find, provider_id=str(key.get("id", ""))))
        if record is None or record.channel != asked.channel.number:
            raise EvolutionError(400, ["Message not found"])
        data = {**render_record(record), "status": "DELETED", "participant": None}
        posts = self._evolution.post(asked.channel, "messages.delete", data, self._world.clock.now())
        shown = {"type": "deleted", "deleted": {}}
        change = MessageChange(asked.channel, record.provider_id, self.operation, shown, body, posts)
        if not await self._world.change_message(change):
            raise EvolutionError(400, ["Message not found"])
        return json_response({"key": key, "status": "PENDING", "messageType": "protocolMessage"}, 201)


def find_matching(db: sqlite3.Connection, channel: str, where: dict[str, Any]) -> list[Record]:
    return [record for record in list_candidates(db, channel, where) if matches(record, where)]


def list_candidates(db: sqlite3.Connection, channel: str, where: dict[str, Any]) -> list[Record]:
    """By whatever of the condition there is an index for."""
    if message_id := (where.get("key") or {}).get("id"):
        named = records.find(db, provider_id=str(message_id))
        return [named] if named is not None and named.channel == channel else []
    user, _, server = str((where.get("key") or {}).get("remoteJid", "")).partition("@")
    since = (where.get("messageTimestamp") or {}).get("gte")
    return records.list_newest(
        db,
        [channel],
        phone=user if server == "s.whatsapp.net" else None,
        since=0.0 if since is None else parse_time(since),
        limit=LOOKED_THROUGH,
    )


def matches(record: Record, where: dict[str, Any]) -> bool:
    key, known, times = where.get("key") or {}, record.content["key"], where.get("messageTimestamp") or {}
    stamp = record.content["messageTimestamp"]
    return (
        all(known.get(name) == key[name] for name in ("id", "remoteJid", "fromMe") if name in key)
        and (times.get("gte") is None or parse_time(times["gte"]) <= stamp)
        and (times.get("lte") is None or stamp <= parse_time(times["lte"]))
        and where.get("messageType") in {None, record.content["messageType"]}
    )


def parse_time(value: object) -> float:
    if isinstance(value, int | float):
        return float(value)
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        raise EvolutionError(500, "Invalid time value") from None


def render_record(record: Record) -> dict[str, Any]:
    content = {name: value for name, value in record.content.items() if name not in {"file", "status"}}
    return {
        "id": database_id(record.provider_id),
        **content,
        "contextInfo": content.get("contextInfo"),
        "MessageUpdate": [{"status": word} for word in list_updates(record.status)],
    }


def list_updates(status: str) -> list[str]:
    if status == "failed":
        return [WORDS["failed"]]
    reached = ORDER.index(status) if status in ORDER else -1
    return [WORDS[word] for word in ORDER[: reached + 1]]


def read_file(db: sqlite3.Connection, record: Record) -> dict[str, Any]:
    file = files.find_file(db, record.content["file"])
    if file is None:
        raise EvolutionError(400, ["Message not found"])
    kind = record.content["messageType"]
    inner = record.content["message"][kind]
    size = {"fileLength": as_long(file.size), "height": inner.get("height"), "width": inner.get("width")}
    return {
        "mediaType": kind,
        "fileName": inner.get("fileName") or f"{record.provider_id}.{file.media_type.rpartition('/')[2]}",
        "caption": inner.get("caption"),
        "size": size,
        "mimetype": inner["mimetype"],
        "base64": base64.b64encode(files.get_content(db, file)).decode(),
        "buffer": None,
    }
