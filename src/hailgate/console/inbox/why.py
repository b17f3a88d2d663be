"""Why an assistant answered so, in plain words: beside its message in the thread."""

from typing import Final, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from hailgate.messaging.models import Message, ToolCall
from hailgate.messaging.outbound.why import AnswerTold, find_answer, find_tool_calls

_OUTCOMES: Final = {
    "answered": gettext_noop("Answered"),
    "handed_over": gettext_noop("Answered, and passed on to a person"),
    "silent": gettext_noop("Nothing was said"),
    "failed": gettext_noop("No model answered: it apologised, and a person goes on"),
}
# What the review and the rules before a model note, in words; what is not here is told as it is.
_NOTES: Final = {
    "": gettext_noop("Nothing was objected to."),
    "cut": gettext_noop("It was too long, and was cut after a sentence."),
    "emergency": gettext_noop("An emergency word: no model was asked."),
    "asked_for_person": gettext_noop("A person was asked for."),
    "unheard": gettext_noop("There was a recording, which it cannot hear."),
    "asked_twice": gettext_noop("The same question came twice."),
    "reset": gettext_noop("A word that begins anew: no model was asked."),
    "acknowledged": gettext_noop("Thanks, answered with a reaction."),
    "asked_to_confirm": gettext_noop("It asked before doing something."),
    "write_done": gettext_noop("The person's button was pressed, and it was done."),
    "write_declined": gettext_noop("The person's button said no."),
    "write_expired": gettext_noop("A button was pressed that is no longer good."),
    "write_failed": gettext_noop("The person's button was pressed, and the tool failed."),
    "flood_of_contact": gettext_noop("The person wrote more than a rule of floods allows: no model was asked."),
    "flood_of_group": gettext_noop("The group wrote more than a rule of floods allows: no model was asked."),
    "flood_of_tenant": gettext_noop("People wrote more than a rule of floods allows: no model was asked."),
    "unpriced": gettext_noop("A budget is in money, and the model has no price."),
    "stopped": gettext_noop("All assistants were stopped."),
    "model_timeout": gettext_noop("No model answered in time."),
    "model_unauthorized": gettext_noop("The vendor refused the key."),
    "model_refused": gettext_noop("The vendor refused the call."),
    "model_throttled": gettext_noop("The vendor asked to wait."),
    "model_unavailable": gettext_noop("The vendor was not there."),
    "tools_spent": gettext_noop("It wanted more calls of tools than it has."),
    "empty": gettext_noop("Refused: there was nothing in it."),
    "secret": gettext_noop("Refused: it held what looks like a key."),
    "blocked_phrase": gettext_noop("Refused: it held a phrase that is blocked."),
    "link": gettext_noop("Refused: it held a link that is not allowed."),
    "number": gettext_noop("Refused: it held a telephone number that nobody had named."),
}
_STATES: Final = {
    "read": gettext_noop("read"),
    "asked": gettext_noop("waits for the person's button"),
    "running": gettext_noop("being done"),
    "done": gettext_noop("done"),
    "declined": gettext_noop("declined by the person"),
    "failed": gettext_noop("failed"),
}


class ToolLine(NamedTuple):
    name: str
    word: str
    code: str


class WhyShown(NamedTuple):
    answer: AnswerTold
    outcome: str
    note: str
    tokens: int
    tools: list[ToolLine]


def tell_why(message: Message) -> WhyShown | None:
    """None where no assistant gave it."""
    answer = find_answer(message)
    if answer is None:
        return None
    return WhyShown(
        answer,
        _word(_OUTCOMES, answer.outcome),
        _note(answer.note),
        answer.input_tokens + answer.output_tokens,
        [_tool(call) for call in find_tool_calls(message)],
    )


def _tool(call: ToolCall) -> ToolLine:
    return ToolLine(call.name, _word(_STATES, call.state if call.mode == "writes" else "read"), call.code)


def _note(code: str) -> str:
    if "_per_" in code:
        return _("No room in a budget: %(budget)s.") % {"budget": code}
    return _word(_NOTES, code)


def _word(words: dict[str, str], code: str) -> str:
    return _(words[code]) if code in words else code
