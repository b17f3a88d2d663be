"""`hailgate channel token`: the token that a server made of a channel's settings. It is never shown."""

import asyncio
from typing import TYPE_CHECKING

import click

from hailgate.commands.bootstrap import choose_tenant, deed_of, open_store
from hailgate.commands.output import json_option, tell, tenant_option
from hailgate.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hailgate.messaging.models import Channel
    from hailgate.providers.config import Secret


@click.command("token")
@click.argument("id_or_name")
@click.option("--generate", is_flag=True, help="Have another one made first; at the server, the old one stays valid.")
@tenant_option
@json_option
def token(id_or_name: str, tenant: str | None, *, generate: bool, as_json: bool) -> None:
    """Whether its server takes the token of a channel's session.

    It is made by itself where there is none, after twelve hours, and where the server refuses it.
    """
    with open_store():
        from hailgate.messaging.channels.admin import get_channel_row

        found = get_channel_row(choose_tenant(tenant).pk, id_or_name)
        valid = _check(found, generate=generate)
    said = "takes the token" if valid else "has not made the token, or does not take it: `--generate` makes one"
    tell({"id": str(found.uid), "valid": valid, "generated": generate}, f"The server {said}.", as_json=as_json)


def _check(found: "Channel", *, generate: bool) -> bool:
    from hailgate.accounts.audit import AuditAction, audited
    from hailgate.messaging.channels.credentials import get_credentials
    from hailgate.messaging.channels.derived_secrets import keep_secrets
    from hailgate.messaging.channels.probe_calls import check_token

    made: dict[str, Secret] = {}

    async def keep(secrets: "Mapping[str, Secret]") -> None:
        made.update(secrets)

    valid = asyncio.run(check_token(get_credentials(found.pk), keep, generate=generate))
    if valid is None:
        raise InputError("This channel's provider makes no token of its settings.", field="channel")
    if made:
        deed = deed_of(found.tenant_id, AuditAction.CHANNEL_CHANGED, f"channel:{found.uid}", "token made")
        audited(deed, keep_secrets, found.pk, made)
    return valid
