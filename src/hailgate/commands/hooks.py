"""`hailgate hook`: where providers post."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from hailgate.commands.bootstrap import choose_tenant, deed_of, open_store
from hailgate.commands.credentials import MASK, mask_settings, read_assignments, settings_option
from hailgate.commands.output import card, hand_out, json_option, moment, table, tell, tenant_option
from hailgate.core.errors import NotFound

if TYPE_CHECKING:
    from hailgate.messaging.models import Hook

SHOWN_OF_TOKEN = 6


@click.group()
def hook() -> None:
    """Hooks: the addresses that providers post to."""


@hook.command("add")
@tenant_option
@click.option("--provider", required=True, help="For example cloud.")
@settings_option
@json_option
def add(tenant: str | None, provider: str, assignments: tuple[str, ...], *, as_json: bool) -> None:
    """Make a hook. Register its path, after this installation's public address, with the provider."""
    with open_store() as env:
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.channels.hooks import add_hook

        tenant_id = choose_tenant(tenant).pk
        made = audited(
            lambda made: deed_of(tenant_id, AuditAction.HOOK_MADE, f"hook:{made.id}"),
            add_hook,
            tenant_id,
            provider,
            read_assignments(assignments),
        )
        address = f"{env.public_url or f'http://{env.bind}'}{made.path}"
    document = {"id": str(made.id), "token": made.token, "path": made.path}
    hand_out(document, f"Register this address with the provider: {address}", as_json=as_json)


@hook.command("list")
@tenant_option
@json_option
def list_hooks(tenant: str | None, *, as_json: bool) -> None:
    """The hooks of a tenant, tokens masked."""
    with open_store():
        from hailgate.messaging.models import Hook

        rows = [
            {
                "id": str(found.uid),
                "provider": found.provider,
                "path": _path(found, reveal=False),
                "active": found.active,
                "created_at": moment(found.created_at),
            }
            for found in Hook.objects.filter(tenant_id=choose_tenant(tenant).pk).order_by("id")
        ]
    tell(rows, table(rows, "There is no hook yet: make one with `hailgate hook add`."), as_json=as_json)


@hook.command("show")
@click.argument("hook_id")
@tenant_option
@click.option("--reveal", is_flag=True, help="Show the whole path, to register it once more.")
@json_option
def show(hook_id: str, tenant: str | None, *, reveal: bool, as_json: bool) -> None:
    """One hook with its settings; secrets stay masked."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, record_deed

        found = _find(choose_tenant(tenant).pk, hook_id)
        document = _describe(found, reveal=reveal)
        if reveal:
            record_deed(deed_of(found.tenant_id, AuditAction.HOOK_REVEALED, f"hook:{found.uid}"))
    tell(document, card(document), as_json=as_json)


@hook.command("renew")
@click.argument("hook_id")
@click.option(
    "--overlap",
    type=float,
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="How long the old address is taken, too; with 0 every process refuses it within 5 seconds.",
)
@tenant_option
@json_option
def renew(hook_id: str, overlap: float, tenant: str | None, *, as_json: bool) -> None:
    """Give a hook a new address, where the old one may have become known. Then tell the provider of it.

    A server that is paired with a phone is told when the channel's session is opened anew: `hailgate channel
    disconnect`, and once it is closed `hailgate channel connect`.
    """
    with open_store() as env:
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.channels.renewal import renew_hook

        found = _find(choose_tenant(tenant).pk, hook_id)
        deed = deed_of(found.tenant_id, AuditAction.HOOK_RENEWED, f"hook:{found.uid}", f"overlap {overlap:g} h")
        made = audited(deed, renew_hook, found, overlap * 3600)
        todo = _todo(found, f"{env.public_url or f'http://{env.bind}'}{made.path}")
    document = {"id": str(made.id), "token": made.token, "path": made.path, "overlap_hours": overlap}
    hand_out(document, todo, as_json=as_json)


@hook.command("remove")
@click.argument("hook_id")
@tenant_option
@click.confirmation_option("--yes", prompt="Remove this hook for good?", help="Do not ask.")
@json_option
def remove(hook_id: str, tenant: str | None, *, as_json: bool) -> None:
    """Refuse what is posted to a hook from now on, and forget its credentials. Its webhooks stay readable."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.channels.removal import remove_hook

        found = _find(choose_tenant(tenant).pk, hook_id)
        audited(deed_of(found.tenant_id, AuditAction.HOOK_REMOVED, f"hook:{found.uid}"), remove_hook, found)
    tell({"id": str(found.uid), "removed": True}, "The hook is removed.", as_json=as_json)


def _find(tenant_id: int, hook_id: str) -> "Hook":
    from hailgate.messaging.models import Hook

    try:
        found = Hook.objects.filter(tenant_id=tenant_id, uid=UUID(hook_id)).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFound("there is no hook of this id; see `hailgate hook list`", field="hook")
    return found


def _describe(found: "Hook", *, reveal: bool) -> dict[str, Any]:
    from hailgate.messaging.models import Channel
    from hailgate.providers import get_provider

    served = Channel.objects.filter(tenant_id=found.tenant_id, hook=found).order_by("id")
    return {
        "id": str(found.uid),
        "provider": found.provider,
        "path": _path(found, reveal=reveal),
        "active": found.active,
        "channels": list(served.values_list("name", flat=True)),
        "settings": mask_settings(get_provider(found.provider).hook_config, found.config) if found.active else {},
    }


def _todo(found: "Hook", address: str) -> str:
    """What is left to do after a renewal: who tells the provider, and how."""
    from hailgate.messaging.models import Channel
    from hailgate.providers import get_provider

    if not get_provider(found.provider).capabilities.pairs_session:
        return f"Register this address with the provider: {address}"
    served = Channel.objects.filter(tenant_id=found.tenant_id, hook=found, active=True).order_by("id")
    names = ", ".join(served.values_list("name", flat=True)) or "its channel"
    return f"The server posts to {address} once the session of {names} is closed and opened again."


def _path(found: "Hook", *, reveal: bool) -> str:
    from hailgate.accounts.seal import sealer

    token = sealer().unseal(found.token)
    return f"/hooks/{token if reveal else token[:SHOWN_OF_TOKEN] + MASK}"
