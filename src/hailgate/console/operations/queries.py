"""Queries behind the pages of operations. Every one is one tenant's, and none counts a table without an index."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from django.db.models import Count, F, QuerySet
from django.db.models.functions import Length
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from hailgate.accounts.alarms import find_alarms
from hailgate.accounts.audit import AuditAction, find_entries
from hailgate.accounts.models import AuditEntry, Membership
from hailgate.accounts.seal import sealer
from hailgate.console.inbox.queries import addresses_of, sign_place
from hailgate.console.presenters import excerpt, explain, show_address, show_name, show_pause
from hailgate.core.content import Text, decode_outbound
from hailgate.delivery_codes import remedy_of
from hailgate.messaging.channels.credentials import warn_of_settings
from hailgate.messaging.deadletters.dead_letters import (
    AFTERWARDS,
    DeadLetterFilter,
    find_letters,
    our_code,
    told_code,
)
from hailgate.messaging.models import (
    PERSON,
    Channel,
    Conversation,
    EventOrigin,
    EventState,
    WebhookEvent,
    Work,
    WorkKind,
    WorkState,
)
from hailgate.messaging.people.roots import root_of
from hailgate.messaging.upkeep.queue_stats import UNDONE, count_queue, oldest_undone
from hailgate.providers import get_provider

PAGE: Final = 50
DAY_S: Final = 86_400.0
# Beyond this many, figures say "at least" by being this many.
MOST_COUNTED: Final = 10_000
# A body is shown up to here; providers put whole files into some.
LONGEST_BODY: Final = 200_000


class ListPage(NamedTuple):
    items: list[Any]
    older: str


class StoppedMessage(NamedTuple):
    uid: str
    conversation: str
    dead: bool
    afterwards: bool
    remedy: str
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
    answered: str
    stored_in_s: float | None
    understood_in_s: float | None


class AuditLine(NamedTuple):
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
    pairs: bool
    ending: str


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


def list_dead_letters(tenant_id: int, wanted: DeadLetterFilter, before: int | None) -> ListPage:
    rows = find_letters(tenant_id, wanted).select_related(
        "conversation__contact", "conversation__merged_into__contact", "channel"
    )
    page, older = _page(rows, before)
    contacts = addresses_of(tenant_id, [root_of(message.conversation).contact_id for message in page])
    return ListPage([_dead_letter(message, contacts) for message in page], older)


def find_stopped(tenant_id: int, messages: Sequence[UUID]) -> list[int]:
    return list(find_letters(tenant_id).filter(uid__in=messages).values_list("id", flat=True))


def find_stopped_text(tenant_id: int, message: UUID) -> str | None:
    """What a failed message of plain text says."""
    failed = _stopped(tenant_id).filter(state=WorkState.DEAD, message__uid=message, message__kind="text")
    work = failed.select_related("message").first()
    if work is None:
        return None
    content = decode_outbound(sealer().unseal(work.message.content))
    return content.text.body if isinstance(content, Text) else None


def list_audit(tenant_id: int, before: int | None) -> ListPage:
    page, older = _page(find_entries(tenant_id), before)
    channels = Channel.objects.filter(tenant_id=tenant_id).values_list("uid", "name")
    names = {f"channel:{uid}": name for uid, name in channels}
    members = Membership.objects.filter(tenant_id=tenant_id).select_related("operator")
    names |= {f"operator:{member.operator.uid}": str(member.operator) for member in members}
    return ListPage([_entry(entry, names) for entry in page], older)


def _entry(entry: AuditEntry, names: Mapping[str, str]) -> AuditLine:
    what = _DEEDS.get(entry.action)
    kind, id_ = entry.subject.partition(":")[::2]
    where = {"conversation": "console:conversation"}.get(kind)
    return AuditLine(
        at=entry.at,
        who=entry.name or entry.actor_kind,
        how={"operator": "", "key": _("API key"), "command": _("command line")}[entry.actor_kind],
        what=_(what) if what else entry.action,
        subject=names.get(entry.subject, _SUBJECTS[kind]() if kind in _SUBJECTS else entry.subject),
        link=reverse(where, args=[id_.replace("-", "")]) if where else "",
        times=entry.count,
        detail=entry.detail,
    )


# What has no name of its own is called by its kind: an id says nothing to people.
_SUBJECTS: Final = {
    "conversation": lambda: _("Conversation"),
    "message": lambda: _("Message"),
    "alarm": lambda: _("Alarm"),
    "account": lambda: _("Account"),
}
_DEEDS: Final[Mapping[str, str]] = {
    AuditAction.MESSAGE_REVIVED: gettext_noop("Sent again"),
    AuditAction.MESSAGE_EDITED: gettext_noop("Changed and sent again"),
    AuditAction.MESSAGE_CANCELLED: gettext_noop("Taken back"),
    AuditAction.LETTERS_EXPORTED: gettext_noop("Stopped messages exported"),
    AuditAction.CHANNEL_MADE: gettext_noop("Channel made"),
    AuditAction.CHANNEL_CHANGED: gettext_noop("Channel changed"),
    AuditAction.CHANNEL_REMOVED: gettext_noop("Channel removed"),
    AuditAction.CHANNEL_PAUSED: gettext_noop("Channel paused"),
    AuditAction.CHANNEL_RESUMED: gettext_noop("Channel resumed"),
    AuditAction.SESSION_WISHED: gettext_noop("Session changed"),
    AuditAction.SESSION_CODE_SHOWN: gettext_noop("Pairing code shown"),
    AuditAction.SESSION_NUMBER_CONFIRMED: gettext_noop("Number of a phone confirmed"),
    AuditAction.HOOK_MADE: gettext_noop("Hook made"),
    AuditAction.HOOK_REMOVED: gettext_noop("Hook removed"),
    AuditAction.HOOK_REVEALED: gettext_noop("Address of a hook shown"),
    AuditAction.HOOK_RENEWED: gettext_noop("Address of a hook exchanged"),
    AuditAction.ASSISTANT_MADE: gettext_noop("Assistant made"),
    AuditAction.ASSISTANT_DRAFTED: gettext_noop("Draft of an assistant changed"),
    AuditAction.ASSISTANT_PUBLISHED: gettext_noop("Assistant published"),
    AuditAction.ASSISTANT_SWITCHED: gettext_noop("Assistant switched on or off"),
    AuditAction.ASSISTANTS_STOPPED: gettext_noop("All assistants stopped"),
    AuditAction.ASSISTANTS_RESUMED: gettext_noop("Assistants answer again"),
    AuditAction.BUDGET_SET: gettext_noop("Budget set"),
    AuditAction.BUDGET_REMOVED: gettext_noop("Budget removed"),
    AuditAction.PRICES_IMPORTED: gettext_noop("Prices imported"),
    AuditAction.FLOOD_RULE_SET: gettext_noop("Rule of floods set"),
    AuditAction.FLOOD_RULE_REMOVED: gettext_noop("Rule of floods removed"),
    AuditAction.PATTERN_SET: gettext_noop("Pattern set"),
    AuditAction.PATTERN_REMOVED: gettext_noop("Pattern removed"),
    AuditAction.SIGNED_IN: gettext_noop("Signed in"),
    AuditAction.SIGN_IN_FAILED: gettext_noop("Sign-in failed"),
    AuditAction.LINK_USED: gettext_noop("Signed in by a link"),
    AuditAction.TEMPLATES_LISTED: gettext_noop("Templates listed anew"),
    AuditAction.CONVERSATION_TAKEN_OVER: gettext_noop("Conversation taken over"),
    AuditAction.CONVERSATION_GIVEN_BACK: gettext_noop("Conversation given back"),
    AuditAction.MESSAGE_SETTLED: gettext_noop("Unknown outcome settled"),
    AuditAction.FAILURE_DISMISSED: gettext_noop("Failed message dismissed"),
    AuditAction.PEOPLE_JOINED: gettext_noop("Two contacts joined"),
    AuditAction.PEOPLE_PARTED: gettext_noop("Two contacts parted"),
    AuditAction.PEOPLE_DISMISSED: gettext_noop("Two contacts are not one person"),
    AuditAction.CONTACT_NAMED: gettext_noop("Contact named"),
    AuditAction.CONSENT_TAKEN: gettext_noop("Consent taken down"),
    AuditAction.KEY_MADE: gettext_noop("API key made"),
    AuditAction.KEY_LIMITED: gettext_noop("Limit of an API key set"),
    AuditAction.KEY_REVOKED: gettext_noop("API key revoked"),
    AuditAction.TENANT_MADE: gettext_noop("Tenant made"),
    AuditAction.TENANT_RENAMED: gettext_noop("Tenant renamed"),
    AuditAction.TENANT_REMOVED: gettext_noop("Tenant removed"),
    AuditAction.TENANT_LIMITED: gettext_noop("Limit of the tenant set"),
    AuditAction.OPERATOR_ADDED: gettext_noop("Operator added"),
    AuditAction.OPERATOR_CHANGED: gettext_noop("Operator changed"),
    AuditAction.OPERATOR_LINKED: gettext_noop("Sign-in link made"),
    AuditAction.OPERATOR_SHUT_OUT: gettext_noop("Operator shut out"),
    AuditAction.OPERATOR_LET_IN: gettext_noop("Operator let in again"),
    AuditAction.PASSWORD_CHANGED: gettext_noop("Password changed"),
    AuditAction.CONVERSATION_OPENED: gettext_noop("Conversation opened"),
    AuditAction.SEALED_AGAIN: gettext_noop("Secrets sealed with the newest key"),
    AuditAction.ALARM_CLEARED: gettext_noop("Alarm cleared"),
}


def list_events(tenant_id: int, kind: str, before: int | None) -> ListPage:
    rows = WebhookEvent.objects.filter(tenant_id=tenant_id).select_related("hook").defer("headers", "body")
    states = {"pending": EventState.PENDING, "dead": EventState.DEAD}
    if kind in states:
        rows = rows.filter(state=states[kind])
    page, older = _page(rows.annotate(small=Length("body")), before)
    return ListPage([show_event(event, event.small) for event in page], older)


def show_event(event: WebhookEvent, small: int) -> EventRow:
    """``small`` is how many bytes of its body lie in the row itself."""
    words = {EventState.PENDING: _("Waiting"), EventState.DONE: _("Understood"), EventState.DEAD: _("Set aside")}
    state = EventState(event.state)
    return EventRow(
        uid=event.uid.hex,
        at=event.received_at,
        provider=get_provider(event.hook.provider).label,
        state=state.name.lower(),
        word=words[state],
        outcome=event.outcome,
        size=event.body_size or small,
        tries=event.tries,
        answered="" if event.origin == EventOrigin.POLL else "200",
        stored_in_s=event.stored_in_s,
        understood_in_s=_between(event.received_at, event.understood_at),
    )


def _between(begun: datetime, ended: datetime | None) -> float | None:
    return None if ended is None else max(0.0, (ended - begun).total_seconds())


def read_body(event: WebhookEvent) -> str:
    """Indented where it is JSON; otherwise as it came. A large one lies in the store of files, and is not shown."""
    if event.body_size:
        return "…"
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
    rows = count_queue(tenant_id)
    active = _active(tenant_id, now - DAY_S)
    return Overview(
        active=len(active),
        unread=conversations.filter(answered_by=PERSON, last_inbound_id__gt=F("seen_id"))[:MOST_COUNTED].count(),
        assistant=sum(answered_by != PERSON for answered_by in active),
        waiting=sum(row.number for row in rows if row.state in UNDONE),
        oldest_s=max(oldest_undone(rows).values(), default=0.0),
        dead=find_letters(tenant_id).exclude(state="unknown")[:MOST_COUNTED].count(),
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


def _dead_letter(message: Any, contacts: dict[int, Any]) -> StoppedMessage:
    """A row of ``find_letters``."""
    provider = message.channel.provider
    code = our_code(provider, message.end_code)
    conversation = root_of(message.conversation)
    return StoppedMessage(
        uid=message.uid.hex,
        conversation=conversation.uid.hex,
        dead=message.state != "unknown",
        afterwards=message.state == AFTERWARDS,
        remedy=remedy_of(code, provider, unknown=message.state == "unknown"),
        text=message.kind == "text" and message.state == "dead",
        name=show_name(conversation.contact, contacts.get(conversation.contact_id, []))
        or show_address(message.address_kind, message.address),
        channel=message.channel.name,
        excerpt=excerpt(message),
        why=message.end_detail or explain(code, "", provider),
        provider_code=told_code(provider, message.end_code, message.provider_code),
        attempts=message.tries,
        at=message.accepted_at,
    )


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
