"""Writes of tools: made when the person's button says so, once; no model has a say in it."""

from functools import partial
from typing import NamedTuple

import msgspec

from hailgate.assistant.safety import has_word
from hailgate.assistant.sentences import Sentences, sentences_of
from hailgate.assistant.tool_use import read_press
from hailgate.core.content import content_as_json
from hailgate.messaging.assistants.tool_calls import CallState, DecidedCall, decide_call, settle_call
from hailgate.messaging.inbound.turns import Turn, place_of
from hailgate.messaging.store.ports import Db
from hailgate.pipeline.assistants import said_in
from hailgate.pipeline.tools import Tools


class Decided(NamedTuple):
    """``pressed`` are the messages that said so; ``note`` is a constant word for the record."""

    text: str
    failed: bool
    note: str
    pressed: frozenset[int]


class Writes:
    """Of one worker."""

    def __init__(self, db: Db, tools: Tools) -> None:
        self._db, self._tools = db, tools

    async def decide(self, turn: Turn) -> Decided | None:
        """What came of our buttons; None where none was pressed, or where nothing may wait for a tool.

        Each call is decided by the last press of its two buttons.
        """
        if turn.live is None:
            return None
        presses = _find_presses(turn)
        if not presses:
            return None
        if has_word(map(said_in, turn.unanswered), turn.live.settings.emergency_words):
            return None
        wanted = dict(press for _, press in presses)
        states = [await self._decide(turn, token, wanted=wish) for token, wish in wanted.items()]
        say = sentences_of(turn.live.settings.language)
        text = " ".join(dict.fromkeys(_sentence(say, state) for state in states))
        failed = CallState.FAILED in states
        state = CallState.FAILED if failed else states[-1]
        return Decided(text, failed, f"write_{state.value}", frozenset(id_ for id_, _ in presses))

    async def _decide(self, turn: Turn, token: str, *, wanted: bool) -> CallState:
        decided = await self._db(partial(decide_call, wanted=wanted), place_of(turn), token)
        if decided.state is CallState.RUNNING:
            decided = await self._write(turn, decided)
        return decided.state

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


def _find_presses(turn: Turn) -> list[tuple[int, tuple[str, bool]]]:
    """The messages that press a button of ours, each with its token and answer."""
    chosen = [
        (line.id, content_as_json(line.content).get("interactive", {}).get("button_reply", {}))
        for line in turn.unanswered
        if line.kind == "interactive"
    ]
    presses = [(id_, read_press(str(reply.get("id", "")))) for id_, reply in chosen]
    return [(id_, press) for id_, press in presses if press]
