"""`hailgate assistant`: who answers by itself, version by version."""

import asyncio
from typing import TYPE_CHECKING, Any

import click

from hailgate.commands.bootstrap import choose_tenant, deed_of, open_store
from hailgate.commands.credentials import read_assignments
from hailgate.commands.output import card, hand_out, json_option, moment, table, tell, tenant_option
from hailgate.core.errors import AssistantError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hailgate.accounts.audit import AuditAction
    from hailgate.assistant.settings import AssistantSettings, ModelChoice
    from hailgate.messaging.models import Assistant

CHECK_S = 20.0
settings_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of the assistant. VALUE may be @file, or - for standard input, so that no key is typed.",
)


@click.group()
def assistant() -> None:
    """Assistants: who answers by itself. Let one answer a channel with `hailgate channel answered-by`."""


@assistant.command("add")
@click.argument("name")
@tenant_option
@settings_option
@json_option
def add(name: str, tenant: str | None, assignments: tuple[str, ...], *, as_json: bool) -> None:
    """Make an assistant. Its first version is live at once; no channel is answered by it yet."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.assistants.registry import add_assistant

        tenant_id = choose_tenant(tenant).pk
        made = audited(
            lambda made: deed_of(tenant_id, AuditAction.ASSISTANT_MADE, f"assistant:{made.uid}"),
            add_assistant,
            tenant_id,
            name,
            read_assignments(assignments),
        )
    note = f"Let it answer a channel: hailgate channel answered-by CHANNEL {name}"
    hand_out({"id": str(made.uid), "name": name, "version": 1}, note, as_json=as_json)


@assistant.command("set")
@click.argument("name")
@tenant_option
@settings_option
@click.option("--publish", is_flag=True, help="Let the new version answer at once.")
@json_option
def change(name: str, tenant: str | None, assignments: tuple[str, ...], *, publish: bool, as_json: bool) -> None:
    """Draft a new version: the latest one with these settings changed. An empty value gives one its default again."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.assistants.registry import draft_version, publish_version

        tenant_id = choose_tenant(tenant).pk
        deed = deed_of(tenant_id, AuditAction.ASSISTANT_DRAFTED, f"assistant:{name}")
        drafted = audited(deed, draft_version, tenant_id, name, read_assignments(assignments))
        if publish:
            deed = deed_of(tenant_id, AuditAction.ASSISTANT_PUBLISHED, f"assistant:{name}", f"version {drafted.number}")
            audited(deed, publish_version, tenant_id, name, drafted.number)
    document = {"name": name, "version": drafted.number, "live": publish}
    answers = "answers from the next turn on" if publish else "is a draft; publish it when it has been tried"
    tell(document, f"Version {drafted.number} of {name} {answers}.", as_json=as_json)


@assistant.command("publish")
@click.argument("name")
@click.argument("version", type=int, required=False)
@tenant_option
@json_option
def publish(name: str, version: int | None, tenant: str | None, *, as_json: bool) -> None:
    """Let VERSION answer from the next turn on; the latest where none is named. An older one takes changes back."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.assistants.registry import publish_version

        tenant_id = choose_tenant(tenant).pk
        deed = deed_of(
            tenant_id, AuditAction.ASSISTANT_PUBLISHED, f"assistant:{name}", f"version {version or 'latest'}"
        )
        chosen = audited(deed, publish_version, tenant_id, name, version)
    tell({"name": name, "version": chosen.number}, f"Version {chosen.number} of {name} answers now.", as_json=as_json)


@assistant.command("switch")
@click.argument("name")
@click.argument("state", type=click.Choice(["on", "off"]))
@tenant_option
@json_option
def switch(name: str, state: str, tenant: str | None, *, as_json: bool) -> None:
    """Stop an assistant at once, or let it go on. While it is off, people answer in its place."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.assistants.registry import switch_assistant

        tenant_id = choose_tenant(tenant).pk
        deed = deed_of(tenant_id, AuditAction.ASSISTANT_SWITCHED, f"assistant:{name}", state)
        audited(deed, lambda: switch_assistant(tenant_id, name, active=state == "on"))
    tell({"name": name, "active": state == "on"}, f"{name} is {state}.", as_json=as_json)


@assistant.command("stop")
@tenant_option
@json_option
def stop(tenant: str | None, *, as_json: bool) -> None:
    """Stop all assistants of a tenant at once: what has not left is cancelled, and people answer."""
    with open_store():
        from hailgate.accounts.audit import AuditAction
        from hailgate.messaging.outbound.assistant_stop import stop_assistants

        _throw(tenant, AuditAction.ASSISTANTS_STOPPED, stop_assistants)
    tell({"stopped": True}, "No assistant answers any more, until `hailgate assistant resume`.", as_json=as_json)


@assistant.command("resume")
@tenant_option
@json_option
def resume(tenant: str | None, *, as_json: bool) -> None:
    """Let stopped assistants answer again. Conversations that people have meanwhile stay theirs."""
    with open_store():
        from hailgate.accounts.audit import AuditAction
        from hailgate.messaging.outbound.assistant_stop import resume_assistants

        _throw(tenant, AuditAction.ASSISTANTS_RESUMED, resume_assistants)
    tell({"stopped": False}, "Assistants answer again.", as_json=as_json)


@assistant.command("list")
@tenant_option
@json_option
def list_all(tenant: str | None, *, as_json: bool) -> None:
    """The assistants of a tenant, and which version answers."""
    with open_store():
        from hailgate.messaging.assistants.registry import list_assistants

        rows = [_summary(found) for found in list_assistants(choose_tenant(tenant).pk)]
    tell(rows, table(rows, "No assistant yet: hailgate assistant add NAME --set vendor=…"), as_json=as_json)


@assistant.command("show")
@click.argument("name")
@click.option("--version", type=int, help="The live one where none is named.")
@tenant_option
@json_option
def show(name: str, version: int | None, tenant: str | None, *, as_json: bool) -> None:
    """The settings of a version, keys masked."""
    with open_store():
        from hailgate.assistant.settings import describe_settings

        number, settings = _load(tenant, name, version)
        document = {"name": name, "version": number, **describe_settings(settings)}
    tell(document, card(document), as_json=as_json)


@assistant.command("try")
@click.argument("name")
@click.argument("text")
@click.option("--version", type=int, help="The live one where none is named; a draft by its number.")
@tenant_option
@json_option
def try_it(name: str, text: str, version: int | None, tenant: str | None, *, as_json: bool) -> None:
    """Ask a version one question. Nothing is sent to anybody and nothing is kept; the model's vendor is paid."""
    with open_store() as env:
        from hailgate.messaging.assistants.patterns import list_patterns

        number, settings = _load(tenant, name, version)
        patterns = tuple(list_patterns(choose_tenant(tenant).pk)) if settings.says_patterns else ()
    from hailgate.assistant.try_out import said_by, try_out

    answer = asyncio.run(try_out(name, settings, text, env.private_targets, patterns))
    document = {
        "version": number,
        "reply": said_by(answer),
        "hand_over": answer.hand_over,
        "note": answer.note,
        "model": answer.usage.model,
        "input_tokens": answer.usage.input_tokens,
        "output_tokens": answer.usage.output_tokens,
    }
    tell(document, card(document), as_json=as_json)


@assistant.command("check")
@click.argument("name")
@click.option("--version", type=int, help="The live one where none is named.")
@tenant_option
@json_option
@click.pass_context
def check(context: click.Context, name: str, version: int | None, tenant: str | None, *, as_json: bool) -> None:
    """Ask each model of a version for one word: is the key right, is the model there?"""
    with open_store() as env:
        _, settings = _load(tenant, name, version)
    rows = asyncio.run(_check(settings, env.private_targets))
    tell(rows, table(rows, "A scripted assistant needs no model."), as_json=as_json)
    context.exit(0 if all(row["ok"] for row in rows) else 1)


async def _check(settings: "AssistantSettings", targets: tuple[str, ...]) -> list[dict[str, Any]]:
    from hailgate.assistant.model_processes import ModelProcesses

    models = ModelProcesses(most=1)
    try:
        choices = () if settings.is_scripted else settings.choices
        return [await _check_one(models, choice, targets) for choice in choices]
    finally:
        await models.close()


async def _check_one(models: Any, choice: "ModelChoice", targets: tuple[str, ...]) -> dict[str, Any]:
    from hailgate.assistant.model_protocol import ModelCall, SaidLine

    call = ModelCall(
        id=0,
        choice=choice,
        instructions="Answer with the word yes.",
        lines=(SaidLine(by_person=True, text="Are you there?"),),
        temperature=0.0,
        max_tokens=100,
        timeout_s=CHECK_S,
        private_targets=targets,
    )
    try:
        await models.call(call)
    except AssistantError as failed:
        return {"vendor": choice.vendor, "model": choice.model, "ok": False, "code": failed.code}
    return {"vendor": choice.vendor, "model": choice.model, "ok": True, "code": ""}


def _throw(tenant: str | None, action: "AuditAction", switch: "Callable[[int], bool]") -> None:
    from hailgate.accounts.audit import audited

    tenant_id = choose_tenant(tenant).pk
    audited(deed_of(tenant_id, action), switch, tenant_id)


def _load(tenant: str | None, name: str, version: int | None) -> "tuple[int, AssistantSettings]":
    from hailgate.messaging.assistants.registry import get_version, read_settings

    found = get_version(choose_tenant(tenant).pk, name, version)
    return found.number, read_settings(found)


def _summary(found: "Assistant") -> dict[str, Any]:
    from hailgate.messaging.assistants.registry import read_settings

    settings = read_settings(found.live) if found.live else None
    return {
        "id": str(found.uid),
        "name": found.name,
        "active": found.active,
        "version": found.live.number if found.live else None,
        "vendor": settings.vendor if settings else "",
        "model": settings.model if settings else "",
        "since": moment(found.created_at),
    }
