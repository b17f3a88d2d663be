"""Answers of turns: why an answer was given, by which version, and what it took; kept beside the message."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from hailgate.assistant.contract import Usage
from hailgate.core.status import Status
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch
from hailgate.messaging.store.tables import TURN_ANSWER

COLUMNS = (
    "tenant_id", "conversation_id", "channel_id", "turn", "asked_after", "message_uid", "assistant", "version_id",
    "conversation_version", "outcome", "note", "disclosed", "vendor", "model", "calls", "input_tokens",
    "output_tokens", "seconds", "created_at",
)  # fmt: skip


class AnswerRecord(NamedTuple):
    """``outcome`` is `answered`, `handed_over`, `silent` or `failed`; ``note`` is a constant word."""

    outcome: str
    note: str
    assistant: str
    version_id: int | None
    disclosed: bool
    usage: Usage
    seconds: float
    message_uid: UUID | None = None


class TurnPlace(NamedTuple):
    """Where a turn was; ``version`` is the conversation's, which rises whenever somebody else is to answer.

    ``asked_after`` is the last message that had been answered before it.
    """

    tenant_id: int
    conversation_id: int
    channel_id: int
    turn: int
    version: int
    asked_after: int


def record_answers(cursor: Cursor, records: Sequence[tuple[TurnPlace, AnswerRecord]], moment: float) -> None:
    rows = [
        (
            place.tenant_id, place.conversation_id, place.channel_id, place.turn, place.asked_after,
            record.message_uid, record.assistant, record.version_id, place.version, record.outcome,
            record.note[:60], record.disclosed, record.usage.vendor[:30], record.usage.model[:100],
            record.usage.calls, record.usage.input_tokens, record.usage.output_tokens, record.seconds, moment,
        )
        for place, record in records
    ]  # fmt: skip
    if rows:
        TURN_ANSWER.insert(cursor, COLUMNS, rows)


def find_disclosed(cursor: Cursor, conversation_ids: Sequence[int]) -> set[tuple[int, int]]:
    """Conversations, with the version at which their assistant last told that it is one; what failed told nothing."""
    found = fetch(
        cursor,
        f"SELECT conversation_id, max(conversation_version) FROM messaging_turnanswer answer WHERE disclosed "
        f"AND {among('conversation_id')} AND NOT EXISTS (SELECT 1 FROM messaging_message message "
        f"WHERE message.uid = answer.message_uid AND message.status = {Status.FAILED.value}) "
        f"{every_tenant('by key')} GROUP BY conversation_id",
        [array(conversation_ids)],
    )
    return {(conversation_id, version) for conversation_id, version in found}
