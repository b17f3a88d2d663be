"""How commands answer: one JSON document for programs, lines and tables for people."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")
tenant_option = click.option("--tenant", metavar="TENANT", help="Name or id. Not needed where there is only one.")


def tell(document: Any, text: str, *, as_json: bool) -> None:
    """The answer in the form that was asked for."""
    if as_json:
        print_json(document)
    else:
        click.echo(text)


def hand_out(document: Mapping[str, Any], note: str, *, as_json: bool) -> None:
    """What was just made; what people should know beside it goes to stderr."""
    tell(document, card(document), as_json=as_json)
    if not as_json:
        print_note(note)


def print_json(document: Any) -> None:
    click.echo(json.dumps(document, ensure_ascii=False))


def print_note(text: str) -> None:
    click.echo(text, err=True)


def table(rows: Sequence[Mapping[str, Any]], empty: str) -> str:
    """Columns as wide as their widest cell, headed by the keys; ``empty`` where there is nothing to show."""
    if not rows:
        return empty
    lines = [[name.replace("_", " ").upper() for name in rows[0]]]
    lines += [["" if cell is None else str(cell) for cell in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def card(document: Mapping[str, Any]) -> str:
    """One thing, a line for each of its facts; what is nested is indented."""
    lines = []
    for name, value in document.items():
        if isinstance(value, Mapping):
            lines += [f"{name}:", *(f"  {inner}" for inner in card(value).splitlines())]
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
            lines.append(f"{name}: {'-' if shown in {None, ''} else shown}")
    return "\n".join(lines)


def moment(at: datetime | float | None) -> str | None:
    """RFC 3339 in UTC, to the second."""
    if at is None:
        return None
    instant = datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) else at
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
