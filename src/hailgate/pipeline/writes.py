"""Writes of tools: made when the person's button says so, once; no model has a say in it."""

from functools import partial

import msgspec

from hailgate.assistant.contract import Answer
from hailgate.assistant.safety import has_word
from hailgate.assistant.sentences import Sentences, sentences_of
from hailgate.assistant.tool_use import read_press
from hailgate.core.content import Text, TextBody, content_as_json
from hailgate.messaging.assistants.tool_calls import CallState, DecidedCall, decide_call, settle_call
from hailgate.messaging.inbound.turns import Turn, place_of
from hailgate.messaging.store.ports import Db
from hailgate.pipeline.assistants import said_in
from hailgate.pipeline.tools import Tools


class Writes:
    """Of one worker."""

    def __init__(self, db: Db, tools: Tools) -> None:
        self._db, self._tools = db, tools

    async def decide(self, turn: Turn) -> Answer | None:
        """What is answered to a button of ours; None where none was pressed, or where nothing may wait for a tool."""
        pressed = _find_press(turn)
        if pressed is None or turn.live is None:
            return None
        if has_word(map(said_in, turn.unanswered), turn.live.settings.emergency_words):
            return None
        token, wanted = pressed
        decided = await self._db(partial(decide_call, wanted=wanted), place_of(turn), token)
        if decided.state is CallState.RUNNING:
            decided = await self._write(turn, decided)
        text = _sentence(sentences_of(turn.live.settings.language), decided.state)
        failed = decided.state is CallState.FAILED
        return Answer((Text(TextBody(text)),), hand_over=failed, note=f"write_{decided.state.value}")

    async def _write(self, turn: Turn, call: DecidedCall) -> DecidedCall:
        """As it was asked, if the tool still stands in the version that answers."""
        tools = turn.live.settings.tools if turn.live else ()
        tool = next((each for each in tools if each.name == call.name and each.mode == "writes"), None)
        code = "unknown_tool"
        if tool is not None:
            arguments = msgspec.json.decode(call.arguments)
            code = (await self._tools.run(tool, arguments, turn.conversation_id, call.turn, call.ordinal)).code
        await self._db(settle_call, turn.tenant_id, call.id, code)
        return call._replace(state=CallState.FAILED if code else CallState.DONE)


def _sentence(say: Sentences, state: CallState) -> str:
    said = {CallState.DONE: say.done, CallState.DECLINED: say.declined, CallState.FAILED: say.undone}
    return said.get(state, say.expired)


def _find_press(turn: Turn) -> tuple[str, bool] | None:
    """Token and answer of the last of our buttons that the person pressed."""
    for line in reversed(turn.unanswered):
        if line.kind == "interactive":
            chosen = content_as_json(line.content).get("interactive", {}).get("button_reply", {})
            if pressed := read_press(str(chosen.get("id", ""))):
                return pressed
    return None
