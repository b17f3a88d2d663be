"""`hailgate audit`: who did what."""

import click

from hailgate.commands.bootstrap import choose_tenant, open_store
from hailgate.commands.output import json_option, moment, table, tell, tenant_option


@click.command()
@tenant_option
@click.option("--installation", is_flag=True, help="What concerns no tenant instead of what concerns one.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), metavar="NUMBER", default=100, show_default=True)
@json_option
def audit(tenant: str | None, limit: int, *, installation: bool, as_json: bool) -> None:
    """What was done by hand, the newest first: to messages, channels, hooks, templates, keys, operators and limits."""
    with open_store():
        from hailgate.accounts.audit import find_entries

        found = find_entries(None if installation else choose_tenant(tenant).pk).order_by("-id")
        rows = [
            {
                "at": moment(entry.at),
                "actor": entry.actor_kind,
                "name": entry.name,
                "action": entry.action,
                "subject": entry.subject,
                "count": entry.count,
                "detail": entry.detail,
            }
            for entry in found[:limit]
        ]
    tell(rows, table(rows, "There is nothing yet."), as_json=as_json)
