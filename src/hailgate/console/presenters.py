"""Rows as people see them: unsealed, in words. No markup here; templates escape whatever is shown."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from hailgate.accounts.operators import CurrentOperator
from hailgate.accounts.seal import sealer
from hailgate.console.inbox.content_parts import (
    line_of,
)
from hailgate.core.content import content_as_json
from hailgate.core.errors import ChannelDisconnected
from hailgate.core.status import Status
from hailgate.delivery_codes import explain as explain_code
from hailgate.messaging.channels.admin import BY_HAND
from hailgate.messaging.channels.sessions import NOT_PAIRED, OTHER_NUMBER
from hailgate.messaging.models import (
    PERSON,
    Channel,
    Contact,
    ContactAddress,
    Conversation,
    Direction,
    Message,
)

EXCERPT = 120


class Tick(NamedTuple):
    """How far one of our messages has come: a class for the style sheet, and a word for everybody."""

    kind: str
    word: str


def assistant_of(conversation: Conversation) -> str:
    return "" if conversation.answered_by == PERSON else conversation.answered_by


def has_written(conversation: Conversation) -> bool:
    """Nobody answers a person who never wrote: what an API sends is no conversation yet."""
    return conversation.last_inbound_id > 0


def said_at(message: Message) -> datetime:
    """A person's own time, as the provider tells it; ours of what we sent. After an outage they differ by hours."""
    told: datetime | None = message.provider_at if message.direction == Direction.INBOUND else None
    accepted: datetime = message.accepted_at
    return told or accepted


def holder_of(conversation: Conversation, viewer: CurrentOperator) -> str:
    """Who has it; nobody is told that they have it themselves."""
    operator = conversation.operator
    return str(operator) if operator and operator.pk != viewer.operator_id else ""


def is_unread(conversation: Conversation) -> bool:
    """Something arrived that no operator has seen, where a person answers."""
    return conversation.answered_by == PERSON and conversation.last_inbound_id > conversation.seen_id


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


def read_content(message: Message) -> dict[str, Any]:
    return content_as_json(sealer().unseal(message.content))
