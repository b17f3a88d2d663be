"""`hailgate operator`: the people who sign in to the console."""

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from hailgate.commands.bootstrap import at_the_machine, choose_tenant, deed_of, open_store
from hailgate.commands.output import hand_out, json_option, moment, print_note, table, tell, tenant_option

if TYPE_CHECKING:
    from hailgate.accounts.models import Membership, Operator
    from hailgate.env import Environment

email_option = click.option("--email", required=True, metavar="ADDRESS", help="What they sign in with.")


@click.group()
def operator() -> None:
    """People who sign in to the console."""


@operator.command("add")
@tenant_option
@email_option
@click.option("--name", default="", help="As colleagues see it.")
@click.option("--role", type=click.Choice(["owner", "agent"]), default="agent", show_default=True)
@click.option("--installation-owner", is_flag=True, help="May also use /admin/, which shows every tenant.")
@click.option("--password-stdin", is_flag=True, help="Read a password from standard input.")
@json_option
def add_operator(
    tenant: str | None,
    email: str,
    name: str,
    role: str,
    *,
    installation_owner: bool,
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Make an operator, or let a known one work for this tenant too.

    Without a password the answer holds a sign-in link that works once, for 15 minutes.
    """
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    with open_store() as env:
        from hailgate.accounts import operators
        from hailgate.accounts.audit import AuditAction, audited

        tenant_id = choose_tenant(tenant).pk
        given = [role, *["installation owner"] * installation_owner, *["password"] * (password is not None)]
        add = partial(
            operators.add_operator, name=name, role=role, password=password, installation_owner=installation_owner
        )
        made = audited(
            lambda made: deed_of(tenant_id, AuditAction.OPERATOR_ADDED, f"operator:{made.uid}", ", ".join(given)),
            add,
            tenant_id,
            email,
        )
        document = {"id": str(made.uid), "email": made.email, "role": role}
        if not made.has_usable_password():
            document["sign_in_url"] = _link(env, made)
        ownerless = not operators.has_owner(tenant_id)
    note = "Nobody owns this tenant yet: one of its operators should have --role owner. " if ownerless else ""
    hand_out(document, f"{note}Operators sign in at /console/.", as_json=as_json)


@operator.command("link")
@email_option
@json_option
def make_link(email: str, *, as_json: bool) -> None:
    """A sign-in link that works once, for 15 minutes: for the first time, or for a forgotten password."""
    with open_store() as env:
        from hailgate.accounts import operators

        document = {"sign_in_url": _link(env, operators.get_operator(email))}
    tell(document, document["sign_in_url"], as_json=as_json)
    if not env.public_url and not as_json:
        print_note(f"HAILGATE_PUBLIC_URL is not set: this link assumes HAILGATE_BIND={env.bind}.")


@operator.command("list")
@tenant_option
@json_option
def list_operators(tenant: str | None, *, as_json: bool) -> None:
    """Who works for a tenant."""
    with open_store():
        from hailgate.accounts.models import Membership

        found = Membership.objects.filter(tenant_id=choose_tenant(tenant).pk).select_related("operator").order_by("id")
        rows = [_row(membership) for membership in found]
    tell(rows, table(rows, "There is no operator yet: make one with `hailgate operator add`."), as_json=as_json)


@operator.command("disable")
@email_option
@json_option
def disable(email: str, *, as_json: bool) -> None:
    """Shut an operator out, at once and everywhere; what they wrote stays theirs."""
    _switch(email, on=False, as_json=as_json)


@operator.command("enable")
@email_option
@json_option
def enable(email: str, *, as_json: bool) -> None:
    """Let an operator in again."""
    _switch(email, on=True, as_json=as_json)


def _switch(email: str, *, on: bool, as_json: bool) -> None:
    with open_store():
        from hailgate.accounts import operators
        from hailgate.accounts.audit import AuditAction, audited_of_operator

        found = operators.get_operator(email)
        action = AuditAction.OPERATOR_LET_IN if on else AuditAction.OPERATOR_SHUT_OUT
        switch = operators.let_in if on else operators.shut_out
        audited_of_operator(at_the_machine(), action, found, switch, found)
    document = {"email": found.email, "active": on}
    tell(
        document, f"{found.email} {'may sign in again' if on else 'is signed out and cannot sign in'}.", as_json=as_json
    )


def _link(env: "Environment", made: "Operator") -> str:
    from hailgate.accounts import operators
    from hailgate.accounts.audit import AuditAction, audited_of_operator

    who = at_the_machine()
    token = audited_of_operator(who, AuditAction.OPERATOR_LINKED, made, operators.make_sign_in_link, made)
    return f"{env.public_url or f'http://{env.bind}'}/console/sign-in/{token}"


def _row(membership: "Membership") -> dict[str, Any]:
    found = membership.operator
    return {
        "email": found.email,
        "name": found.name,
        "role": membership.role,
        "active": found.is_active,
        "last_sign_in": moment(found.last_login) if found.last_login else None,
    }
