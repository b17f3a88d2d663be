"""Opening of an answer: what stands before its own words, in the same message."""

from hailgate.assistant.contract import Question
from hailgate.assistant.sentences import disclosure_of
from hailgate.assistant.settings import AssistantSettings


def opening_of(question: Question, settings: AssistantSettings) -> str:
    """That the answer is automated, where nobody has said so yet, and what came of a button."""
    disclosure = disclosure_of(settings) if question.first else ""
    return "".join(f"{part}\n\n" for part in (disclosure, question.opening) if part)
