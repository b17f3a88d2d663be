"""`hailgate flood`: how much of what people write assistants answer."""

import click

from hailgate.commands.bootstrap import choose_tenant, deed_of, open_store
from hailgate.commands.output import json_option, table, tell, tenant_option


@click.group()
def flood() -> None:
    """Floods: who writes more than a rule allows is asked to wait once, and not answered until they have."""


@flood.command("set")
@click.argument("subject")
@click.argument("most", type=int)
@click.argument("seconds", type=float)
@tenant_option
@json_option
def set_one(subject: str, most: int, seconds: float, tenant: str | None, *, as_json: bool) -> None:
    """Let assistants answer MOST messages of a SUBJECT (contact, group, tenant) at once, and as many each SECONDS."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.assistants.floods import set_flood_rule

        tenant_id = choose_tenant(tenant).pk
        deed = deed_of(tenant_id, AuditAction.FLOOD_RULE_SET, f"flood:{subject}", f"{most} in {seconds:g} s")
        rule = audited(deed, set_flood_rule, tenant_id, subject, most, seconds)
    document = rule._asdict()
    tell(document, f"Of each {subject} {most} messages are answered, and as many in {seconds:g} s.", as_json=as_json)


@flood.command("remove")
@click.argument("subject")
@tenant_option
@json_option
def remove_one(subject: str, tenant: str | None, *, as_json: bool) -> None:
    """Take a rule away."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.assistants.floods import remove_flood_rule

        tenant_id = choose_tenant(tenant).pk
        deed = deed_of(tenant_id, AuditAction.FLOOD_RULE_REMOVED, f"flood:{subject}")
        audited(deed, remove_flood_rule, tenant_id, subject)
    tell({"removed": True}, "The rule is gone.", as_json=as_json)


@flood.command("list")
@tenant_option
@json_option
def list_all(tenant: str | None, *, as_json: bool) -> None:
    """The rules of a tenant, and how many messages were not answered."""
    with open_store():
        from hailgate.messaging.assistants.floods import count_floods, list_flood_rules

        tenant_id = choose_tenant(tenant).pk
        rows = [rule._asdict() for rule in list_flood_rules(tenant_id)]
        figures = count_floods(tenant_id)
    text = table(rows, "No rule yet: hailgate flood set contact 20 60")
    counts = f"{figures.unanswered} messages were not answered; {figures.flooding} people flooded in the last hour."
    tell({"rules": rows, **figures._asdict()}, f"{text}\n{counts}", as_json=as_json)
