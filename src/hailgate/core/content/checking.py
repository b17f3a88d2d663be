"""What WhatsApp would refuse, refused before it is accepted, with the field, the rule and what to do."""

import math
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from hailgate.core.content.checking_questions import check_question
from hailgate.core.content.checking_templates import check_call
from hailgate.core.content.cleaning import is_storable
from hailgate.core.content.degrading import degrade, find_limits
from hailgate.core.content.frames import TextHeader
from hailgate.core.content.interactive import OPTIONS, PollQuestion, Question
from hailgate.core.content.mentions import mentioned_in
from hailgate.core.content.menus import render_question
from hailgate.core.content.outbound import (
    MOST_CARDS,
    Audio,
    Contacts,
    Document,
    Image,
    Interactive,
    Location,
    Outbound,
    Reaction,
    Sticker,
    Template,
    Text,
    Video,
)
from hailgate.core.content.parts import CAPTION_LIMIT, TEXT_LIMIT, CaptionedFile, Card, DocumentFile, Part
from hailgate.core.content.refusals import refuse_unstorable, refused
from hailgate.core.content.rules import ID_LIMIT, check_count, check_file, check_length, check_place, check_text
from hailgate.core.content.templates import CarouselComponent, TextParameter
from hailgate.core.errors import InputError
from hailgate.core.kinds import KindLimits, Kinds, plain_kinds

# Foreign JSON (a flow's data, a catalog's action) may be nested this deep.
MOST_LEVELS = 32
# An emoji of a family with skin tones is a sequence of about a dozen code points.
EMOJI_LIMIT = 32


class ContentLimits(Protocol):
    """The part of a provider's capabilities that content is checked against."""

    @property
    def kinds(self) -> Kinds: ...


def check_content(content: Outbound, limits: ContentLimits) -> None:
    """Refuse what the channel cannot deliver; raises InputError."""
    own = find_limits(content, limits.kinds)
    if own is None:
        raise _not_on_this_channel(content, limits.kinds)
    check_storable(content)
    if content.recipient_identity_key_hash is not None:
        check_text(content.recipient_identity_key_hash, "recipient_identity_key_hash", ID_LIMIT)
    if isinstance(content, Text):  # most messages: nothing else is looked at
        check_text(content.text.body, "text.body", own.text or TEXT_LIMIT, "send it in parts")
        if content.text.mentions:
            mentioned_in(content.text)
        return
    _CHECKS[type(content)](content)
    _check_own_limits(content, own, limits.kinds)


def check_quotes(content: Outbound, kinds: Kinds) -> None:
    """Refuse to quote where the channel cannot: it would arrive as an answer to nothing. Raises InputError."""
    own = find_limits(content, kinds)
    if own is not None and not own.quotable:
        kind = content.__struct_config__.tag
        raise InputError(
            f"context: a message of type {kind} cannot quote another on this channel; remove it.", field="context"
        )


def _check_degraded(content: Outbound, kinds: Kinds) -> None:
    """What is sent instead must fit, too: the parts of a long list may be more than a text holds."""
    text, own = degrade(content, kinds), kinds.get("text")
    if isinstance(text, Text) and own is not None and len(text.text.body) > (own.text or TEXT_LIMIT):
        most = own.text or TEXT_LIMIT
        rule = f"becomes a text of {len(text.text.body)} characters on this channel, which takes {most}; shorten it"
        raise refused(str(content.__struct_config__.tag), rule)


def _not_on_this_channel(content: Outbound, kinds: Kinds) -> Exception:
    if isinstance(content, Interactive) and isinstance(content.interactive, PollQuestion):
        return refused("interactive.type", "cannot be poll on this channel, whose provider has no polls; send a list")
    if isinstance(content, Interactive) and (forms := [kind[12:] for kind in kinds if kind.startswith("interactive.")]):
        return refused("interactive.type", f"must be one of: {', '.join(sorted(forms))} on this channel")
    return refused("type", f"must be one of: {', '.join(plain_kinds(kinds))} on this channel")


def _check_own_limits(content: Outbound, own: KindLimits, kinds: Kinds) -> None:
    """Where a provider takes less than WhatsApp does."""
    if own.words_only or own.degrades_to is not None:
        _check_words(content)
    if own.degrades_to is not None:
        _check_degraded(content, kinds)
        return
    if isinstance(content, Interactive):
        _check_own_question(content.interactive, own)
    file = getattr(content, str(content.__struct_config__.tag))
    if isinstance(content, Audio) and content.audio.voice and content.audio.link and not own.voice_by_link:
        rule = "cannot lead to a voice note on this channel; store it with `POST /v1/media?as=voice`, and attach it"
        raise refused("audio.link", rule)
    if isinstance(file, CaptionedFile | DocumentFile) and own.caption is not None:
        path = f"{content.__struct_config__.tag}.caption"
        check_length(file.caption, path, own.caption, "send the rest as a text")


def _check_own_question(question: Question, own: KindLimits) -> None:
    if own.text is not None:
        _check_question_length(question, own.text, words_only=own.words_only)
    if isinstance(question, PollQuestion) and own.options is not None:
        options, path = question.action.options, "interactive.action.options"
        check_count(options, path, own.options, "options on this channel", OPTIONS.start)


def _check_question_length(question: Question, most: int, *, words_only: bool) -> None:
    if question.body is not None:
        check_length(question.body.text, "interactive.body.text", most)
    if words_only and (length := len(render_question(question))) > most:
        rule = f"has {length} characters with its header and footer; this channel takes {most}: shorten it"
        raise refused("interactive.body.text", rule)


def _check_words(content: Outbound) -> None:
    """What is more than words would be left out without a word."""
    if isinstance(content, Interactive):
        header = getattr(content.interactive, "header", None)
        if header is not None and not isinstance(header, TextHeader):
            raise refused("interactive.header.type", "must be text on this channel; send the file in its own message")
    if isinstance(content, Template):
        for index, component in enumerate(content.template.components):
            path = f"template.components[{index}]"
            if isinstance(component, CarouselComponent):
                raise refused(f"{path}.type", "cannot be a carousel on this channel")
            for number, parameter in enumerate(component.parameters):
                if not isinstance(parameter, TextParameter):
                    raise refused(f"{path}.parameters[{number}].type", "must be text on this channel")


# --- what can be stored -----------------------------------------------------------------------------------------------


def check_storable(content: Outbound) -> None:
    if type(content) is Text and not content.text.mentions and content.recipient_identity_key_hash is None:
        # most messages have one string
        if not is_storable(content.text.body):
            raise refuse_unstorable("text.body")
        return
    for path, value in _leaves(content, ""):
        if isinstance(value, str) and not is_storable(value):
            raise refuse_unstorable(path)
        if isinstance(value, float) and not math.isfinite(value):
            raise refused(path, "must be a finite number")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise refused(path, "holds a number out of range")


def _leaves(value: Any, path: str, depth: int = 0) -> Iterator[tuple[str, object]]:
    """Each value with the way to it. Names inside foreign JSON are the caller's own, and not repeated."""
    if depth > MOST_LEVELS:
        raise refused(path, f"is nested too deeply; {MOST_LEVELS} levels are allowed")
    if isinstance(value, Part):
        for name in value.__struct_fields__:
            yield from _leaves(getattr(value, name), f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, path, depth + 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield path, name
            yield from _leaves(item, path, depth + 1)
    else:
        yield path, value


# --- each kind --------------------------------------------------------------------------------------------------------


def _check_cards(cards: tuple[Card, ...]) -> None:
    check_count(cards, "contacts", MOST_CARDS, "contacts; send the rest in another message")
    for index, card in enumerate(cards):
        name = card.name
        check_text(name.formatted_name, f"contacts[{index}].name.formatted_name", CAPTION_LIMIT)
        if not any((name.first_name, name.last_name, name.middle_name, name.prefix, name.suffix)):
            raise refused(f"contacts[{index}].name", "needs a part beside formatted_name, such as first_name")


def _check_reaction(content: Reaction) -> None:
    check_text(content.reaction.message_id, "reaction.message_id", ID_LIMIT, "give the id of the message")
    emoji = content.reaction.emoji
    if emoji and (len(emoji) > EMOJI_LIMIT or emoji.isascii() or any(sign.isspace() for sign in emoji)):
        raise refused("reaction.emoji", "must be one emoji, or empty to take the reaction away")


_CHECKS: dict[type[Part], Callable[[Any], None]] = {
    Image: lambda content: check_file(content.image, "image"),
    Video: lambda content: check_file(content.video, "video"),
    Audio: lambda content: check_file(content.audio, "audio"),
    Document: lambda content: check_file(content.document, "document"),
    Sticker: lambda content: check_file(content.sticker, "sticker"),
    Location: lambda content: check_place(content.location, "location"),
    Contacts: lambda content: _check_cards(content.contacts),
    Reaction: _check_reaction,
    Interactive: check_question,
    Template: check_call,
}
