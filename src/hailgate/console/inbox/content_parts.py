"""What a message holds, taken apart for a template: words, a file, a place, cards, choices. No markup but formatting.

Reads the stored shape of either direction and of any age. Total: whatever the shape, there is something to show.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import msgspec
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hailgate.accounts.seal import sealer
from hailgate.console.inbox.formatting import render_formatting
from hailgate.core import media
from hailgate.core.content import parse_outbound
from hailgate.core.content.outbound import Template
from hailgate.core.content.preview import preview
from hailgate.core.errors import InputError
from hailgate.core.templates import Definition, preview_template, values_of
from hailgate.messaging.models import Attachment, AttachmentState

FILES: Final = frozenset({"image", "video", "audio", "document", "sticker"})
# What browsers play. Everything else is something to save.
_PLAYED: Final = {
    "video/mp4": "video", "audio/mpeg": "audio", "audio/mp4": "audio", "audio/ogg": "audio", "audio/aac": "audio",
}  # fmt: skip
# A form of many screens may hold any number of fields, and whole texts.
MOST_ANSWERS: Final = 60
LONGEST_ANSWER: Final = 1_000
# How form builders name fields and options: by screen and by place.
_SCREEN: Final = re.compile(r"^screen_\d+_|_\d+$")
_OPTION: Final = re.compile(r"^\d+_(?=\D)")
_MAP: Final = "https://www.openstreetmap.org/?mlat={0}&mlon={1}#map=16/{0}/{1}"
_WHY_NOT: Final = {
    AttachmentState.AWAITED: gettext_lazy("The file is being fetched …"),
    AttachmentState.FAILED: gettext_lazy("The file could not be fetched."),
    AttachmentState.REMOVED: gettext_lazy("The file outlived its days and was removed."),
}


class FilePart(NamedTuple):
    """``shape`` is how a page shows it: a picture, a sticker, a video, audio; or nothing but a link to save it."""

    uid: str
    shape: str
    name: str
    size: int
    voice: bool
    why_not: str


class PlacePart(NamedTuple):
    name: str
    address: str
    link: str


class CardPart(NamedTuple):
    name: str
    lines: list[str]


class ChoicePart(NamedTuple):
    """``heading`` is of those below it."""

    title: str
    description: str
    heading: bool = False


class AnswerPart(NamedTuple):
    """One field of a form, and what the person gave."""

    field: str
    value: str


class OriginShown(NamedTuple):
    """Where a message comes from, beside its sender: an ad or a post, and a product it asks about."""

    forwarded: str
    title: str
    body: str
    link: str
    product: str


class MessageParts(NamedTuple):
    """``line`` says in words what the rest cannot show; it is empty where the rest says all."""

    html: SafeString | str = ""
    line: str = ""
    header: str = ""
    footer: str = ""
    file: FilePart | None = None
    place: PlacePart | None = None
    cards: list[CardPart] | None = None
    choices: list[ChoicePart] | None = None
    answers: list[AnswerPart] | None = None


def take_apart(
    content: Mapping[str, Any], attachment: Attachment | None, definition: Definition | None = None
) -> MessageParts:
    """``definition`` is of the template that it calls, where it is known."""
    kind = str(content.get("type"))
    inner = _member(content, kind)
    if kind == "text":
        return MessageParts(render_formatting(_text(inner, "body")), footer=_mentions(inner))
    if kind in FILES:
        return _file(kind, inner, attachment)
    if definition is not None and (filled := _filled(content, definition)):
        return filled
    taken = _SHAPES.get(kind)
    parts = (taken(inner) if taken else None) or MessageParts(line=line_of(content))
    typed = _text(_member(content, "text"), "body")
    return parts._replace(header=_("Written: %(words)s") % {"words": typed}) if typed else parts


def line_of(content: Mapping[str, Any]) -> str:
    """One line of it, for lists. What is kept but not understood is called by the provider's own word for it."""
    inner = _member(content, "unsupported")
    if content.get("type") != "unsupported" or _text(inner, "why"):
        return preview(content, _)
    return _("Message of kind “%(kind)s”") % {"kind": _text(inner, "kind")}


def read_origin(content: Mapping[str, Any]) -> OriginShown | None:
    origin = _member(content, "origin")
    referral, product = _member(origin, "referral"), _member(origin, "referred_product")
    shown = OriginShown(
        forwarded=_forwarded(origin),
        title=_text(referral, "headline") or (_("An ad or a post") if referral else ""),
        body=_text(referral, "body"),
        link=_web_address(_text(referral, "source_url")),
        product=_text(product, "product_retailer_id"),
    )
    return shown if any(shown) else None


def _forwarded(origin: Mapping[str, Any]) -> str:
    if origin.get("frequently_forwarded") is True:
        return _("Forwarded many times")
    return _("Forwarded") if origin.get("forwarded") is True else ""


def _web_address(text: str) -> str:
    """Whoever fills in an ad may write anything; only the web is linked."""
    return text if text.startswith(("https://", "http://")) else ""


def attachment_named(content: Mapping[str, Any]) -> str:
    """The file of ours that a message names, where it names one."""
    kind = str(content.get("type"))
    return _text(_member(content, kind), "attachment") if kind in FILES else ""


# --- each kind --------------------------------------------------------------------------------------------------------


def _file(kind: str, inner: Mapping[str, Any], attachment: Attachment | None) -> MessageParts:
    html = render_formatting(_text(inner, "caption"))
    if attachment is None:
        return MessageParts(html, line=preview({"type": kind, kind: {**inner, "caption": None}}, _))
    name = _text(inner, "filename") or sealer().unseal(attachment.name)
    state = AttachmentState(attachment.state)
    return MessageParts(
        html,
        file=FilePart(
            uid=attachment.uid.hex,
            shape=_shape(kind, attachment.mime),
            name=media.show_name(name) if name else preview({"type": kind, kind: {"voice": inner.get("voice")}}, _),
            size=attachment.size,
            voice=inner.get("voice") is True,
            why_not=str(_WHY_NOT.get(state, "")),
        ),
    )


def _mentions(inner: Mapping[str, Any]) -> str:
    """Whom a text calls by name, since its own words hold their numbers at best."""
    if inner.get("mention_all") is True:
        return _("Mentions everyone")
    people = [*_strings(inner, "mentions"), *map(_person, _members(inner, "mentions"))]
    return _("Mentions %(people)s") % {"people": ", ".join(people)} if people else ""


def _person(address: Mapping[str, Any]) -> str:
    value = _text(address, "value")
    return f"+{value}" if address.get("kind") == "phone" and not value.startswith("+") else value


def _shape(kind: str, mime: str) -> str:
    if kind == "document":
        return ""
    if mime in media.INLINE:
        return "sticker" if kind == "sticker" else "picture"
    return _PLAYED.get(mime, "")


def _location(inner: Mapping[str, Any]) -> MessageParts:
    try:
        latitude, longitude = (round(float(inner[name]), 6) for name in ("latitude", "longitude"))
        where = f"{latitude}, {longitude}"
        link = _MAP.format(quote(str(latitude)), quote(str(longitude)))
    except (KeyError, TypeError, ValueError):
        where = link = ""
    return MessageParts(place=PlacePart(_text(inner, "name") or where or _("Location"), _text(inner, "address"), link))


def _contacts(cards: Any) -> MessageParts:
    return MessageParts(
        cards=[_card(card) for card in cards if isinstance(card, Mapping)] if isinstance(cards, list) else []
    )


def _card(card: Mapping[str, Any]) -> CardPart:
    org = _member(card, "org")
    lines = [_text(org, "title"), _text(org, "company")]
    for many, one in (("phones", "phone"), ("emails", "email"), ("urls", "url")):
        lines += [_text(each, one) for each in _members(card, many)]
    lines += [_street(each) for each in _members(card, "addresses")]
    return CardPart(_text(_member(card, "name"), "formatted_name") or _("Contact"), list(filter(None, lines)))


def _street(address: Mapping[str, Any]) -> str:
    return ", ".join(filter(None, (_text(address, "street"), _text(address, "city"))))


def _interactive(inner: Mapping[str, Any]) -> MessageParts | None:
    """A question with its choices, or what was chosen."""
    kind = _text(inner, "type")
    if kind == "nfm_reply":
        return _form(_member(inner, kind))
    if kind == "poll_reply":
        chosen = ", ".join(_strings(_member(inner, kind), "options"))
        return MessageParts(render_formatting(chosen), header=_("Vote")) if chosen else None
    if kind in {"button_reply", "list_reply"}:
        chosen = _member(inner, kind)
        return MessageParts(render_formatting(_text(chosen, "title")), footer=_text(chosen, "description"))
    body, choices = _text(_member(inner, "body"), "text"), list(_choices(kind, _member(inner, "action")))
    if not (body or choices):
        return None
    header = _member(inner, "header")
    label = "" if header.get("type") == "text" or not header else preview({"type": header.get("type")}, _)
    return MessageParts(
        render_formatting(body),
        header=_text(header, "text") or label,
        footer=_text(_member(inner, "footer"), "text"),
        choices=choices,
    )


def _form(inner: Mapping[str, Any]) -> MessageParts:
    """What the person filled in, field by field; the token is ours and says nothing."""
    try:
        filled = msgspec.json.decode(_text(inner, "response_json") or "{}")
    except (msgspec.DecodeError, RecursionError):
        filled = {}
    answers = [
        AnswerPart(_field(str(name)), _value(value))
        for name, value in (filled.items() if isinstance(filled, dict) else ())
        if name != "flow_token"
    ]
    if not answers:
        return MessageParts(line=_("Form answered"))
    return MessageParts(header=_("Form answered"), answers=answers[:MOST_ANSWERS])


def _field(name: str) -> str:
    """`screen_0_First_name_1` as its maker meant it."""
    return _SCREEN.sub("", name).replace("_", " ").strip().capitalize() or name


def _value(value: object) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(_value(each) for each in value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return _OPTION.sub("", text)[:LONGEST_ANSWER]


def _choices(kind: str, action: Mapping[str, Any]) -> Iterator[ChoicePart]:
    if one := _ONE_CHOICE.get(kind):
        yield ChoicePart(one(_member(action, "parameters")), "")
    elif many := _MANY_CHOICES.get(kind):
        yield from many(action)


def _buttons(action: Mapping[str, Any]) -> Iterator[ChoicePart]:
    for button in _members(action, "buttons"):
        yield ChoicePart(_text(_member(button, "reply"), "title"), "")


def _poll(action: Mapping[str, Any]) -> Iterator[ChoicePart]:
    most = action.get("selectable_count", 1)
    many = _("Choose one") if most == 1 else _("Choose as many as you like")
    if isinstance(most, int) and most > 1:
        many = _("Choose up to %(count)s") % {"count": most}
    yield ChoicePart(many, "", heading=True)
    yield from (ChoicePart(option, "") for option in _strings(action, "options"))


def _link(action: Mapping[str, Any]) -> Iterator[ChoicePart]:
    parameters = _member(action, "parameters")
    yield ChoicePart(_text(parameters, "display_text"), _text(parameters, "url"))


def _product(action: Mapping[str, Any]) -> Iterator[ChoicePart]:
    yield ChoicePart(_text(action, "product_retailer_id"), "")


def _cards(action: Mapping[str, Any]) -> Iterator[ChoicePart]:
    for card in _members(action, "cards"):
        yield from _card_choices(card)


def _sections(action: Mapping[str, Any], rows: str) -> Iterator[ChoicePart]:
    """A list's, or a catalog's, each below its title."""
    for section in _members(action, "sections"):
        if title := _text(section, "title"):
            yield ChoicePart(title, "", heading=True)
        for row in _members(section, rows):
            yield ChoicePart(_text(row, "title") or _text(row, "product_retailer_id"), _text(row, "description"))


def _card_choices(card: Mapping[str, Any]) -> Iterator[ChoicePart]:
    action = _member(card, "action")
    if words := _text(_member(card, "body"), "text"):
        yield ChoicePart(words, "", heading=True)
    link = _member(action, "parameters")
    if link:
        yield ChoicePart(_text(link, "display_text"), _text(link, "url"))
    for button in _members(action, "buttons"):
        yield ChoicePart(_text(_member(button, "quick_reply"), "title"), "")
    if product := _text(action, "product_retailer_id"):
        yield ChoicePart(product, "")


# What a question of each kind offers: one thing, by its parameters, or many.
_ONE_CHOICE: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "flow": lambda told: _text(told, "flow_cta"),
    "location_request_message": lambda _told: _("Send location"),
    "catalog_message": lambda _told: _("View catalog"),
    "voice_call": lambda told: _text(told, "display_text") or _("Call now"),
    "call_permission_request": lambda _told: _("Allow calls"),
    "request_contact_info": lambda _told: _("Share phone number"),
    "address_message": lambda _told: _("Provide address"),
    "order_details": lambda told: _text(told, "reference_id"),
    "order_status": lambda told: _text(told, "reference_id"),
}
_MANY_CHOICES: Final[Mapping[str, Callable[[Mapping[str, Any]], Iterator[ChoicePart]]]] = {
    "button": _buttons,
    "list": lambda action: _sections(action, "rows"),
    "poll": _poll,
    "cta_url": _link,
    "product": _product,
    "product_list": lambda action: _sections(action, "product_items"),
    "carousel": _cards,
}


def _order(inner: Mapping[str, Any]) -> MessageParts:
    items = [
        ChoicePart(_text(item, "product_retailer_id"), _("%(count)s pieces") % {"count": item.get("quantity", 1)})
        for item in _members(inner, "product_items")
    ]
    return MessageParts(render_formatting(_text(inner, "text")), header=_("Order"), choices=items)


def _filled(content: Mapping[str, Any], definition: Definition) -> MessageParts | None:
    """A template as the person reads it."""
    try:
        call = parse_outbound(content)
    except InputError:
        return None
    if not isinstance(call, Template):
        return None
    shown = preview_template(definition, values_of(call.template, definition))
    label = preview({"type": shown.header_kind}, _) if shown.header_kind in FILES | {"location"} else ""
    return MessageParts(
        render_formatting(shown.body),
        header=shown.header or label,
        footer=shown.footer,
        choices=[ChoicePart(button, "") for button in shown.buttons],
    )


def template_called(content: Mapping[str, Any]) -> tuple[str, str]:
    """Its name and language."""
    inner = _member(content, "template")
    return _text(inner, "name"), _text(_member(inner, "language"), "code")


def _template(inner: Mapping[str, Any]) -> MessageParts:
    """Its name and what stands in for its variables."""
    said = [
        ChoicePart(words, "")
        for component in _members(inner, "components")
        for parameter in _members(component, "parameters")
        if (words := _said(parameter))
    ]
    return MessageParts(header=f"{_('Template')}: {_text(inner, 'name')}", choices=said)


def _said(parameter: Mapping[str, Any]) -> str:
    kind = _text(parameter, "type")
    if kind in {"currency", "date_time"}:
        return _text(_member(parameter, kind), "fallback_value")
    return _text(parameter, "text") or _text(parameter, "coupon_code")


_SHAPES: Final[Mapping[str, Any]] = {
    "location": _location,
    "contacts": _contacts,
    "interactive": _interactive,
    "order": _order,
    "template": _template,
    "button": lambda inner: MessageParts(render_formatting(_text(inner, "text"))),
}


def _member(outer: Mapping[str, Any], name: str) -> Any:
    """Contacts are a list; everything else is a map, or as good as an empty one."""
    found = outer.get(name)
    return found if isinstance(found, Mapping) or name == "contacts" else {}


def _members(outer: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = outer.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _strings(outer: Mapping[str, Any], name: str) -> list[str]:
    found = outer.get(name)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _text(inner: Mapping[str, Any], name: str) -> str:
    found = inner.get(name)
    return found if isinstance(found, str) else ""
