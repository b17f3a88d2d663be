"""What WPPConnect Server says: credentials, tokens, ids, people and envelopes. Pure."""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from hailgate.simulator.model import Channel, Phone

VERSION = "2.10.4"
BCRYPT_SEES = 72  # bytes of session and secret together
COST = "$2b$10$"
LONGEST_NUMBER = 14  # characters; what is longer is taken for a lid
SIGNS = re.compile(r"[+()-]")
Flag = Literal["true", "false"]


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a channel of this provider needs.

    `starts`: paired or unpaired. The rest are settings of the server: whether webhooks hold the bytes of files, tell of
    the business's own messages, and of what came while the session was closed.
    """

    session: str
    secret_key: str
    starts: str = "paired"
    auto_download: Flag = "true"
    on_self_message: Flag = "true"
    all_unread_on_start: Flag = "false"


def name_of(channel: Channel) -> str:
    return channel.credentials["session"]


def has(channel: Channel, setting: str) -> bool:
    default = "false" if setting == "all_unread_on_start" else "true"
    return channel.credentials.get(setting, default) == "true"


def make_token(channel: Channel) -> str:
    """As bcrypt's look, with `/` and `+` replaced; another one each time, and all stay good."""
    return sign_token(channel, secrets.token_urlsafe(16)[:22])


def sign_token(channel: Channel, salt: str) -> str:
    known = (name_of(channel) + channel.credentials["secret_key"]).encode()[:BCRYPT_SEES]
    digest = hmac.new(known, salt.encode(), hashlib.sha256).digest()
    return f"{COST}{salt}{base64.urlsafe_b64encode(digest).decode()[:31]}"


def is_token_of(channel: Channel, token: str) -> bool:
    salt = token.removeprefix(COST)[:22]
    return hmac.compare_digest(sign_token(channel, salt).encode(), token.encode())


def user_id(number: str) -> str:
    return f"{number}@c.us"


def chat_of(phone: Phone) -> str:
    return f"{phone.lid}@lid" if phone.by_lid or phone.hides_number else user_id(phone.number)


def new_hex() -> str:
    return "3EB0" + secrets.token_hex(9).upper()


def make_id(chat: str, *, from_me: bool, participant: str | None = None) -> str:
    """`true_5511…@c.us_3EB0…`; groups add who wrote."""
    head = f"{str(from_me).lower()}_{chat}_{new_hex()}"
    return head if participant is None else f"{head}_{participant}"


def split_id(message_id: str) -> dict[str, Any]:
    """As an object, which is how acks and reactions name a message."""
    from_me, chat, name, *rest = [*message_id.split("_"), "", ""]
    participant = {"participant": rest[0]} if rest[0] else {}
    return {"fromMe": from_me == "true", "remote": chat, "id": name, **participant, "_serialized": message_id}


def as_wid(serialized: str) -> dict[str, str]:
    user, _, server = serialized.partition("@")
    return {"server": server, "user": user, "_serialized": serialized}


def read_phone(text: str, *, is_group: bool, is_lid: bool) -> str:
    """As the server reads it: blanks stay, and whatever is too long is a lid."""
    if "@" in text:
        return text
    cleaned = SIGNS.sub("", text)
    if is_group:
        return f"{cleaned}@g.us"
    return f"{cleaned}@lid" if is_lid or len(cleaned) > LONGEST_NUMBER else user_id(cleaned)


def render_event(channel: Channel, event: str, fields: Mapping[str, Any]) -> bytes:
    """Fields of the event win over those of the envelope."""
    told = {"event": event, "session": name_of(channel), **fields}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def render_sender(chat: str, name: str) -> dict[str, Any]:
    picture = {"eurl": None, "id": chat, "img": None, "imgFull": None, "raw": None, "tag": None}
    return {
        "id": chat,
        "name": name,
        "shortName": name.split(" ", maxsplit=1)[0],
        "pushname": name,
        "type": "in",
        "isBusiness": False,
        "isEnterprise": False,
        "formattedName": name,
        "isMe": False,
        "isMyContact": False,
        "isPSA": False,
        "isUser": True,
        "isWAContact": True,
        "profilePicThumbObj": picture,
        "msgs": None,
    }
