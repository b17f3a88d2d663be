"""Model assistant: answers with a model, reviewed before anybody reads it, within one deadline.

The way of an answer: emergency · person asked for · nothing to read · ask (twice, then the second model) · shorten ·
review · disclose.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from hailgate.assistant.asking import DEADLINE_S, Asking
from hailgate.assistant.context import context_of
from hailgate.assistant.contract import Answer, Purse, Question
from hailgate.assistant.model_processes import CallsModels
from hailgate.assistant.model_protocol import ModelReply
from hailgate.assistant.opening import opening_of
from hailgate.assistant.safety import has_word, is_word, review, shorten
from hailgate.assistant.sentences import sentences_of
from hailgate.assistant.settings import AssistantSettings
from hailgate.assistant.tool_use import BODY_LIMIT, ToolUse, ask_to_confirm
from hailgate.assistant.tools import RunsTools
from hailgate.core.content import Text, TextBody
from hailgate.core.content.outbound import Reaction
from hailgate.core.content.parts import TEXT_LIMIT, Mark

# Kinds that a model is told of in words; a recording is nothing that it can read.
UNHEARD: Final = frozenset({"audio", "voice"})
# Shorter messages ("yes", "and then?") are often said twice.
LEAST_WORDS: Final = 3


class ModelAssistant:
    """``clock`` is monotonic, in seconds."""

    reads_history = True
    deadline_s = DEADLINE_S + 5.0
    tries = 1

    def __init__(
        self,
        name: str,
        settings: AssistantSettings,
        models: CallsModels,
        *,
        private_targets: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._settings, self._models, self._clock = settings, models, clock
        self._targets = tuple(private_targets)
        self._say = sentences_of(settings.language)

    async def compose(self, question: Question, runs: RunsTools | None = None, purse: Purse | None = None) -> Answer:
        """Raises AssistantError where no model gave a usable answer in time, BudgetSpent where none may be asked."""
        if fixed := self._fixed(question):
            return fixed
        tools = ToolUse(self._settings, runs, BODY_LIMIT - len(self._before_asking(question)))
        asking = Asking(self._settings, self._models, question, tools, purse, targets=self._targets, clock=self._clock)
        reply = await asking.ask()
        if not reply.asked:
            reply = await asking.shorten(reply)
        answer = self._judge(reply, question, tools)
        called = tuple(tools.called)
        return msgspec.structs.replace(answer, usage=asking.usage, called=called, summary=asking.summary)

    def _judge(self, reply: ModelReply, question: Question, tools: ToolUse) -> Answer:
        """What may be sent of it, and whether a person goes on."""
        settings, asked = self._settings, question.asked
        if tools.spent:
            return self._answer(self._say.person, question, hand_over=True, note="tools_spent")
        if proposed := tools.proposed:
            verdict = review(tools.question, settings, asked)
            if verdict.reason:
                return self._answer(self._say.person, question, hand_over=True, note=verdict.reason)
            return self._ask_to_confirm(verdict.text, proposed.token, question)
        verdict = review(reply.reply, settings, asked)
        if reply.route == "person":
            return self._answer(verdict.text or self._say.person, question, hand_over=True, note="asked_for_person")
        if verdict.reason:
            return self._answer(self._say.person, question, hand_over=True, note=verdict.reason)
        return self._answer(verdict.text, question)

    def _ask_to_confirm(self, wanted: str, token: str, question: Question) -> Answer:
        said = self._before_asking(question) + wanted
        content = ask_to_confirm(said, token, self._say.yes, self._say.no)
        return Answer((content,), note="asked_to_confirm", disclosed=question.first)

    def _before_asking(self, question: Question) -> str:
        return f"{opening_of(question, self._settings)}{self._say.confirm}\n\n"

    def _fixed(self, question: Question) -> Answer | None:
        """What needs no model, and must not wait for one."""
        settings = self._settings
        if has_word(question.asked, settings.emergency_words):
            said = settings.emergency_reply or self._say.emergency
            return self._answer(said, question, hand_over=True, note="emergency")
        if why := self._wants_person(question):
            said = self._say.voice if why == "unheard" else self._say.person
            return self._answer(said, question, hand_over=True, note=why)
        if is_word(question.asked[-1], settings.reset_words):
            return self._answer(self._say.anew, question, note="reset")
        if all(line.kind == "reaction" for line in question.asked):
            return Answer((), note="reaction")
        return self._acknowledged(question)

    def _wants_person(self, question: Question) -> str:
        """Why a person goes on: a word for the record, empty where the assistant may answer."""
        if has_word(question.asked, self._settings.person_words):
            return "asked_for_person"
        if any(line.kind in UNHEARD and not line.text for line in question.asked):
            return "unheard"
        return "asked_twice" if self._asked_again(question) else ""

    def _asked_again(self, question: Question) -> bool:
        """The same words as last time, though they were answered: whoever repeats a question was not helped."""
        before = context_of(question, self._settings)
        last = next((line.text for line in reversed(before) if line.by_person), None)
        answered = bool(before) and not before[-1].by_person
        if not answered or last is None or len(last.split()) < LEAST_WORDS:
            return False
        return is_word(question.asked[-1], [last])

    def _acknowledged(self, question: Question) -> Answer | None:
        """Thanks need no words; an answer that has something to say first does."""
        asked, settings = question.asked, self._settings
        if not settings.thanks_reaction or not question.reacts or question.first or question.opening:
            return None
        if not asked[-1].message_id or not all(is_word(line, settings.thanks_words) for line in asked):
            return None
        return Answer((Reaction(Mark(asked[-1].message_id, settings.thanks_reaction)),), note="acknowledged")

    def _answer(self, text: str, question: Question, *, hand_over: bool = False, note: str = "") -> Answer:
        """One message a turn, the disclosure in it: since 2026-10-01 each is billed."""
        opening = opening_of(question, self._settings)
        shown = shorten(text, min(self._settings.reply_limit, TEXT_LIMIT - len(opening)))
        note = note or ("cut" if shown != text else "")
        return Answer((Text(TextBody(f"{opening}{shown}")),), hand_over, note, disclosed=question.first)
