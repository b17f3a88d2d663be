"""What a message of Evolution API holds: one member by the name of its kind. Pure, and nothing raises."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from hailgate.core.content import Inbound, InboundText, Unsupported
from hailgate.core.content.inbound import (
    Asked,
    ButtonReply,
    Chosen,
    FilledIn,
    FlowReply,
    InboundAudio,
    InboundButton,
    InboundDocument,
    InboundImage,
    InboundLocation,
    InboundReply,
    InboundSticker,
    InboundVideo,
    ListReply,
    Offered,
    Poll,
    Press,
    ReceivedFile,
    ReceivedPlace,
)
from hailgate.core.media import InboundMedia, RemoteMedia, StoredInWebhook
from hailgate.providers.reading import from_milliseconds
from hailgate.providers.vcards import parse_vcards

# Wrappers around a message: what is inside is the message.
_WRAPPERS: Final = (
    "ephemeralMessage", "viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension",
    "documentWithCaptionMessage", "editedMessage",
)  # fmt: skip
# By how many may be chosen, and by the version of WhatsApp.
POLLS: Final = ("pollCreationMessage", "pollCreationMessageV2", "pollCreationMessageV3")
INSIDE: Final = "/data/message/base64"

Parts = Mapping[str, Any]


def parse_content(message: Parts, kind: str, message_id: str) -> Inbound:
    """What cannot be read as its kind is still a person's message, and is kept."""
    inner = unwrap(message)
    for name, parse in _KINDS.items():
        if name in inner and (understood := parse(inner[name], message_id)):
            return understood
    return Unsupported(kind[:64] or "unknown", msgspec.json.encode(message))


def unwrap(message: Parts) -> Parts:
    for wrapper in _WRAPPERS:
        inner = _parts(_parts(message.get(wrapper)).get("message"))
        if inner:
            return unwrap(inner)
    return message


def find_media(content: Inbound, message: Parts, message_id: str) -> InboundMedia | None:
    """Inside the webhook where the server puts it there, else behind the message's id."""
    found = next(((name, kind) for name, (kind, made) in _FILES.items() if type(content) is made), None)
    if found is None:
        return None
    part = next((_parts(part) for name, part in unwrap(message).items() if name in _FILES), {})
    name, sha256 = _word(part.get("fileName")) or "", _digest(part.get("fileSha256"))
    kind = found[1]
    if _word(message.get("base64")):
        return StoredInWebhook(kind, INSIDE, sha256, name)
    return RemoteMedia(kind, message_id, sha256, name)


def seconds(told: object) -> float:
    """Since the epoch; a number, its text, or its two halves of 32 bits; some events write milliseconds."""
    if isinstance(told, dict):
        low, high = told.get("low"), told.get("high")
        if not isinstance(low, int) or not isinstance(high, int):
            return 0.0
        told = (high << 32) + (low & 0xFFFFFFFF)
    return from_milliseconds(told) if isinstance(told, int | float | str) else 0.0


def _text(part: Any, _: str) -> Inbound | None:
    text = part if isinstance(part, str) else _parts(part).get("text")
    return InboundText(text) if isinstance(text, str) else None


def _file(part: Any, message_id: str) -> ReceivedFile:
    facts = _parts(part)
    size = facts.get("fileLength")
    size = size.get("low") if isinstance(size, dict) else size
    return ReceivedFile(
        id=message_id,
        mime_type=_word(facts.get("mimetype")),
        file_size=int(size) if isinstance(size, int) or (isinstance(size, str) and size.isdigit()) else None,
        caption=_word(facts.get("caption")),
        filename=_word(facts.get("fileName")),
        voice=facts.get("ptt") is True,
        animated=facts.get("isAnimated") is True,
    )


def _place(part: Any, _: str) -> Inbound | None:
    facts = _parts(part)
    try:
        latitude, longitude = float(facts["degreesLatitude"]), float(facts["degreesLongitude"])
    except (KeyError, TypeError, ValueError):
        return None
    return InboundLocation(ReceivedPlace(latitude, longitude, _word(facts.get("name")), _word(facts.get("address"))))


def _card(part: Any, _: str) -> Inbound | None:
    return parse_vcards([text for text in (_parts(part).get("vcard"),) if isinstance(text, str)])


def _cards(part: Any, _: str) -> Inbound | None:
    cards = _parts(part).get("contacts")
    texts = [_parts(card).get("vcard") for card in cards] if isinstance(cards, list) else []
    return parse_vcards([text for text in texts if isinstance(text, str)])


def _button(part: Any, _: str) -> Inbound | None:
    facts = _parts(part)
    chosen = _word(facts.get("selectedButtonId"))
    title = _word(facts.get("selectedDisplayText")) or chosen
    return InboundReply(ButtonReply(Chosen(chosen, title))) if chosen and title else None


def _row(part: Any, _: str) -> Inbound | None:
    facts = _parts(part)
    row = _word(_parts(facts.get("singleSelectReply")).get("selectedRowId"))
    if row is None:
        return None
    return InboundReply(ListReply(Chosen(row, _word(facts.get("title")) or row, _word(facts.get("description")))))


def _poll(part: Any, _: str) -> Inbound | None:
    facts = _parts(part)
    question, told, many = _word(facts.get("name")), facts.get("options"), facts.get("selectableOptionsCount")
    options = [_word(_parts(option).get("optionName")) for option in told] if isinstance(told, list) else []
    if question is None or not options:
        return None
    offered = Offered(tuple(option for option in options if option), many if isinstance(many, int) else 0)
    return InboundReply(Poll(Asked(question), offered))


def _press(part: Any, _: str) -> Inbound | None:
    facts = _parts(part)
    text = _word(facts.get("selectedDisplayText"))
    return InboundButton(Press(text, _word(facts.get("selectedId")))) if text else None


def _flow(part: Any, _: str) -> Inbound | None:
    """A quick reply and a filled-in form come in the same way; the reply names what was chosen."""
    answer, body = _parts(_parts(part).get("nativeFlowResponseMessage")), _parts(_parts(part).get("body"))
    text, parameters = _word(body.get("text")), answer.get("paramsJson")
    if not isinstance(parameters, str):
        return None
    if answer.get("name") == "quick_reply" and (chosen := _chosen(parameters)):
        return InboundReply(ButtonReply(Chosen(chosen, text or chosen)))
    return InboundReply(FlowReply(FilledIn(parameters, _word(answer.get("name")), text)))


def _chosen(parameters: str) -> str | None:
    try:
        return _word(_parts(msgspec.json.decode(parameters)).get("id"))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


_FILES: Final[Mapping[str, tuple[str, Callable[[ReceivedFile], Inbound]]]] = {
    "imageMessage": ("image", InboundImage),
    "videoMessage": ("video", InboundVideo),
    "ptvMessage": ("video", InboundVideo),
    "audioMessage": ("audio", InboundAudio),
    "documentMessage": ("document", InboundDocument),
    "stickerMessage": ("sticker", InboundSticker),
}


def _of_file(made: Callable[[ReceivedFile], Inbound]) -> Callable[[Any, str], Inbound | None]:
    return lambda part, message_id: made(_file(part, message_id)) if isinstance(part, dict) else None


_KINDS: Final[Mapping[str, Callable[[Any, str], Inbound | None]]] = {
    "conversation": _text,
    "extendedTextMessage": _text,
    **{name: _of_file(made) for name, (_, made) in _FILES.items()},
    "locationMessage": _place,
    "liveLocationMessage": _place,
    "contactMessage": _card,
    "contactsArrayMessage": _cards,
    **dict.fromkeys(POLLS, _poll),
    "buttonsResponseMessage": _button,
    "listResponseMessage": _row,
    "templateButtonReplyMessage": _press,
    "interactiveResponseMessage": _flow,
}


def _digest(told: object) -> str:
    """Bytes as an object of index and number; empty where they are not a whole SHA-256."""
    if not isinstance(told, dict) or len(told) != 32:
        return ""
    try:
        return bytes(told[str(place)] for place in range(32)).hex()
    except (KeyError, TypeError, ValueError):
        return ""


def _parts(told: Any) -> Parts:
    return told if isinstance(told, dict) else {}


def _word(told: object) -> str | None:
    return told if isinstance(told, str) and told else None
