"""Channels: how they are, and stopping and letting them go on. Nothing secret is shown."""

from uuid import UUID

from django.http import HttpRequest
from ninja import Router

from hailgate.accounts.audit import AuditAction, AuditRecord, audited
from hailgate.api.access import actor_of, parse_id, tenant_of
from hailgate.api.paging import Limit, Place, page_of
from hailgate.api.presenters import show_channel
from hailgate.api.schemas.channels import ChannelOut
from hailgate.api.schemas.common import Page
from hailgate.core.errors import NotFound
from hailgate.messaging.channels.admin import BY_HAND, count_queued, pause_channel, resume_channel
from hailgate.messaging.models import Channel
from hailgate.messaging.store.sqlite_writer import write
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log

router = Router(tags=["Channels"])


@router.get("/channels", response=Page[ChannelOut], operation_id="list_channels")
def list_channels(request: HttpRequest, limit: Limit = 50, cursor: Place = None) -> Page[ChannelOut]:
    """With their health and what waits on them; newest first."""
    tenant_id = tenant_of(request)
    rows = Channel.objects.filter(tenant_id=tenant_id)
    page, older = page_of(rows, "id", limit, cursor, "channels", tenant_id)
    queued = count_queued(tenant_id, [channel.id for channel in page])
    return Page[ChannelOut](items=[show_channel(channel, queued[channel.id]) for channel in page], next=older)


@router.post("/channels/{channel_id}/pause", response=ChannelOut, operation_id="pause_channel")
def pause(request: HttpRequest, channel_id: str) -> ChannelOut:
    """Send nothing until it is resumed: messages are still accepted and wait. What is being sent is finished."""
    tenant_id, uid = tenant_of(request), parse_id(channel_id)
    deed = AuditRecord(actor_of(request), tenant_id, AuditAction.CHANNEL_PAUSED, f"channel:{uid}")
    if not write(audited, deed, pause_channel, tenant_id, uid):
        raise NotFound
    log.warning(Event.CHANNEL_PAUSED, channel=str(uid), code=BY_HAND)
    return _shown(tenant_id, uid)


@router.post("/channels/{channel_id}/resume", response=ChannelOut, operation_id="resume_channel")
def resume(request: HttpRequest, channel_id: str) -> ChannelOut:
    """Let a paused channel send again, with its breaker closed. Does nothing to one that is not paused."""
    tenant_id, uid = tenant_of(request), parse_id(channel_id)
    deed = AuditRecord(actor_of(request), tenant_id, AuditAction.CHANNEL_RESUMED, f"channel:{uid}")
    if not write(audited, deed, resume_channel, tenant_id, uid):
        raise NotFound
    log.info(Event.CHANNEL_RESUMED, channel=str(uid))
    return _shown(tenant_id, uid)


def _shown(tenant_id: int, uid: UUID) -> ChannelOut:
    channel = Channel.objects.get(tenant_id=tenant_id, uid=uid)
    return show_channel(channel, count_queued(tenant_id, [channel.id])[channel.id])
