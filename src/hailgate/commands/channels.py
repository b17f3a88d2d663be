"""`hailgate channel`: the numbers a tenant sends from."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from hailgate.commands.bootstrap import choose_tenant, deed_of, open_store
from hailgate.commands.credentials import mask_settings, read_assignments, settings_option
from hailgate.commands.output import card, hand_out, json_option, moment, table, tell, tenant_option
from hailgate.commands.pairing import confirm, connect, disconnect, pair, session
from hailgate.commands.tokens import token
from hailgate.core.errors import InputError

if TYPE_CHECKING:
    from hailgate.accounts.audit import AuditRecord
    from hailgate.env import Environment
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
@click.option("--number", default="", help="Its telephone number, with country code; pairing tells it where it may.")
@settings_option
@rate_option
@click.option("--assistant", metavar="NAME", help="Let this assistant answer; without it a person does.")
@click.option("--take-over", is_flag=True, help="Let the provider post here, even if it posts elsewhere now.")
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
    take_over: bool,
    as_json: bool,
) -> None:
    """Make a channel, and tell its provider where to post, where it can be told."""
    with open_store() as env:
        tenant_id = choose_tenant(tenant).pk
        chosen = {"hook": _hook_id(hook), **_answerer_and_rate(tenant_id, assistant, rate)}
        made = _add(tenant_id, (provider, name, number, read_assignments(assignments)), chosen)
        place, told = _register_hook(env, tenant_id, str(made), take_over=take_over)
    hand_out(
        {"id": str(made), **({"webhooks": place} if place else {})},
        f"{told} See whether it works: `hailgate check`.".strip(),
        as_json=as_json,
    )


def _answerer_and_rate(tenant_id: int, assistant: str | None, rate: float | None) -> dict[str, Any]:
    from hailgate.messaging.channels.admin import check_answerer, chosen_rate
    from hailgate.messaging.models import PERSON

    answered_by = check_answerer(tenant_id, assistant or PERSON)
    return {"answered_by": answered_by, "rate": None if rate is None else chosen_rate(rate)}


def _add(tenant_id: int, given: tuple[Any, ...], chosen: dict[str, Any]) -> UUID:
    from hailgate.accounts.audit import AuditAction, audited
    from hailgate.messaging.channels.registry import add_channel

    def deed(made: UUID) -> "AuditRecord":
        return deed_of(tenant_id, AuditAction.CHANNEL_MADE, f"channel:{made}")

    return audited(deed, partial(add_channel, **chosen), tenant_id, *given)


_POSTS = {
    "ours": "Its provider posts what comes in to the hook from now on.",
    "anothers": "Its provider posts what comes in to another address: set it there, or add it with `--take-over`.",
    "unknown": "The provider's account does not show this number: set the hook's address there by hand.",
    "failed": "The provider could not be told where to post: set the hook's address there by hand.",
}


def _register_hook(env: "Environment", tenant_id: int, channel: str, *, take_over: bool) -> tuple[str, str]:
    """Where it posts and a sentence; both empty where that is not ours to say. The channel is made in any case."""
    from hailgate.core.errors import SendError
    from hailgate.messaging.channels.credentials import get_credentials
    from hailgate.messaging.channels.probe_calls import register_hook
    from hailgate.messaging.channels.registry import get_channel

    credentials = get_credentials(get_channel(tenant_id, channel).id)
    try:
        found = asyncio.run(register_hook(credentials, env.public_url, take_over=take_over))
    except SendError:
        return "failed", _POSTS["failed"]
    return (found.value, _POSTS[found.value]) if found else ("", "")


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
        from hailgate.messaging.channels.admin import count_queued, get_channel_row

        found = get_channel_row(choose_tenant(tenant).pk, id_or_name)
        queued = count_queued(found.tenant_id, [found.pk])[found.pk]._asdict()
        document = {**_summary(found), "rate": _rate(found), "queued": queued, "settings": _settings(found)}
    tell(document, card(document), as_json=as_json)


@channel.command("set")
@click.argument("id_or_name")
@tenant_option
@settings_option
@rate_option
@click.option("--calling-code", metavar="CODE", help="The country of numbers that are written without one, as 55.")
@json_option
def change(
    id_or_name: str,
    tenant: str | None,
    assignments: tuple[str, ...],
    rate: float | None,
    calling_code: str | None,
    *,
    as_json: bool,
) -> None:
    """Change settings, such as a renewed access token, or its rate. Workers notice at their next send."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.channels.admin import get_channel_row

        found = get_channel_row(choose_tenant(tenant).pk, id_or_name)
        settings = read_assignments(assignments)
        detail = ", ".join(
            [
                *sorted(settings),
                *([] if rate is None else [f"{rate:g} a second"]),
                *([] if calling_code is None else ["calling code"]),
            ]
        )
        deed = deed_of(found.tenant_id, AuditAction.CHANNEL_CHANGED, f"channel:{found.uid}", detail)
        audited(deed, _change, found, settings, rate, calling_code)
    tell({"id": str(found.uid)}, f"Channel {found.name} is changed.", as_json=as_json)


def _change(found: "Channel", settings: dict[str, str], rate: float | None, calling_code: str | None) -> None:
    from hailgate.messaging.channels.admin import change_settings, set_calling_code, set_rate

    if rate is not None:
        set_rate(found.tenant_id, found.uid, rate)
    if calling_code is not None:
        set_calling_code(found.tenant_id, found.uid, calling_code)
    if settings or (rate is None and calling_code is None):
        change_settings(found, settings)


@channel.command("rename")
@click.argument("id_or_name")
@click.argument("name")
@tenant_option
@json_option
def rename(id_or_name: str, name: str, tenant: str | None, *, as_json: bool) -> None:
    """Call a channel NAME. Calls of the API that use the old name are refused from now on."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.channels.admin import get_channel_row
        from hailgate.messaging.channels.removal import rename_channel

        found = get_channel_row(choose_tenant(tenant).pk, id_or_name)
        deed = deed_of(found.tenant_id, AuditAction.CHANNEL_CHANGED, f"channel:{found.uid}", f"was {found.name}")
        audited(deed, rename_channel, found, name)
    tell({"id": str(found.uid), "name": name}, f"Channel {found.name} is called {name} now.", as_json=as_json)


@channel.command("remove")
@click.argument("id_or_name")
@tenant_option
@click.confirmation_option("--yes", prompt="Remove this channel for good?", help="Do not ask.")
@json_option
def remove(id_or_name: str, tenant: str | None, *, as_json: bool) -> None:
    """Switch a channel off for good and forget its credentials. Its conversations stay readable."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.channels.admin import get_channel_row
        from hailgate.messaging.channels.removal import remove_channel

        found = get_channel_row(choose_tenant(tenant).pk, id_or_name)
        deed = deed_of(found.tenant_id, AuditAction.CHANNEL_REMOVED, f"channel:{found.uid}", found.name)
        audited(deed, remove_channel, found)
    tell({"id": str(found.uid), "removed": True}, f"Channel {found.name} is removed.", as_json=as_json)


@channel.command("pause")
@click.argument("id_or_name")
@tenant_option
@json_option
def pause(id_or_name: str, tenant: str | None, *, as_json: bool) -> None:
    """Send nothing until it is resumed. Messages are still accepted and wait."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.channels.admin import get_channel_row, pause_channel

        found = get_channel_row(choose_tenant(tenant).pk, id_or_name)
        deed = deed_of(found.tenant_id, AuditAction.CHANNEL_PAUSED, f"channel:{found.uid}")
        audited(deed, pause_channel, found.tenant_id, found.uid)
    tell({"id": str(found.uid), "paused": True}, f"Channel {found.name} is paused.", as_json=as_json)


@channel.command("resume")
@click.argument("id_or_name")
@tenant_option
@json_option
def resume(id_or_name: str, tenant: str | None, *, as_json: bool) -> None:
    """Let a paused channel send again."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.channels.admin import get_channel_row, resume_channel

        found = get_channel_row(choose_tenant(tenant).pk, id_or_name)
        deed = deed_of(found.tenant_id, AuditAction.CHANNEL_RESUMED, f"channel:{found.uid}")
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
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.channels.admin import get_channel_row, set_answerer

        found = get_channel_row(choose_tenant(tenant).pk, id_or_name)
        deed = deed_of(found.tenant_id, AuditAction.CHANNEL_CHANGED, f"channel:{found.uid}", f"answered by {answerer}")
        audited(deed, set_answerer, found.tenant_id, found.uid, answerer)
    document = {"id": str(found.uid), "answered_by": answerer}
    tell(document, f"New conversations of {found.name} are answered by: {answerer}.", as_json=as_json)


@channel.command("outside-window")
@click.argument("id_or_name")
@click.argument("choice", type=click.Choice(["refuse", "wait", "template"]))
@click.option("--template", default="", help="Name of an approved template without variables, for `template`.")
@click.option("--language", default="", help="Its language, as in en_US.")
@tenant_option
@json_option
def outside_window(
    id_or_name: str, choice: str, template: str, language: str, tenant: str | None, *, as_json: bool
) -> None:
    """What becomes of an assistant's answer that WhatsApp's window closed on.

    It fails (refuse), its question is answered once the person writes again (wait), or a template asks them to
    (template).
    """
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.core.window import Outside
        from hailgate.messaging.channels.admin import get_channel_row, set_outside_window

        found = get_channel_row(choose_tenant(tenant).pk, id_or_name)
        told = f"outside the window: {choice}"
        deed = deed_of(found.tenant_id, AuditAction.CHANNEL_CHANGED, f"channel:{found.uid}", told)
        audited(deed, set_outside_window, found.tenant_id, found.uid, Outside(choice), template, language)
    document = {"id": str(found.uid), "outside_window": choice}
    tell(document, f"Answers of assistants that the window closes on, in {found.name}: {choice}.", as_json=as_json)


@channel.command("consent-words")
@click.argument("id_or_name")
@click.argument("languages", nargs=-1)
@tenant_option
@json_option
def consent_words(id_or_name: str, languages: tuple[str, ...], tenant: str | None, *, as_json: bool) -> None:
    """In whose words (en, pt, es, de, fr) people may stop messages and start them again; none to look for no words."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.channels.admin import get_channel_row, set_consent_languages

        found = get_channel_row(choose_tenant(tenant).pk, id_or_name)
        told = f"consent words: {' '.join(languages) or 'none'}"
        deed = deed_of(found.tenant_id, AuditAction.CHANNEL_CHANGED, f"channel:{found.uid}", told)
        audited(deed, set_consent_languages, found.tenant_id, found.uid, languages)
    document = {"id": str(found.uid), "consent_languages": list(languages)}
    tell(document, f"Consent words of {found.name}: {' '.join(languages) or 'none'}.", as_json=as_json)


for command in (pair, connect, disconnect, confirm, session, token):
    channel.add_command(command)


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

    # A removed channel has none any more.
    return mask_settings(get_provider(found.provider).channel_config, found.config) if found.active else {}


def _rate(found: "Channel") -> str:
    return f"{1 / found.rate_interval:g} a second"


def _hook_id(given: str | None) -> UUID | None:
    try:
        return UUID(given) if given else None
    except ValueError:
        raise InputError("--hook takes the id that `hailgate hook add` gave", field="hook") from None
