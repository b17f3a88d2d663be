"""What any server has to do with a webhook, and no more: check the HMAC over the raw bytes, parse with msgspec.

uvicorn benchmarks.peers.bare_door:app
"""

import hashlib
import hmac
from typing import Any

import msgspec

from benchmarks.webhooks import APP_SECRET

KEY = APP_SECRET.encode()


class Text(msgspec.Struct):
    body: str


class Message(msgspec.Struct, rename={"sender": "from"}):
    sender: str
    id: str
    timestamp: str
    type: str
    text: Text | None = None


class Metadata(msgspec.Struct):
    display_phone_number: str
    phone_number_id: str


class Value(msgspec.Struct):
    metadata: Metadata
    messages: list[Message] = []


class Change(msgspec.Struct):
    field: str
    value: Value


class Entry(msgspec.Struct):
    id: str
    changes: list[Change]


class Webhook(msgspec.Struct):
    object: str
    entry: list[Entry]


decode = msgspec.json.Decoder(Webhook).decode
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
REFUSED = {"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]}
END = {"type": "http.response.body", "body": b""}


async def app(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    more = True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    signature = next((value for name, value in scope["headers"] if name == b"x-hub-signature-256"), b"")
    holds = hmac.compare_digest(b"sha256=" + hmac.digest(KEY, body, hashlib.sha256).hex().encode(), signature)
    if holds:
        decode(body)
    await send(START if holds else REFUSED)
    await send(END)
