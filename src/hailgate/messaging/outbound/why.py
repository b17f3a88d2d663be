"""Why an answer: which version of which assistant gave it, by which model, what it took, and what the review noted."""

from typing import NamedTuple

from hailgate.core.money import format_amount
from hailgate.messaging.models import AssistantVersion, Direction, Message, ToolCall, TurnAnswer
from hailgate.messaging.outbound.estimates import estimate_answer


class AnswerTold(NamedTuple):
    """``cost`` is empty where no price is known; ``version`` None where the assistant is built in."""

    assistant: str
    version: int | None
    outcome: str
    note: str
    disclosed: bool
    vendor: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: str
    seconds: float


def find_answer(message: Message) -> AnswerTold | None:
    """None where no assistant gave it."""
    if message.direction == Direction.INBOUND or message.cause is None:
        return None
    answers = TurnAnswer.objects.filter(tenant_id=message.tenant_id, conversation_id=message.conversation_id)
    answer = answers.filter(turn=message.cause).first()
    if answer is None:
        return None
    versions = AssistantVersion.objects.filter(tenant_id=answer.tenant_id, pk=answer.version_id or 0)
    cost = estimate_answer(answer) if answer.calls else None
    return AnswerTold(
        assistant=answer.assistant,
        version=versions.values_list("number", flat=True).first(),
        outcome=answer.outcome,
        note=answer.note,
        disclosed=answer.disclosed,
        vendor=answer.vendor,
        model=answer.model,
        calls=answer.calls,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        cost=f"{format_amount(cost.nanos)} {cost.currency}" if cost else "",
        seconds=answer.seconds,
    )


def find_tool_calls(message: Message) -> list[ToolCall]:
    """In the order in which the model asked for them."""
    if message.direction == Direction.INBOUND or message.cause is None:
        return []
    return list(ToolCall.objects.filter(tenant_id=message.tenant_id, turn=message.cause).order_by("ordinal"))
