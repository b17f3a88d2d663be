"""Checking a request to send against its channel and the rules of time; then it is in the form of the store."""

import time
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import UNSET

from hailgate.core.address import Address, parse_address
from hailgate.core.content import OUTBOUND_KINDS, Outbound, Text, TextBody, check_content, check_quotes, encode_content
from hailgate.core.content.cleaning import is_storable
from hailgate.core.content.outbound import BY_KIND
from hailgate.core.errors import InputError
from hailgate.markdown import to_whatsapp
from hailgate.messaging.channels.registry import ChannelView
from hailgate.messaging.outbound.new_message import Idempotency, NewMessage
from hailgate.messaging.outbound.request import MessageRequest
from hailgate.messaging.store.ids import uuid7
from hailgate.providers.spec import ProviderSpec

METADATA_BYTES: Final = 2_048
LONGEST_IDEMPOTENCY_KEY: Final = 128
# Both are 40 hex digits in the store.
DIGEST_BYTES: Final = 20
FARTHEST_SCHEDULE_S: Final = 365 * 86_400.0
PRIORITIES: Final = {"interactive": 0, "bulk": 1}

_IDENTITY: Final = "recipient_identity_key_hash"

_canonical = msgspec.json.Encoder(order="deterministic").encode


def check_message(wanted: MessageRequest, channel: ChannelView, tenant_id: int, key: str, life_s: float) -> NewMessage:
    """The message as it will be stored. Raises InputError."""
    to = parse_address(
        wanted.to if isinstance(wanted.to, str) else msgspec.structs.asdict(wanted.to), channel.calling_code
    )
    _check_address(to, channel.spec)
    content = _content(wanted)
    check_content(content, channel.spec.capabilities)
    if wanted.context is not UNSET:
        check_quotes(content, channel.spec.capabilities.kinds)
    send_at, expires_at = _times(wanted, time.time())
    return NewMessage(
        uid=uuid7(),
        tenant_id=tenant_id,
        channel_id=channel.id,
        to=to,
        kind=wanted.type,
        content=encode_content(content),
        sender="api",
        answered_by=channel.answered_by,
        life_s=life_s,
        idempotency=_idempotency(tenant_id, key, wanted) if key else None,
        send_at=send_at,
        expires_at=expires_at,
        priority=PRIORITIES[wanted.priority],
        metadata=_metadata(wanted),
        takes_thread=wanted.take_thread,
    )


def _check_address(to: Address, spec: ProviderSpec[Any, Any]) -> None:
    known = spec.capabilities.addresses
    if to.kind not in known:
        raise InputError(
            f"to: {spec.label} sends to addresses of kind {', '.join(sorted(known))} alone, not to {to.kind}.",
            code="invalid_address",
            field="to",
        )


def _content(wanted: MessageRequest) -> Outbound:
    """The member that ``type`` names, which must be there, and no other."""
    for kind in OUTBOUND_KINDS:
        if kind != wanted.type and getattr(wanted, kind) is not UNSET:
            raise InputError(f"{kind}: does not belong to a message of type {wanted.type}; remove it.", field=kind)
    body = getattr(wanted, wanted.type)
    if body is UNSET:
        raise InputError(f"{wanted.type}: is missing.", field=wanted.type)
    beside = {} if wanted.recipient_identity_key_hash is UNSET else {_IDENTITY: wanted.recipient_identity_key_hash}
    if wanted.markdown:
        body = _formatted(body)
    content: Outbound = Text(body, **beside) if wanted.type == "text" else BY_KIND[wanted.type](body, **beside)
    return content


def _formatted(body: object) -> TextBody:
    if not isinstance(body, TextBody):
        raise InputError("markdown: belongs to a message of type text; remove it.", field="markdown")
    return msgspec.structs.replace(body, body=to_whatsapp(body.body)) if is_storable(body.body) else body


def _times(wanted: MessageRequest, now: float) -> tuple[float | None, float | None]:
    send_at = None if wanted.send_at is UNSET else wanted.send_at.timestamp()
    expires_at = None if wanted.expires_at is UNSET else wanted.expires_at.timestamp()
    if send_at is not None and send_at > now + FARTHEST_SCHEDULE_S:
        raise _unscheduled("send_at", "may be at most 365 days away")
    if expires_at is not None and expires_at <= max(now, send_at or 0.0):
        raise _unscheduled("expires_at", "must lie in the future, and after send_at")
    return (send_at if send_at is not None and send_at > now else None), expires_at


def _unscheduled(field: str, rule: str) -> InputError:
    return InputError(f"{field}: {rule}.", code="invalid_schedule", field=field)


def _metadata(wanted: MessageRequest) -> str:
    if not wanted.metadata:
        return ""
    encoded = msgspec.json.encode(wanted.metadata)
    if len(encoded) > METADATA_BYTES:
        raise InputError(f"metadata: may hold at most {METADATA_BYTES} bytes of JSON.", field="metadata")
    return encoded.decode()


def check_idempotency_key(key: str | None) -> str:
    if key is None:
        return ""
    if not 1 <= len(key) <= LONGEST_IDEMPOTENCY_KEY or not (key.isascii() and key.isprintable()):
        raise InputError(
            f"Idempotency-Key: needs 1 to {LONGEST_IDEMPOTENCY_KEY} visible ASCII characters.",
            code="invalid_idempotency_key",
            field="Idempotency-Key",
        )
    return key


def _idempotency(tenant_id: int, key: str, wanted: MessageRequest) -> Idempotency:
    """The place of a key is the key and its caller; its body is what we understood, whatever its spelling.

    What a pattern says may change until the request is repeated: it counts as it was called.
    """
    if wanted.pattern is not UNSET:
        wanted = msgspec.structs.replace(wanted, text=UNSET)
    place = blake2b(f"{tenant_id}:{key}".encode(), digest_size=DIGEST_BYTES)
    return Idempotency(place.hexdigest(), blake2b(_canonical(wanted), digest_size=DIGEST_BYTES).hexdigest())
