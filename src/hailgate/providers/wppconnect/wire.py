"""Messages as WPPConnect Server wants to be told, and its answers as we understand them. Pure."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from hailgate.core.address import Address, AddressKind
from hailgate.core.content.inbound import ReceivedPlace
from hailgate.core.content.interactive import ListQuestion, PollQuestion
from hailgate.core.content.likeness import same_cards, same_place
from hailgate.core.content.mentions import mentioned_in
from hailgate.core.content.menus import render_menu
from hailgate.core.content.outbound import (
    Audio,
    Contacts,
    Document,
    Image,
    Interactive,
    Location,
    Outbound,
    Reaction,
    Sticker,
    Text,
    Video,
)
from hailgate.core.content.parts import AnyFile
from hailgate.core.delivery import parse_retry_after
from hailgate.core.errors import (
    ChannelUnauthorized,
    OutcomeUnknown,
    ProviderUnavailable,
    RecipientUnconfirmed,
    Rejected,
    SendError,
    SessionLost,
)
from hailgate.core.media import LocalMedia, file_name
from hailgate.core.sessions import PairingCode, SessionReport, SessionState
from hailgate.providers.contract import OutboundMessage, SendReceipt
from hailgate.providers.inline import FILE, FileInJson
from hailgate.providers.jids import parse_jid, render_jid, user_of
from hailgate.providers.reading import identifier, read
from hailgate.providers.strangers import REQUEST_TIMEOUT, refuse_stranger
from hailgate.providers.vcards import parse_vcards
from hailgate.providers.wppconnect.message_ids import token_of

# WhatsApp Web shows a code for about 20 seconds, and a typed one for some minutes.
QR_LIFE_S: Final = 45.0
TYPED_LIFE_S: Final = 160.0

_object = msgspec.json.Decoder(dict[str, Any])


class WppconnectCall(NamedTuple):
    """A POST under the session's path."""

    path: str
    body: bytes | FileInJson


def render_send(message: OutboundMessage) -> WppconnectCall:  # noqa: PLR0911 -- one for each kind
    """Raise Rejected for what the server cannot send."""
    place = _place(message.to)
    content = message.content
    if isinstance(content, Reaction):
        return _call("react-message", {"msgId": content.reaction.message_id, "reaction": content.reaction.emoji})
    if isinstance(content, Image | Video | Audio | Document | Sticker):
        return _render_file(content, place, message)
    if isinstance(content, Location):
        return _call("send-location", {**place, **_location(content)})
    if isinstance(content, Contacts):
        return _call("contact-vcard", {**place, **_cards(content)})
    if isinstance(content, Interactive) and isinstance(content.interactive, ListQuestion):
        return _call("send-list-message", {**place, **_list(content.interactive)})
    if isinstance(content, Interactive) and isinstance(content.interactive, PollQuestion):
        return _call("send-poll-message", {**place, **_poll(content.interactive)})
    text = _text(content)
    if people := _mentioned(content):
        return _mentioning(place, text, people, message.context_id)
    if message.context_id:
        return _call("send-reply", {**place, "message": text, "messageId": message.context_id})
    return _call("send-message", {**place, "isNewsletter": False, "message": text, "options": {}})


def unnamed_id(message: OutboundMessage) -> str:
    """For a reaction, which the server takes and gives no id; empty for whatever else."""
    return f"reaction_{message.tracker}" if isinstance(message.content, Reaction) else ""


def _call(path: str, document: Mapping[str, Any]) -> WppconnectCall:
    return WppconnectCall(path, msgspec.json.encode(document))


def _place(to: Address) -> dict[str, Any]:
    """Bare digits: a number that is written in any other way, or is longer than 14 characters, becomes a hidden id."""
    if to.kind is AddressKind.BSUID:
        raise Rejected("This channel's provider knows no business-scoped ids.", code="address_unsupported")
    is_lid = to.kind is AddressKind.LID
    return {"phone": user_of(to), "isGroup": to.kind is AddressKind.GROUP, "isLid": is_lid}


def _text(content: Outbound) -> str:
    if isinstance(content, Text):
        return content.text.body
    if isinstance(content, Interactive):
        return render_menu(content.interactive)
    raise Rejected("This channel's provider cannot send this kind of message.", code="unsupported_content")


def _mentioned(content: Outbound) -> list[str]:
    return [render_jid(place, "c.us") for place in mentioned_in(content.text)] if isinstance(content, Text) else []


def _mentioning(place: Mapping[str, Any], text: str, people: list[str], quoted: str | None) -> WppconnectCall:
    """The call for mentions knows no quotes; that for texts takes both among its options."""
    if quoted is None:
        return _call("send-mentioned", {**place, "message": text, "mentioned": people})
    options = {"quotedMsg": quoted, "mentionedList": people}
    return _call("send-message", {**place, "isNewsletter": False, "message": text, "options": options})


# How files of a kind are sent: the call, and the field that takes the file.
_FILES: Final[Mapping[type[Any], tuple[str, str]]] = {
    Image: ("send-image", "base64"),
    Video: ("send-file-base64", "base64"),
    Document: ("send-file-base64", "base64"),
    Audio: ("send-file-base64", "base64"),
    Sticker: ("send-sticker", "path"),
}
_VOICE: Final = ("send-voice-base64", "base64Ptt")


def _render_file(content: Outbound, place: Mapping[str, Any], message: OutboundMessage) -> WppconnectCall:
    file: Any = getattr(content, str(content.__struct_config__.tag))
    media = message.files.get(file.attachment or "")
    path, field = _VOICE if isinstance(content, Audio) and file.voice else _FILES[type(content)]
    document: dict[str, Any] = {**place, **({} if path == _VOICE[0] else _named(file, media))}
    if caption := getattr(file, "caption", None):
        document["caption"] = caption
    if message.context_id:
        document["quotedMessageId"] = message.context_id
    if file.link:
        return _call(_BY_LINK.get(path, path), {**document, "path": file.link})
    if media is None:
        raise Rejected("The file of the message is not stored any more.", code="file_removed")
    return WppconnectCall(path, FileInJson({**document, field: FILE}, media, data_url=True))


_BY_LINK: Final = {"send-file-base64": "send-file", "send-voice-base64": "send-voice"}


def _named(file: AnyFile, media: LocalMedia | None) -> dict[str, str]:
    name = file_name(getattr(file, "filename", None), media)
    return {"filename": name} if name else {}


def _location(content: Location) -> dict[str, str]:
    place = content.location
    return {
        "lat": str(place.latitude),
        "lng": str(place.longitude),
        "title": place.name or "",
        "address": place.address or "",
    }


def _cards(content: Contacts) -> dict[str, Any]:
    """People by their numbers: the server makes the cards of what the session knows of them."""
    numbers = [
        render_jid(known, "c.us")
        for card in content.contacts
        for phone in card.phones
        if (known := parse_jid(phone.wa_id or _digits(phone.phone)))
    ]
    if not numbers:
        raise Rejected("This provider sends contacts by their phone numbers: name one.", code="unsupported_content")
    return {"contactsId": numbers, "name": content.contacts[0].name.formatted_name}


def _digits(text: str | None) -> str:
    return "".join(letter for letter in text or "" if letter.isascii() and letter.isdigit())


def _list(question: ListQuestion) -> dict[str, Any]:
    sections = [
        {
            "title": section.title or "",
            "rows": [
                {"rowId": row.id, "title": row.title, "description": row.description or ""} for row in section.rows
            ],
        }
        for section in question.action.sections
    ]
    return {"description": question.body.text, "buttonText": question.action.button, "sections": sections}


def _poll(poll: PollQuestion) -> dict[str, Any]:
    options = {"selectableCount": poll.action.selectable_count}
    return {"name": poll.body.text, "choices": list(poll.action.options), "options": options}


# --- answers ----------------------------------------------------------------------------------------------------------


def parse_send_answer(
    status: int, headers: Mapping[str, str], body: bytes, now: float, *, unnamed: str = ""
) -> SendReceipt:
    """Read what became of a send. Raises the SendError that the answer means.

    `unnamed` is an id of ours for what the server takes without naming it: a reaction.
    """
    answer = read(_object, body) or {}
    if 200 <= status < 300:
        return _receipt(answer, unnamed)
    if not _is_its_own(status, answer):
        raise refuse_stranger("WPPConnect Server", status, parse_retry_after(headers.get("Retry-After"), now))
    raise _failure(status, answer)


def _is_its_own(status: int, answer: Mapping[str, Any]) -> bool:
    """Two refusals come as a page: of a call that cannot be read, and of one that is too large."""
    if 300 <= status < 400 or status in {403, REQUEST_TIMEOUT, 429}:
        return False
    return bool(answer) or status in {400, 413}


def _receipt(answer: Mapping[str, Any], unnamed: str) -> SendReceipt:
    told = answer.get("response", answer)
    sent = told[0] if isinstance(told, list) and told else told
    if isinstance(told, list) and not told:
        raise Rejected("The server took the call and sent nothing.", code="empty_answer")
    name = sent.get("id") if isinstance(sent, dict) else None
    message_id = identifier(name.get("_serialized") if isinstance(name, dict) else name)
    if message_id is None and answer.get("status") == "success":
        message_id = unnamed or None
    if message_id is None:
        raise OutcomeUnknown("The server's answer names no message.")
    chat = sent.get("chatId") or sent.get("to") if isinstance(sent, dict) else None
    address = parse_jid(chat.get("_serialized") if isinstance(chat, dict) else chat)
    return SendReceipt(message_id, address=address, message_token=token_of(message_id))


def tells_of_session(body: bytes) -> bool:
    """Of a 404: it is the server's word on its session, and not of somebody else at its address."""
    return "status" in (read(_object, body) or {})


def _failure(status: int, answer: Mapping[str, Any]) -> SendError:
    """After a 400 and a 404 with a session's status the server goes on and sends all the same (providers.md 5.3)."""
    standing = answer.get("status")
    if status == 401:
        return ChannelUnauthorized("The server does not take the session's token.", provider_code="401")
    if status == 400 and standing == "Connected":
        return RecipientUnconfirmed(provider_code="400")
    if status == 404 and standing == "Disconnected":
        return SessionLost(provider_code="404")
    if status == 400 and answer.get("response") is False:
        return ChannelUnauthorized("The server does not take the secret key.", provider_code="400")
    if status >= 500:
        return OutcomeUnknown(f"The server answered {status} and does not say why.", provider_code=str(status))
    return Rejected(f"The server refused the message ({status}).", provider_code=str(status))


def parse_token(status: int, _headers: Mapping[str, str], body: bytes) -> str:
    """Raise ChannelUnauthorized where the secret is wrong, ProviderUnavailable where the server is not well."""
    answer = read(_object, body) or {}
    token = answer.get("token")
    if 200 <= status < 300 and isinstance(token, str) and token.isascii() and token.isprintable():
        return token
    if status in {400, 401, 403}:
        raise ChannelUnauthorized("The server does not take the secret key.", provider_code=str(status))
    raise ProviderUnavailable(f"The server gave no token ({status}).")


def parse_number(status: int, _headers: Mapping[str, str], body: bytes) -> bool | None:
    """Whether a number is on WhatsApp; None where the server does not say."""
    told = (read(_object, body) or {}).get("response")
    exists = told.get("numberExists") if isinstance(told, dict) else None
    return exists if 200 <= status < 300 and isinstance(exists, bool) else None


def parse_own_number(status: int, _headers: Mapping[str, str], body: bytes) -> str | None:
    """The paired phone's own, of get-phone-number; None where it is not told."""
    told = (read(_object, body) or {}).get("response")
    place = parse_jid(told.get("_serialized") if isinstance(told, dict) else told)
    return place.value if 200 <= status < 300 and place and place.kind is AddressKind.PHONE else None


_STATES: Final = {
    "CLOSED": SessionState.CLOSED,
    "INITIALIZING": SessionState.STARTING,
    "QRCODE": SessionState.PAIRING,
    "qrcode": SessionState.PAIRING,
    "PHONECODE": SessionState.PAIRING,
    "phoneCode": SessionState.PAIRING,
    "CONNECTED": SessionState.OPEN,
}


def parse_session(status: int, _headers: Mapping[str, str], body: bytes) -> SessionReport:
    """Of status-session and start-session. Raises SendError."""
    if status == 401:
        raise ChannelUnauthorized("The server does not take the session's token.", provider_code="401")
    answer = read(_object, body) or {}
    word = str(answer.get("status"))
    if not 200 <= status < 300 or word not in _STATES:
        raise ProviderUnavailable(f"The server does not say how the session stands ({status}).")
    state = _STATES[word]
    # A connected session still shows its last code: it is none any more.
    return SessionReport(state=state, code=_code(answer) if state is SessionState.PAIRING else None)


def _code(answer: Mapping[str, Any]) -> PairingCode | None:
    typed, scanned = answer.get("phoneCode"), answer.get("urlcode")
    if isinstance(typed, str) and 0 < len(typed) <= 32:
        return PairingCode(typed, True, TYPED_LIFE_S)
    if isinstance(scanned, str) and 0 < len(scanned) <= 1024:
        return PairingCode(scanned, False, QR_LIFE_S)
    return None


def parse_messages(status: int, _headers: Mapping[str, str], body: bytes) -> list[dict[str, Any]]:
    """Message objects of a look-up. Raises SendError."""
    if status == 401:
        raise ChannelUnauthorized("The server does not take the session's token.", provider_code="401")
    told = (read(_object, body) or {}).get("response")
    if not 200 <= status < 300 or not isinstance(told, list):
        raise ProviderUnavailable(f"The server lists no messages ({status}).")
    return [each for each in told if isinstance(each, dict)]


def parse_file(status: int, _headers: Mapping[str, str], body: bytes) -> bytes:
    """Raise SendError where there is no such file."""
    answer = read(_object, body) or {}
    encoded = answer.get("base64")
    if 200 <= status < 300 and isinstance(encoded, str):
        try:
            return base64.b64decode(encoded.rpartition(",")[2], validate=True)
        except (binascii.Error, ValueError):
            raise ProviderUnavailable("The server's answer holds no file.") from None
    if status == 401:
        raise ChannelUnauthorized("The server does not take the session's token.", provider_code="401")
    if status == 400:
        raise Rejected("The server does not know the message of this file.", code="media_gone", provider_code="400")
    raise ProviderUnavailable(f"The server gave no file ({status}).")


# --- evidence ---------------------------------------------------------------------------------------------------------


def fits(told: Mapping[str, Any], message: OutboundMessage) -> bool:  # noqa: PLR0911 -- one for each kind
    """Whether a message that the server lists may be this one: ours, of its kind, with its words."""
    if told.get("fromMe") is not True:
        return False
    content = message.content
    if isinstance(content, Image | Video | Audio | Document | Sticker):
        file: Any = getattr(content, str(content.__struct_config__.tag))
        return told.get("type") in _TYPES[type(content)] and _has_caption(told, file)
    if isinstance(content, Location):
        return told.get("type") == "location" and _near(told, content)
    if isinstance(content, Contacts):
        return told.get("type") in {"vcard", "multi_vcard"} and _has_cards(told, content)
    if isinstance(content, Interactive) and isinstance(content.interactive, ListQuestion):
        return told.get("type") == "list" and _asks(told, content.interactive)
    if isinstance(content, Interactive) and isinstance(content.interactive, PollQuestion):
        return told.get("type") == "poll_creation" and _offers(told, content.interactive)
    if isinstance(content, Reaction):  # it stands in no list
        return False
    return told.get("type") == "chat" and told.get("body") == _text(content)


def _has_caption(told: Mapping[str, Any], file: Any) -> bool:
    """A document without a caption is listed with its name in its place."""
    caption, listed = getattr(file, "caption", None) or "", told.get("caption") or ""
    return listed == caption or (not caption and listed == told.get("filename"))


def _has_cards(told: Mapping[str, Any], content: Contacts) -> bool:
    several = told.get("vcardList")
    listed = [each.get("vcard") for each in several if isinstance(each, dict)] if isinstance(several, list) else []
    cards = parse_vcards([text for text in (told.get("body"), *listed) if isinstance(text, str)])
    return cards is None or same_cards(content.contacts, cards.contacts)


def _asks(told: Mapping[str, Any], question: ListQuestion) -> bool:
    """A list's words stand in one place or the other, by the version of WhatsApp."""
    inside = told.get("list")
    said = [told.get("body"), inside.get("description") if isinstance(inside, dict) else None]
    words = [each for each in said if isinstance(each, str) and each]
    return not words or question.body.text in words


def _offers(told: Mapping[str, Any], poll: PollQuestion) -> bool:
    listed = told.get("pollOptions")
    names = [each.get("name") for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return told.get("pollName") == poll.body.text and (not names or names == list(poll.action.options))


_TYPES: Final[Mapping[type[Any], frozenset[str]]] = {
    Image: frozenset({"image"}),
    Video: frozenset({"video", "document"}),
    Audio: frozenset({"audio", "ptt", "document"}),
    Document: frozenset({"document"}),
    Sticker: frozenset({"sticker"}),
}


def _near(told: Mapping[str, Any], content: Location) -> bool:
    try:
        place = ReceivedPlace(float(told["lat"]), float(told["lng"]))
    except (KeyError, TypeError, ValueError):
        return False
    return same_place(content.location, place)
