"""`hailgate migrate`: bring the database to this version."""

import click

from hailgate.commands.speaking import json_option, tell
from hailgate.commands.store import open_store


@click.command()
@json_option
def migrate(*, as_json: bool) -> None:
    """Bring the database to this version. Safe to repeat, and while an older version still runs."""
    with open_store():
        from hailgate.commands.schema import apply_migrations

        applied = apply_migrations()
    text = "\n".join(f"Applied {name}." for name in applied) or "The database is up to date."
    tell({"applied": applied}, text, as_json=as_json)
