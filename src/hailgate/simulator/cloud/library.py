"""The templates of business accounts: rows, their review, and what webhooks say of them."""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from hailgate.simulator.cloud.creation import already_exists, being_deleted, find_rejection
from hailgate.simulator.cloud.examples import EXAMPLES
from hailgate.simulator.cloud.templates import Template
from hailgate.simulator.cloud.wire import render_account_event
from hailgate.simulator.files import new_id
from hailgate.simulator.model import Channel, Post
from hailgate.simulator.outbox import enqueue

REVIEW_S = 1.0  # real seconds; Meta takes minutes to a day
NAME_BLOCKED_S = 30 * 86_400.0
COLUMNS = "id, name, language, status, category, components, parameter_format, quality"
# A template under review has its verdict already; it counts from `decided_at`, in real seconds.
STATUS = "CASE WHEN verdict IS NOT NULL AND decided_at <= ?1 THEN verdict ELSE status END"
ANSWER = COLUMNS.replace("status", STATUS)


def ensure_examples(db: sqlite3.Connection, accounts: Sequence[str]) -> None:
    """Every account begins with some templates, so that a first visitor finds one to send."""
    for account in accounts:
        if db.execute("SELECT 1 FROM templates WHERE account = ? LIMIT 1", (account,)).fetchone() is None:
            for example in EXAMPLES:
                insert(db, account, replace(example, id=new_id()))


def list_templates(db: sqlite3.Connection, account: str) -> list[Template]:
    rows = db.execute(
        f"SELECT {ANSWER} FROM templates WHERE account = ?2 AND status <> 'DELETED' ORDER BY rowid",
        (time.time(), account),
    )
    return [as_template(row) for row in rows]


def find_template(db: sqlite3.Connection, account: str, name: str, language: str) -> Template | None:
    row = db.execute(
        f"SELECT {ANSWER} FROM templates WHERE account = ?2 AND name = ?3 AND language = ?4 AND status <> 'DELETED'",
        (time.time(), account, name, language),
    ).fetchone()
    return None if row is None else as_template(row)


def find_by_id(db: sqlite3.Connection, template_id: str) -> tuple[str, Template] | None:
    """With its account."""
    row = db.execute(
        f"SELECT account, {ANSWER} FROM templates WHERE id = ?2 AND status <> 'DELETED'", (time.time(), template_id)
    ).fetchone()
    return None if row is None else (row[0], as_template(row[1:]))


def create(
    db: sqlite3.Connection, account: str, template: Template, *, now: float, told: Sequence[Channel]
) -> Template:
    """Takes it for review, whose verdict is told to the `told` channels' addresses."""
    if find_template(db, account, template.name, template.language):
        raise already_exists(template.name)
    blocked = db.execute(
        "SELECT 1 FROM templates WHERE account = ? AND name = ? AND language = ? AND deleted_at > ?",
        (account, template.name, template.language, now - NAME_BLOCKED_S),
    ).fetchone()
    if blocked:
        raise being_deleted()
    rejection = find_rejection(template)
    verdict = "REJECTED" if rejection else "APPROVED"
    insert(db, account, template, verdict, time.time() + REVIEW_S)
    event = describe_status(template, verdict, rejection)
    tell(db, told, "message_template_status_update", event, now=now, pause=REVIEW_S)
    return template


def delete(
    db: sqlite3.Connection, account: str, name: str, template_id: str | None, *, now: float, told: Sequence[Channel]
) -> int:
    """All languages of a name, or one of them; how many there were."""
    found = [
        template
        for template in list_templates(db, account)
        if template.name == name and template_id in {None, template.id}
    ]
    for template in found:
        db.execute("UPDATE templates SET status = 'DELETED', deleted_at = ? WHERE id = ?", (now, template.id))
        db.execute("UPDATE templates SET verdict = NULL WHERE id = ?", (template.id,))
        event = describe_status(template, "DELETED", None)
        tell(db, told, "message_template_status_update", event, now=now)
    return len(found)


def change(
    db: sqlite3.Connection,
    account: str,
    template: Template,
    changes: Mapping[str, Any],
    *,
    told: Sequence[Channel],
    now: float,
) -> Template:
    """What happens to it: another status, quality, category or text, each with its webhook."""
    changed = replace(template, **changes)
    db.execute(
        "UPDATE templates SET status = ?, verdict = NULL, category = ?, quality = ?, components = ? "
        "WHERE id = ? AND account = ?",
        (changed.status, changed.category, changed.quality, json.dumps(changed.components), template.id, account),
    )
    for field, event in describe_changes(template, changed):
        tell(db, told, field, event, now=now)
    return changed


def describe_changes(before: Template, after: Template) -> list[tuple[str, dict[str, Any]]]:
    events: list[tuple[str, dict[str, Any]]] = []
    if after.status != before.status:
        events.append(("message_template_status_update", describe_status(after, after.status, None)))
    if after.quality != before.quality:
        scores = {"previous_quality_score": before.quality, "new_quality_score": after.quality}
        events.append(("message_template_quality_update", {**scores, **name_template(after)}))
    if after.category != before.category:
        events.append(("template_category_update", {**name_template(after), "new_category": after.category}))
    if after.components != before.components:
        events.append(("message_template_components_update", {**name_template(after), **describe_text(after)}))
    return events


def describe_text(template: Template) -> dict[str, Any]:
    """What is told of an edit; not all that a send has to know."""
    told = {
        "message_template_title": template.find("HEADER").get("text"),
        "message_template_element": template.find("BODY").get("text", ""),
        "message_template_footer": template.find("FOOTER").get("text"),
        "message_template_buttons": [
            {"message_template_button_type": button["type"], "message_template_button_text": button.get("text", "")}
            for button in template.buttons
        ]
        or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def describe_status(template: Template, event: str, rejection: Mapping[str, str] | None) -> dict[str, Any]:
    whole = {
        "event": event,
        **name_template(template),
        "reason": "INVALID_FORMAT" if rejection else "NONE",
        "message_template_category": template.category,
    }
    return {**whole, "rejection_info": dict(rejection)} if rejection else whole


def name_template(template: Template) -> dict[str, Any]:
    return {
        "message_template_id": int(template.id),
        "message_template_name": template.name,
        "message_template_language": template.language,
    }


def tell(
    db: sqlite3.Connection,
    told: Sequence[Channel],
    field: str,
    value: Mapping[str, Any],
    *,
    now: float,
    pause: float = 0.0,
) -> None:
    lane = f"template {value['message_template_id']}"
    for channel in told:
        body = render_account_event(channel, field, value, now + pause)
        enqueue(db, channel.number, lane, Post(body), now=now, pause=pause)


def insert(
    db: sqlite3.Connection, account: str, template: Template, verdict: str | None = None, decided_at: float = 0.0
) -> None:
    values = msgspec.structs.asdict(template) | {"components": json.dumps(template.components)}
    db.execute(
        f"INSERT INTO templates ({COLUMNS}, account, verdict, decided_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*(values[name] for name in COLUMNS.split(", ")), account, verdict, decided_at),
    )


def as_template(row: Sequence[Any]) -> Template:
    values = dict(zip(COLUMNS.split(", "), row, strict=True))
    return Template(**values | {"components": json.loads(values["components"])})
