"""Model protocol: what a worker and its model processes say to each other, one JSON document a line."""

from enum import StrEnum
from typing import Any, Final, Literal

from msgspec import Struct

from hailgate.assistant.settings import ModelChoice
from hailgate.assistant.tools import ToolCallAsked

# A reply of 200 KB is no answer to a person; a line beyond this ends the process that wrote it.
LONGEST_LINE: Final = 1 << 20
# A call may hold files.
LONGEST_CALL: Final = 16 << 20
# The id of the line with which a process says that it has imported what it needs; calls count from 1.
READY: Final = 0


class Task(StrEnum):
    """What a call is for."""

    ANSWER = "answer"
    SUMMARY = "summary"


class SaidLine(Struct, frozen=True):
    """One line of the conversation, as a model is shown it."""

    by_person: bool
    text: str

    def __repr__(self) -> str:
        return f"<Said by_person={self.by_person}>"


class ModelFile(Struct, frozen=True):
    """A picture or document that belongs to the last line."""

    mime: str
    data: bytes

    def __repr__(self) -> str:
        return f"<ModelFile {self.mime}>"


class ToolOffer(Struct, frozen=True):
    """A tool as a model is told of it; ``schema`` is JSON Schema. Where it runs stays in the worker."""

    name: str
    description: str
    schema: dict[str, Any]


class ToolTold(Struct, frozen=True):
    """What a model is told of a call that it asked for."""

    id: str
    text: str

    def __repr__(self) -> str:
        return f"<ToolTold {self.id}>"


class ModelCall(Struct, frozen=True, kw_only=True):
    """One call of one model. ``private_targets`` are the addresses inside (`host:port`) that it may lead to.

    Where the model asked for tools, ``resume`` is what its reply said of the conversation so far, and ``told`` the
    results. What it says of the conversation is without its files.
    """

    id: int
    choice: ModelChoice
    instructions: str
    lines: tuple[SaidLine, ...]
    temperature: float
    max_tokens: int
    timeout_s: float
    private_targets: tuple[str, ...] = ()
    task: Task = Task.ANSWER
    tools: tuple[ToolOffer, ...] = ()
    files: tuple[ModelFile, ...] = ()
    resume: str = ""
    told: tuple[ToolTold, ...] = ()

    def __repr__(self) -> str:
        return f"<ModelCall {self.id} {self.choice!r}>"


class ModelReply(Struct, frozen=True, kw_only=True):
    """``code`` is empty where the model answered; else what went wrong, in a word of ours: never the vendor's text.
    ``reply`` has WhatsApp's marks: the process has translated the model's Markdown.

    With ``asked`` it has not answered yet: it wants these calls first, and goes on from ``resume``.
    """

    id: int
    reply: str = ""
    route: Literal["assistant", "person"] = "assistant"
    reason: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    code: str = ""
    asked: tuple[ToolCallAsked, ...] = ()
    resume: str = ""

    def __repr__(self) -> str:
        return f"<ModelReply {self.id} {self.code or self.route}>"
