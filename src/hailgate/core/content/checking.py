"""What WhatsApp would refuse, refused before it is accepted, with the field, the rule and what to do."""

import math
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol
from urllib.parse import urlsplit

from hailgate.core.content import interactive as ask
from hailgate.core.content import templates
from hailgate.core.content.attached import find_uid
from hailgate.core.content.cleaning import is_storable
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
from hailgate.core.content.parts import (
    CAPTION_LIMIT,
    FILENAME_LIMIT,
    LINK_LIMIT,
    AnyFile,
    CaptionedFile,
    Card,
    DocumentFile,
    Part,
    Place,
)
from hailgate.core.content.refusals import refused
from hailgate.core.egress import leads_inside

# Foreign JSON (a flow's data, a catalog's action) may be nested this deep.
MOST_LEVELS = 32
# An emoji of a family with skin tones is a sequence of about a dozen code points.
EMOJI_LIMIT = 32
ID_LIMIT = 255
_BREAKING = re.compile(r"[\n\r\t]| {5}")


class ContentLimits(Protocol):
    """The part of a provider's capabilities that content is checked against."""

    @property
    def content_kinds(self) -> Collection[str]: ...

    @property
    def text_limit(self) -> int:
        """The longest text body, in characters."""
        ...


def check_content(content: Outbound, limits: ContentLimits) -> None:
    """Refuse what the channel cannot deliver; raises InputError."""
    if isinstance(content, Text):  # most messages: nothing else is looked at
        if "text" not in limits.content_kinds:
            raise _not_on_this_channel(limits)
        check_storable(content)
        _check_text(content.text.body, "text.body", limits.text_limit, "send it in parts")
        return
    if content.__struct_config__.tag not in limits.content_kinds:
        raise _not_on_this_channel(limits)
    check_storable(content)
    _CHECKS[type(content)](content)


def _not_on_this_channel(limits: ContentLimits) -> Exception:
    return refused("type", f"must be one of: {', '.join(sorted(limits.content_kinds))} on this channel")


# --- what can be stored -----------------------------------------------------------------------------------------------


def check_storable(content: Outbound) -> None:
    if isinstance(content, Text):
        if not is_storable(content.text.body):
            raise _unstorable("text.body")
        return
    for path, value in _leaves(content, ""):
        if isinstance(value, str) and not is_storable(value):
            raise _unstorable(path)
        if isinstance(value, float) and not math.isfinite(value):
            raise refused(path, "must be a finite number")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise refused(path, "holds a number out of range")


def _unstorable(path: str) -> Exception:
    return refused(path, "may hold neither NUL characters nor lone surrogates; remove them")


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


def _check_text(text: str, path: str, most: int, advice: str = "shorten it") -> None:
    if not text.strip():
        raise refused(path, "must hold more than white space; WhatsApp refuses an empty text")
    _check_length(text, path, most, advice)


def _check_length(text: str | None, path: str, most: int, advice: str = "shorten it") -> None:
    if text is not None and len(text) > most:
        raise refused(path, f"may have at most {most} characters; {advice}")


def _check_count(items: Collection[object], path: str, most: int, what: str, least: int = 1) -> None:
    if not least <= len(items) <= most:
        raise refused(path, f"must hold {least} to {most} {what}")


def _check_file(file: AnyFile, path: str) -> None:
    if sum(source is not None for source in (file.attachment, file.id, file.link)) != 1:
        raise refused(path, "needs exactly one of attachment, id and link")
    if file.attachment is not None and find_uid(file.attachment) is None:
        raise refused(f"{path}.attachment", "must be the id that `POST /v1/media` gave")
    if file.id is not None:
        _check_text(file.id, f"{path}.id", ID_LIMIT, "give the provider's id of an uploaded file")
    if file.link is not None:
        _check_link(file.link, f"{path}.link")
        if leads_inside(urlsplit(file.link).hostname or ""):
            raise refused(
                f"{path}.link",
                "must lead to a public address, since WhatsApp fetches the file; "
                "store it with `POST /v1/media` and name it as attachment",
            )
    if isinstance(file, CaptionedFile | DocumentFile):
        _check_length(file.caption, f"{path}.caption", CAPTION_LIMIT, "send the rest as a text")
    if isinstance(file, DocumentFile) and file.filename is not None:
        _check_text(file.filename, f"{path}.filename", FILENAME_LIMIT)


def _check_link(link: str, path: str) -> None:
    _check_length(link, path, LINK_LIMIT)
    try:
        url = urlsplit(link)
        usable = url.scheme in {"http", "https"} and bool(url.hostname) and link.isprintable() and " " not in link
    except ValueError:
        usable = False
    if not usable:
        raise refused(path, "must be an http or https URL with a host")


def _check_place(place: Place, path: str) -> None:
    for name, value, most in (("latitude", place.latitude, 90), ("longitude", place.longitude, 180)):
        if not -most <= value <= most:
            raise refused(f"{path}.{name}", f"must lie between -{most} and {most} degrees")
    if place.address is not None and not place.name:
        raise refused(f"{path}.name", "is needed beside an address; without it WhatsApp does not show the address")


def _check_cards(cards: tuple[Card, ...]) -> None:
    _check_count(cards, "contacts", MOST_CARDS, "contacts; send the rest in another message")
    for index, card in enumerate(cards):
        name = card.name
        _check_text(name.formatted_name, f"contacts[{index}].name.formatted_name", CAPTION_LIMIT)
        if not any((name.first_name, name.last_name, name.middle_name, name.prefix, name.suffix)):
            raise refused(f"contacts[{index}].name", "needs a part beside formatted_name, such as first_name")


def _check_reaction(content: Reaction) -> None:
    _check_text(content.reaction.message_id, "reaction.message_id", ID_LIMIT, "give the id of the message")
    emoji = content.reaction.emoji
    if emoji and (len(emoji) > EMOJI_LIMIT or emoji.isascii() or any(sign.isspace() for sign in emoji)):
        raise refused("reaction.emoji", "must be one emoji, or empty to take the reaction away")


# --- questions --------------------------------------------------------------------------------------------------------


def _check_question(content: Interactive) -> None:
    question, path = content.interactive, "interactive"
    most = ask.LIST_BODY_LIMIT if isinstance(question, ask.ListQuestion) else ask.BODY_LIMIT
    _check_text(question.body.text, f"{path}.body.text", most)
    if not isinstance(question, ask.LocationQuestion):
        _check_frame(question, path)
    match question:
        case ask.ButtonQuestion(action=action):
            _check_buttons(action, f"{path}.action")
        case ask.ListQuestion(action=action):
            _check_sections(action, f"{path}.action")
        case ask.LinkQuestion(action=link):
            _check_text(link.parameters.display_text, f"{path}.action.parameters.display_text", ask.CTA_LIMIT)
            _check_link(link.parameters.url, f"{path}.action.parameters.url")
        case ask.FlowQuestion(action=flow):
            _check_flow(flow.parameters, f"{path}.action.parameters")


def _check_frame(
    question: ask.ButtonQuestion | ask.ListQuestion | ask.LinkQuestion | ask.FlowQuestion, path: str
) -> None:
    if question.footer is not None:
        _check_text(question.footer.text, f"{path}.footer.text", ask.FOOTER_LIMIT)
    match question.header:
        case ask.TextHeader(text=text):
            _check_text(text, f"{path}.header.text", ask.HEADER_LIMIT)
        case ask.ImageHeader(image=file):
            _check_file(file, f"{path}.header.image")
        case ask.VideoHeader(video=file):
            _check_file(file, f"{path}.header.video")
        case ask.DocumentHeader(document=document):
            _check_file(document, f"{path}.header.document")


def _check_buttons(action: ask.Buttons, path: str) -> None:
    _check_count(action.buttons, f"{path}.buttons", ask.MOST_BUTTONS, "buttons; use a list for more choices")
    for index, button in enumerate(action.buttons):
        place = f"{path}.buttons[{index}].reply"
        _check_text(button.reply.id, f"{place}.id", ask.BUTTON_ID_LIMIT)
        _check_text(button.reply.title, f"{place}.title", ask.BUTTON_TITLE_LIMIT)
    _check_distinct([button.reply.id for button in action.buttons], f"{path}.buttons", "id")
    _check_distinct([button.reply.title for button in action.buttons], f"{path}.buttons", "title")


def _check_sections(action: ask.Sections, path: str) -> None:
    _check_text(action.button, f"{path}.button", ask.CTA_LIMIT)
    _check_count(action.sections, f"{path}.sections", ask.MOST_SECTIONS, "sections")
    rows = [row for section in action.sections for row in section.rows]
    _check_count(rows, f"{path}.sections", ask.MOST_ROWS, "rows in all sections together")
    for index, section in enumerate(action.sections):
        place = f"{path}.sections[{index}]"
        if section.title is not None or len(action.sections) > 1:
            _check_text(section.title or "", f"{place}.title", ask.SECTION_TITLE_LIMIT)
        _check_count(section.rows, f"{place}.rows", ask.MOST_ROWS, "rows")
        for number, row in enumerate(section.rows):
            _check_row(row, f"{place}.rows[{number}]")
    _check_distinct([row.id for row in rows], f"{path}.sections", "row id")


def _check_row(row: ask.Row, path: str) -> None:
    _check_text(row.id, f"{path}.id", ask.ROW_ID_LIMIT)
    _check_text(row.title, f"{path}.title", ask.ROW_TITLE_LIMIT)
    _check_length(row.description, f"{path}.description", ask.ROW_DESCRIPTION_LIMIT)


def _check_distinct(values: list[str], path: str, what: str) -> None:
    if len(set(values)) < len(values):
        raise refused(path, f"must not hold the same {what} twice")


def _check_flow(flow: ask.FlowParameters, path: str) -> None:
    _check_text(flow.flow_cta, f"{path}.flow_cta", ask.CTA_LIMIT)
    if (flow.flow_id is None) == (flow.flow_name is None):
        raise refused(path, "needs exactly one of flow_id and flow_name")


# --- templates --------------------------------------------------------------------------------------------------------


def _check_template(content: Template) -> None:
    template = content.template
    _check_text(template.name, "template.name", templates.NAME_LIMIT)
    _check_text(template.language.code, "template.language.code", ID_LIMIT)
    for index, component in enumerate(template.components):
        path = f"template.components[{index}]"
        if isinstance(component, templates.CarouselComponent):
            _check_carousel(component, path)
        else:
            _check_component(component, path)


def _check_carousel(carousel: templates.CarouselComponent, path: str) -> None:
    cards = templates.CARDS
    _check_count(carousel.cards, f"{path}.cards", cards.stop - 1, "cards", cards.start)
    for index, card in enumerate(carousel.cards):
        for number, component in enumerate(card.components):
            _check_component(component, f"{path}.cards[{index}].components[{number}]")


def _check_component(component: templates.Component, path: str) -> None:
    if isinstance(component, templates.ButtonComponent):
        place = str(component.index)
        if not (place.isascii() and place.isdigit() and int(place[:3]) < templates.MOST_BUTTONS):
            raise refused(f"{path}.index", f"must be the button's place, 0 to {templates.MOST_BUTTONS - 1}")
    if isinstance(component, templates.CarouselComponent):
        return
    for index, parameter in enumerate(component.parameters):
        _check_parameter(parameter, f"{path}.parameters[{index}]")


def _check_parameter(parameter: object, path: str) -> None:
    match parameter:
        case templates.TextParameter(text=text):
            _check_text(text, f"{path}.text", ask.LIST_BODY_LIMIT)
            _check_line(text, f"{path}.text")
        case templates.CurrencyParameter(currency=amount):
            _check_line(amount.fallback_value, f"{path}.currency.fallback_value")
        case templates.MomentParameter(date_time=moment):
            _check_line(moment.fallback_value, f"{path}.date_time.fallback_value")
        case templates.ImageParameter(image=file):
            _check_file(file, f"{path}.image")
        case templates.VideoParameter(video=file):
            _check_file(file, f"{path}.video")
        case templates.DocumentParameter(document=document):
            _check_file(document, f"{path}.document")
        case templates.LocationParameter(location=place):
            _check_place(place, f"{path}.location")
        case templates.CouponParameter(coupon_code=code):
            _check_text(code, f"{path}.coupon_code", templates.COUPON_LIMIT)


def _check_line(text: str, path: str) -> None:
    """A variable stands inside a paragraph of the template's, which it may not break."""
    if _BREAKING.search(text):
        raise refused(path, "may hold neither line breaks nor tabs nor more than four spaces in a row; remove them")


_CHECKS: dict[type[Part], Callable[[Any], None]] = {
    Image: lambda content: _check_file(content.image, "image"),
    Video: lambda content: _check_file(content.video, "video"),
    Audio: lambda content: _check_file(content.audio, "audio"),
    Document: lambda content: _check_file(content.document, "document"),
    Sticker: lambda content: _check_file(content.sticker, "sticker"),
    Location: lambda content: _check_place(content.location, "location"),
    Contacts: lambda content: _check_cards(content.contacts),
    Reaction: _check_reaction,
    Interactive: _check_question,
    Template: _check_template,
}
