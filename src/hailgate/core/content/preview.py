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
_FORM: Final = gettext_noop("Form answered")
_PERMISSION: Final = {
    "accept": gettext_noop("Calls allowed"),
    "reject": gettext_noop("Calls not allowed"),
}
_NO_VOTE: Final = gettext_noop("Vote taken back")
_PERMISSION_ANSWERED: Final = gettext_noop("Answer about calls")
# What is asked or offered without words of its own.
_ASKED: Final = {
    "location_request_message": gettext_noop("Location request"),
    "product": gettext_noop("Product"),
    "call_permission_request": gettext_noop("May we call?"),
}
_UNSUPPORTED: Final = gettext_noop("Message that cannot be shown")
# What people send and WhatsApp gives to no business, by its own name for it.
_UNDELIVERED: Final = {
    "poll": gettext_noop("Poll"),
    "poll_vote": gettext_noop("Vote in a poll"),
    "video_note": gettext_noop("Video note"),
    "event": gettext_noop("Event"),
    "group_invite": gettext_noop("Invitation to a group"),
    "live_location": gettext_noop("Live location"),
    "payment": gettext_noop("Payment"),
    "list": gettext_noop("List"),
    "button": gettext_noop("Button"),
    "buttons": gettext_noop("Buttons"),
    "edit": gettext_noop("Edited message"),
    "sticker_pack": gettext_noop("Sticker pack"),
    "view_once": gettext_noop("Message to be seen once"),
    "template": gettext_noop("Template"),
    "ciphertext": gettext_noop("Encrypted message"),
    "pin": gettext_noop("Message pinned or unpinned"),
}
# Words of a provider that name nothing.
_NO_KIND: Final = {"", "unsupported", "unknown"}
_LONGEST_KIND: Final = 40
_WHY_NOT: Final = {
    "not_delivered": gettext_noop("WhatsApp does not give such messages to businesses"),
    "not_downloaded": gettext_noop("WhatsApp could not take the file from the person; ask for it again"),
    "unavailable": gettext_noop("WhatsApp does not have the message; ask for it again"),
    "unreadable": gettext_noop("The paired phone's session could not decrypt it; ask for it again"),
}


def preview(content: Mapping[str, Any], translate: Callable[[str], str] = str) -> str:
    """The text of a text, the label of anything else with its own words behind it: `Photo: Front door`.

    `content` is what `content_as_json` gives; `translate` is gettext where a person reads it.
    """
    kind = content.get("type")
    if kind == "text":
        return _text(content, "text", "body")
    if kind == "interactive":
        return _interactive(content, translate)
    if kind == "unsupported":
        return _unsupported(_inner(content, "unsupported"), translate)
    label = translate(_label(content, kind))
    words = _words(content, kind)
    return f"{label}: {words}" if words else label


def words_of(content: Mapping[str, Any]) -> str | None:
    """What a person said in words: a text, a caption, the title of a choice, a question. None where there are none."""
    kind = content.get("type")
    if kind == "text":
        return _text(content, "text", "body")
    if kind == "interactive":
        asked = _inner(content, "interactive")
        chosen = asked.get("type")
        if chosen in {"poll", "poll_reply"}:
            return _options(asked) or _text(asked, "body", "text") or None
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
    if kind == "call_permission_reply":
        return translate(_PERMISSION.get(_text(asked, kind, "response"), _PERMISSION_ANSWERED))
    if kind == "poll_reply":
        return _options(asked) or translate(_NO_VOTE)
    if kind in {"button_reply", "list_reply"}:
        return _text(asked, kind, "title") or translate(_LABELS["interactive"])
    return _text(asked, "body", "text") or translate(_ASKED.get(kind, _LABELS["interactive"]))


def _options(asked: Mapping[str, Any]) -> str:
    """What was chosen in a poll."""
    chosen = _inner(asked, "poll_reply").get("options")
    return ", ".join(option for option in chosen if isinstance(option, str)) if isinstance(chosen, list) else ""


def _unsupported(inner: Mapping[str, Any], translate: Callable[[str], str]) -> str:
    """What the person sent, as far as that is known, and why it is not here."""
    kind, why = inner.get("kind"), inner.get("why")
    known = _UNDELIVERED.get(kind) or _LABELS.get(kind) if isinstance(kind, str) else None
    label = translate(known or _UNSUPPORTED)
    if isinstance(kind, str) and not known and kind not in _NO_KIND:
        label = f"{label} ({kind.replace('_', ' ')[:_LONGEST_KIND]})"
    told = _WHY_NOT.get(why) if isinstance(why, str) else None
    return f"{label}. {translate(told)}." if told else label


def _cards(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    cards = content.get("contacts")
    return [card for card in cards if isinstance(card, Mapping)] if isinstance(cards, list) else []


def _text(content: Mapping[str, Any], outer: str, inner: str) -> str:
    found = _inner(content, outer).get(inner)
    return found if isinstance(found, str) else ""


def _inner(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name)
    return found if isinstance(found, Mapping) else {}
