"""Graph API versions: when each one ends, as Meta's changelog says. A version lives about two years."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final

DEFAULT: Final = "v25.0"
# The newest is without an end until a later one is out.
ENDS: Final[Mapping[str, date]] = {
    "v20.0": date(2026, 9, 24),
    "v21.0": date(2027, 1, 21),
    "v22.0": date(2027, 5, 20),
    "v23.0": date(2027, 10, 8),
    "v24.0": date(2028, 2, 18),
    "v25.0": date(2028, 7, 29),
}
OLDEST: Final = 20
WARNED_DAYS: Final = 90
_VERSION: Final = re.compile(r"v(\d{1,3})\.\d{1,2}")


def is_version(text: str) -> bool:
    return _VERSION.fullmatch(text) is not None


def warn_of_end(version: str, now: float) -> str | None:
    """From 90 days before the end of a version; Meta then answers with the next one, which may read our calls anew."""
    number = int(found[1]) if (found := _VERSION.fullmatch(version)) else OLDEST
    if number < OLDEST:
        return f"Graph API {version} has ended. Set version to {DEFAULT}."
    ends = ENDS.get(version)
    left = (ends - datetime.fromtimestamp(now, UTC).date()).days if ends else None
    if ends is None or left is None or left > WARNED_DAYS:
        return None
    when = f"ends on {ends.isoformat()}" if left >= 0 else f"ended on {ends.isoformat()}"
    return f"Graph API {version} {when}. Set version to {DEFAULT}."
