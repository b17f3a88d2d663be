"""Trying an assistant out: one question to one version. Nothing is sent to anybody and nothing is kept."""

from collections.abc import Sequence

from hailgate.assistant import make_assistant
from hailgate.assistant.contract import Answer, ConversationLine, Question
from hailgate.assistant.model_processes import ModelProcesses
from hailgate.assistant.settings import AssistantSettings


async def try_out(name: str, settings: AssistantSettings, text: str, private_targets: Sequence[str]) -> Answer:
    """As the first message of a person. Raises AssistantError."""
    models = ModelProcesses(most=1)
    try:
        question = Question((ConversationLine(by_person=True, kind="text", text=text),), 1, first=True)
        return await make_assistant(name, settings, models, private_targets).compose(question)
    finally:
        await models.close()


def said_by(answer: Answer) -> str:
    """Of an answer in words."""
    return "\n".join(getattr(message, "text").body for message in answer.messages if hasattr(message, "text"))  # noqa: B009 -- a reaction has none
