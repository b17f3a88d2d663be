"""`hailgate channel`: the numbers a tenant sends from."""

from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from hailgate.commands.credentials import mask_settings, read_assignments, settings_option
from hailgate.commands.speaking import card, hand_out, json_option, moment, table, tell, tenant_option
from hailgate.commands.store import choose_tenant, deed_of, open_store
from hailgate.core.errors import InputError

if TYPE_CHECKING:
    from hailgate.messaging.models import Channel

rate_option = click.option(
    "--rate",
    type=float,
    metavar="NUMBER",
    help="Messages a second, instead of the provider's rate; at most a tenth of it at once.",
)


@click.group()
def channel() -> None:
    """Channels: numbers at a provider that messages go out from and come in to."""


@channel.command("add")
@tenant_option
@click.option("--hook", metavar="HOOK", help="Id of the hook that receives for this channel.")
@click.option("--provider", required=True, help="For example cloud.")
@click.option("--name", required=True, help="What the API calls it.")
@click.option("--number", required=True, help="Its telephone number, with country code.")
@settings_option
@rate_option
@click.option("--assistant", metavar="NAME", help="Let this assistant answer; without it a person does.")
@json_option
def add(
    *,
    tenant: str | None,
    hook: str | None,
    provider: str,
    name: str,
    number: str,
    assignments: tuple[str, ...],
    rate: float | None,
    assistant: str | None,
    as_json: bool,
) -> None:
    """Make a channel."""
    with open_store():
        from hailgate.accounts.audit import Action, audited
        from hailgate.messaging.channels import add_channel
        from hailgate.messaging.models import PERSON
        from hailgate.messaging.tending import check_answerer, chosen_rate

        tenant_id = choose_tenant(tenant).pk
        add = partial(
            add_channel,
            hook=_hook_id(hook),
            answered_by=check_answerer(assistant or PERSON),
            rate=None if rate is None else chosen_rate(rate),
        )
        made = audited(
            lambda made: deed_of(tenant_id, Action.CHANNEL_MADE, f"channel:{made}"),
            add,
            tenant_id,
            provider,
            name,
            number,
            read_assignments(assignments),
        )
    hand_out({"id": str(made)}, "See whether it works: `hailgate check`.", as_json=as_json)


@channel.command("list")
@tenant_option
@json_option
def list_channels(tenant: str | None, *, as_json: bool) -> None:
    """The channels of a tenant and how they are."""
    with open_store():
        from hailgate.messaging.models import Channel

        found = Channel.objects.filter(tenant_id=choose_tenant(tenant).pk).order_by("id")
        rows = [_summary(each) for each in found]
    tell(rows, table(rows, "There is no channel yet: make one with `hailgate channel add`."), as_json=as_json)


@channel.command("show")
@click.argument("id_or_name")
@tenant_option
@json_option
def show(id_or_name: str, tenant: str | None, *, as_json: bool) -> None:
    """One channel with its settings; secrets stay masked."""
    with open_store():
        from hailgate.messaging.tending import count_queued, get_channel_row

        found = get_channel_row(choose_tenant(tenant).pk, id_or_name)
        queued = count_queued(found.tenant_id, [found.pk])[found.pk]._asdict()
        document = {**_summary(found), "rate": _rate(found), "queued": queued, "settings": _settings(found)}
    tell(document, card(document), as_json=as_json)


@channel.command("set")
@click.argument("id_or_name")
@tenant_option
@settings_option
@rate_option
@json_option
def change(
    id_or_name: str, tenant: str | None, assignments: tuple[str, ...], rate: float | None, *, as_json: bool
) -> None:
    """Change settings, such as a renewed access token, or its rate. Workers notice at their next send."""
    with open_store():
        from hailgate.accounts.audit import Action, audited
        from hailgate.messaging.tending import change_settings, get_channel_row, set_rate

        found = get_channel_row(choose_tenant(tenant).pk, id_or_name)
        settings = read_assignments(assignments)

        def change() -> None:
            if rate is not None:
                set_rate(found.tenant_id, found.uid, rate)
            if settings or rate is None:
                change_settings(found, settings)

        named = [*sorted(settings), *([] if rate is None else [f"{rate:g} a second"])]
        audited(deed_of(found.tenant_id, Action.CHANNEL_CHANGED, f"channel:{found.uid}", ", ".join(named)), change)
    tell({"id": str(found.uid)}, f"Channel {found.name} is changed.", as_json=as_json)


@channel.command("pause")
@click.argument("id_or_name")
@tenant_option
@json_option
def pause(id_or_name: str, tenant: str | None, *, as_json: bool) -> None:
    """Send nothing until it is resumed. Messages are still accepted and wait."""
    with open_store():
        from hailgate.accounts.audit import Action, audited
        from hailgate.messaging.tending import get_channel_row, pause_channel

        found = get_channel_row(choose_tenant(tenant).pk, id_or_name)
        deed = deed_of(found.tenant_id, Action.CHANNEL_PAUSED, f"channel:{found.uid}")
        audited(deed, pause_channel, found.tenant_id, found.uid)
    tell({"id": str(found.uid), "paused": True}, f"Channel {found.name} is paused.", as_json=as_json)


@channel.command("resume")
@click.argument("id_or_name")
@tenant_option
@json_option
def resume(id_or_name: str, tenant: str | None, *, as_json: bool) -> None:
    """Let a paused channel send again."""
    with open_store():
        from hailgate.accounts.audit import Action, audited
        from hailgate.messaging.tending import get_channel_row, resume_channel

        found = get_channel_row(choose_tenant(tenant).pk, id_or_name)
        deed = deed_of(found.tenant_id, Action.CHANNEL_RESUMED, f"channel:{found.uid}")
        audited(deed, resume_channel, found.tenant_id, found.uid)
    tell({"id": str(found.uid), "paused": False}, f"Channel {found.name} may send again.", as_json=as_json)


@channel.command("answered-by")
@click.argument("id_or_name")
@click.argument("answerer")
@tenant_option
@json_option
def answered_by(id_or_name: str, answerer: str, tenant: str | None, *, as_json: bool) -> None:
    """Let ANSWERER ("person" or an assistant's name) answer new conversations; those there are stay as they are."""
    with open_store():
        from hailgate.accounts.audit import Action, audited
        from hailgate.messaging.tending import get_channel_row, set_answerer

        found = get_channel_row(choose_tenant(tenant).pk, id_or_name)
        deed = deed_of(found.tenant_id, Action.CHANNEL_CHANGED, f"channel:{found.uid}", f"answered by {answerer}")
        audited(deed, set_answerer, found.tenant_id, found.uid, answerer)
    document = {"id": str(found.uid), "answered_by": answerer}
    tell(document, f"New conversations of {found.name} are answered by: {answerer}.", as_json=as_json)


def describe_state(found: "Channel") -> str:
    """What a person should know of the channel's health, in a few words."""
    if not found.active:
        return "switched off"
    if found.paused_at is not None:
        return f"paused since {moment(found.paused_at)}: {found.paused_reason.replace('_', ' ')}"
    if found.breaker_opened_at is not None:
        return f"provider failing, {found.breaker_failures} times in a row; tried again by itself"
    return "ok"


def _summary(found: "Channel") -> dict[str, Any]:
    return {
        "id": str(found.uid),
        "name": found.name,
        "provider": found.provider,
        "number": found.number,
        "answered_by": found.answered_by,
        "state": describe_state(found),
    }


def _settings(found: "Channel") -> dict[str, Any]:
    from hailgate.providers import get_provider

    return mask_settings(get_provider(found.provider).channel_config, found.config)


def _rate(found: "Channel") -> str:
    return f"{1 / found.rate_interval:g} a second"


def _hook_id(given: str | None) -> UUID | None:
    try:
        return UUID(given) if given else None
    except ValueError:
        raise InputError("--hook takes the id that `hailgate hook add` gave", field="hook") from None
