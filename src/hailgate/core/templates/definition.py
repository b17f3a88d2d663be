"""What a template says, read from its provider's list of components."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

VARIABLE: Final = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
APPROVED: Final = "APPROVED"


class TemplateDefinition(NamedTuple):
    """As the provider lists it. Status, category and quality are its own words.

    `components` is JSON, and empty where only the rest is known. `reason` says why it is not approved.
    """

    provider_id: str
    name: str
    language: str
    category: str
    status: str
    quality: str = ""
    named: bool = False
    components: str = ""
    reason: str = ""


class Header(NamedTuple):
    """`form` is text, image, video, document or location; `text` is of a text."""

    form: str
    text: str = ""
    examples: Mapping[str, str] = {}


class Button(NamedTuple):
    """`kind` in the words of a call: quick_reply, url, copy_code, flow … `told` is its url or its telephone number."""

    kind: str
    text: str
    told: str = ""
    example: str = ""

    @property
    def variable(self) -> bool:
        return self.kind == "url" and bool(VARIABLE.search(self.told))


class Face(NamedTuple):
    """A template, or one card of its carousel."""

    header: Header | None = None
    body: str = ""
    examples: Mapping[str, str] = {}
    footer: str = ""
    buttons: tuple[Button, ...] = ()


class Definition(NamedTuple):
    """`offer` where a call has to say until when the offer lasts. `named` where variables have names, not numbers."""

    face: Face
    cards: tuple[Face, ...] = ()
    offer: bool = False
    named: bool = False


def names_in(text: str) -> tuple[str, ...]:
    """The variables of a text, each once, in the order of their first place."""
    return tuple(dict.fromkeys(VARIABLE.findall(text)))


def parse_definition(template: TemplateDefinition) -> Definition | None:
    """None where its components are not known, or not in a shape that we know."""
    try:
        parts = msgspec.json.decode(template.components) if template.components else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if not isinstance(parts, list):
        return None
    components = [part for part in parts if isinstance(part, dict)]
    carousel = _find(components, "CAROUSEL")
    cards = [_face(_dicts(card.get("components"))) for card in _dicts(carousel.get("cards"))]
    offer = _inner(_find(components, "LIMITED_TIME_OFFER"), "limited_time_offer")
    return Definition(_face(components), tuple(cards), offer.get("has_expiration") is True, template.named)


def _face(components: list[dict[str, Any]]) -> Face:
    header, body = _find(components, "HEADER"), _find(components, "BODY")
    return Face(
        _header(header) if header else None,
        _text(body, "text"),
        _examples(body, "body_text", _text(body, "text")),
        _text(_find(components, "FOOTER"), "text"),
        tuple(_button(button) for button in _dicts(_find(components, "BUTTONS").get("buttons"))),
    )


def _header(header: dict[str, Any]) -> Header:
    text = _text(header, "text")
    return Header(_text(header, "format").lower() or "text", text, _examples(header, "header_text", text))


def _button(button: dict[str, Any]) -> Button:
    kind, told = _text(button, "type").lower(), _text(button, "url") or _text(button, "phone_number")
    if kind == "otp":  # a button of an authentication template, which is told its code like the end of an address
        kind, told = "url", "{{1}}"
    example = button.get("example")
    first = example[0] if isinstance(example, list) and example else example
    return Button(kind, _text(button, "text"), told, first if isinstance(first, str) else "")


def _examples(component: dict[str, Any], name: str, text: str) -> dict[str, str]:
    """Of each variable, where its maker gave one."""
    given = _inner(component, "example")
    named = _dicts(given.get(f"{name}_named_params"))
    if named:
        return {_text(each, "param_name"): _text(each, "example") for each in named}
    listed = given.get(name)
    while isinstance(listed, list) and listed and isinstance(listed[0], list):
        listed = listed[0]
    words = [word for word in listed if isinstance(word, str)] if isinstance(listed, list) else []
    return dict(zip(names_in(text), words, strict=False))


def _find(components: Iterable[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next((part for part in components if _text(part, "type").upper() == kind), {})


def _inner(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: dict[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""
