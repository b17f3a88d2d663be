"""Menus: a question with buttons, a list, a poll or a link as plain text, for providers that cannot show it. Pure.

Its choices are numbered, and whoever answers with a number or a title has chosen. Where a poll takes several, their
numbers or titles stand with commas between them.
"""

from collections.abc import Iterator

from hailgate.core.content.frames import TextHeader
from hailgate.core.content.inbound import ButtonReply, Chosen, ListReply, PollReply, Voted
from hailgate.core.content.interactive import (
    BUTTON_TITLE_LIMIT,
    OPTION_LIMIT,
    ROW_TITLE_LIMIT,
    ButtonQuestion,
    LinkQuestion,
    ListQuestion,
    PollQuestion,
    Question,
)
from hailgate.core.errors import Rejected

# Nothing longer is taken for a choice.
LONGEST_CHOICE = max(BUTTON_TITLE_LIMIT, ROW_TITLE_LIMIT, OPTION_LIMIT)

Menu = ButtonQuestion | ListQuestion | PollQuestion | LinkQuestion
Reply = ButtonReply | ListReply | PollReply


def render_menu(question: Question) -> str:
    """Numbered choices, so that a person can answer with a number. Raises Rejected for what has no words."""
    if not isinstance(question, Menu):
        raise Rejected("This channel's provider cannot show such a question.", code="unsupported_content")
    lines = [question.body.text, "", *_choices(question)]
    if isinstance(question, PollQuestion):
        return "\n".join(lines)
    if isinstance(question.header, TextHeader):
        lines = [f"*{question.header.text}*", "", *lines]
    if question.footer is not None:
        lines += ["", f"_{question.footer.text}_"]
    return "\n".join(lines)


def render_question(question: Question) -> str:
    """Its words where header and footer have no place of their own; its choices stand elsewhere."""
    header, footer = getattr(question, "header", None), getattr(question, "footer", None)
    body = getattr(question, "body", None)
    lines = [f"*{header.text}*"] if isinstance(header, TextHeader) else []
    lines += [body.text] if body is not None else []
    return "\n\n".join([*lines, f"_{footer.text}_"] if footer is not None else lines)


def find_choice(question: Question, words: str) -> Reply | None:
    """What was chosen by words that are exactly its number or its title, and no other choice's."""
    said = words.strip()
    named = [reply for number, (title, reply) in enumerate(_replies(question), 1) if said in {str(number), title}]
    if not named and isinstance(question, PollQuestion) and "," in said:
        return _find_votes(question, said.split(","))
    return named[0] if len(named) == 1 else None


def _find_votes(poll: PollQuestion, said: list[str]) -> PollReply | None:
    """Several options of a poll that takes as many; nothing where one of the words names none, or one twice."""
    found = [reply for words in said if isinstance(reply := find_choice(poll, words), PollReply)]
    chosen = {option for reply in found for option in reply.poll_reply.options}
    most = poll.action.selectable_count or len(poll.action.options)
    if not len(said) == len(found) == len(chosen) <= most:
        return None
    return PollReply(Voted(tuple(option for option in poll.action.options if option in chosen)))


def _replies(question: Question) -> Iterator[tuple[str, Reply]]:
    if isinstance(question, ButtonQuestion):
        for button in question.action.buttons:
            yield button.reply.title.strip(), ButtonReply(Chosen(button.reply.id, button.reply.title))
    elif isinstance(question, ListQuestion):
        for row in (row for section in question.action.sections for row in section.rows):
            yield row.title.strip(), ListReply(Chosen(row.id, row.title, row.description))
    elif isinstance(question, PollQuestion):
        for option in question.action.options:
            yield option.strip(), PollReply(Voted((option,)))


def _choices(question: Menu) -> Iterator[str]:
    if isinstance(question, ButtonQuestion):
        yield from (f"{number}. {button.reply.title}" for number, button in enumerate(question.action.buttons, 1))
    elif isinstance(question, ListQuestion):
        yield from _rows(question)
    elif isinstance(question, PollQuestion):
        yield from (f"{number}. {option}" for number, option in enumerate(question.action.options, 1))
    else:
        yield f"{question.action.parameters.display_text}: {question.action.parameters.url}"


def _rows(question: ListQuestion) -> Iterator[str]:
    number = 0
    for section in question.action.sections:
        if section.title:
            yield f"*{section.title}*"
        for row in section.rows:
            number += 1
            yield f"{number}. {row.title}" + (f" - {row.description}" if row.description else "")
