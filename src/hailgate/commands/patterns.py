"""`hailgate pattern`: texts with variables that are said again and again."""

import click

from hailgate.commands.bootstrap import choose_tenant, deed_of, open_store
from hailgate.commands.credentials import read_assignments
from hailgate.commands.output import json_option, table, tell, tenant_option

language_argument = click.argument("language")


@click.group()
def pattern() -> None:
    """Patterns: named texts with variables, such as greeting or reminder, for people, callers and assistants' rules."""


@pattern.command("set")
@click.argument("name")
@language_argument
@click.argument("text")
@tenant_option
@json_option
def set_one(name: str, language: str, text: str, tenant: str | None, *, as_json: bool) -> None:
    """Set what NAME says in LANGUAGE (en, pt_BR). Variables stand in double braces: "Hello {{name}}!"."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.assistants.patterns import set_pattern

        tenant_id = choose_tenant(tenant).pk
        deed = deed_of(tenant_id, AuditAction.PATTERN_SET, f"pattern:{name[:40]}", language[:6])
        made = audited(deed, set_pattern, tenant_id, name, language, text)
    variables = ", ".join(made.variables) or "none"
    tell({**made._asdict(), "variables": made.variables}, f"Kept. Its variables: {variables}.", as_json=as_json)


@pattern.command("remove")
@click.argument("name")
@language_argument
@tenant_option
@json_option
def remove_one(name: str, language: str, tenant: str | None, *, as_json: bool) -> None:
    """Take one away. Messages that were accepted with it keep what it said."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.assistants.patterns import remove_pattern

        tenant_id = choose_tenant(tenant).pk
        deed = deed_of(tenant_id, AuditAction.PATTERN_REMOVED, f"pattern:{name[:40]}", language[:6])
        audited(deed, remove_pattern, tenant_id, name, language)
    tell({"removed": True}, "The pattern is gone.", as_json=as_json)


@pattern.command("list")
@tenant_option
@json_option
def list_all(tenant: str | None, *, as_json: bool) -> None:
    """All of a tenant."""
    with open_store():
        from hailgate.messaging.assistants.patterns import list_patterns

        rows = [each._asdict() for each in list_patterns(choose_tenant(tenant).pk)]
    tell(rows, table(rows, 'No pattern yet: hailgate pattern set greeting en "Hello {{name}}!"'), as_json=as_json)


@pattern.command("fill")
@click.argument("name")
@click.option("--language", default="", help="Needed where it is there in several.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="What a variable says.")
@tenant_option
@json_option
def fill(name: str, language: str, assignments: tuple[str, ...], tenant: str | None, *, as_json: bool) -> None:
    """Print what a person would read. Sends nothing."""
    values = read_assignments(assignments)
    with open_store():
        from hailgate.core.patterns import PatternCall
        from hailgate.messaging.assistants.patterns import fill_call

        text = fill_call(choose_tenant(tenant).pk, PatternCall(name, language, values))
    tell({"text": text}, text, as_json=as_json)
