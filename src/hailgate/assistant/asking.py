"""Asking models: the calls of one turn, with its tools, within one deadline that covers all of them."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from hailgate.assistant.context import LONGEST_SUMMARY, Recall, recall, render_context, summary_call
from hailgate.assistant.contract import Purse, Question, Summary, Usage
from hailgate.assistant.files import most_tokens, shown_to
from hailgate.assistant.model_processes import CallsModels
from hailgate.assistant.model_protocol import ModelCall, ModelFile, ModelReply, SaidLine, ToolOffer, ToolTold
from hailgate.assistant.settings import AssistantSettings, ModelChoice
from hailgate.assistant.tool_use import ToolUse
from hailgate.assistant.tools import LONGEST_RESULT, ToolCallAsked, describe_parameters
from hailgate.core.errors import AssistantError, BudgetSpent

# From the end of the typing wait to the answer: all tries, the second model, tools and summary included.
DEADLINE_S: Final = 25.0
# A call that could not end before the deadline is not begun.
LEAST_CALL_S: Final = 1.0
# Of a first model: once more. A wrong key or a model that is not there is not asked again.
TRIES: Final = 2
FINAL_CODES: Final = frozenset({"model_unauthorized", "model_refused", "vendor_unsupported", "address_refused"})
# The vendor did no work for these.
UNPAID_CODES: Final = FINAL_CODES | {"model_throttled", "model_unavailable"}
# No tokenizer in use needs a token for less than two bytes of text, on the average of a conversation.
BYTES_PER_TOKEN: Final = 2
# Of what stands around the text: the form of the answer, roles, marks between messages.
OVERHEAD_TOKENS: Final = 400
SHORTEN: Final = "Say the same in at most {limit} characters, in the same language."


class Asking:
    """Of one turn. ``usage`` is what its calls took together, also where they failed; ``summary`` what it has made."""

    def __init__(
        self,
        settings: AssistantSettings,
        models: CallsModels,
        question: Question,
        tools: ToolUse,
        purse: Purse | None = None,
        *,
        targets: tuple[str, ...],
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._models, self._question, self._tools = settings, models, question, tools
        self._purse, self._targets, self._clock = purse, targets, clock
        self._ends_at = clock() + DEADLINE_S - question.waited_s
        self._choice = settings.choices[0]
        self._recalled = recall(question, settings)
        self.summary: Summary | None = None
        self.usage = Usage()

    @property
    def _left(self) -> float:
        return self._ends_at - self._clock()

    async def ask(self) -> ModelReply:
        """The first usable reply. Raises AssistantError with the code of the last failure."""
        await self._models.ready(self._left)
        await self._summarise()
        last = AssistantError("There was no time to ask a model.", code="model_timeout")
        hopeless: set[ModelChoice] = set()
        for choice in self._planned():
            if self._left < LEAST_CALL_S:
                break
            if choice in hopeless:
                continue
            self._choice = choice
            try:
                return await self._converse(self._first_call())
            except BudgetSpent:
                raise
            except AssistantError as failed:
                last = failed
                if failed.code in FINAL_CODES:
                    hopeless.add(choice)
        raise last

    async def shorten(self, reply: ModelReply) -> ModelReply:
        """Too long a reply in the model's own fewer words, asked for once; as it was where none come."""
        limit = self._settings.reply_limit
        if len(reply.reply) <= limit or self._left < LEAST_CALL_S:
            return reply
        call = self._first_call()
        wish = SaidLine(by_person=True, text=SHORTEN.format(limit=limit))
        lines = (*call.lines, SaidLine(by_person=False, text=reply.reply), wish)
        try:
            shorter = await self._call(msgspec.structs.replace(call, lines=lines, tools=(), files=()))
        except AssistantError:
            return reply
        return msgspec.structs.replace(reply, reply=shorter.reply)

    async def _summarise(self) -> None:
        """What no longer fits into the context, in fewer words. Where that fails the latest messages are enough."""
        recalled, answer = self._recalled, self._first_call()
        if not recalled.older or self._left < 3 * LEAST_CALL_S:
            return
        call = summary_call(answer, recalled, self._settings, self._left)
        try:
            reply = await self._call(call, followed_by=answer)
        except (AssistantError, BudgetSpent):
            return
        self.summary = Summary(reply.reply[:LONGEST_SUMMARY], recalled.older[-1].id)
        self._recalled = Recall(self.summary, (), recalled.latest)

    def _planned(self) -> Iterable[ModelChoice]:
        first, *others = self._settings.choices
        return [*(first for _ in range(TRIES)), *others]

    async def _converse(self, call: ModelCall) -> ModelReply:
        """Until the model answers, asks the person to confirm, or has spent its calls."""
        reply = await self._call(call)
        while reply.asked:
            told = await self._carry_out(reply.asked)
            if self._tools.proposed or self._tools.spent:
                return reply
            if self._left < LEAST_CALL_S:
                raise AssistantError("There was no time to ask a model.", code="model_timeout")
            reply = await self._call(msgspec.structs.replace(call, resume=reply.resume, told=told))
        return reply

    async def _carry_out(self, calls: Iterable[ToolCallAsked]) -> tuple[ToolTold, ...]:
        """Within what is left: no tool takes an answer past its deadline."""
        told = []
        try:
            async with asyncio.timeout(max(0.0, self._left)):
                for asked in calls:
                    result = await self._tools.carry_out(asked)
                    told.append(ToolTold(asked.id, result.text[:LONGEST_RESULT]))
        except TimeoutError:
            raise AssistantError("The tools took too long.", code="model_timeout") from None
        return tuple(told)

    async def _call(self, call: ModelCall, followed_by: ModelCall | None = None) -> ModelReply:
        so_far, choice = self.usage.plus(1, 0, 0), call.choice
        self.usage = msgspec.structs.replace(so_far, vendor=choice.vendor, model=choice.model)
        bounded = msgspec.structs.replace(call, timeout_s=min(call.timeout_s, self._left))
        reply = await self._paid(bounded, followed_by)
        self.usage = self.usage.plus(0, reply.input_tokens, reply.output_tokens)
        return reply

    async def _paid(self, call: ModelCall, followed_by: ModelCall | None = None) -> ModelReply:
        """Reserved before and settled after it; what a vendor refused took nothing, what else failed may have.

        Room for the call that it is ``followed_by`` is reserved, too, so that this one never takes it.
        """
        if self._purse is None:
            return await self._models.call(call)
        largest, after = (largest_input(call), call.max_tokens), (0, 0)
        if followed_by:
            after = (largest_input(followed_by), followed_by.max_tokens)
        await self._purse.reserve(call.choice, largest[0] + after[0], largest[1] + after[1])
        try:
            reply = await self._models.call(call)
        except AssistantError as failed:
            if failed.code in UNPAID_CODES:
                await self._purse.settle(0, 0)
            elif followed_by:
                await self._purse.settle(*largest)
            raise
        await self._purse.settle(reply.input_tokens, reply.output_tokens)
        return reply

    def _first_call(self) -> ModelCall:
        settings = self._settings
        files = shown_to(self._choice, settings, self._question.files)
        offers = (ToolOffer(tool.name, tool.description, describe_parameters(tool)) for tool in self._tools.offered)
        return ModelCall(
            id=0,
            choice=self._choice,
            instructions=settings.instructions,
            lines=render_context(self._recalled, self._question, settings.context_messages, files),
            files=tuple(ModelFile(file.mime, file.data) for file in files if file.data),
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            timeout_s=settings.timeout_s,
            private_targets=self._targets,
            tools=tuple(offers),
        )


def largest_input(call: ModelCall) -> int:
    """Tokens that a call can have a model read at most."""
    begun = [call.resume] if call.resume else [call.instructions, *(line.text for line in call.lines)]
    parts = [*begun, *(each.text for each in call.told)]
    offered = sum(len(msgspec.json.encode(tool)) for tool in call.tools)
    written = (sum(len(part.encode()) for part in parts) + offered) // BYTES_PER_TOKEN
    return written + most_tokens(call.files) + OVERHEAD_TOKENS
