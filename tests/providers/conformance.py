"""What every provider is held to, the fake and the real ones alike.

An adapter describes itself with a `Case`, and `test_conformance` does the rest.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import Text, TextBody
from hailgate.core.errors import (
    HailgateError,
    SendError,
)
from hailgate.core.status import Status
from hailgate.providers.contract import (
    AnyProviderSpec,
    OutboundMessage,
    Provider,
    SendReceipt,
)

PHONE = Address(AddressKind.PHONE, "15550100042")
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
    """The headers with which the provider posts this body."""
    signature: str
    webhooks: Mapping[str, bytes]
    """Real bodies, by name."""
    wrote: Callable[[str, str], bytes]
    """A webhook in which PHONE wrote this text under this message id."""
    reached: Callable[[str, Status, str], bytes]
    """A webhook in which the message with this id and tracker came as far as this status."""
    outcomes: Mapping[str, type[SendError] | type[SendReceipt]]
    templates: Sequence[str]
    """The names of the templates that a channel which is not ill lists, on more than one page."""
    connect: Callable[[str], AbstractAsyncContextManager[Connected]]
    """A channel at a provider that will answer with the named outcome; also "ill" for one that cannot send."""


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
