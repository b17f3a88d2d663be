"""Query parameters: one that an operation does not know is refused by name, since a typing error filters nothing."""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Final

from hailgate.core.errors import InputError

# A name that a caller made up is repeated only if it can be neither a number nor a sentence.
_NAME: Final = re.compile(r"[A-Za-z_-]{1,32}")
_LIKE: Final = 0.6  # `statuses` is near to `status`, `colour` to nothing


def check_query_names(given: Iterable[str], known: Collection[str]) -> None:
    """``known`` may be followed by a key in brackets, as in `metadata[order]`. Raises InputError."""
    unknown = next((name for name in given if name.partition("[")[0] not in known), None)
    if unknown is None:
        return
    stem = unknown.partition("[")[0]
    name = stem if _NAME.fullmatch(stem) else ""
    raise InputError(f"{name or 'A query parameter'}: is not known here; {_advice(stem, known)}.", field=name or None)


def _advice(name: str, known: Collection[str]) -> str:
    if not known:
        return "this operation has none, remove it"
    if nearest := get_close_matches(name.lower(), sorted(known), n=1, cutoff=_LIKE):
        return f"{nearest[0]} is near to it"
    return f"there are {', '.join(sorted(known))}"
