"""`hailgate migrate`: bring the database to this version."""

import time

import click

from hailgate.commands.bootstrap import open_store, pass_pooler
from hailgate.commands.output import json_option, print_note, tell
from hailgate.core.errors import ConfigurationError, StoreUnavailable

LOOK_EVERY_S = 1.0


@click.command()
@click.option("--plan", "only_plan", is_flag=True, help="Say what would be applied, and do nothing.")
@click.option("--wait", "only_wait", is_flag=True, help="Do nothing but wait until somebody else has done it.")
@click.option("--wait-for", "wait_s", type=float, metavar="SECONDS", default=600.0, show_default=True, hidden=True)
@json_option
def migrate(*, only_plan: bool, only_wait: bool, wait_s: float, as_json: bool) -> None:
    """Bring the database to this version. Safe to repeat, and while an older version still runs."""
    if only_plan and only_wait:
        raise click.UsageError("--plan and --wait exclude each other.")
    direct = pass_pooler()
    if only_wait:
        _wait(wait_s)
        tell({"applied": []}, "The database is up to date.", as_json=as_json)
        return
    with open_store():
        from hailgate.accounts.schema import pending_migrations
        from hailgate.commands.pooler import write_role_defaults
        from hailgate.commands.schema import apply_migrations

        if only_plan:
            planned = pending_migrations()
            text = "\n".join(f"Would apply {name}." for name in planned) or "The database is up to date."
            tell({"planned": planned}, text, as_json=as_json)
            return
        applied = apply_migrations()
        if direct:
            write_role_defaults()
    text = "\n".join(f"Applied {name}." for name in applied) or "The database is up to date."
    tell({"applied": applied}, text, as_json=as_json)


def _wait(most_s: float) -> None:
    """Raises ConfigurationError when the time is up."""
    deadline = time.monotonic() + most_s
    said = ""
    while missing := _find_missing():
        if missing != said:
            print_note(f"{missing} It is waited for.")
            said = missing
        if time.monotonic() >= deadline:
            raise ConfigurationError([f"{missing} Nobody did it in {most_s:.0f} s."])
        time.sleep(LOOK_EVERY_S)


def _find_missing() -> str:
    """What keeps this version from working with the database; empty where nothing does."""
    try:
        with open_store():
            from hailgate.accounts.schema import pending_migrations

            pending = pending_migrations()
    except StoreUnavailable as away:
        return away.detail
    return f"The database lacks {len(pending)} migrations: `hailgate migrate` applies them." if pending else ""
