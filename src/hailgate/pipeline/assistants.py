"""Assistants of a worker: made from the versions that turns name, once each; the built-in one for who has none."""

from collections.abc import Sequence

from hailgate.assistant import BUILT_IN, make_assistant
from hailgate.assistant.contract import Composer, ConversationLine
from hailgate.assistant.model_processes import CallsModels
from hailgate.core.content import content_as_json, words_of
from hailgate.messaging.assistants.registry import LiveAssistant, any_model_live
from hailgate.messaging.inbound.turns import Line, Turn
from hailgate.messaging.store.ports import Db

MOST_KEPT = 256


class Assistants:
    """``private_targets`` are addresses inside (`host:port`) that the installation's owner lets models be asked at."""

    def __init__(self, models: CallsModels, private_targets: Sequence[str] = ()) -> None:
        self._models, self._targets = models, private_targets
        self._made: dict[int, Composer] = {}

    async def prepare(self, db: Db) -> None:
        """A process that is ready, where some assistant asks a model: nobody's first answer waits for its start."""
        if await db(any_model_live):
            self._models.warm()

    def find(self, turn: Turn) -> Composer | None:
        """None where the name is nobody's: then a person answers."""
        return self._make(turn.live) if turn.live else BUILT_IN.get(turn.answered_by)

    def _make(self, live: LiveAssistant) -> Composer:
        """A version never changes, so it is made once; the oldest goes where there are many."""
        if live.version_id not in self._made:
            if len(self._made) >= MOST_KEPT:
                del self._made[next(iter(self._made))]
            self._made[live.version_id] = make_assistant(live.name, live.settings, self._models, self._targets)
        return self._made[live.version_id]


def said_in(line: Line) -> ConversationLine:
    """A stored message as an assistant reads it."""
    words = words_of(content_as_json(line.content))
    named = line.provider_id or ""
    return ConversationLine(by_person=line.inbound, kind=line.kind, text=words, message_id=named, id=line.id)
