"""What Meta tells of a message's price with its statuses.

Since 2026-10-01 `type` and `category` decide what is charged; `billable` is on its way out, and counts only where there
is no type. From Graph v24 on an expiry is told only inside a free entry point window, where it is the truth.
"""

from typing import Final

from msgspec import Raw, Struct
from msgspec.json import Decoder

from hailgate.core.events import Price
from hailgate.providers.reading import identifier, instant, read

NOTHING = Raw(b"null")
_CHARGED: Final = "regular"
_LONGEST: Final = 40


class _Pricing(Struct):
    category: str | None = None
    type: str | None = None
    billable: bool | None = None


class _Conversation(Struct):
    expiration_timestamp: Raw = NOTHING


class _Priced(Struct):
    pricing: Raw = NOTHING
    conversation: Raw = NOTHING


_priced = Decoder(_Priced)
_pricing = Decoder(_Pricing)
_conversation = Decoder(_Conversation)


def parse_price(status: Raw) -> Price | None:
    told = read(_priced, status)
    if told is None or (told.pricing is NOTHING and told.conversation is NOTHING):
        return None
    pricing = read(_pricing, told.pricing) or _Pricing()
    conversation = read(_conversation, told.conversation) or _Conversation()
    kind = (identifier(pricing.type) or "")[:_LONGEST]
    billed = kind == _CHARGED if kind else pricing.billable
    free_until = instant(bytes(conversation.expiration_timestamp).strip(b'"')) or None
    return Price((identifier(pricing.category) or "")[:_LONGEST], kind, billed, free_until)
