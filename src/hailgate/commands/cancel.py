"""`hailgate cancel`: take back a message that has not left."""

import click

from hailgate.commands.bootstrap import choose_tenant, deed_of, open_store
from hailgate.commands.output import json_option, tell, tenant_option
from hailgate.commands.timeline import parse_message_id


@click.command()
@click.argument("message_id")
@tenant_option
@json_option
def cancel(message_id: str, tenant: str | None, *, as_json: bool) -> None:
    """Take back a message that waits to be sent, or whose time has not come."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.outbound.cancel import CODE, cancel_message

        tenant_id, uid = choose_tenant(tenant).pk, parse_message_id(message_id)
        audited(deed_of(tenant_id, AuditAction.MESSAGE_CANCELLED, f"message:{uid}"), cancel_message, tenant_id, uid)
    document = {"id": message_id, "status": "failed", "code": CODE}
    tell(document, f"Message {message_id} is cancelled; it will not be sent.", as_json=as_json)
