"""Dead letters as a table to take away: a page at a time, as CSV for spreadsheets or NDJSON for programs."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from hailgate.accounts.seal import sealer
from hailgate.delivery_codes import advise, explain
from hailgate.messaging.deadletters.dead_letters import DeadLetterFilter, find_letters, our_code, told_code
from hailgate.messaging.people.roots import root_of

AT_ONCE: Final = 500
COLUMNS: Final = (
    "id", "state", "code", "provider_code", "reason", "advice", "detail", "attempts", "channel", "channel_name",
    "conversation", "kind", "to_kind", "to", "accepted_at",
)  # fmt: skip
# A spreadsheet takes a cell that begins like this for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

Letter = Mapping[str, Any]


class Some(NamedTuple):
    """Letters from the oldest on; ``after`` is where to go on, None at the end."""

    letters: Sequence[Letter]
    after: int | None


def read_letters(tenant_id: int, wanted: DeadLetterFilter, after: int = 0) -> Some:
    rows = find_letters(tenant_id, wanted).filter(id__gt=after).select_related("conversation__merged_into", "channel")
    found = list(rows.order_by("id")[:AT_ONCE])
    return Some([_letter(one) for one in found], found[-1].pk if len(found) == AT_ONCE else None)


class Format(NamedTuple):
    media_type: str
    head: str
    render: Callable[[Sequence[Letter]], str]


def _csv(letters: Sequence[Letter]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([[_cell(letter[name]) for name in COLUMNS] for letter in letters])
    return text.getvalue()


def _ndjson(letters: Sequence[Letter]) -> str:
    return "".join(json.dumps(letter, ensure_ascii=False) + "\n" for letter in letters)


FORMATS: Final = {
    "csv": Format("text/csv; charset=utf-8", ",".join(COLUMNS) + "\r\n", _csv),
    "ndjson": Format("application/x-ndjson", "", _ndjson),
}


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _letter(message: Any) -> Letter:
    """A row of ``find_letters``."""
    provider = message.channel.provider
    code = our_code(provider, message.end_code)
    return {
        "id": str(message.uid),
        "state": message.state,
        "code": message.end_code,
        "provider_code": told_code(provider, message.end_code, message.provider_code) or None,
        "reason": explain(code, provider),
        "advice": advise(code, provider),
        "detail": message.end_detail,
        "attempts": message.tries,
        "channel": str(message.channel.uid),
        "channel_name": message.channel.name,
        "conversation": str(root_of(message.conversation).uid),
        "kind": message.kind,
        "to_kind": message.address_kind,
        "to": sealer().unseal(message.address),
        "accepted_at": message.accepted_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
