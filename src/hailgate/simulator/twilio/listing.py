"""How the Messages API shows messages, one or a page of them."""

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request

from hailgate.simulator import records
from hailgate.simulator.records import Record
from hailgate.simulator.twilio.endpoints import take_page
from hailgate.simulator.twilio.errors import TwilioError
from hailgate.simulator.twilio.provider import name_status
from hailgate.simulator.twilio.wire import VERSION, render_date

BATCH = 500  # records looked through at a time
NUMBER = "whatsapp:+"
PRICE = "-0.00500"


class Filter(msgspec.Struct, frozen=True):
    """What a list asks for; times in seconds since the epoch."""

    to: str | None
    sender: str | None
    not_before: float
    not_after: float

    @classmethod
    def of(cls, request: Request) -> "Filter":
        query = request.query_params
        day = parse_day(query.get("DateSent"))
        not_before = day if day is not None else parse_day(query.get("DateSent>"))
        not_after = day + 86_400 if day is not None else parse_day(query.get("DateSent<"))
        return cls(query.get("To"), query.get("From"), not_before or 0.0, not_after or float("inf"))

    def takes(self, record: Record) -> bool:
        content = record.content
        return (
            self.to in {None, content["to"]}
            and self.sender in {None, content["from"]}
            and self.not_before <= record.at <= self.not_after
        )


def list_matching(
    db: sqlite3.Connection, numbers: Sequence[str], wanted: Filter, before: int, size: int
) -> list[Record]:
    """The newest first; at most `size`."""
    found: list[Record] = []
    for record in walk(db, numbers, wanted, before):
        if wanted.takes(record):
            found.append(record)
        if len(found) == size:
            break
    return found


def walk(db: sqlite3.Connection, numbers: Sequence[str], wanted: Filter, before: int) -> Iterator[Record]:
    """Of one phone alone where the list is of what was sent to its number."""
    phone = (wanted.to or "").removeprefix(NUMBER)
    named = phone if phone.isdigit() and phone not in numbers else None
    while batch := records.list_newest(db, numbers, phone=named, since=wanted.not_before, before=before, limit=BATCH):
        yield from batch
        before = batch[-1].seq


def take_token(request: Request) -> int:
    """`PA…` holds the row below which the page begins."""
    token = request.query_params.get("PageToken", "").removeprefix("PA")
    try:
        return int(token, 16) if token else 2**62
    except ValueError:
        raise TwilioError(20422, "PageToken is none of ours") from None


def render_page(request: Request, account: str, found: Sequence[Record], size: int) -> dict[str, Any]:
    page, shown = take_page(request), found[:size]
    kept = {name: value for name, value in request.query_params.items() if name not in {"Page", "PageToken"}}
    kept["PageSize"] = str(size)
    path = f"/{VERSION}/Accounts/{account}/Messages.json?"
    more = {"Page": str(page + 1), "PageToken": f"PA{shown[-1].seq:032x}"} if len(found) > size else None
    return {
        "end": page * size + max(len(shown) - 1, 0),
        "first_page_uri": path + urlencode({**kept, "Page": "0"}),
        "messages": [render_message(account, record) for record in shown],
        "next_page_uri": path + urlencode({**kept, **more}) if more else None,
        "page": page,
        "page_size": size,
        "previous_page_uri": None,
        "start": page * size,
        "uri": path + urlencode({**kept, "Page": str(page)}),
    }


def render_message(account: str, record: Record) -> dict[str, Any]:
    content, sid = record.content, record.provider_id
    address = f"/{VERSION}/Accounts/{account}/Messages/{sid}"
    is_inbound = record.direction == "from_phone"
    is_under_way = record.status == "queued"
    is_paid = record.status in {"delivered", "read", "played"}
    return {
        "body": content["body"],
        "num_segments": "1",
        "direction": "inbound" if is_inbound else "outbound-api",
        "from": content["from"],
        "to": content["to"],
        "date_updated": render_date(record.changed_at),
        "price": PRICE if is_paid else None,
        "error_message": None,
        "uri": f"{address}.json",
        "account_sid": account,
        "num_media": str(len(content["media"])),
        "status": name_status(record.status, record.code),
        "messaging_service_sid": content.get("messaging_service_sid"),
        "sid": sid,
        "date_sent": None if is_under_way else render_date(record.at),
        "date_created": render_date(record.at),
        "error_code": record.code,
        "price_unit": "USD" if is_paid else None,
        "api_version": VERSION,
        "subresource_uris": {"media": f"{address}/Media.json"},
    }


def parse_day(text: str | None) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise TwilioError(20422, "DateSent is a day such as 2026-01-31") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
