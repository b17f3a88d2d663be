"""`hailgate tenant` and `hailgate key`: who owns what, and who may call."""

from typing import Any

import click

from hailgate.commands.bootstrap import choose_tenant, deed_of, open_store
from hailgate.commands.output import hand_out, json_option, moment, table, tell, tenant_option
from hailgate.core.errors import NotFound


@click.group()
def tenant() -> None:
    """Tenants: each owns its channels, keys and conversations."""


@tenant.command("add")
@click.argument("name")
@json_option
def add_tenant(name: str, *, as_json: bool) -> None:
    """Make a tenant."""
    with open_store():
        from hailgate.accounts import keys
        from hailgate.accounts.audit import AuditAction, audited

        made = audited(lambda made: deed_of(made.pk, AuditAction.TENANT_MADE), keys.add_tenant, name)
        document = {"id": str(made.uid), "name": made.name}
    hand_out(document, "Next: `hailgate key add` and `hailgate hook add`.", as_json=as_json)


@tenant.command("set")
@click.argument("name_or_id")
@click.option("--accept-rate", type=float, metavar="N", help="Messages a second that may be handed in; 0: any.")
@click.option("--send-rate", type=float, metavar="N", help="All its channels together send so many a second; 0: any.")
@json_option
def set_tenant(name_or_id: str, accept_rate: float | None, send_rate: float | None, *, as_json: bool) -> None:
    """Limit what a tenant may hand in and send. Processes notice within five seconds."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.models import Allowed
        from hailgate.messaging.outbound.quotas import allow_tenant

        found = choose_tenant(name_or_id)
        for allowed, rate in ((Allowed.ACCEPT, accept_rate), (Allowed.SEND, send_rate)):
            if rate is not None:
                deed = deed_of(found.pk, AuditAction.TENANT_LIMITED, detail=_limit(allowed.name.lower(), rate))
                audited(deed, allow_tenant, found.pk, allowed, rate)
        row = _tenant_row(found)
    tell(row, table([row], ""), as_json=as_json)


@tenant.command("rename")
@click.argument("name_or_id")
@click.argument("name")
@json_option
def rename_tenant(name_or_id: str, name: str, *, as_json: bool) -> None:
    """Call a tenant NAME."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.channels import removal

        found = choose_tenant(name_or_id)
        deed = deed_of(found.pk, AuditAction.TENANT_RENAMED, detail=f"was {found.name}")
        audited(deed, removal.rename_tenant, found, name)
    tell({"id": str(found.uid), "name": name}, f"Tenant {found.name} is called {name} now.", as_json=as_json)


@tenant.command("remove")
@click.argument("name_or_id")
@click.confirmation_option("--yes", prompt="Remove this tenant for good?", help="Do not ask.")
@json_option
def remove_tenant(name_or_id: str, *, as_json: bool) -> None:
    """Revoke a tenant's keys and shut its operators out. Its channels and hooks have to be removed before."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.channels import removal

        found = choose_tenant(name_or_id)
        deed = deed_of(found.pk, AuditAction.TENANT_REMOVED, detail=found.name)
        audited(deed, removal.remove_tenant, found)
    tell({"id": str(found.uid), "removed": True}, f"Tenant {found.name} is removed.", as_json=as_json)


@tenant.command("list")
@json_option
def list_tenants(*, as_json: bool) -> None:
    """All tenants."""
    with open_store():
        from hailgate.accounts.models import Tenant

        rows = [_tenant_row(found) for found in Tenant.objects.order_by("id")]
    tell(rows, table(rows, "There is no tenant yet."), as_json=as_json)


@tenant.command("show")
@click.argument("name_or_id")
@json_option
def show_tenant(name_or_id: str, *, as_json: bool) -> None:
    """One tenant."""
    with open_store():
        row = _tenant_row(choose_tenant(name_or_id))
    tell(row, table([row], ""), as_json=as_json)


@click.group()
def key() -> None:
    """API keys, and the keys that seal stored secrets."""


@key.command("add")
@tenant_option
@click.option("--name", default="default", show_default=True, help="What the key is for.")
@json_option
def add_key(tenant: str | None, name: str, *, as_json: bool) -> None:
    """Make an API key. It is shown this once and stored only as a digest."""
    with open_store():
        from hailgate.accounts import keys
        from hailgate.accounts.audit import AuditAction, audited

        tenant_id = choose_tenant(tenant).pk
        made = audited(
            lambda made: deed_of(tenant_id, AuditAction.KEY_MADE, f"key:{_prefix_of(made.key)}", name),
            keys.add_key,
            tenant_id,
            name,
        )
    hand_out({"key": made.key}, "Keep it now: it is not shown again.", as_json=as_json)


@key.command("list")
@tenant_option
@json_option
def list_keys(tenant: str | None, *, as_json: bool) -> None:
    """The keys of a tenant, by their prefixes."""
    with open_store():
        from hailgate.accounts.models import ApiKey
        from hailgate.messaging.models import Allowed
        from hailgate.messaging.outbound.quotas import per_second

        found = ApiKey.objects.filter(tenant_id=choose_tenant(tenant).pk).order_by("id")
        rows = [
            {
                "prefix": row.prefix,
                "name": row.name,
                "accept_rate": per_second(row.tenant_id, Allowed.ACCEPT, row.pk),
                "created_at": moment(row.created_at),
                "revoked_at": moment(row.revoked_at),
            }
            for row in found
        ]
    tell(rows, table(rows, "There is no key yet: make one with `hailgate key add`."), as_json=as_json)


@key.command("set")
@click.argument("prefix")
@tenant_option
@click.option(
    "--accept-rate", type=float, metavar="N", required=True, help="Messages a second that may be handed in; 0: any."
)
@json_option
def set_key(prefix: str, tenant: str | None, accept_rate: float, *, as_json: bool) -> None:
    """Limit what may be handed in with one key. Processes notice within five seconds."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.outbound.quotas import allow_key

        prefix, tenant_id = _prefix_of(prefix), choose_tenant(tenant).pk
        deed = deed_of(tenant_id, AuditAction.KEY_LIMITED, f"key:{prefix}", _limit("accept", accept_rate))
        audited(deed, allow_key, tenant_id, prefix, accept_rate)
    tell({"prefix": prefix, "accept_rate": accept_rate or None}, f"Key {prefix} is changed.", as_json=as_json)


@key.command("revoke")
@click.argument("prefix")
@tenant_option
@json_option
def revoke_key(prefix: str, tenant: str | None, *, as_json: bool) -> None:
    """Refuse a key from now on. Processes notice within five seconds."""
    with open_store():
        from hailgate.accounts import keys
        from hailgate.accounts.audit import AuditAction, audited

        prefix = _prefix_of(prefix)
        tenant_id = choose_tenant(tenant).pk
        deed = deed_of(tenant_id, AuditAction.KEY_REVOKED, f"key:{prefix}")
        if not audited(deed, keys.revoke_key, tenant_id, prefix):
            raise NotFound("there is no valid key with this prefix; see `hailgate key list`", field="prefix")
    tell({"prefix": prefix, "revoked": True}, f"Key {prefix} is revoked.", as_json=as_json)


@key.command("seal")
@json_option
def make_sealing_key(*, as_json: bool) -> None:
    """Print a new key for HAILGATE_SECRET_KEYS. Nothing is stored."""
    from hailgate import key_file

    made = key_file.make_sealing_key()
    tell({"key": made}, made, as_json=as_json)


@key.command("reseal")
@json_option
def reseal(*, as_json: bool) -> None:
    """Seal again, with the first of HAILGATE_SECRET_KEYS, what an older one sealed.

    Put a new key in front of the others, start every process again, then run this beside them; end it when you like
    and go on later. Once nothing is left, the older keys can go. The exit code is 3 while anything is.
    """
    with open_store():
        from hailgate.accounts.audit import AuditAction, record_deed
        from hailgate.messaging.upkeep import reseal as resealing

        if done := resealing.reseal():
            record_deed(deed_of(None, AuditAction.SEALED_AGAIN), done)
        left = resealing.count_older()
    said = f"{done} values are sealed again, {left} are left."
    advice = "Run it once more." if left else "No value needs an older key any more."
    tell({"resealed": done, "left": left}, f"{said} {advice}", as_json=as_json)
    if left:
        raise SystemExit(3)


def _prefix_of(key_or_prefix: str) -> str:
    """A whole key is taken too: whoever revokes in a hurry has just that at hand."""
    parts = key_or_prefix.split("_", 2)
    return parts[1] if len(parts) == 3 else key_or_prefix


def _limit(what: str, rate: float) -> str:
    return f"{what}: {rate:g} a second" if rate else f"{what}: any"


def _tenant_row(found: Any) -> dict[str, Any]:
    from hailgate.messaging.models import Allowed
    from hailgate.messaging.outbound.quotas import per_second

    return {
        "id": str(found.uid),
        "name": found.name,
        "accept_rate": per_second(found.pk, Allowed.ACCEPT),
        "send_rate": per_second(found.pk, Allowed.SEND),
        "created_at": moment(found.created_at),
    }
