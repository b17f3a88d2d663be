"""Messages as Evolution API wants to be told, and its answers as we understand them. Pure."""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from hailgate.core.address import Address, AddressKind
from hailgate.core.content.inbound import InboundContacts, InboundLocation, InboundReply, Poll
from hailgate.core.content.interactive import ButtonQuestion, ListQuestion, PollQuestion
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
from hailgate.core.content.parts import Card, TextBody
from hailgate.core.delivery import parse_retry_after
from hailgate.core.errors import (
    ChannelDisconnected,
    ChannelRefused,
    ChannelUnauthorized,
    OutcomeUnknown,
    ProviderUnavailable,
    RecipientUnreachable,
    Rejected,
    SendError,
    SessionLost,
)
from hailgate.core.media import file_name
from hailgate.core.sessions import PairingCode, SessionReport, SessionState
from hailgate.providers.contract import OutboundMessage, SendReceipt
from hailgate.providers.evolution.content import parse_content, seconds
from hailgate.providers.inline import FILE, FileInJson
from hailgate.providers.jids import parse_jid, render_jid
from hailgate.providers.reading import identifier, read
from hailgate.providers.strangers import refuse_stranger

QR_LIFE_S: Final = 60.0
TYPED_LIFE_S: Final = 160.0
EVENTS: Final = (
    "MESSAGES_UPSERT", "MESSAGES_UPDATE", "MESSAGES_EDITED", "MESSAGES_DELETE", "SEND_MESSAGE", "SEND_MESSAGE_UPDATE",
    "CONNECTION_UPDATE", "QRCODE_UPDATED", "LOGOUT_INSTANCE", "REMOVE_INSTANCE", "CALL", "CONTACTS_UPSERT",
    "CONTACTS_UPDATE",
)  # fmt: skip
LICENSE: Final = (
    "This Evolution API server has not been activated with its licence server: open its manager, or set "
    "EVOLUTION_OPERATOR_EMAIL there."
)

VOICE_BY_LINK: Final = (
    "A voice note behind a link cannot be checked before this server decodes it, and a broken one ends the server: "
    "upload it, and send it as an attachment."
)
NO_FILE: Final = ("Message not found", "not of the media type")

_any = msgspec.json.Decoder(Any)


class EvolutionCall(NamedTuple):
    """A POST to the instance."""

    path: str
    body: bytes | FileInJson


def own_id(message: OutboundMessage) -> str:
    """A WhatsApp id for this one attempt, in the form that the server's own ids have."""
    return f"3EB0{hashlib.sha256(message.tracker.encode()).hexdigest()[:18].upper()}"


def render_send(  # noqa: PLR0911 -- one for each kind
    message: OutboundMessage, *, native_menus: bool, own_ids: bool = False
) -> EvolutionCall:
    """Raise Rejected for what the server cannot send."""
    content = message.content
    named = {"messageId": own_id(message)} if own_ids else {}
    if isinstance(content, Reaction):
        return _call("sendReaction", {**_reaction(content, message.to), **named})
    place: dict[str, Any] = {"number": _number(message.to), **named}
    if message.context_id:
        place["quoted"] = {"key": {"id": message.context_id}}
    if isinstance(content, Image | Video | Audio | Document | Sticker):
        return _render_file(content, place, message)
    if isinstance(content, Location):
        return _call("sendLocation", {**place, **_location(content)})
    if isinstance(content, Contacts):
        return _call("sendContact", {**place, "contact": [_contact(card) for card in content.contacts]})
    if isinstance(content, Interactive) and isinstance(content.interactive, PollQuestion):
        return _call("sendPoll", {**place, **_poll(content.interactive)})
    if native_menus and isinstance(content, Interactive) and (menu := _menu(content)):
        return _call(menu[0], {**place, **menu[1]})
    return _call("sendText", {**place, **_text(content)})


def _call(name: str, document: Mapping[str, Any]) -> EvolutionCall:
    return EvolutionCall(f"message/{name}", msgspec.json.encode(document))


def _number(to: Address) -> str:
    if to.kind is AddressKind.BSUID:
        raise Rejected("This channel's provider knows no business-scoped ids.", code="address_unsupported")
    return to.value if to.kind is AddressKind.PHONE else render_jid(to)


def _text(content: Outbound) -> dict[str, Any]:
    if isinstance(content, Text):
        shown = {"linkPreview": True} if content.text.preview_url else {}
        return {"text": content.text.body, **shown, **_mentions(content.text)}
    if isinstance(content, Interactive):
        return {"text": render_menu(content.interactive)}
    raise Rejected("This channel's provider cannot send this kind of message.", code="unsupported_content")


def _mentions(text: TextBody) -> dict[str, Any]:
    """In a group; the server leaves them out elsewhere."""
    people = [_number(place) for place in mentioned_in(text)]
    return ({"mentioned": people} if people else {}) | ({"mentionsEveryOne": True} if text.mention_all else {})


def _poll(poll: PollQuestion) -> dict[str, Any]:
    action = poll.action
    return {"name": poll.body.text, "selectableCount": action.selectable_count, "values": list(action.options)}


def _reaction(content: Reaction, to: Address) -> dict[str, Any]:
    """Upon a person's message: the server is not told whose it is, and people react to people."""
    mark = content.reaction
    return {"key": {"id": mark.message_id, "remoteJid": render_jid(to), "fromMe": False}, "reaction": mark.emoji}


_MEDIA: Final[Mapping[type[Any], str]] = {Image: "image", Video: "video", Document: "document", Audio: "audio"}


def _render_file(content: Outbound, place: Mapping[str, Any], message: OutboundMessage) -> EvolutionCall:
    file: Any = getattr(content, str(content.__struct_config__.tag))
    media = message.files.get(file.attachment or "")
    if media is None and not file.link:
        raise Rejected("The file of the message is not stored any more.", code="file_removed")
    if isinstance(content, Sticker):
        path, document, field = "message/sendSticker", dict(place), "sticker"
    elif isinstance(content, Audio) and file.voice:
        if media is None:
            raise Rejected(VOICE_BY_LINK, code="media_unsupported")
        path, document, field = "message/sendWhatsAppAudio", dict(place), "audio"
    else:
        path, document, field = "message/sendMedia", {**place, "mediatype": _MEDIA[type(content)]}, "media"
        name = file_name(getattr(file, "filename", None), media)
        document |= {"caption": file.caption} if getattr(file, "caption", None) else {}
        document |= {"fileName": name} if name else {}
        document |= {"mimetype": media.mime} if media else {}
    if media is None:
        return EvolutionCall(path, msgspec.json.encode({**document, field: file.link}))
    return EvolutionCall(path, FileInJson({**document, field: FILE}, media))


def _location(content: Location) -> dict[str, Any]:
    """All four are required."""
    place = content.location
    name = place.name or f"{place.latitude}, {place.longitude}"
    return {"latitude": place.latitude, "longitude": place.longitude, "name": name, "address": place.address or name}


def _contact(card: Card) -> dict[str, str]:
    numbers = [phone for phone in card.phones if phone.phone or phone.wa_id]
    if not numbers:
        raise Rejected("This provider sends contacts by their phone numbers: name one.", code="unsupported_content")
    first = numbers[0]
    wuid = first.wa_id or "".join(letter for letter in first.phone or "" if letter.isascii() and letter.isdigit())
    told = {
        "fullName": card.name.formatted_name,
        "wuid": wuid,
        "phoneNumber": first.phone or f"+{first.wa_id}",
        "organization": card.org.company if card.org else None,
        "email": next((email.email for email in card.emails), None),
        "url": next((url.url for url in card.urls), None),
    }
    return {name: value for name, value in told.items() if value}


def _menu(content: Interactive) -> tuple[str, dict[str, Any]] | None:
    asked = content.interactive
    footer = asked.footer.text if isinstance(asked, ListQuestion | ButtonQuestion) and asked.footer else ""
    if isinstance(asked, ListQuestion):
        sections = [
            {
                "title": section.title or "",
                "rows": [
                    {"title": row.title, "description": row.description or "", "rowId": row.id} for row in section.rows
                ],
            }
            for section in asked.action.sections
        ]
        head = asked.header.text if asked.header else asked.body.text
        return "sendList", {
            "title": head, "description": asked.body.text, "buttonText": asked.action.button, "footerText": footer,
            "sections": sections,
        }  # fmt: skip
    if isinstance(asked, ButtonQuestion):
        buttons = [
            {"type": "reply", "displayText": button.reply.title, "id": button.reply.id}
            for button in asked.action.buttons
        ]
        return "sendButtons", {"title": asked.body.text, "footer": footer, "buttons": buttons}
    return None


def render_webhook(url: str, jwt_key: str) -> dict[str, Any]:
    """Files come inside, since they can be asked for only while the instance lives."""
    return {
        "enabled": True,
        "url": url,
        "byEvents": False,
        "base64": True,
        "headers": {"jwt_key": jwt_key},
        "events": list(EVENTS),
    }


def render_find(place: Address | None, since: float, until: float, page: int, size: int) -> bytes:
    """Messages of a chat, or of all, by the server's own times."""
    where: dict[str, Any] = {"messageTimestamp": {"gte": _iso(since), "lte": _iso(until)}}
    if place is not None:
        where["key"] = {"remoteJid": render_jid(place)}
    return msgspec.json.encode({"where": where, "page": page, "offset": size})


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


# --- answers ----------------------------------------------------------------------------------------------------------


def parse_send_answer(status: int, headers: Mapping[str, str], body: bytes, now: float) -> SendReceipt:
    """Read what became of a send. Raises the SendError that the answer means."""
    answer = _decode(body)
    if not 200 <= status < 300:
        raise refusal(status, body, parse_retry_after(headers.get("Retry-After"), now))
    key = _parts(answer.get("key"))
    message_id = identifier(key.get("id"))
    if message_id is None:
        raise _bare(answer)
    return SendReceipt(message_id, address=parse_jid(key.get("remoteJid")))


def _bare(answer: Mapping[str, Any]) -> SendError:
    """201 without a key: another server's error, passed on as it was (providers.md 8.2)."""
    code = answer.get("code")
    if code == 190 or answer.get("type") == "OAuthException":
        return ChannelUnauthorized("What is behind the server refuses its token.", provider_code=str(code)[:60])
    if answer:
        return Rejected("The server took the call and sent nothing.", code="empty_answer", provider_code=_code(code))
    return OutcomeUnknown("The server's answer names no message.")


def _code(told: object) -> str | None:
    return str(told)[:60] if isinstance(told, int | str) else None


def refusal(  # noqa: PLR0911 -- a table of its sentences
    status: int, body: bytes, retry_after: float | None = None
) -> SendError:
    """What an answer that is no success means: only the text tells, and a 400 is no proof of failure."""
    answer = _decode(body)
    words = " ".join(_words(answer))
    coded = str(status)
    if status == 413:
        return Rejected("The message is larger than the server takes.", provider_code=coded)
    if not _is_its_own(status, answer):
        return refuse_stranger("Evolution API", status, retry_after)
    if status == 401:
        return ChannelUnauthorized("The server does not take the API key.", provider_code=coded)
    if "LICENSE_REQUIRED" in words:
        return ChannelRefused(LICENSE, code="license_required", provider_code=coded)
    if "instance does not exist" in words or ("not found" in words and status == 404):
        return ChannelDisconnected("The server has no such instance: pair the channel.", provider_code=coded)
    if "Connection Closed" in words:
        return ChannelDisconnected(provider_code=coded) if status >= 500 else SessionLost(provider_code=coded)
    if _says_nowhere(answer):
        return RecipientUnreachable("This number is not on WhatsApp.", code="not_on_whatsapp", provider_code=coded)
    if "requires property" in words or "is not one of" in words or "Cannot POST" in words or status == 403:
        return Rejected(f"The server refused the message ({status}).", provider_code=coded)
    return OutcomeUnknown(f"The server answered {status}, which proves nothing.", provider_code=coded)


def _is_its_own(status: int, answer: Mapping[str, Any]) -> bool:
    """It leads nowhere else, knows no pace, and tells what it refuses in a ``response``; of a 400 nothing is sure."""
    if not answer or 300 <= status < 400 or status == 429:
        return False
    return status == 400 or status >= 500 or "response" in answer


def _says_nowhere(answer: Mapping[str, Any]) -> bool:
    told = _parts(answer.get("response")).get("message")
    return isinstance(told, list) and any(isinstance(one, dict) and one.get("exists") is False for one in told)


def _words(told: Any, levels: int = 6) -> Iterator[str]:
    """All texts of an answer, however they are nested: text, a list, a list in a list, objects, or none of these."""
    if isinstance(told, str):
        yield told
    elif levels and isinstance(told, dict):
        for value in told.values():
            yield from _words(value, levels - 1)
    elif levels and isinstance(told, list):
        for value in told:
            yield from _words(value, levels - 1)


_STATES: Final = {
    "open": SessionState.OPEN,
    "connecting": SessionState.STARTING,
    "close": SessionState.CLOSED,
    "closed": SessionState.CLOSED,
    "refused": SessionState.CLOSED,
}


def parse_state(status: int, _headers: Mapping[str, str], body: bytes) -> SessionReport:
    """Of connectionState and connect, which shows a code while there is one. An instance that is not there is closed.

    Raises SendError.
    """
    answer = _decode(body)
    if not 200 <= status < 300:
        failed = refusal(status, body)
        if isinstance(failed, ChannelDisconnected):
            return SessionReport(state=SessionState.CLOSED, detail=failed.detail)
        raise failed
    told = _parts(answer.get("qrcode")) or answer
    if code := _pairing_code(told):
        return SessionReport(state=SessionState.PAIRING, code=code)
    state = _STATES.get(str(_parts(answer.get("instance")).get("state")))
    if state is None:  # `{"count": 0}`: no code yet
        state = SessionState.STARTING
    return SessionReport(state=state)


def _pairing_code(told: Mapping[str, Any]) -> PairingCode | None:
    typed, scanned = told.get("pairingCode"), told.get("code")
    if isinstance(typed, str) and 0 < len(typed) <= 32:
        return PairingCode(typed, True, TYPED_LIFE_S)
    if isinstance(scanned, str) and 0 < len(scanned) <= 1024:
        return PairingCode(scanned, False, QR_LIFE_S)
    return None


def parse_number(status: int, _headers: Mapping[str, str], body: bytes) -> str | None:
    """The phone's own, of fetchInstances; None where it is not told, or not yet: the one before stays there until the
    server has written down that the next is connected.
    """
    listed = read(_any, body)
    first = _parts(listed[0] if isinstance(listed, list) and listed else listed)
    if first.get("connectionStatus", "open") != "open":
        return None
    owner = first.get("ownerJid") or _parts(first.get("instance")).get("owner")
    place = parse_jid(owner)
    return place.value if 200 <= status < 300 and place and place.kind is AddressKind.PHONE else None


class FoundSend(NamedTuple):
    """A page of messages; `more` where another follows."""

    records: list[dict[str, Any]]
    more: bool


def parse_found(status: int, _headers: Mapping[str, str], body: bytes) -> FoundSend:
    """Raises SendError."""
    if not 200 <= status < 300:
        raise refusal(status, body)
    told = _parts(_decode(body).get("messages"))
    records = told.get("records")
    if not isinstance(records, list):
        raise ProviderUnavailable("The server lists no messages.")
    pages, page = told.get("pages"), told.get("currentPage")
    more = isinstance(pages, int) and isinstance(page, int) and page < pages
    return FoundSend([each for each in records if isinstance(each, dict)], more)


def parse_file(status: int, _headers: Mapping[str, str], body: bytes) -> bytes:
    """Raise SendError where there is no such file. A 400 is any failure, a passing one as well: its words tell."""
    answer = _decode(body)
    encoded = answer.get("base64")
    if 200 <= status < 300 and isinstance(encoded, str):
        try:
            return base64.b64decode(encoded.rpartition(",")[2], validate=True)
        except (binascii.Error, ValueError):
            raise ProviderUnavailable("The server's answer holds no file.") from None
    if any(words in said for said in _words(answer) for words in NO_FILE):
        raise Rejected("The server has no such file.", code="media_gone", provider_code=str(status))
    raise refusal(status, body)


def _decode(body: bytes) -> dict[str, Any]:
    return _parts(read(_any, body))


def _parts(told: Any) -> dict[str, Any]:
    return told if isinstance(told, dict) else {}


# --- evidence ---------------------------------------------------------------------------------------------------------


def fits(  # noqa: PLR0911 -- one for each kind
    record: Mapping[str, Any], message: OutboundMessage, *, native_menus: bool
) -> bool:
    """Whether a message that the server lists may be this one: ours, of its kind, with its words."""
    if _parts(record.get("key")).get("fromMe") is not True:
        return False
    content, told = message.content, _parts(record.get("message"))
    if isinstance(content, Image | Video | Audio | Document | Sticker):
        return _fits_file(content, told)
    if isinstance(content, Location):
        place = parse_content(told, "unknown", "")
        return isinstance(place, InboundLocation) and same_place(content.location, place.location)
    if isinstance(content, Contacts):
        cards = parse_content(told, "unknown", "")
        return isinstance(cards, InboundContacts) and same_cards(content.contacts, cards.contacts)
    if isinstance(content, Reaction):
        return bool(_parts(told.get("reactionMessage")).get("text") == content.reaction.emoji)
    if isinstance(content, Interactive) and isinstance(content.interactive, PollQuestion):
        return _fits_poll(content.interactive, told)
    if native_menus and isinstance(content, Interactive) and _menu(content):
        return any(word in name.lower() for name in told for word in ("list", "button", "interactive"))
    written = parse_content(told, "unknown", "")
    return bool(getattr(written, "body", None) == _text(content)["text"])


def _fits_poll(poll: PollQuestion, told: Mapping[str, Any]) -> bool:
    read = parse_content(told, "unknown", "")
    asked = read.interactive if isinstance(read, InboundReply) else None
    return isinstance(asked, Poll) and (asked.body.text, asked.action.options) == (poll.body.text, poll.action.options)


def _fits_file(content: Image | Video | Audio | Document | Sticker, told: Mapping[str, Any]) -> bool:
    file: Any = getattr(content, str(content.__struct_config__.tag))
    part = next((_parts(told[name]) for name in _LISTED[type(content)] if name in told), None)
    return part is not None and (part.get("caption") or "") == (getattr(file, "caption", None) or "")


_LISTED: Final[Mapping[type[Any], tuple[str, ...]]] = {
    Image: ("imageMessage",),
    Video: ("videoMessage", "ptvMessage"),
    Audio: ("audioMessage",),
    Document: ("documentMessage",),
    Sticker: ("stickerMessage",),
}


def written_at(record: Mapping[str, Any]) -> float:
    return seconds(record.get("messageTimestamp"))
