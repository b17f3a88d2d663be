"""Fake models: replies from a plan instead of a vendor, for tests of assistants and of what is made with them."""

from hailgate.assistant.model_protocol import ModelCall, ModelReply
from hailgate.core.errors import AssistantError


class FakeModels:
    """Gives what is planned, in turn, and repeats the last; an error is raised. ``calls`` are those that were made."""

    def __init__(self, *plan: ModelReply | AssistantError) -> None:
        self._plan = plan or (ModelReply(id=0, reply="Yes."),)
        self.calls: list[ModelCall] = []

    def warm(self) -> None:
        """Always ready."""

    async def ready(self, patience_s: float) -> None:
        """Always."""

    async def call(self, call: ModelCall) -> ModelReply:
        planned = self._plan[min(len(self.calls), len(self._plan) - 1)]
        self.calls.append(call)
        if isinstance(planned, AssistantError):
            raise planned
        return planned
