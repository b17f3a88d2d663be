"""Dead letters as a table to take away: a page at a time, as CSV for spreadsheets or NDJSON for programs."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from hailgate.accounts.seal import sealer
from hailgate.advice import advise
from hailgate.messaging.letters import WORDS, Wanted, explain, find_letters
from hailgate.messaging.models import Work, WorkState

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


def read_letters(tenant_id: int, wanted: Wanted, after: int = 0) -> Some:
    rows = find_letters(tenant_id, wanted).filter(id__gt=after).select_related("message__conversation", "channel")
    found = list(rows.order_by("id")[:AT_ONCE])
    return Some([_letter(work) for work in found], found[-1].pk if len(found) == AT_ONCE else None)


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


def _letter(work: Work) -> Letter:
    message: Any = work.message
    return {
        "id": str(message.uid),
        "state": WORDS[WorkState(work.state)],
        "code": work.code,
        "provider_code": work.provider_code or None,  # type: ignore[attr-defined]  # of ``find_letters``
        "reason": explain(work.code),
        "advice": advise(work.code),
        "detail": work.detail,
        "attempts": work.attempts,
        "channel": str(work.channel.uid),
        "channel_name": work.channel.name,
        "conversation": str(message.conversation.uid),
        "kind": message.kind,
        "to_kind": message.address_kind,
        "to": sealer().unseal(message.address),
        "accepted_at": message.accepted_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
