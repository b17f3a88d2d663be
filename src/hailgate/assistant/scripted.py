"""An assistant that needs no key: it follows a short script, so that a fresh installation answers at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from hailgate.assistant.contract import Answer, ConversationLine, Purse, Question
from hailgate.assistant.opening import opening_of
from hailgate.assistant.safety import has_word
from hailgate.assistant.sentences import sentences_of
from hailgate.assistant.settings import SCRIPTED, AssistantSettings, ScriptRule
from hailgate.assistant.tools import RunsTools
from hailgate.core.content import Text, TextBody
from hailgate.core.errors import InputError
from hailgate.core.patterns import StandingPattern, choose_pattern, fill_pattern

# What is quoted of one message, and what is said at once: an answer is read on a telephone.
QUOTE_LENGTH: Final = 200
ANSWER_LENGTH: Final = 1000


# Of the script that is built in. It says nothing of whose number it answers.
BUILT_IN_SETTINGS: Final = AssistantSettings(
    vendor=SCRIPTED,
    script=(
        ScriptRule(
            r"\b(human|person|agent|operator|doctor)\b",
            "I am passing you on to a person. Somebody will write to you here.",
            hand_over=True,
        ),
        ScriptRule(
            r"^\W*(hi|hello|hey|good (morning|afternoon|evening))\b",
            'Hello! I am a scripted assistant. Write anything, or "human" to reach a person.',
        ),
    ),
)
# Kinds in which something is chosen rather than written.
CHOICES: Final = frozenset({"button", "interactive"})
FORM: Final = "Thank you for the form."
THANKS: Final[Mapping[str, str]] = {
    "image": "Thank you for the picture.",
    "video": "Thank you for the video.",
    "document": "Thank you for the document.",
    "sticker": "Thank you for the sticker.",
    "location": "Thank you for the location.",
    "contacts": "Thank you for the contact.",
    "order": "Thank you for the order.",
    "audio": 'I cannot listen to recordings. Please write it to me, or write "human" to reach a person.',
    "call": 'I cannot take calls. Please write to me, or write "human" to reach a person.',
    "unsupported": "I cannot read this kind of message. Please write it to me.",
}


class ScriptedAssistant:
    """Answers with the first rule that fits, else by saying what came; nothing it says is invented."""

    reads_history = False
    deadline_s = 5.0
    tries = 2

    def __init__(self, name: str, settings: AssistantSettings) -> None:
        self.name, self._settings = name, settings
        self._rules = [(rule.compiled(), rule) for rule in settings.script]

    def _fill(self, rule: ScriptRule, named: Mapping[str, str | None], question: Question) -> str:
        """Raises InputError that names the variable which nothing fills."""
        chosen = choose_pattern(question.patterns, rule.say, self._settings.language)
        values = {**rule.values, **{name: text for name, text in named.items() if text}}
        return fill_pattern(chosen.text, {name: values[name] for name in chosen.variables if name in values})

    async def compose(
        self,
        question: Question,
        runs: RunsTools | None = None,  # noqa: ARG002 -- it needs none
        purse: Purse | None = None,  # noqa: ARG002 -- it asks no model
    ) -> Answer:
        """No message where all was taken back before it was answered."""
        settings = self._settings
        if has_word(question.asked, settings.emergency_words):
            said = settings.emergency_reply or sentences_of(settings.language).emergency
            return self._say(said, question, hand_over=True, note="emergency")
        texts = [said.text for said in question.asked if said.text is not None]
        for pattern, rule in self._rules:
            if found := next(filter(None, map(pattern.search, texts)), None):
                said = rule.reply or self._fill(rule, found.groupdict(), question)
                return self._say(said, question, hand_over=rule.hand_over)
        lines = [*_quoted(question.shown), *dict.fromkeys(filter(None, map(_acknowledged, question.shown)))]
        return self._say("\n".join(lines), question) if lines else Answer(())

    def _say(self, text: str, question: Question, *, hand_over: bool = False, note: str = "") -> Answer:
        shown = text if len(text) <= ANSWER_LENGTH else f"{text[: ANSWER_LENGTH - 1]}…"
        said = Text(TextBody(f"{opening_of(question, self._settings)}{shown}"))
        return Answer((said,), hand_over, note, disclosed=question.first)


def check_said(script: Sequence[ScriptRule], language: str, patterns: Sequence[StandingPattern]) -> None:
    """Raises InputError where a rule says a pattern that is not there, or leaves a variable of it empty."""
    for place, rule in enumerate(script):
        if rule.say:
            filled = {*rule.values, *rule.compiled().groupindex}
            missing = next((name for name in _chosen(place, rule, language, patterns) if name not in filled), None)
            if missing:
                field = f"script[{place}].values.{missing}"
                raise InputError(f"{field}: is missing; the pattern {rule.say} needs it.", field=field)


def _chosen(place: int, rule: ScriptRule, language: str, patterns: Sequence[StandingPattern]) -> tuple[str, ...]:
    try:
        return choose_pattern(patterns, rule.say, language).variables
    except InputError as unknown:
        field = f"script[{place}].say"
        raise InputError(f"{field}: there is no such pattern in {language}.", code=unknown.code, field=field) from None


def _quoted(asked: Iterable[ConversationLine]) -> list[str]:
    written = [f"> {_shortened(said.text)}" for said in asked if said.kind == "text" and said.text is not None]
    return ["You wrote:", *written] if written else []


def _acknowledged(said: ConversationLine) -> str | None:
    """What is said of anything but a text. None for that, and for what was taken back."""
    if said.kind in CHOICES:
        return FORM if said.text is None else f"You chose: {_shortened(said.text)}"
    return THANKS.get(said.kind)


def _shortened(text: str) -> str:
    return text if len(text) <= QUOTE_LENGTH else f"{text[:QUOTE_LENGTH]}…"
