"""An assistant that needs no key: it follows a short script, so that a fresh installation answers at once."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from hailgate.assistant.contract import Answer, Question
from hailgate.core.content import Text, TextBody

# Quoted back at most, so that an answer never outgrows a message.
QUOTE_LENGTH = 300


class Rule(NamedTuple):
    """What a message must hold (a regular expression, any case), what is said then, and whether a person takes over."""

    pattern: re.Pattern[str]
    reply: str
    hand_over: bool = False


DEMO_SCRIPT = (
    Rule(
        re.compile(r"\b(human|person|agent|operator|doctor)\b", re.IGNORECASE),
        "I am passing you on to a person. Somebody will write to you here.",
        hand_over=True,
    ),
    Rule(
        re.compile(r"^\W*(hi|hello|hey|good (morning|afternoon|evening))\b", re.IGNORECASE),
        'Hello! I am the scripted assistant of this demo. Write anything, or "human" to reach a person.',
    ),
    Rule(
        re.compile(r"\b(open|opening|hours)\b", re.IGNORECASE),
        "We are open Monday to Friday, 8:00 to 18:00.",
    ),
)


class ScriptedAssistant:
    """Answers with the first rule that fits, else by quoting what it was told; nothing it says is invented."""

    name = "scripted"

    def __init__(self, script: Sequence[Rule] = DEMO_SCRIPT) -> None:
        self._script = script

    async def compose(self, question: Question) -> Answer:
        texts = [said.text for said in question.asked if said.text is not None]
        if not texts:
            return _say("I can only read text for now. Please write it to me.")
        for rule in self._script:
            if any(rule.pattern.search(text) for text in texts):
                return _say(rule.reply, hand_over=rule.hand_over)
        quoted = "\n".join(f"> {_shortened(text)}" for text in texts)
        return _say(f"You wrote:\n{quoted}"[:4000])


def _shortened(text: str) -> str:
    return text if len(text) <= QUOTE_LENGTH else f"{text[:QUOTE_LENGTH]}…"


def _say(text: str, *, hand_over: bool = False) -> Answer:
    return Answer((Text(TextBody(text)),), hand_over)
