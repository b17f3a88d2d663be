"""Rows as people see them: unsealed, in words. No markup here; templates escape whatever is shown."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from hailgate.accounts.models import Operator
from hailgate.accounts.seal import sealer
from hailgate.console.contents import Parts, line_of, take_apart, template_called
from hailgate.core import window
from hailgate.core.content import content_as_json
from hailgate.core.events import Change
from hailgate.core.status import Status
from hailgate.core.templates import Definition
from hailgate.messaging.models import (
    PERSON,
    TELEPHONE,
    Amendment,
    Attachment,
    Contact,
    ContactAddress,
    Conversation,
    Direction,
    Message,
)
from hailgate.problems import delivery_codes
from hailgate.providers import get_provider

EXCERPT = 120


class Tick(NamedTuple):
    """How far one of our messages has come: a class for the style sheet, and a word for everybody."""

    kind: str
    word: str


class Row(NamedTuple):
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
    channel: str


class Quote(NamedTuple):
    """``uid`` is that of the quoted message."""

    uid: str
    by: str
    excerpt: str


class Reaction(NamedTuple):
    emoji: str
    by: str


class Bubble(NamedTuple):
    """A message in the thread. ``known`` to the provider, it can be quoted and reacted to."""

    uid: str
    ours: bool
    by: str
    parts: Parts
    at: datetime
    tick: Tick | None
    problem: str
    quote: Quote | None
    scheduled: datetime | None
    reactions: list[Reaction]
    edited: bool
    known: bool


class Beside(NamedTuple):
    """What stands in other rows and belongs to messages of a page, by their ids; quotes by the provider's."""

    person: str
    quotes: dict[str, Quote]
    operators: dict[str, str]
    files: dict[int, Attachment]
    changes: dict[int, list[Amendment]]
    ours: dict[int, str]
    templates: dict[tuple[str, str], Definition]


class Heading(NamedTuple):
    """Above a thread, and in the panel beside it."""

    uid: str
    name: str
    initials: str
    hue: int
    numbers: list[str]
    is_group: bool
    channel: str
    provider: str
    assistant: str
    operator: str
    window_open: bool
    window_closes_at: datetime | None
    since: datetime


def show_row(
    conversation: Conversation, addresses: Sequence[ContactAddress], last: Message | None, *, many_channels: bool
) -> Row:
    name = show_name(conversation.contact, addresses)
    return Row(
        uid=conversation.uid.hex,
        name=name,
        initials=initials(name),
        hue=conversation.contact_id % 8,
        excerpt=excerpt(last) if last else "",
        by=_("You") if last and last.direction == Direction.OUTBOUND and last.sender == "operator" else "",
        at=conversation.last_message_at,
        unread=is_unread(conversation),
        tick=show_tick(last) if last else None,
        assistant="" if conversation.answered_by == PERSON else conversation.answered_by,
        channel=conversation.channel.name if many_channels else "",
    )


def is_unread(conversation: Conversation) -> bool:
    """Something arrived that no operator has seen, where a person answers."""
    return conversation.answered_by == PERSON and conversation.last_inbound_id > conversation.seen_id


def show_heading(conversation: Conversation, addresses: Sequence[ContactAddress], operator: Operator | None) -> Heading:
    name = show_name(conversation.contact, addresses)
    length = get_provider(conversation.channel.provider).capabilities.window_seconds
    heard = conversation.last_inbound_at.timestamp() if conversation.last_inbound_at else None
    closes_at = window.closes_at(heard, length)
    return Heading(
        uid=conversation.uid.hex,
        name=name,
        initials=initials(name),
        hue=conversation.contact_id % 8,
        numbers=[show_address(address.kind, address.value) for address in addresses],
        is_group=conversation.contact.is_group,
        channel=conversation.channel.name,
        provider=get_provider(conversation.channel.provider).label,
        assistant="" if conversation.answered_by == PERSON else conversation.answered_by,
        operator=str(operator) if operator else "",
        window_open=window.is_open(heard, time.time(), length),
        window_closes_at=_moment(closes_at),
        since=conversation.created_at,
    )


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
        at=message.accepted_at,
        tick=show_tick(message),
        problem=_problem(message),
        quote=beside.quotes.get(message.context_id),
        scheduled=message.send_at if message.status == Status.QUEUED else None,
        reactions=_reactions(changes, beside.ours.get(message.pk, ""), beside.person),
        edited=any(change.change == Change.EDIT and change.before for change in changes),
        known=bool(message.provider_id) and content.get("type") != "deleted",
    )


def _reactions(changes: Iterable[Amendment], ours: str, person: str) -> list[Reaction]:
    """The last of each person, if it was not taken away; ours behind them."""
    last = {change.author_digest: change for change in changes if change.change == Change.REACTION}
    theirs = [
        Reaction(emoji, _reacted(each, person if len(last) == 1 else ""))
        for each in last.values()
        if (emoji := sealer().unseal(each.content))
    ]
    return [*theirs, Reaction(ours, _("You"))] if ours else theirs


def _reacted(change: Amendment, person: str) -> str:
    """By name where only one did; us where it was done on the business's own telephone."""
    if not change.author_kind:
        return _("You")
    return person or show_address(change.author_kind, change.author)


def show_quote(message: Message, person: str) -> Quote:
    return Quote(message.uid.hex, _("You") if message.direction == Direction.OUTBOUND else person, excerpt(message))


def show_name(contact: Contact, addresses: Sequence[ContactAddress]) -> str:
    """The name they gave themselves, else the best address, else nothing that could be taken for either."""
    if name := sealer().unseal(contact.name).strip():
        return name
    return show_address(addresses[0].kind, addresses[0].value) if addresses else _("Unknown")


def show_address(kind: str, stored: str) -> str:
    value = sealer().unseal(stored)
    return f"+{value}" if kind == "phone" else value


def excerpt(message: Message) -> str:
    """One line of it, for lists."""
    text = " ".join(line_of(read_content(message)).split())
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"


def show_tick(message: Message) -> Tick | None:
    if message.direction == Direction.INBOUND:
        return None
    if message.unknown:
        return Tick("unknown", _("Unknown: it may or may not have arrived"))
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


def explain(code: str, detail: str) -> str:
    """Our sentence about a code, and what the provider or the worker added to it."""
    sentences = {known.code: known.sentence for known in delivery_codes()}
    sentence = sentences.get(code, "")
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
    return _("API") if message.sender == "api" else message.sender


def _problem(message: Message) -> str:
    failed = message.direction == Direction.OUTBOUND and message.status == Status.FAILED
    return explain(message.code, message.detail) if failed else ""


def read_content(message: Message) -> dict[str, Any]:
    return content_as_json(sealer().unseal(message.content))


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
