"""Timeline: what happened to one message, in order and in the words that people and programs are told."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from hailgate.accounts.seal import sealer
from hailgate.core.status import Status
from hailgate.messaging.models import Attempt, Direction, Message, Receipt
from hailgate.messaging.outbound.waits import tell_waiting
from hailgate.messaging.outbound.why import AnswerTold, find_answer, find_tool_calls

# An attempt's outcome, as the timeline calls it.
_EVENTS: Final = {"sent": "sent", "retry": "retried", "snooze": "retried", "bury": "failed", "park": "unknown"}
# Providers tell whole seconds: what they report belongs to the end of its second, after what we did within it.
_REST_OF_SECOND: Final = timedelta(microseconds=999_999)


class Happening(NamedTuple):
    """``attempt`` is set for what an attempt of ours came to; ``next_at`` where another was planned.

    ``told`` is the provider's own words; ``participant`` the key of the one person of a group whom it is about.
    """

    at: datetime
    event: str
    attempt: int | None = None
    code: str | None = None
    detail: str | None = None
    next_at: datetime | None = None
    told: str | None = None
    participant: str | None = None


def tell_timeline(message: Message) -> list[Happening]:
    """Accepted or received, each attempt and its outcome, what was reported, and what it waits for now.

    Without content. ``channel`` and ``conversation`` are loaded with the message.
    """
    begin = "received" if message.direction == Direction.INBOUND else "queued"
    happenings = [Happening(message.accepted_at, begin), *_composed(message), *_attempts(message), *_receipts(message)]
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


def _composed(message: Message) -> Iterator[Happening]:
    """Why an assistant said this: its version, the model, what it took, and what the review noted."""
    if answer := find_answer(message):
        yield Happening(message.accepted_at, "composed", code=answer.note or None, detail=_explain(answer))
    for call in find_tool_calls(message):
        detail = f"{call.name}: {call.state}." if call.mode == "writes" else f"{call.name}: read."
        yield Happening(message.accepted_at, "tool", code=call.code or None, detail=detail)


def _explain(answer: AnswerTold) -> str:
    by = f"By {answer.assistant}" + ("" if answer.version is None else f", version {answer.version}")
    if not answer.calls:
        return f"{by}, without a model."
    tokens = answer.input_tokens + answer.output_tokens
    about = f", about {answer.cost}" if answer.cost else ""
    return (
        f"{by}: {answer.vendor} {answer.model}, {answer.calls} calls, {tokens} tokens{about}, {answer.seconds:.1f} s."
    )


def _attempts(message: Message) -> Iterator[Happening]:
    for attempt in Attempt.objects.filter(tenant_id=message.tenant_id, message_id=message.id).order_by("number"):
        yield Happening(attempt.started_at, "sending", attempt.number)
        if attempt.finished_at is not None:
            reason = attempt.code or None, attempt.detail or None
            yield Happening(
                attempt.finished_at, _EVENTS[attempt.outcome], attempt.number, *reason, next_at=attempt.next_at
            )


def _receipts(message: Message) -> Iterator[Happening]:
    unseal = sealer().unseal
    for receipt in Receipt.objects.filter(tenant_id=message.tenant_id, message_id=message.id).order_by("id"):
        yield Happening(
            receipt.at,
            receipt.event,
            code=receipt.code or None,
            detail=receipt.detail or None,
            told=unseal(receipt.told) or None,
            participant=unseal(receipt.participant) or None,
        )
