"""What a message holds, taken apart for a template: words, a file, a place, cards, choices. No markup but formatting.

Reads the stored shape of either direction and of any age. Total: whatever the shape, there is something to show.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hailgate.accounts.seal import sealer
from hailgate.console.formatting import render_formatting
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
_MAP: Final = "https://www.openstreetmap.org/?mlat={0}&mlon={1}#map=16/{0}/{1}"
_WHY_NOT: Final = {
    AttachmentState.AWAITED: gettext_lazy("The file is being fetched …"),
    AttachmentState.FAILED: gettext_lazy("The file could not be fetched."),
    AttachmentState.REMOVED: gettext_lazy("The file outlived its days and was removed."),
}


class File(NamedTuple):
    """``shape`` is how a page shows it: a picture, a sticker, a video, audio; or nothing but a link to save it."""

    uid: str
    shape: str
    name: str
    size: int
    voice: bool
    why_not: str


class Place(NamedTuple):
    name: str
    address: str
    link: str


class Card(NamedTuple):
    name: str
    lines: list[str]


class Choice(NamedTuple):
    title: str
    description: str


class Parts(NamedTuple):
    """``line`` says in words what the rest cannot show; it is empty where the rest says all."""

    html: SafeString | str = ""
    line: str = ""
    header: str = ""
    footer: str = ""
    file: File | None = None
    place: Place | None = None
    cards: list[Card] | None = None
    choices: list[Choice] | None = None


def take_apart(
    content: Mapping[str, Any], attachment: Attachment | None, definition: Definition | None = None
) -> Parts:
    """``definition`` is of the template that it calls, where it is known."""
    kind = str(content.get("type"))
    inner = _member(content, kind)
    if kind == "text":
        return Parts(render_formatting(_text(inner, "body")))
    if kind in FILES:
        return _file(kind, inner, attachment)
    if definition is not None and (filled := _filled(content, definition)):
        return filled
    taken = _SHAPES.get(kind)
    return (taken(inner) if taken else None) or Parts(line=line_of(content))


def line_of(content: Mapping[str, Any]) -> str:
    """One line of it, for lists. What is kept but not understood is called by the provider's own word for it."""
    if content.get("type") != "unsupported":
        return preview(content, _)
    return _("Message of kind “%(kind)s”") % {"kind": _text(_member(content, "unsupported"), "kind")}


def attachment_named(content: Mapping[str, Any]) -> str:
    """The file of ours that a message names, where it names one."""
    kind = str(content.get("type"))
    return _text(_member(content, kind), "attachment") if kind in FILES else ""


# --- each kind --------------------------------------------------------------------------------------------------------


def _file(kind: str, inner: Mapping[str, Any], attachment: Attachment | None) -> Parts:
    html = render_formatting(_text(inner, "caption"))
    if attachment is None:
        return Parts(html, line=preview({"type": kind, kind: {**inner, "caption": None}}, _))
    name = _text(inner, "filename") or sealer().unseal(attachment.name)
    state = AttachmentState(attachment.state)
    return Parts(
        html,
        file=File(
            uid=attachment.uid.hex,
            shape=_shape(kind, attachment.mime),
            name=media.show_name(name) if name else preview({"type": kind, kind: {"voice": inner.get("voice")}}, _),
            size=attachment.size,
            voice=inner.get("voice") is True,
            why_not=str(_WHY_NOT.get(state, "")),
        ),
    )


def _shape(kind: str, mime: str) -> str:
    if kind == "document":
        return ""
    if mime in media.INLINE:
        return "sticker" if kind == "sticker" else "picture"
    return _PLAYED.get(mime, "")


def _location(inner: Mapping[str, Any]) -> Parts:
    try:
        latitude, longitude = (round(float(inner[name]), 6) for name in ("latitude", "longitude"))
        where = f"{latitude}, {longitude}"
        link = _MAP.format(quote(str(latitude)), quote(str(longitude)))
    except (KeyError, TypeError, ValueError):
        where = link = ""
    return Parts(place=Place(_text(inner, "name") or where or _("Location"), _text(inner, "address"), link))


def _contacts(cards: Any) -> Parts:
    return Parts(cards=[_card(card) for card in cards if isinstance(card, Mapping)] if isinstance(cards, list) else [])


def _card(card: Mapping[str, Any]) -> Card:
    org = _member(card, "org")
    lines = [_text(org, "title"), _text(org, "company")]
    for many, one in (("phones", "phone"), ("emails", "email"), ("urls", "url")):
        lines += [_text(each, one) for each in _members(card, many)]
    lines += [_street(each) for each in _members(card, "addresses")]
    return Card(_text(_member(card, "name"), "formatted_name") or _("Contact"), list(filter(None, lines)))


def _street(address: Mapping[str, Any]) -> str:
    return ", ".join(filter(None, (_text(address, "street"), _text(address, "city"))))


def _interactive(inner: Mapping[str, Any]) -> Parts | None:
    """A question with its choices, or what was chosen."""
    kind = _text(inner, "type")
    if kind in {"button_reply", "list_reply"}:
        chosen = _member(inner, kind)
        return Parts(render_formatting(_text(chosen, "title")), footer=_text(chosen, "description"))
    if not (body := _text(_member(inner, "body"), "text")):
        return None
    header = _member(inner, "header")
    label = "" if header.get("type") == "text" or not header else preview({"type": header.get("type")}, _)
    return Parts(
        render_formatting(body),
        header=_text(header, "text") or label,
        footer=_text(_member(inner, "footer"), "text"),
        choices=list(_choices(kind, _member(inner, "action"))),
    )


def _choices(kind: str, action: Mapping[str, Any]) -> Iterator[Choice]:
    parameters = _member(action, "parameters")
    match kind:
        case "button":
            for button in _members(action, "buttons"):
                yield Choice(_text(_member(button, "reply"), "title"), "")
        case "list":
            for section in _members(action, "sections"):
                for row in _members(section, "rows"):
                    yield Choice(_text(row, "title"), _text(row, "description"))
        case "cta_url":
            yield Choice(_text(parameters, "display_text"), _text(parameters, "url"))
        case "flow":
            yield Choice(_text(parameters, "flow_cta"), "")
        case "location_request_message":
            yield Choice(_("Send location"), "")


def _order(inner: Mapping[str, Any]) -> Parts:
    items = [
        Choice(_text(item, "product_retailer_id"), _("%(count)s pieces") % {"count": item.get("quantity", 1)})
        for item in _members(inner, "product_items")
    ]
    return Parts(render_formatting(_text(inner, "text")), header=_("Order"), choices=items)


def _filled(content: Mapping[str, Any], definition: Definition) -> Parts | None:
    """A template as the person reads it."""
    try:
        call = parse_outbound(content)
    except InputError:
        return None
    if not isinstance(call, Template):
        return None
    shown = preview_template(definition, values_of(call.template, definition))
    label = preview({"type": shown.header_kind}, _) if shown.header_kind in FILES | {"location"} else ""
    return Parts(
        render_formatting(shown.body),
        header=shown.header or label,
        footer=shown.footer,
        choices=[Choice(button, "") for button in shown.buttons],
    )


def template_called(content: Mapping[str, Any]) -> tuple[str, str]:
    """Its name and language."""
    inner = _member(content, "template")
    return _text(inner, "name"), _text(_member(inner, "language"), "code")


def _template(inner: Mapping[str, Any]) -> Parts:
    """Its name and what stands in for its variables."""
    said = [
        Choice(words, "")
        for component in _members(inner, "components")
        for parameter in _members(component, "parameters")
        if (words := _said(parameter))
    ]
    return Parts(header=f"{_('Template')}: {_text(inner, 'name')}", choices=said)


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
    "button": lambda inner: Parts(render_formatting(_text(inner, "text"))),
}


def _member(outer: Mapping[str, Any], name: str) -> Any:
    """Contacts are a list; everything else is a map, or as good as an empty one."""
    found = outer.get(name)
    return found if isinstance(found, Mapping) or name == "contacts" else {}


def _members(outer: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = outer.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _text(inner: Mapping[str, Any], name: str) -> str:
    found = inner.get(name)
    return found if isinstance(found, str) else ""
