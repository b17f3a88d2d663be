"""Assistant: something that reads a conversation and composes an answer. It sends nothing itself."""

from typing import Final, Protocol

from msgspec import Struct

from hailgate.assistant.settings import ModelChoice
from hailgate.assistant.tools import CalledTool, RunsTools
from hailgate.core.content import Outbound
from hailgate.core.patterns import StandingPattern

# Of a long burst, what an answer goes into.
MOST_SHOWN: Final = 40


class ConversationLine(Struct, frozen=True):
    """One message of the conversation. ``text`` is None where nothing was said in words; ``kind`` names what it was.

    ``message_id`` is what a reaction names it by: empty where it has none. ``id`` is its place in the store.
    """

    by_person: bool
    kind: str
    text: str | None
    message_id: str = ""
    id: int = 0

    def __repr__(self) -> str:
        return f"<ConversationLine by_person={self.by_person} kind={self.kind!r}>"


class SentFile(Struct, frozen=True):
    """A file of one of the messages to be answered, by the place of that message. ``data`` is empty where ``left_out``
    says why.
    """

    id: int
    mime: str = ""
    data: bytes = b""
    left_out: str = ""

    def __repr__(self) -> str:
        return f"<SentFile {self.mime} {self.left_out}>"


class Summary(Struct, frozen=True):
    """What a conversation said up to the message ``upto``, in a model's words: as untrusted as what people write."""

    text: str
    upto: int

    def __repr__(self) -> str:
        return f"<Summary upto={self.upto}>"


class Question(Struct, frozen=True):
    """``history`` ends with the messages to be answered, ``unanswered`` counts them (at least one).

    ``first`` says that the assistant has not yet told the person that it is one, since somebody else last answered.
    ``opening`` is what the answer begins with, such as what came of a button.
    ``reacts`` says that the channel shows reactions. ``summary`` is the latest that was kept of the conversation,
    ``patterns`` are the tenant's where a rule says one. ``files`` are those of the messages to be answered;
    ``waited_s`` were spent until they were there.
    """

    history: tuple[ConversationLine, ...]
    unanswered: int
    first: bool = False
    reacts: bool = False
    summary: Summary | None = None
    patterns: tuple[StandingPattern, ...] = ()
    files: tuple[SentFile, ...] = ()
    waited_s: float = 0.0
    opening: str = ""

    @property
    def asked(self) -> tuple[ConversationLine, ...]:
        return self.history[-self.unanswered :]

    @property
    def shown(self) -> tuple[ConversationLine, ...]:
        """The latest of them; what stands before is searched for words and kinds that bring a person, and no more."""
        return self.asked[-MOST_SHOWN:]


class Usage(Struct, frozen=True):
    """What an answer took, all its calls together. ``model`` is the one that gave it."""

    vendor: str = ""
    model: str = ""
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def plus(self, calls: int, input_tokens: int, output_tokens: int) -> "Usage":
        return Usage(
            self.vendor,
            self.model,
            self.calls + calls,
            self.input_tokens + input_tokens,
            self.output_tokens + output_tokens,
        )


class Answer(Struct, frozen=True):
    """Messages to send, in order (none is allowed), and whether a person should take over afterwards.

    ``note`` is a constant word for the log and for "why this answer"; ``disclosed`` says that the answer tells that it
    is automated. ``called`` are the tools that were asked for; ``summary`` is what was made beside the answer.
    """

    messages: tuple[Outbound, ...]
    hand_over: bool = False
    note: str = ""
    usage: Usage = Usage()
    disclosed: bool = False
    called: tuple[CalledTool, ...] = ()
    summary: Summary | None = None


class Purse(Protocol):
    """What the calls of one turn may spend. What is not settled counts as spent."""

    async def reserve(self, choice: ModelChoice, input_tokens: int, output_tokens: int) -> None:
        """Room for the largest that a call may take. Raises BudgetSpent where there is none."""

    async def settle(self, input_tokens: int, output_tokens: int) -> None:
        """What the call took that was reserved last."""


class Composer(Protocol):
    """``reads_history``: whether it wants to know what was said before the messages that it answers.

    ``deadline_s`` bounds `compose` as a whole; ``tries`` is how often a turn is begun anew where it raised.
    """

    name: str
    reads_history: bool
    deadline_s: float
    tries: int

    async def compose(self, question: Question, runs: RunsTools | None = None, purse: Purse | None = None) -> Answer:
        """``runs`` carries out what is asked for of tools; each call is paid from ``purse``.

        Raises AssistantError; anything slow or unsafe is the caller's to bound and review.
        """
