"""What every provider is held to, the fake and the real ones alike.

An adapter describes itself with a `Case`, and `test_conformance` does the rest.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import Text, TextBody
from hailgate.core.errors import (
    HailgateError,
    SendError,
)
from hailgate.core.status import Status
from hailgate.providers.contract import OutboundMessage, Provider, SendReceipt, WebhookRequest
from hailgate.providers.spec import AnyProviderSpec

PHONE = Address(AddressKind.PHONE, "15550100042")
URL = "https://hailgate.example/hooks/token"
TEXT = "words that nobody else may see"
MESSAGE = OutboundMessage(
    id=UUID("0198a0b0-0000-7000-8000-000000000001"), attempt=2, to=PHONE, content=Text(TextBody(TEXT))
)


@dataclass(frozen=True)
class Connected:
    provider: Provider
    taken: Callable[[], Sequence[str]]
    """The tracker of each message that reached the provider; "" for one without."""


@dataclass(frozen=True, kw_only=True)
class Case:
    spec: AnyProviderSpec
    hook: Mapping[str, str]
    channel: Mapping[str, str]
    secrets: frozenset[str]
    """Names of the settings that must never be seen."""
    sign: Callable[[bytes], Mapping[str, str]]
    """The headers with which the provider posts this body to URL."""
    signature: str
    """The header that proves it; empty where the hook's URL alone does."""
    webhooks: Mapping[str, bytes]
    """Real bodies, by name."""
    wrote: Callable[[str, str], bytes]
    """A webhook in which PHONE wrote this text under this message id."""
    reached: Callable[[str, Status, str], bytes | WebhookRequest]
    """A webhook in which the message with this id and tracker came as far as this status."""
    statuses: frozenset[Status] = frozenset(Status) - {Status.QUEUED}
    """Those that the provider tells."""
    large: bytes | None = None
    """A webhook with a file in it, of a provider that puts files there."""
    outcomes: Mapping[str, type[SendError] | type[SendReceipt]]
    templates: Sequence[str]
    """The names of the templates that a channel which is not ill lists, on more than one page."""
    connect: Callable[[str], AbstractAsyncContextManager[Connected]]
    """A channel at a provider that will answer with the named outcome; also "ill" for one that cannot send."""


def posted(case: Case, body: bytes | WebhookRequest, headers: Mapping[str, str] | None = None) -> WebhookRequest:
    """As the provider posts it, or with ``headers`` of somebody else."""
    if isinstance(body, WebhookRequest):
        return body
    given = case.sign(body) if headers is None else headers
    return WebhookRequest(url=URL, method="POST", query="", headers=given, body=body)


def read_form_or_json(body: bytes) -> Any:
    """What stands in a webhook: JSON, or the fields of a form."""
    try:
        return json.loads(body)
    except ValueError:
        return dict(parse_qsl(body.decode(), keep_blank_values=True))


def write_as(body: bytes, document: Any) -> bytes:
    """In the form of ``body``."""
    if body[:1] in {b"{", b"["}:
        return encode(document)
    pairs = document.items() if isinstance(document, dict) else [("x", document)]
    return urlencode([(_plain(name), _plain(value)) for name, value in pairs], errors="replace").encode()


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def encode(document: Any) -> bytes:
    return json.dumps(document).encode()


async def outcome_of(provider, guard):
    try:
        return await provider.send(MESSAGE, guard)
    except SendError as error:
        return error


def assert_discreet(result: object) -> None:
    """An error is read and logged by many: it repeats neither the message nor the recipient."""
    if isinstance(result, HailgateError):
        assert TEXT not in result.detail
        assert PHONE.value not in result.detail
