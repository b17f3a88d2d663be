"""What an assistant is: something that reads a conversation and composes an answer. It sends nothing itself."""

from typing import Protocol

from msgspec import Struct

from hailgate.core.content import Outbound


class Said(Struct, frozen=True):
    """One message of the conversation. ``text`` is None where nothing was said in words; ``kind`` names what it was."""

    by_person: bool
    kind: str
    text: str | None

    def __repr__(self) -> str:
        return f"Said(by_person={self.by_person}, kind={self.kind!r})"


class Question(Struct, frozen=True):
    """``history`` ends with the messages to be answered, ``unanswered`` counts them (at least one)."""

    history: tuple[Said, ...]
    unanswered: int

    @property
    def asked(self) -> tuple[Said, ...]:
        return self.history[-self.unanswered :]


class Answer(Struct, frozen=True):
    """Messages to send, in order (none is allowed), and whether a person should take over afterwards."""

    messages: tuple[Outbound, ...]
    hand_over: bool = False


class Assistant(Protocol):
    """``reads_history``: whether it wants to know what was said before the messages that it answers."""

    name: str
    reads_history: bool

    async def compose(self, question: Question) -> Answer:
        """Raises AssistantError; anything slow or unsafe is the caller's to bound and review."""
