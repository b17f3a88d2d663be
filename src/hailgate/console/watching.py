"""Queries behind the pages of operations. Every one is one tenant's, and none counts a table without an index."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from django.db.models import Count, F, Min, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from hailgate.accounts.alarms import find_alarms
from hailgate.accounts.audit import Action, find_entries
from hailgate.accounts.models import AuditEntry, Membership
from hailgate.accounts.seal import sealer
from hailgate.console.inbox import addresses_of, sign_place
from hailgate.console.showing import excerpt, explain, show_address, show_name
from hailgate.core.content import Text, decode_outbound
from hailgate.messaging.letters import Wanted, find_letters
from hailgate.messaging.models import (
    PERSON,
    Channel,
    Conversation,
    EventState,
    WebhookEvent,
    Work,
    WorkKind,
    WorkState,
)
from hailgate.messaging.tending import BY_HAND
from hailgate.providers import get_provider

PAGE: Final = 50
DAY_S: Final = 86_400.0
# Beyond this many, figures say "at least" by being this many.
MOST_COUNTED: Final = 10_000
# A body is shown up to here; providers put whole files into some.
LONGEST_BODY: Final = 200_000


class Page(NamedTuple):
    items: list[Any]
    older: str


class DeadLetter(NamedTuple):
    uid: str
    conversation: str
    dead: bool
    text: bool
    name: str
    channel: str
    excerpt: str
    why: str
    provider_code: str
    attempts: int
    at: datetime


class EventRow(NamedTuple):
    uid: str
    at: datetime
    provider: str
    state: str
    word: str
    outcome: str
    size: int
    tries: int


class Entry(NamedTuple):
    at: datetime
    who: str
    how: str
    what: str
    subject: str
    link: str
    times: int
    detail: str


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


class Overview(NamedTuple):
    active: int
    unread: int
    assistant: int
    waiting: int
    oldest_s: float
    dead: int
    parked: int
    pending: int
    alarms: int
    channels: list[ChannelRow]


def list_dead_letters(tenant_id: int, wanted: Wanted, before: int | None) -> Page:
    rows = find_letters(tenant_id, wanted).select_related("message__conversation__contact", "channel")
    page, older = _page(rows, before)
    contacts = addresses_of(tenant_id, [work.message.conversation.contact_id for work in page])
    return Page([_dead_letter(work, contacts) for work in page], older)


def find_stopped(tenant_id: int, messages: Sequence[UUID]) -> list[int]:
    return list(_stopped(tenant_id).filter(message__uid__in=messages).values_list("id", flat=True))


def find_stopped_text(tenant_id: int, message: UUID) -> str | None:
    """What a failed message of plain text says."""
    failed = _stopped(tenant_id).filter(state=WorkState.DEAD, message__uid=message, message__kind="text")
    work = failed.select_related("message").first()
    if work is None:
        return None
    content = decode_outbound(sealer().unseal(work.message.content))
    return content.text.body if isinstance(content, Text) else None


def list_audit(tenant_id: int, before: int | None) -> Page:
    page, older = _page(find_entries(tenant_id), before)
    channels = Channel.objects.filter(tenant_id=tenant_id).values_list("uid", "name")
    names = {f"channel:{uid}": name for uid, name in channels}
    members = Membership.objects.filter(tenant_id=tenant_id).select_related("operator")
    names |= {f"operator:{member.operator.uid}": str(member.operator) for member in members}
    return Page([_entry(entry, names) for entry in page], older)


def _entry(entry: AuditEntry, names: Mapping[str, str]) -> Entry:
    what = _DEEDS.get(entry.action)
    kind, id_ = entry.subject.partition(":")[::2]
    where = {"conversation": "console:conversation"}.get(kind)
    return Entry(
        at=entry.at,
        who=entry.name or entry.actor_kind,
        how={"operator": "", "key": _("API key"), "command": _("command line")}[entry.actor_kind],
        what=_(what) if what else entry.action,
        subject=names.get(entry.subject, entry.subject),
        link=reverse(where, args=[id_.replace("-", "")]) if where else "",
        times=entry.count,
        detail=entry.detail,
    )


_DEEDS: Final[Mapping[str, str]] = {
    Action.MESSAGE_REVIVED: gettext_noop("Sent again"),
    Action.MESSAGE_EDITED: gettext_noop("Changed and sent again"),
    Action.MESSAGE_CANCELLED: gettext_noop("Taken back"),
    Action.LETTERS_EXPORTED: gettext_noop("Stopped messages exported"),
    Action.CHANNEL_MADE: gettext_noop("Channel made"),
    Action.CHANNEL_CHANGED: gettext_noop("Channel changed"),
    Action.CHANNEL_PAUSED: gettext_noop("Channel paused"),
    Action.CHANNEL_RESUMED: gettext_noop("Channel resumed"),
    Action.HOOK_MADE: gettext_noop("Hook made"),
    Action.HOOK_REVEALED: gettext_noop("Address of a hook shown"),
    Action.TEMPLATES_LISTED: gettext_noop("Templates listed anew"),
    Action.CONVERSATION_TAKEN_OVER: gettext_noop("Conversation taken over"),
    Action.CONVERSATION_GIVEN_BACK: gettext_noop("Conversation given back"),
    Action.KEY_MADE: gettext_noop("API key made"),
    Action.KEY_LIMITED: gettext_noop("Limit of an API key set"),
    Action.KEY_REVOKED: gettext_noop("API key revoked"),
    Action.TENANT_MADE: gettext_noop("Tenant made"),
    Action.TENANT_LIMITED: gettext_noop("Limit of the tenant set"),
    Action.OPERATOR_ADDED: gettext_noop("Operator added"),
    Action.OPERATOR_CHANGED: gettext_noop("Operator changed"),
    Action.OPERATOR_LINKED: gettext_noop("Sign-in link made"),
    Action.OPERATOR_SHUT_OUT: gettext_noop("Operator shut out"),
    Action.OPERATOR_LET_IN: gettext_noop("Operator let in again"),
    Action.PASSWORD_CHANGED: gettext_noop("Password changed"),
    Action.ALARM_CLEARED: gettext_noop("Alarm cleared"),
}


def list_events(tenant_id: int, kind: str, before: int | None) -> Page:
    rows = WebhookEvent.objects.filter(tenant_id=tenant_id).select_related("hook").defer("headers")
    states = {"pending": EventState.PENDING, "dead": EventState.DEAD}
    if kind in states:
        rows = rows.filter(state=states[kind])
    page, older = _page(rows, before)
    return Page([show_event(event) for event in page], older)


def show_event(event: WebhookEvent) -> EventRow:
    words = {EventState.PENDING: _("Waiting"), EventState.DONE: _("Understood"), EventState.DEAD: _("Set aside")}
    state = EventState(event.state)
    return EventRow(
        uid=event.uid.hex,
        at=event.received_at,
        provider=get_provider(event.hook.provider).label,
        state=state.name.lower(),
        word=words[state],
        outcome=event.outcome,
        size=len(event.body),
        tries=event.tries,
    )


def read_body(event: WebhookEvent) -> str:
    """Indented where it is JSON; otherwise as it came."""
    raw = sealer().unseal_bytes(bytes(event.body))
    with suppress(msgspec.DecodeError, RecursionError):
        raw = msgspec.json.format(raw, indent=2)
    text = raw.decode("utf-8", "replace")
    return text if len(text) <= LONGEST_BODY else f"{text[:LONGEST_BODY]}\n…"


def list_channels(tenant_id: int) -> list[ChannelRow]:
    waiting = dict(_waiting(tenant_id).values_list("channel_id").annotate(count=Count("id")))
    rows = Channel.objects.filter(tenant_id=tenant_id).order_by("name")
    return [show_channel(channel, waiting.get(channel.pk, 0)) for channel in rows]


def look_over(tenant_id: int) -> Overview:
    now = time.time()
    conversations = Conversation.objects.filter(tenant_id=tenant_id)
    stopped = dict(_stopped(tenant_id).values_list("state").annotate(count=Count("id")))
    waiting = _waiting(tenant_id).aggregate(count=Count("id"), oldest=Min("created_at"))
    active = _active(tenant_id, now - DAY_S)
    return Overview(
        active=len(active),
        unread=conversations.filter(answered_by=PERSON, last_inbound_id__gt=F("seen_id"))[:MOST_COUNTED].count(),
        assistant=sum(answered_by != PERSON for answered_by in active),
        waiting=waiting["count"],
        oldest_s=max(0.0, now - waiting["oldest"]) if waiting["oldest"] else 0.0,
        dead=stopped.get(WorkState.DEAD, 0),
        parked=stopped.get(WorkState.PARKED, 0),
        pending=WebhookEvent.objects.filter(tenant_id=tenant_id, state=EventState.PENDING).count(),
        alarms=find_alarms(tenant_id).filter(cleared_at=None).count(),
        channels=list_channels(tenant_id),
    )


def _active(tenant_id: int, since: float) -> list[str]:
    """Who answers each conversation with a message since then, among the newest of them."""
    recent = Conversation.objects.filter(tenant_id=tenant_id, last_message_id__gt=0).order_by("-last_message_id")
    newest: Iterable[tuple[Any, str]] = recent.values_list("last_message_at", "answered_by")[:MOST_COUNTED]
    return [answered_by for at, answered_by in newest if at is not None and at.timestamp() >= since]


def _stopped(tenant_id: int) -> QuerySet[Work]:
    return Work.objects.filter(
        tenant_id=tenant_id, kind=WorkKind.DELIVERY, state__in=[WorkState.PARKED, WorkState.DEAD]
    )


def _waiting(tenant_id: int) -> QuerySet[Work]:
    states = [WorkState.WAITING, WorkState.READY, WorkState.LEASED]
    return Work.objects.filter(tenant_id=tenant_id, kind=WorkKind.DELIVERY, state__in=states)


def _page(rows: QuerySet[Any], before: int | None) -> tuple[list[Any], str]:
    if before is not None:
        rows = rows.filter(id__lt=before)
    found = list(rows.order_by("-id")[: PAGE + 1])
    page = found[:PAGE]
    return page, sign_place(page[-1].pk) if len(found) > PAGE else ""


def _dead_letter(work: Any, contacts: dict[int, Any]) -> DeadLetter:
    """A row of ``find_letters``."""
    message = work.message
    conversation = message.conversation
    return DeadLetter(
        uid=message.uid.hex,
        conversation=conversation.uid.hex,
        dead=work.state == WorkState.DEAD,
        text=message.kind == "text",
        name=show_name(conversation.contact, contacts.get(conversation.contact_id, []))
        or show_address(message.address_kind, message.address),
        channel=work.channel.name,
        excerpt=excerpt(message),
        why=explain(work.code, work.detail),
        provider_code=work.provider_code or "",
        attempts=work.attempts,
        at=message.accepted_at,
    )


def show_channel(channel: Channel, waiting: int) -> ChannelRow:
    state, word, why, since = _health(channel)
    return ChannelRow(
        uid=channel.uid.hex,
        name=channel.name,
        provider=get_provider(channel.provider).label,
        number=f"+{channel.number}",
        answered_by=channel.answered_by,
        state=state,
        word=word,
        why=why,
        since=since,
        rate=1 / channel.rate_interval if channel.rate_interval else 0.0,
        waiting=waiting,
    )


def _health(channel: Channel) -> tuple[str, str, str, datetime | None]:
    if not channel.active:
        return "off", _("Switched off"), "", None
    if channel.paused_at:
        why = _("By hand.") if channel.paused_reason == BY_HAND else channel.paused_reason
        return "paused", _("Paused"), why, channel.paused_at
    if channel.breaker_opened_at is not None:
        opened = datetime.fromtimestamp(channel.breaker_opened_at, UTC)
        return "waiting", _("Waiting for the provider"), _("Its provider failed several times in a row."), opened
    return "ok", _("Sends"), "", None
