"""Messages that name a pattern: what it says takes its place, as plain text."""

from typing import TypeVar

import msgspec
from msgspec import UNSET

from hailgate.core.content import TextBody
from hailgate.core.errors import InputError
from hailgate.messaging.assistants.patterns import fill_call
from hailgate.messaging.outbound.request import MessageRequest

Wanted = TypeVar("Wanted", bound=MessageRequest)


def fill_request(tenant_id: int, wanted: Wanted) -> Wanted:
    """Raises InputError that names what is missing."""
    if wanted.pattern is UNSET:
        return wanted
    if wanted.type != "text":
        raise InputError("pattern: belongs to a message of type text; remove it.", field="pattern")
    if wanted.text is not UNSET:
        raise InputError("text: the pattern stands in its place; remove one of them.", field="text")
    return msgspec.structs.replace(wanted, text=TextBody(fill_call(tenant_id, wanted.pattern)))
