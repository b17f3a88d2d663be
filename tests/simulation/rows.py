"""Rows as the store's triggers tell them, and the words in which promises about them are checked."""

import json
from typing import NamedTuple

from hailgate.messaging.models import Direction, WorkState

WAITING, READY, LEASED, PARKED, DEAD = (state.value for state in WorkState)
HEADS = {READY, LEASED}
# A message with this word in it ends each process that reads it, and is set aside for that.
POISON = "poison"
# This one ends each process whose assistant reads it; then a person answers.
POISON_FOR_ASSISTANTS = "hemlock"
# By so many seconds at most the processes disagree about the time.
SKEW = 1.0
# From, to: the verbs of a work row and no others. None is a row that is not there.
MOVES = {
    (None, WAITING), (None, READY),                                  # enqueue
    (WAITING, READY), (READY, LEASED),                               # promote, claim
    (LEASED, None), (LEASED, READY), (LEASED, DEAD), (LEASED, PARKED),  # complete, retry or release, bury, park
    (PARKED, None), (PARKED, WAITING), (DEAD, WAITING),              # settle, revive
    (READY, None), (WAITING, DEAD), (READY, DEAD),                   # settle before a claim, expire
    (READY, WAITING),                                                # one of two heads, when people are joined
}  # fmt: skip


class Work(NamedTuple):
    id: int
    kind: int
    key: int
    message_id: int | None
    channel_id: int | None
    state: int
    worker_id: int | None
    lease: int
    attempting: int
    due_at: float
    hold_until: float | None
    expires_at: float | None

    @property
    def is_open(self) -> bool:
        """Something has yet to be done about it, and not by a person."""
        return self.state in {WAITING, READY, LEASED}


class Message(NamedTuple):
    id: int
    uid: str
    conversation_id: int
    direction: int
    status: int
    unknown: int
    cause: int | None
    ordinal: int
    content: str
    provider_id: str | None
    code: str

    @property
    def inbound(self) -> bool:
        return self.direction == Direction.INBOUND.value

    @property
    def text(self) -> str:
        content = json.loads(self.content)
        return str(content["text"]["body"]) if content["type"] == "text" else ""
