"""Tool use: what becomes of the calls that a model asks for in one turn.

A read runs at once. A write never does: it is proposed, and waits for the person's button.
"""

import secrets
from typing import Any, Final

import msgspec

from hailgate.assistant.settings import AssistantSettings
from hailgate.assistant.tools import (
    MOST_CALLS,
    CalledTool,
    RunsTools,
    Tool,
    ToolCallAsked,
    ToolResult,
    allowed_tools,
    check_arguments,
    confirmation_of,
)
from hailgate.core.content.interactive import ButtonQuestion, Buttons, Choice, ReplyButton
from hailgate.core.content.outbound import Interactive
from hailgate.core.content.parts import Words
from hailgate.core.errors import InputError

# What the ids of our buttons begin with; the rest is the token of one call, and the answer.
PRESSED: Final = "hailgate-tool:"
BODY_LIMIT: Final = 1024


class ToolUse:
    """Of one turn. ``room`` is for what a person is asked; ``spent``: a model wanted more calls than there are."""

    def __init__(self, settings: AssistantSettings, runs: RunsTools | None, room: int = BODY_LIMIT) -> None:
        self._runs, self._room = runs, room
        allowed = allowed_tools(settings.tools, runs.role, confirms=runs.confirms) if runs else []
        self._allowed = {tool.name: tool for tool in allowed}
        self.called: list[CalledTool] = []
        self.question = ""
        self.spent = False

    @property
    def offered(self) -> tuple[Tool, ...]:
        return tuple(self._allowed.values())

    @property
    def proposed(self) -> CalledTool | None:
        return next((call for call in self.called if call.token), None)

    async def carry_out(self, asked: ToolCallAsked) -> ToolResult:
        """Checked, then run or proposed. What is refused counts as a call, too: a model may not try for ever."""
        if len(self.called) >= MOST_CALLS:
            self.spent = True
            return ToolResult("There are no calls left.", "spent")
        ordinal, tool = len(self.called), self._allowed.get(asked.name)
        if tool is None or self._runs is None:
            return self._note(ordinal, asked.name[:40], "", ToolResult("There is no such tool.", "unknown_tool"))
        try:
            arguments = check_arguments(tool, asked.arguments)
        except InputError as wrong:
            return self._note(ordinal, tool.name, tool.mode, ToolResult(wrong.detail, "arguments"))
        if tool.mode == "writes":
            return self._propose(ordinal, tool, arguments)
        return self._note(ordinal, tool.name, tool.mode, await self._runs.run(tool, arguments, ordinal))

    def _propose(self, ordinal: int, tool: Tool, arguments: dict[str, Any]) -> ToolResult:
        """One at a time: the person answers one question."""
        if self.proposed:
            return self._note(ordinal, tool.name, tool.mode, ToolResult("Another one waits for its answer.", "waits"))
        question = confirmation_of(tool, arguments)
        if len(question) > self._room:  # nobody agrees to what they cannot read
            return self._note(ordinal, tool.name, tool.mode, ToolResult("Too long to ask the person.", "arguments"))
        self.question = question
        written = msgspec.json.encode(arguments).decode()
        token = secrets.token_hex(16)
        self.called.append(CalledTool(ordinal=ordinal, name=tool.name, mode=tool.mode, token=token, arguments=written))
        return ToolResult("The person is asked.", "asked")

    def _note(self, ordinal: int, name: str, mode: str, result: ToolResult) -> ToolResult:
        self.called.append(CalledTool(ordinal=ordinal, name=name, mode=mode, code=result.code))
        return result


def ask_to_confirm(question: str, token: str, yes: str, no: str) -> Interactive:
    """One message with two buttons, which are good for this call alone."""
    choices = (Choice(f"{PRESSED}{token}:yes", yes), Choice(f"{PRESSED}{token}:no", no))
    return Interactive(ButtonQuestion(Words(question), Buttons(tuple(map(ReplyButton, choices)))))


def read_press(choice_id: str) -> tuple[str, bool] | None:
    """Token and answer of one of our buttons; None for any other id."""
    if not choice_id.startswith(PRESSED):
        return None
    token, _, answer = choice_id.removeprefix(PRESSED).partition(":")
    return (token, answer == "yes") if answer in {"yes", "no"} else None
