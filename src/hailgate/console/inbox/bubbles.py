"""Messages as a thread shows them, each with what other rows say of it."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.utils.translation import gettext as _

from hailgate.accounts.seal import sealer
from hailgate.console.inbox.content_parts import MessageParts, OriginShown, read_origin, take_apart, template_called
from hailgate.console.presenters import (
    Tick,
    excerpt,
    explain,
    operator_of,
    read_content,
    said_at,
    show_address,
    show_tick,
)
from hailgate.core.events import Change
from hailgate.core.status import Status
from hailgate.core.templates import Definition
from hailgate.messaging.models import CONSENT, RESPONDER, TELEPHONE, Amendment, Attachment, Direction, Message


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
