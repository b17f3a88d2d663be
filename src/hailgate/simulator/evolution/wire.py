"""What Evolution API says: credentials, ids, keys, envelopes and the token of its webhooks. Pure."""

import base64
import hashlib
import hmac
import json
import re
import secrets
import uuid
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from hailgate.simulator.model import Channel, Phone

SERVER_URL = "http://localhost:8080"  # its own default
VERSIONS = ("2.3.6", "2.3.7", "2.4.0")
USERS = "s.whatsapp.net"
LOCAL_OFFSET_S = -3 * 3600.0  # `date_time` is local time with a wrong Z
JWT_LIFE_S = 600
DIGITS = re.compile(r"[^0-9]")


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a channel of this provider needs. `api_key` is the server's key, `instance_token` the instance's own.

    `jwt_key` signs webhooks until webhook/set says otherwise. `starts`: paired, unpaired or absent. `licensed` false: a
    2.4 that nobody activated.
    """

    instance: str
    api_key: str
    instance_token: str = ""
    jwt_key: str = ""
    version: str = VERSIONS[0]
    starts: str = "paired"
    licensed: Literal["true", "false"] = "true"


def name_of(channel: Channel) -> str:
    return channel.credentials["instance"]


def version_of(channel: Channel) -> str:
    return channel.credentials.get("version") or VERSIONS[0]


def is_newer(channel: Channel) -> bool:
    """2.4, which speaks a little differently."""
    return version_of(channel) >= "2.4"


def token_of(channel: Channel) -> str:
    """The `hash` of the instance."""
    given = channel.credentials.get("instance_token")
    return given or str(uuid.uuid5(uuid.NAMESPACE_OID, f"token of {name_of(channel)}")).upper()


def instance_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def new_id(*, from_me: bool) -> str:
    return ("3EB0" if from_me else "3A") + secrets.token_hex(9 if from_me else 15).upper()


def database_id(message_id: str) -> str:
    """Its own id of a message, which is not WhatsApp's."""
    return "cm" + hashlib.blake2b(message_id.encode(), digest_size=12).hexdigest()[:23]


def user_jid(number: str) -> str:
    return f"{number}@{USERS}"


def as_jid(person: str) -> str:
    """Digits alone are a number."""
    return person if "@" in person else user_jid(person)


def jid_of(phone: Phone) -> str:
    by_lid = phone.by_lid or phone.hides_number
    return f"{phone.lid}@lid" if by_lid else user_jid(phone.number)


def alternative_of(phone: Phone) -> dict[str, str]:
    """The other way to name the same person, where the server knows it."""
    if phone.hides_number:
        return {}
    return {"remoteJidAlt": user_jid(phone.number) if phone.by_lid else f"{phone.lid}@lid"}


def make_key(phone: Phone, message_id: str, *, from_me: bool, group: str | None = None) -> dict[str, Any]:
    mode = "lid" if phone.by_lid or phone.hides_number else "pn"
    if group is None:
        known = {"remoteJid": jid_of(phone), **alternative_of(phone), "fromMe": from_me, "id": message_id}
        return {**known, "addressingMode": mode}
    key = {"remoteJid": group, "fromMe": from_me, "id": message_id, "addressingMode": mode}
    if from_me:
        return key
    alternative = alternative_of(phone).get("remoteJidAlt")
    return {**key, "participant": jid_of(phone), **({"participantAlt": alternative} if alternative else {})}


def as_long(number: float, *, unsigned: bool = True) -> dict[str, Any]:
    """Long numbers arrive as objects."""
    return {"low": int(number) & 0x7FFFFFFF, "high": int(number) >> 32, "unsigned": unsigned}


def as_bytes(seed: str, size: int = 32) -> dict[str, int]:
    """Bytes arrive as objects of index and number."""
    return in_places(hashlib.blake2b(seed.encode(), digest_size=size).digest())


def in_places(raw: bytes) -> dict[str, int]:
    return {str(index): byte for index, byte in enumerate(raw)}


def render_envelope(channel: Channel, event: str, data: Any, *, url: str, sender: str, now: float) -> bytes:
    local = datetime.fromtimestamp(now + LOCAL_OFFSET_S, UTC)
    envelope = {
        "event": event,
        "instance": name_of(channel),
        "data": data,
        "destination": url,
        "date_time": local.strftime("%Y-%m-%dT%H:%M:%S.") + f"{local.microsecond // 1000:03d}Z",
        "sender": user_jid(sender) if sender else None,
        "server_url": SERVER_URL,
        "apikey": token_of(channel),
    }
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def make_jwt(key: str, now: float) -> str:
    """HS256, good for ten minutes."""
    head = {"alg": "HS256", "typ": "JWT"}
    claims = {"iat": int(now), "exp": int(now) + JWT_LIFE_S, "app": "evolution", "action": "webhook"}
    signed = ".".join(as_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
    signature = hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{as_base64url(signature)}"


def as_base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def event_name(event: str) -> str:
    """As the configuration of webhooks spells it."""
    return re.sub(r"[.-]", "_", event).upper()


def only_digits(text: str) -> str:
    return DIGITS.sub("", text)
