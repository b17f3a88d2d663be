"""Pages of lists. Where a page begins is opaque to the caller, signed by us, and of use for one list of one tenant."""

from typing import Annotated, Any, Final, NamedTuple, TypeVar

from django.core.signing import BadSignature, Signer
from django.db.models import Model, QuerySet
from ninja import Query

from hailgate.core.errors import InputError

LONGEST: Final = 300

Limit = Annotated[int, Query(ge=1, le=100, description="How many items at most.")]
Place = Annotated[str | None, Query(max_length=LONGEST, description="As an earlier page gave it.")]
Row = TypeVar("Row", bound=Model)

_signer = Signer(salt="hailgate.api.cursors")


class Cursor(NamedTuple):
    """The rows beyond ``place`` in a list; ``newer`` turns the direction."""

    place: int
    newer: bool = False

    def sign(self, *list_: str | int) -> str:
        return _signer.sign_object([*list_, self.place, self.newer])


def page_of(
    rows: QuerySet[Row], rising: str, limit: int, cursor: str | None, *list_: str | int
) -> tuple[list[Row], str | None]:
    """The newest rows by a column that rises, and the cursor to older ones. Raises InputError."""
    if place := read_cursor(cursor, *list_):
        rows = rows.filter(**{f"{rising}__lt": place.place})
    found = list(rows.order_by(f"-{rising}")[: limit + 1])
    page, more = found[:limit], len(found) > limit
    return page, Cursor(getattr(page[-1], rising)).sign(*list_) if more else None


def read_cursor(given: str | None, *list_: str | int) -> Cursor | None:
    """``list_`` names the list and whose it is. Raises InputError for what was not signed for it."""
    if not given:
        return None
    try:
        content: Any = _signer.unsign_object(given) if len(given) <= LONGEST else None
    except (BadSignature, ValueError):
        content = None
    if not isinstance(content, list) or content[:-2] != list(list_):
        raise InputError("cursor: is not one that this list gave out.", code="invalid_cursor", field="cursor")
    return Cursor(*content[-2:])
