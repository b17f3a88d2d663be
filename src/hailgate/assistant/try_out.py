"""Trying an assistant out: one question to one version. Nothing is sent to anybody and nothing is kept."""

from collections.abc import Sequence

from hailgate.assistant import make_assistant
from hailgate.assistant.contract import Answer, ConversationLine, Question
from hailgate.assistant.model_processes import ModelProcesses
from hailgate.assistant.settings import AssistantSettings
from hailgate.core.patterns import StandingPattern


async def try_out(
    name: str,
    settings: AssistantSettings,
    text: str,
    private_targets: Sequence[str],
    patterns: tuple[StandingPattern, ...] = (),
) -> Answer:
    """As the first message of a person. Raises AssistantError, and InputError where a rule says no pattern."""
    models = ModelProcesses(most=1)
    try:
        said = ConversationLine(by_person=True, kind="text", text=text)
        question = Question((said,), 1, first=True, patterns=patterns)
        return await make_assistant(name, settings, models, private_targets).compose(question)
    finally:
        await models.close()


def said_by(answer: Answer) -> str:
    """Of an answer in words."""
    return "\n".join(getattr(message, "text").body for message in answer.messages if hasattr(message, "text"))  # noqa: B009 -- a reaction has none
