"""Rows as people see them: unsealed, in words. No markup here; templates escape whatever is shown."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from hailgate.accounts.operators import CurrentOperator
from hailgate.accounts.seal import sealer
from hailgate.console.inbox.content_parts import (
    MessageParts,
    OriginShown,
    line_of,
    read_origin,
    take_apart,
    template_called,
)
from hailgate.core import window
from hailgate.core.content import content_as_json
from hailgate.core.errors import ChannelDisconnected
from hailgate.core.events import Change
from hailgate.core.status import Status
from hailgate.core.templates import Definition
from hailgate.core.thread_owner import ThreadOwner, owner_now
from hailgate.delivery_codes import explain as explain_code
from hailgate.messaging.channels.admin import BY_HAND
from hailgate.messaging.channels.sessions import NOT_PAIRED, OTHER_NUMBER
from hailgate.messaging.models import (
    CONSENT,
    PERSON,
    RESPONDER,
    TELEPHONE,
    Amendment,
    Attachment,
    Channel,
    Contact,
    ContactAddress,
    Conversation,
    Direction,
    Message,
)
from hailgate.providers import get_provider

EXCERPT = 120


class Tick(NamedTuple):
    """How far one of our messages has come: a class for the style sheet, and a word for everybody."""

    kind: str
    word: str


class MessageShown(NamedTuple):
    """A conversation in the list."""

    uid: str
    name: str
    initials: str
    hue: int
    excerpt: str
    by: str
    at: datetime | None
    unread: bool
    tick: Tick | None
    assistant: str
    holder: str
    channel: str
    paused: bool


class Quote(NamedTuple):
    """``uid`` is that of the quoted message."""

    uid: str
    by: str
    excerpt: str


class ReactionShown(NamedTuple):
    emoji: str
    by: str


class Bubble(NamedTuple):
    """A message in the thread. ``known`` to the provider, it can be quoted and reacted to. A turn ``composed`` it."""

    uid: str
    ours: bool
    by: str
    parts: MessageParts
    at: datetime
    tick: Tick | None
    problem: str
    quote: Quote | None
    quote_missing: bool
    origin: OriginShown | None
    scheduled: datetime | None
    reactions: list[ReactionShown]
    edited: bool
    known: bool
    composed: bool


class Beside(NamedTuple):
    """What stands in other rows and belongs to messages of a page, by their ids; quotes by the provider's."""

    person: str
    quotes: dict[str, Quote]
    operators: dict[str, str]
    files: dict[int, Attachment]
    changes: dict[int, list[Amendment]]
    ours: dict[int, str]
    templates: dict[tuple[str, str], Definition]
    stale: frozenset[int]


class ListBeside(NamedTuple):
    """What all rows of a list share. ``operators`` are names by uid."""

    viewer: CurrentOperator
    operators: dict[str, str]
    many_channels: bool


class Heading(NamedTuple):
    """Above a thread, and in the panel beside it. They call themselves ``told_name``, we them ``own_name``."""

    uid: str
    contact: str
    name: str
    told_name: str
    own_name: str
    initials: str
    hue: int
    numbers: list[str]
    is_group: bool
    channel: str
    provider: str
    assistant: str
    operator: str
    held_by_other: bool
    responder: str
    paused: str
    window_open: bool
    window_closes_at: datetime | None
    free_until: datetime | None
    since: datetime


def show_row(
    conversation: Conversation, addresses: Sequence[ContactAddress], last: Message | None, beside: ListBeside
) -> MessageShown:
    """``last`` is the message whose words stand in the list."""
    name = show_name(conversation.contact, addresses)
    return MessageShown(
        uid=conversation.uid.hex,
        name=name,
        initials=initials(name),
        hue=conversation.contact_id % 8,
        excerpt=excerpt(last) if last else "",
        by=_writer(last, beside) if last else "",
        at=said_at(last) if last else conversation.last_message_at,
        unread=is_unread(conversation),
        tick=show_tick(last) if last else None,
        assistant=_assistant(conversation) if has_written(conversation) else "",
        holder=_holder(conversation, beside.viewer),
        channel=conversation.channel.name if beside.many_channels else "",
        paused=conversation.channel.paused_at is not None,
    )


def _assistant(conversation: Conversation) -> str:
    return "" if conversation.answered_by == PERSON else conversation.answered_by


def has_written(conversation: Conversation) -> bool:
    """Nobody answers a person who never wrote: what an API sends is no conversation yet."""
    return conversation.last_inbound_id > 0


def said_at(message: Message) -> datetime:
    """A person's own time, as the provider tells it; ours of what we sent. After an outage they differ by hours."""
    told: datetime | None = message.provider_at if message.direction == Direction.INBOUND else None
    accepted: datetime = message.accepted_at
    return told or accepted


def _writer(message: Message, beside: ListBeside) -> str:
    """Before the words of a list: a colleague's are not one's own."""
    uid = operator_of(message)
    if uid == beside.viewer.uid:
        return _("You")
    return beside.operators.get(uid, "") if uid else ""


def _holder(conversation: Conversation, viewer: CurrentOperator) -> str:
    """Who has it; nobody is told that they have it themselves."""
    operator = conversation.operator
    return str(operator) if operator and operator.pk != viewer.operator_id else ""


def is_unread(conversation: Conversation) -> bool:
    """Something arrived that no operator has seen, where a person answers."""
    return conversation.answered_by == PERSON and conversation.last_inbound_id > conversation.seen_id


def show_heading(conversation: Conversation, addresses: Sequence[ContactAddress], viewer: CurrentOperator) -> Heading:
    operator, channel = conversation.operator, conversation.channel
    name = show_name(conversation.contact, addresses)
    length = get_provider(conversation.channel.provider).capabilities.window_seconds
    heard = conversation.last_inbound_at.timestamp() if conversation.last_inbound_at else None
    free_until = conversation.free_until
    closes_at = window.closes_at(heard, length, free_until)
    return Heading(
        uid=conversation.uid.hex,
        contact=conversation.contact.uid.hex,
        name=name,
        told_name=sealer().unseal(conversation.contact.name),
        own_name=sealer().unseal(conversation.contact.own_name),
        initials=initials(name),
        hue=conversation.contact_id % 8,
        numbers=[show_address(address.kind, address.value) for address in addresses],
        is_group=conversation.contact.is_group,
        channel=conversation.channel.name,
        provider=get_provider(conversation.channel.provider).label,
        assistant=_assistant(conversation),
        operator=str(operator) if operator else "",
        held_by_other=bool(_holder(conversation, viewer)),
        responder=_responder(conversation),
        paused=show_pause(channel) if channel.paused_at else "",
        window_open=conversation.window_unsure or window.is_open(heard, time.time(), length, free_until),
        window_closes_at=_moment(closes_at),
        free_until=_moment(free_until) if free_until > time.time() else None,
        since=conversation.created_at,
    )


def _responder(conversation: Conversation) -> str:
    """Who else answers at the same number now; empty where nobody does."""
    owner = owner_now(conversation.thread_owner, conversation.thread_owner_at, time.time())
    return (conversation.thread_owner_role or _("another responder")) if owner is ThreadOwner.OTHER else ""


def show_bubble(message: Message, beside: Beside) -> Bubble:
    ours = message.direction == Direction.OUTBOUND
    changes = beside.changes.get(message.pk, [])
    content = read_content(message)
    return Bubble(
        uid=message.uid.hex,
        ours=ours,
        by=_author(message, beside.operators, beside.person),
        parts=take_apart(
            content,
            beside.files.get(message.pk),
            beside.templates.get(template_called(content)) if message.kind == "template" else None,
        ),
        at=said_at(message),
        tick=show_tick(message, stale=message.pk in beside.stale),
        problem=_problem(message),
        quote=beside.quotes.get(message.context_id),
        quote_missing=bool(message.context_id) and message.context_id not in beside.quotes,
        origin=read_origin(content),
        scheduled=message.send_at if message.status == Status.QUEUED else None,
        reactions=_reactions(changes, beside.ours.get(message.pk, ""), beside.person),
        edited=any(change.change == Change.EDIT and change.before for change in changes),
        known=bool(message.provider_id) and content.get("type") != "deleted",
        composed=ours and message.cause is not None,
    )


def _reactions(changes: Iterable[Amendment], ours: str, person: str) -> list[ReactionShown]:
    """The last of each person, if it was not taken away; ours behind them."""
    last = {change.author_digest: change for change in changes if change.change == Change.REACTION}
    theirs = [
        ReactionShown(emoji, _reacted(each, person if len(last) == 1 else ""))
        for each in last.values()
        if (emoji := sealer().unseal(each.content))
    ]
    return [*theirs, ReactionShown(ours, _("You"))] if ours else theirs


def _reacted(change: Amendment, person: str) -> str:
    """By name where only one did; us where it was done on the business's own telephone."""
    if not change.author_kind:
        return _("You")
    return person or show_address(change.author_kind, change.author)


def show_quote(message: Message, person: str) -> Quote:
    return Quote(message.uid.hex, _("Us") if message.direction == Direction.OUTBOUND else person, excerpt(message))


def show_pause(channel: Channel) -> str:
    """Why it sends nothing, in words."""
    ours = _PAUSES.get(channel.paused_reason)
    return _(ours) if ours else explain(channel.paused_reason, "", channel.provider)


_PAUSES: Final[Mapping[str, str]] = {
    BY_HAND: gettext_noop("By hand."),
    NOT_PAIRED: gettext_noop("No phone is paired with it."),
    ChannelDisconnected.code: gettext_noop("Its phone is not paired any more."),
    OTHER_NUMBER: gettext_noop("Another phone than expected is paired."),
}


def show_name(contact: Contact, addresses: Sequence[ContactAddress]) -> str:
    """What an operator calls them, else they themselves, else the best address: nothing that could be taken for one."""
    for name in (contact.own_name, contact.name):
        if shown := sealer().unseal(name).strip():
            return shown
    return show_address(addresses[0].kind, addresses[0].value) if addresses else _("Unknown")


def show_address(kind: str, stored: str) -> str:
    value = sealer().unseal(stored)
    return f"+{value}" if kind == "phone" else value


def excerpt(message: Message) -> str:
    """One line of it, for lists."""
    text = " ".join(line_of(read_content(message)).split())
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"


def show_tick(message: Message, *, stale: bool = False) -> Tick | None:
    if message.direction == Direction.INBOUND:
        return None
    if message.unknown:
        return Tick("unknown", _("Unknown: it may or may not have arrived"))
    if stale:
        return Tick("stale", _("Sent over an hour ago, and nothing was heard of it since"))
    status = Status(message.status)
    return Tick(status.word, _WORDS[status]())


_WORDS = {
    Status.QUEUED: lambda: _("Waiting to be sent"),
    Status.SENT: lambda: _("Sent"),
    Status.FAILED: lambda: _("Failed"),
    Status.DELIVERED: lambda: _("Delivered"),
    Status.READ: lambda: _("Read"),
    Status.PLAYED: lambda: _("Played"),
}


def explain(code: str, detail: str, provider: str = "") -> str:
    """Our sentence about a code, and what the provider or the worker added to it."""
    sentence = explain_code(code, provider)
    return " ".join(filter(None, [sentence and _(sentence), detail])) or code


def initials(name: str) -> str:
    """Two letters at most; a number has none."""
    words = [word for word in name.split() if word[0].isalpha()]
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


def by_contact(addresses: Iterable[ContactAddress]) -> dict[int, list[ContactAddress]]:
    found: dict[int, list[ContactAddress]] = {}
    for address in addresses:
        found.setdefault(address.contact_id, []).append(address)
    return found


def operator_of(message: Message) -> str:
    """The uid of the operator who wrote it, where one did."""
    if message.sender != "operator" or not message.metadata:
        return ""
    return str(content_as_json(message.metadata).get("operator", ""))


def _author(message: Message, operators: dict[str, str], person: str) -> str:
    if message.direction == Direction.INBOUND:
        return show_address(message.author_kind, message.author) if message.author_kind else person
    if message.sender == "operator":
        return operators.get(operator_of(message), _("Operator"))
    if message.sender == TELEPHONE:
        return _("Telephone")
    if message.sender == RESPONDER:
        return _("Another responder")
    if message.sender == CONSENT:
        return _("Confirmation")
    return _("API") if message.sender == "api" else message.sender


def _problem(message: Message) -> str:
    failed = message.direction == Direction.OUTBOUND and message.status == Status.FAILED
    return explain(message.code, message.detail) if failed else ""


def read_content(message: Message) -> dict[str, Any]:
    return content_as_json(sealer().unseal(message.content))


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
