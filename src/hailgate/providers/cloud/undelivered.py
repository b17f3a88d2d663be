"""Messages that Meta does not hand over: what the person sent, and why it is not here."""

from typing import Final

from msgspec import Raw, Struct
from msgspec.json import Decoder

from hailgate.core.content import Unsupported
from hailgate.core.content.inbound import WhyNot
from hailgate.providers.reading import read

NOTHING = Raw(b"null")
_WHY: Final = {
    131051: WhyNot.NOT_DELIVERED,
    131052: WhyNot.NOT_DOWNLOADED,
    131060: WhyNot.UNAVAILABLE,
    131000: WhyNot.UNAVAILABLE,  # an interactive message that came empty
}
# Of these the outer type says nothing; the person's own kind stands inside.
_NAMELESS: Final = frozenset({"unsupported", "unknown", ""})


class _Named(Struct):
    type: str = ""


class _Fault(Struct):
    code: int


class _Undelivered(Struct):
    unsupported: Raw = NOTHING
    errors: Raw = NOTHING


_undelivered = Decoder(_Undelivered)
_named = Decoder(_Named)
_faults = Decoder(list[_Fault], strict=False)


def parse_unsupported(kind: str, raw: Raw) -> Unsupported:
    """Of whatever could not be read as its kind; the whole of it is kept."""
    told = read(_undelivered, raw) or _Undelivered()
    inner = read(_named, told.unsupported) or _Named()
    name = (inner.type if kind in _NAMELESS else "") or kind or "unknown"
    faults = read(_faults, told.errors) or []
    code = faults[0].code if faults else None
    return Unsupported(name, bytes(raw), _WHY.get(code) if code else None, str(code or ""))
