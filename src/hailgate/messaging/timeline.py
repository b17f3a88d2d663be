"""What happened to one message, in order and in the words that people and programs are told."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from hailgate.core.status import Status
from hailgate.messaging.models import Attempt, Direction, Message, Receipt
from hailgate.messaging.waiting import tell_waiting

# An attempt's outcome, as the timeline calls it.
_EVENTS: Final = {"sent": "sent", "retry": "retried", "snooze": "retried", "bury": "failed", "park": "unknown"}
# Providers tell whole seconds: what they report belongs to the end of its second, after what we did within it.
_REST_OF_SECOND: Final = timedelta(microseconds=999_999)


class Happening(NamedTuple):
    """``attempt`` is set for what an attempt of ours came to; ``next_at`` where another was planned."""

    at: datetime
    event: str
    attempt: int | None = None
    code: str | None = None
    detail: str | None = None
    next_at: datetime | None = None


def tell_timeline(message: Message) -> list[Happening]:
    """Accepted or received, each attempt and its outcome, what was reported, and what it waits for now.

    Without content and addresses. ``channel`` and ``conversation`` are loaded with the message.
    """
    begin = "received" if message.direction == Direction.INBOUND else "queued"
    happenings = [Happening(message.accepted_at, begin), *_attempts(message), *_receipts(message)]
    return [*sorted(happenings, key=_place), *_waits(message)]


def _place(happening: Happening) -> datetime:
    whole = happening.attempt is None and happening.at.microsecond == 0
    return happening.at + _REST_OF_SECOND if whole else happening.at


def _waits(message: Message) -> Iterator[Happening]:
    """Not stored anywhere: true at the moment of asking."""
    if message.direction == Direction.INBOUND or message.status != Status.QUEUED or message.unknown:
        return
    moment, reasons = tell_waiting(message)
    for reason in reasons:
        until = None if reason.until is None else _moment(reason.until)
        yield Happening(_moment(moment), "waiting", None, reason.wait, reason.wait.sentence, next_at=until)


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _attempts(message: Message) -> Iterator[Happening]:
    for attempt in Attempt.objects.filter(tenant_id=message.tenant_id, message_id=message.id).order_by("number"):
        yield Happening(attempt.started_at, "sending", attempt.number)
        if attempt.finished_at is not None:
            reason = attempt.code or None, attempt.detail or None
            yield Happening(
                attempt.finished_at, _EVENTS[attempt.outcome], attempt.number, *reason, next_at=attempt.next_at
            )


def _receipts(message: Message) -> Iterator[Happening]:
    for receipt in Receipt.objects.filter(tenant_id=message.tenant_id, message_id=message.id).order_by("id"):
        yield Happening(receipt.at, receipt.event, code=receipt.code or None, detail=receipt.detail or None)
