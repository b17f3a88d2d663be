"""Channels as their page and the overview show them: whether they send, and what waits."""

import time
from datetime import UTC, datetime
from typing import NamedTuple

from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from hailgate.console.presenters import show_pause
from hailgate.messaging.channels.credentials import warn_of_settings
from hailgate.messaging.models import Channel, Work, WorkKind, WorkState
from hailgate.providers import get_provider


class ChannelRow(NamedTuple):
    uid: str
    name: str
    provider: str
    number: str
    answered_by: str
    state: str
    word: str
    why: str
    since: datetime | None
    rate: float
    waiting: int
    pairs: bool
    ending: str


def list_channels(tenant_id: int) -> list[ChannelRow]:
    waiting = dict(_waiting(tenant_id).values_list("channel_id").annotate(count=Count("id")))
    rows = Channel.objects.filter(tenant_id=tenant_id).order_by("name")
    return [show_channel(channel, waiting.get(channel.pk, 0)) for channel in rows]


def show_channel(channel: Channel, waiting: int) -> ChannelRow:
    state, word, why, since = _health(channel)
    spec = get_provider(channel.provider)
    return ChannelRow(
        uid=channel.uid.hex,
        name=channel.name,
        provider=spec.label,
        number=f"+{channel.number}" if channel.number else "",
        answered_by=channel.answered_by,
        state=state,
        word=word,
        why=why,
        since=since,
        rate=1 / channel.rate_interval if channel.rate_interval else 0.0,
        waiting=waiting,
        pairs=spec.capabilities.pairs_session,
        ending=_ending(channel),
    )


def _ending(channel: Channel) -> str:
    """Which of its settings will soon work no more."""
    if not channel.active:
        return ""
    return warn_of_settings(channel.provider, channel.config, channel.source, time.time()) or ""


def _health(channel: Channel) -> tuple[str, str, str, datetime | None]:
    if not channel.active:
        return "off", _("Switched off"), "", None
    if channel.paused_at:
        return "paused", _("Paused"), show_pause(channel), channel.paused_at
    if channel.breaker_opened_at is not None:
        opened = datetime.fromtimestamp(channel.breaker_opened_at, UTC)
        return "waiting", _("Waiting for the provider"), _("Its provider failed several times in a row."), opened
    return "ok", _("Sends"), "", None


def _waiting(tenant_id: int) -> QuerySet[Work]:
    states = [WorkState.WAITING, WorkState.READY, WorkState.LEASED]
    return Work.objects.filter(tenant_id=tenant_id, kind=WorkKind.DELIVERY, state__in=states)
