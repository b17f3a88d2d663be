"""Templates: what a channel may send outside the service window, and keeping it in step with the provider."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from django.http import HttpRequest
from ninja import Query, Router, Status

from hailgate.accounts.audit import AuditAction, AuditRecord, audited
from hailgate.api.access import actor_of, parse_id, tenant_of
from hailgate.api.paging import Limit, Place, page_of
from hailgate.api.schemas.common import Page
from hailgate.api.schemas.templates import TemplateFilter, TemplateOut, TemplateSyncOut, VariableOut
from hailgate.core.errors import NotFound
from hailgate.core.templates import APPROVED, list_variables, parse_definition
from hailgate.messaging.models import Business, Channel, Template
from hailgate.messaging.store.sql import keyed
from hailgate.messaging.store.sqlite_writer import write
from hailgate.messaging.templates.lookup import as_template, find_templates
from hailgate.messaging.templates.sync import ask_for_list, get_business

router = Router(tags=["Templates"])

Filter = Annotated[TemplateFilter, Query()]


@router.get("/templates", response=Page[TemplateOut], operation_id="list_templates")
def list_templates(request: HttpRequest, filters: Filter, limit: Limit = 50, cursor: Place = None) -> Page[TemplateOut]:
    """With their status, category, quality and the variables that a send fills in. Newest first."""
    tenant_id = tenant_of(request)
    rows = find_templates(tenant_id, **filters.dict())
    page, older = page_of(rows, "id", limit, cursor, "templates", tenant_id)
    return Page[TemplateOut](items=[show_template(row) for row in page], next=older)


@router.get("/templates/{template_id}", response=TemplateOut, operation_id="get_template")
def get_template(request: HttpRequest, template_id: str) -> TemplateOut:
    """One template; also one that its provider has no more."""
    row = keyed(
        Template.objects.filter(uid=parse_id(template_id)).select_related("business"), tenant_of(request)
    ).first()
    if row is None:
        raise NotFound
    return show_template(row)


@router.get("/channels/{channel_id}/templates/sync", response=TemplateSyncOut, operation_id="get_template_sync")
def get_template_sync(request: HttpRequest, channel_id: str) -> TemplateSyncOut:
    """When the channel's templates were listed, when they will be, and why the last try failed."""
    return _shown(_channel(tenant_of(request), parse_id(channel_id)))


@router.post("/channels/{channel_id}/templates/sync", response={202: TemplateSyncOut}, operation_id="sync_templates")
def sync_templates(request: HttpRequest, channel_id: str) -> Status[TemplateSyncOut]:
    """List the channel's templates at its provider now, instead of in some hours. A worker does it."""
    channel = _channel(tenant_of(request), parse_id(channel_id))
    deed = AuditRecord(actor_of(request), channel.tenant_id, AuditAction.TEMPLATES_LISTED, f"channel:{channel.uid}")
    write(audited, deed, ask_for_list, channel)
    return Status(202, _shown(channel))


def show_template(row: Template) -> TemplateOut:
    """``business`` is loaded with it."""
    definition = parse_definition(as_template(row))
    variables = list_variables(definition) if definition else []
    return TemplateOut(
        id=str(row.uid),
        name=row.name,
        language=row.language,
        category=row.category,
        status=row.status,
        quality=row.quality or None,
        reason=row.reason or None,
        sendable=row.status == APPROVED and row.gone_at is None,
        parameter_format="named" if row.named else "positional",
        components=msgspec.json.decode(row.components) if definition else None,
        variables=[VariableOut(**variable._asdict()) for variable in variables],
        account=row.business.account,
        provider_id=row.provider_id,
        changed_at=row.changed_at,
        synced_at=row.synced_at,
        gone_at=row.gone_at,
    )


def _channel(tenant_id: int, uid: UUID) -> Channel:
    channel = Channel.objects.filter(tenant_id=tenant_id, uid=uid).first()
    if channel is None:
        raise NotFound
    return channel


def _shown(channel: Channel) -> TemplateSyncOut:
    business = Business.objects.get(tenant_id=channel.tenant_id, id=get_business(channel))
    there = keyed(Template.objects.filter(business_id=business.pk, gone_at=None), channel.tenant_id)
    return TemplateSyncOut(
        account=business.account,
        templates=there.count(),
        synced_at=business.synced_at,
        due_at=datetime.fromtimestamp(business.due_at, UTC) if business.due_at else None,
        code=business.code or None,
        detail=business.detail or None,
    )
