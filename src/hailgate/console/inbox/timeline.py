"""What happened to one message, in plain words."""

from datetime import datetime
from typing import Final, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from hailgate.console.presenters import explain
from hailgate.messaging.models import Message
from hailgate.messaging.outbound import timeline

_WORDS: Final = {
    "received": gettext_noop("Received"),
    "queued": gettext_noop("Accepted"),
    "composed": gettext_noop("Composed by an assistant"),
    "tool": gettext_noop("Tool of the assistant"),
    "sending": gettext_noop("Attempt begun"),
    "sent": gettext_noop("Taken by the provider"),
    "reported": gettext_noop("Reported as sent"),
    "retried": gettext_noop("Not taken; tried again later"),
    "failed": gettext_noop("Failed"),
    "unknown": gettext_noop("Outcome unknown"),
    "delivered": gettext_noop("Delivered"),
    "read": gettext_noop("Read"),
    "played": gettext_noop("Played"),
    "edited": gettext_noop("Changed by hand"),
    "revived": gettext_noop("Sent again by hand"),
    "cancelled": gettext_noop("Taken back"),
    "waiting": gettext_noop("Waits now"),
}


class Step(NamedTuple):
    at: datetime
    kind: str
    word: str
    attempt: int | None
    why: str
    told: str
    who: str
    until: datetime | None


def tell_timeline(message: Message) -> list[Step]:
    return [_step(happening) for happening in timeline.tell_timeline(message)]


def _step(told: timeline.Happening) -> Step:
    """What a provider reports as sent is told apart from what our attempt came to."""
    kind = "reported" if told.event == "sent" and told.attempt is None else told.event
    word = _WORDS.get(kind)
    why = explain(told.code or "", told.detail or "")
    who = (told.participant or "").partition(":")[2]
    return Step(told.at, kind, _(word) if word else kind, told.attempt, why, told.told or "", who, told.next_at)


def show_price(message: Message) -> str:
    """What the provider charges for it, in its own words; nothing before it said so."""
    words = " · ".join(filter(None, (message.price_category, message.price_type)))
    if not words and message.billed is None:
        return ""
    billed = {True: _("charged"), False: _("free"), None: ""}[message.billed]
    return " · ".join(filter(None, (billed, words)))
