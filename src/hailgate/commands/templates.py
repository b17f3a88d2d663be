"""`hailgate templates`: what may be sent outside the service window, and keeping it in step with the provider."""

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from hailgate.commands.bootstrap import choose_tenant, deed_of, open_store
from hailgate.commands.output import card, json_option, moment, table, tell, tenant_option
from hailgate.core.errors import InputError, NotFound

if TYPE_CHECKING:
    from hailgate.core.templates import TemplateDefinition as Listed
    from hailgate.messaging.channels.credentials import ChannelCredentials
    from hailgate.messaging.models import Template


@click.group()
def templates() -> None:
    """Templates: messages that the provider has approved, with variables to fill in."""


@templates.command("sync")
@click.argument("channel")
@tenant_option
@json_option
def sync(channel: str, tenant: str | None, *, as_json: bool) -> None:
    """List the templates of CHANNEL at its provider now. Workers do it every six hours, and when webhooks tell."""
    with open_store():
        from hailgate.accounts.audit import AuditAction, audited
        from hailgate.messaging.channels.admin import get_channel_row
        from hailgate.messaging.channels.credentials import get_credentials
        from hailgate.messaging.templates.sync import record_list, take_business

        found = get_channel_row(choose_tenant(tenant).pk, channel)
        claimed = take_business(found)
        listed = asyncio.run(_listed(get_credentials(found.pk)))
        deed = deed_of(found.tenant_id, AuditAction.TEMPLATES_LISTED, f"channel:{found.uid}")
        synced = audited(deed, record_list, claimed, listed)
    words = f"{synced.templates} templates: {synced.new} new, {synced.changed} changed, {synced.gone} gone."
    tell(synced._asdict(), words, as_json=as_json)


@templates.command("list")
@tenant_option
@click.option("--channel", metavar="CHANNEL", help="Those that this channel may send, by its name or id.")
@click.option("--name", metavar="NAME", help="Only this name.")
@click.option("--language", metavar="CODE", help="Only this language, for example en_US.")
@click.option("--status", metavar="STATUS", help="Only this status, for example APPROVED.")
@click.option("--category", metavar="CATEGORY", help="Only this category, for example UTILITY.")
@click.option("--gone", is_flag=True, help="Those that their provider has no more.")
@click.option("--limit", type=click.IntRange(1, 10_000), metavar="NUMBER", default=1000, show_default=True)
@json_option
def list_templates(tenant: str | None, limit: int, *, gone: bool, as_json: bool, **wanted: str | None) -> None:
    """By name and language."""
    with open_store():
        from hailgate.messaging.templates.lookup import find_templates

        found = find_templates(choose_tenant(tenant).pk, gone=gone, **_upper(wanted))
        rows = [_summary(row) for row in found.order_by("name", "language")[:limit]]
    tell(rows, table(rows, "There are none. `hailgate templates sync CHANNEL` lists them."), as_json=as_json)


@templates.command("show")
@click.argument("id_or_name")
@click.option("--language", metavar="CODE", help="Needed where the name exists in several.")
@tenant_option
@json_option
def show(id_or_name: str, language: str | None, tenant: str | None, *, as_json: bool) -> None:
    """One template: what the person reads, and what a send fills in."""
    with open_store():
        document = _document(_find(choose_tenant(tenant).pk, id_or_name, language))
    tell(document, card(_for_people(document)), as_json=as_json)


async def _listed(credentials: "ChannelCredentials") -> "list[Listed]":
    from hailgate.pipeline.template_sync import list_templates
    from hailgate.providers.transport import Transport

    async with Transport() as transport:
        return await list_templates(credentials.connect(transport))


def _upper(wanted: dict[str, str | None]) -> dict[str, str | None]:
    """Statuses and categories are the provider's words, which it writes in capitals."""
    return {
        name: value.upper() if value and name in {"status", "category"} else value for name, value in wanted.items()
    }


def _find(tenant_id: int, id_or_name: str, language: str | None) -> "Template":
    from hailgate.messaging.models import Template

    rows = Template.objects.filter(tenant_id=tenant_id).select_related("business")
    try:
        rows = rows.filter(uid=UUID(id_or_name))
    except ValueError:
        rows = rows.filter(name=id_or_name, gone_at=None)
    found = list(rows.filter(language=language) if language else rows)
    if not found:
        raise NotFound("there is no template of this id or name; see `hailgate templates list`", field="template")
    if len(found) > 1:
        listed = ", ".join(sorted({row.language for row in found}))
        raise InputError(f"the name exists in several languages ({listed}): say which with --language")
    return found[0]


def _summary(row: "Template") -> dict[str, Any]:
    return {
        "id": str(row.uid),
        "name": row.name,
        "language": row.language,
        "category": row.category,
        "status": row.status,
        "quality": row.quality,
    }


def _document(row: "Template") -> dict[str, Any]:
    from hailgate.core.templates import list_variables, parse_definition, preview_template
    from hailgate.messaging.templates.lookup import as_template

    definition = parse_definition(as_template(row))
    shown = preview_template(definition, {})._asdict() if definition else None
    return {
        **_summary(row),
        "reason": row.reason or None,
        "account": row.business.account,
        "synced_at": moment(row.synced_at),
        "gone_at": moment(row.gone_at),
        "text": shown,
        "variables": [variable._asdict() for variable in list_variables(definition)] if definition else [],
    }


def _for_people(document: dict[str, Any]) -> dict[str, Any]:
    variables = {
        each["key"]: f"{each['kind']}{'' if each['required'] else ', optional'}{_example(each['example'])}"
        for each in document["variables"]
    }
    return {**document, "variables": variables}


def _example(example: str) -> str:
    return f", for example {example}" if example else ""
