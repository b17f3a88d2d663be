"""Money: amounts as whole billionths of a currency's unit, so that sums are exact and no price is rounded away."""

import re
from decimal import Decimal, InvalidOperation
from typing import Final

from hailgate.core.errors import InputError

NANOS: Final = 1_000_000_000
# A price or a budget beyond this is a slip of the pen, and sums of fewer of them fit into 64 bits.
MOST_UNITS: Final = 1_000_000
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_DECIMAL: Final = re.compile(r"\d{1,7}(?:\.\d{1,9})?")


def parse_amount(text: str, field: str) -> int:
    """Billionths of `0.0034`. Raises InputError."""
    try:
        amount = Decimal(text) if _DECIMAL.fullmatch(text) else None
    except InvalidOperation:  # pragma: no cover -- the pattern leaves nothing that Decimal refuses
        amount = None
    if amount is None or amount > MOST_UNITS:
        raise InputError(
            f"{field}: must be a decimal from 0 to {MOST_UNITS} with a point and at most nine places, such as 0.0034.",
            field=field,
        )
    return int(amount * NANOS)


def parse_currency(text: str, field: str = "currency") -> str:
    """Raises InputError."""
    if not _CURRENCY.fullmatch(text):
        raise InputError(f"{field}: must be three capital letters, such as EUR.", field=field)
    return text


def format_amount(nanos: int) -> str:
    """As a decimal with at least two places and none that says nothing: `0.0034`, `12.00`."""
    whole, rest = divmod(abs(nanos), NANOS)
    places = f"{rest:09}".rstrip("0").ljust(2, "0")
    return f"{'-' if nanos < 0 else ''}{whole}.{places}"
