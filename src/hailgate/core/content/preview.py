"""One line for each kind of message, for lists, notifications and search.

Reads the stored shape of either direction, so that it also knows what an older version stored. Total: whatever
the shape, there is a line.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final


def gettext_noop(text: str) -> str:
    """Marks a text for translation; whoever shows it translates it."""
    return text


_LABELS: Final = {
    "image": gettext_noop("Photo"),
    "video": gettext_noop("Video"),
    "audio": gettext_noop("Audio"),
    "document": gettext_noop("Document"),
    "sticker": gettext_noop("Sticker"),
    "location": gettext_noop("Location"),
    "contacts": gettext_noop("Contact"),
    "reaction": gettext_noop("Reaction"),
    "interactive": gettext_noop("Interactive message"),
    "template": gettext_noop("Template"),
    "button": gettext_noop("Button"),
    "order": gettext_noop("Order"),
    "call": gettext_noop("Call"),
    "deleted": gettext_noop("Deleted message"),
}
# Where each kind has words of its own, best first.
_WORDS: Final = {
    "image": ("caption",),
    "video": ("caption",),
    "document": ("caption", "filename"),
    "location": ("name", "address"),
    "reaction": ("emoji",),
    "template": ("name",),
    "button": ("text",),
    "order": ("text",),
}
# Of these the words were the person's own.
_SPOKEN: Final = {"image": "caption", "video": "caption", "document": "caption", "button": "text", "order": "text"}
_VOICE: Final = gettext_noop("Voice message")
_UNREACTION: Final = gettext_noop("Reaction removed")
_LOCATION_REQUEST: Final = gettext_noop("Location request")
_FORM: Final = gettext_noop("Form answered")
_UNSUPPORTED: Final = gettext_noop("Unsupported message")


def preview(content: Mapping[str, Any], translate: Callable[[str], str] = str) -> str:
    """The text of a text, the label of anything else with its own words behind it: `Photo: Front door`.

    `content` is what `content_as_json` gives; `translate` is gettext where a person reads it.
    """
    kind = content.get("type")
    if kind == "text":
        return _text(content, "text", "body")
    if kind == "interactive":
        return _interactive(content, translate)
    label = translate(_label(content, kind))
    words = _words(content, kind)
    return f"{label}: {words}" if words else label


def words_of(content: Mapping[str, Any]) -> str | None:
    """What a person said in words: a text, a caption, the title of a choice. None where there are none."""
    kind = content.get("type")
    if kind == "text":
        return _text(content, "text", "body")
    if kind == "interactive":
        asked = _inner(content, "interactive")
        chosen = asked.get("type")
        return (_text(asked, chosen, "title") or None) if isinstance(chosen, str) else None
    if isinstance(kind, str) and kind in _SPOKEN:
        return _text(content, kind, _SPOKEN[kind]) or None
    return None


def _label(content: Mapping[str, Any], kind: object) -> str:
    if kind == "audio" and _inner(content, "audio").get("voice") is True:
        return _VOICE
    if kind == "reaction" and not _text(content, "reaction", "emoji"):
        return _UNREACTION
    return _LABELS.get(kind, _UNSUPPORTED) if isinstance(kind, str) else _UNSUPPORTED


def _words(content: Mapping[str, Any], kind: object) -> str:
    if kind == "contacts":
        return ", ".join(filter(None, (_text(card, "name", "formatted_name") for card in _cards(content))))
    if not isinstance(kind, str):
        return ""
    return next(filter(None, (_text(content, kind, name) for name in _WORDS.get(kind, ()))), "")


def _interactive(content: Mapping[str, Any], translate: Callable[[str], str]) -> str:
    """A question's body, or the title of what was chosen as its answer."""
    asked = _inner(content, "interactive")
    kind = _text(content, "interactive", "type")
    if kind == "nfm_reply":
        return translate(_FORM)
    if kind in {"button_reply", "list_reply"}:
        return _text(asked, kind, "title") or translate(_LABELS["interactive"])
    label = _LOCATION_REQUEST if kind == "location_request_message" else _LABELS["interactive"]
    return _text(asked, "body", "text") or translate(label)


def _cards(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    cards = content.get("contacts")
    return [card for card in cards if isinstance(card, Mapping)] if isinstance(cards, list) else []


def _text(content: Mapping[str, Any], outer: str, inner: str) -> str:
    found = _inner(content, outer).get(inner)
    return found if isinstance(found, str) else ""


def _inner(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name)
    return found if isinstance(found, Mapping) else {}
