"""The assistants that an installation can let answer: one visible tuple."""

from hailgate.assistant.contract import Assistant
from hailgate.assistant.scripted import ScriptedAssistant

ASSISTANTS: tuple[Assistant, ...] = (ScriptedAssistant(),)


def find_assistant(name: str) -> Assistant | None:
    return next((assistant for assistant in ASSISTANTS if assistant.name == name), None)
