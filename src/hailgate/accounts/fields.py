"""Column types that the hot paths read and write raw: an instant is a float, a state is a small integer."""

from datetime import UTC, datetime
from typing import Any, Final

from django.db import models

HALF_A_MICROSECOND: Final = 5e-7


class InstantField(models.FloatField):  # type: ignore[type-arg]  # the class takes no arguments at run time
    """Seconds since the epoch in the column, an aware datetime in Python.

    Raw SQL compares and stores plain floats on both databases; a double keeps a fifth of a microsecond.
    """

    def from_db_value(self, value: float | None, *_: object) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value, UTC)

    def to_python(self, value: Any) -> Any:
        return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else value

    def get_prep_value(self, value: Any) -> Any:
        return value.timestamp() if isinstance(value, datetime) else super().get_prep_value(value)


def earliest(moment: datetime) -> float:
    """The least instant that is told as ``moment``: kept are more digits than the microseconds that are told."""
    return moment.timestamp() - HALF_A_MICROSECOND
