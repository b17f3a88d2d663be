"""What a business may send, kind by kind, with the Cloud API's limits. Pure."""

from collections.abc import Callable, Mapping
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import urlsplit

from hailgate.simulator.cloud.errors import GraphError
from hailgate.simulator.cloud.interactive import check_interactive
from hailgate.simulator.cloud.params import Params, wrong

MAX_TEXT = 4096  # characters
MAX_CAPTION = 1024
MAX_CONTACTS = 257  # of a card; far fewer are advised
MAX_EMOJI = 32  # code points of one visible emoji: families and flags are long
MEDIA_KINDS = ("image", "video", "document", "audio", "sticker")
CAPTIONED = frozenset({"image", "video", "document"})


def check_content(kind: str, call: Mapping[str, Any]) -> None:
    """Raises the GraphError that Meta would answer with."""
    CHECKS[kind](call)


def check_text(call: Mapping[str, Any]) -> None:
    text = Params(call.get("text"), "text")
    body = text.value.get("body")
    if not isinstance(body, str) or not body:
        raise GraphError(100, "Param text['body'] must be a non-empty string.")
    if len(body) > MAX_TEXT:
        raise GraphError(100, f"Param text['body'] must be at most {MAX_TEXT} characters long.")
    text.find_flag("preview_url")


def check_media(kind: str) -> Callable[[Mapping[str, Any]], None]:
    def check(call: Mapping[str, Any]) -> None:
        media = Params(call.get(kind), kind)
        check_source(media)
        if kind in CAPTIONED:
            media.find_text("caption", MAX_CAPTION)
        elif "caption" in media:
            raise GraphError(100, f"Param {kind}['caption'] is not allowed.")
        if kind == "document":
            media.find_text("filename", 240)
        if kind == "audio":
            media.find_flag("voice")

    return check


def check_source(media: Params) -> None:
    """By id or by link; whether there is such an id only the store knows."""
    if ("id" in media) == ("link" in media):
        raise GraphError(100, f"Param {media.path} needs either an id or a link.")
    if "id" in media:
        media.get_text("id")
    elif not find_host(media.get_text("link", 2000)):
        raise GraphError(100, f"Param {media.path}['link'] must be a valid URI.")


def find_host(link: str) -> str | None:
    """Of a web address; None for anything else, on every Python alike."""
    try:
        parts = urlsplit(link)
        host = parts.hostname
        if "[" in parts.netloc:
            IPv6Address(host or "")
    except ValueError:
        return None
    return host if parts.scheme in {"http", "https"} else None


def check_location(call: Mapping[str, Any]) -> None:
    location = Params(call.get("location"), "location")
    location.get_number("latitude", -90, 90)
    location.get_number("longitude", -180, 180)
    location.find_text("name", 1000)
    location.find_text("address", 1000)


def check_contacts(call: Mapping[str, Any]) -> None:
    if "contacts" not in call:
        raise GraphError(131008, "Required parameter is missing: contacts.")
    if not isinstance(call["contacts"], list) or not 1 <= len(call["contacts"]) <= MAX_CONTACTS:
        raise GraphError(100, f"Param contacts must be an array of 1 to {MAX_CONTACTS}.")
    for index, card in enumerate(call["contacts"]):
        name = Params(card, f"contacts[{index}]").get_params("name")
        name.get_text("formatted_name")
        if not any(part in name for part in ("first_name", "last_name", "middle_name", "suffix", "prefix")):
            raise wrong(f"Param {name.path} needs one more field beside formatted_name.")


def check_reaction(call: Mapping[str, Any]) -> None:
    reaction = Params(call.get("reaction"), "reaction")
    reaction.get_text("message_id")
    emoji = reaction.get("emoji")
    if not isinstance(emoji, str):
        raise GraphError(100, "Param reaction['emoji'] must be a string.")
    if len(emoji) > MAX_EMOJI or (emoji and emoji.isascii()):
        raise wrong("Param reaction['emoji'] must be an emoji.")
    if "context" in call:
        raise GraphError(100, "Param context is not allowed in a reaction.")


def check_template(call: Mapping[str, Any]) -> None:
    """What holds for every template; what this one wants is in `templates`."""
    template = Params(call.get("template"), "template")
    template.get_text("name", 512)
    template.get_params("language").get_text("code")
    if "components" in template:
        for component in template.get_list("components", least=0):
            component.get_text("type")


CHECKS: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "text": check_text,
    **{kind: check_media(kind) for kind in MEDIA_KINDS},
    "location": check_location,
    "contacts": check_contacts,
    "reaction": check_reaction,
    "interactive": lambda call: check_interactive(Params(call.get("interactive"), "interactive"), check_source),
    "template": check_template,
}
