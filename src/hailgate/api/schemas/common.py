"""What many answers and questions hold: addresses, channels, pages, moments."""

from typing import Annotated, Final, Generic, Literal, TypeVar

from ninja import Schema
from pydantic import AwareDatetime, BeforeValidator

Item = TypeVar("Item")

# Control characters are in no name, and PostgreSQL refuses the first of them.
PLAIN: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"


class AddressOut(Schema):
    kind: Literal["phone", "bsuid", "lid", "jid", "group"]
    value: str


class ChannelRef(Schema):
    id: str
    name: str


class Page(Schema, Generic[Item]):
    """`next` leads to older items; null where there are none."""

    items: list[Item]
    next: str | None


def _as_written(value: object) -> object:
    """A number would be read as seconds since 1970, and 0 as long ago: RFC 3339 it is, or nothing."""
    if isinstance(value, str) and "-" in value:
        return value
    raise ValueError("must be RFC 3339 with an offset")


Moment = Annotated[AwareDatetime, BeforeValidator(_as_written)]
