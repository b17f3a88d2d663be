"""Webhook bodies of WPPConnect Server, read as events. Total: the end is events or PayloadForeign.

The fields of an event lie flat beside `event` and `session` and may overwrite both, so the session is the hook's.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import Inbound, InboundText, Unsupported
from hailgate.core.content.inbound import (
    Asked,
    ButtonReply,
    Chosen,
    InboundAudio,
    InboundButton,
    InboundCall,
    InboundDocument,
    InboundImage,
    InboundLocation,
    InboundReply,
    InboundSticker,
    InboundVideo,
    ListReply,
    Offered,
    Origin,
    Poll,
    PollReply,
    Press,
    ReceivedFile,
    ReceivedPlace,
    Rung,
    Voted,
    WhyNot,
)
from hailgate.core.errors import PayloadForeign
from hailgate.core.events import (
    Change,
    EchoedMessage,
    Ignored,
    InboundMessage,
    MessageChange,
    MessageStatus,
    ProviderEvent,
    SessionChange,
    UnreadableMessage,
)
from hailgate.core.media import InboundMedia, RemoteMedia, StoredInWebhook
from hailgate.core.status import Status
from hailgate.providers.jids import STORIES, mentioning, parse_jid
from hailgate.providers.reading import from_milliseconds, identifier, read_body
from hailgate.providers.vcards import parse_vcards
from hailgate.providers.wppconnect.message_ids import LONGEST, token_of

# It may come once more, in plain, under the same id.
CIPHERTEXT: Final = "ciphertext"
ACKS: Final = {1: Status.SENT, 2: Status.DELIVERED, 3: Status.READ, 4: Status.PLAYED}
FAILURES: Final = {
    -7: "The phone's version is too old for this message.",
    -6: "The session is not active.",
    -5: "The file could not be uploaded.",
    -4: "The file is too large.",
    -3: "The file is gone.",
    -2: "The message expired before it could be sent.",
    -1: "WhatsApp did not take the message.",
}
# Thumbnails are JPEGs, and this is how a JPEG begins in base64.
THUMBNAIL: Final = "/9j/"
MAX_EMOJI: Final = 64
CONNECTED: Final = frozenset({"inChat", "isLogged", "qrReadSuccess"})

_object = msgspec.json.Decoder(dict[str, Any])


def parse_webhook(body: bytes, session: str) -> list[ProviderEvent]:
    """Raise PayloadForeign for what is no webhook of this server."""
    told = read_body(_object, body)
    event = told.get("event") if told else None
    if told is None or not isinstance(event, str):
        raise PayloadForeign("The body is not a JSON webhook of WPPConnect Server.")
    return [_PARSERS.get(event, _parse_other)(told, session, body)]


def _parse_message(told: Mapping[str, Any], session: str, body: bytes) -> ProviderEvent:
    message_id = _message_id(told.get("id"))
    kind = _word(told.get("type")) or "unknown"
    if message_id is None:
        return _malformed("message", session)
    if STORIES in (told.get("from"), told.get("chatId"), told.get("to")):
        return Ignored(session, "message", "story", "Stories are not conversations.", message_id)
    ours = told.get("fromMe") is True
    chat = _chat(told, ours=ours)
    if not chat:
        return Ignored(session, "message", kind[:64], "The message names no sender.", message_id)
    if kind == CIPHERTEXT and ours:
        return Ignored(session, "message", kind, "The session could not decrypt what was written by us.", message_id)
    content = mentioning(_content(kind, told, message_id, body), _mentioned(told))
    if kind == CIPHERTEXT:
        content = Unsupported(CIPHERTEXT, body, WhyNot.UNREADABLE)
    author = parse_jid(_serialized(told.get("author"))) if chat[0].kind is AddressKind.GROUP else None
    told_by = EchoedMessage if ours else UnreadableMessage if kind == CIPHERTEXT else InboundMessage
    return told_by(
        account=session,
        message_id=message_id,
        chat=chat,
        author=author,
        name=None if ours else _name(told),
        at=_seconds(told.get("t") or told.get("timestamp")),
        content=content,
        context_id=_quoted(told),
        origin=Origin(forwarded=True) if told.get("isForwarded") is True else None,
        media=find_media(content, told, message_id),
        message_token=_token(message_id),
    )


def _parse_ack(told: Mapping[str, Any], session: str, _: bytes) -> ProviderEvent:
    message_id, ack = _message_id(told.get("id")), told.get("ack")
    if message_id is None or not isinstance(ack, int):
        return _malformed("ack", session)
    status = ACKS.get(ack, Status.FAILED if ack in FAILURES else None)
    if status is None:
        return Ignored(session, "onack", str(ack), "Nothing happened to the message yet.", message_id)
    return MessageStatus(
        account=session,
        message_id=message_id,
        status=status,
        at=0.0,  # `t` is when the message was written, not when this happened
        recipient=parse_jid(_serialized(told.get("to"))),
        tracker=None,
        code=str(ack) if ack in FAILURES else None,
        detail=FAILURES.get(ack),
        message_token=_token(message_id),
    )


def _parse_reaction(told: Mapping[str, Any], session: str, _: bytes) -> ProviderEvent:
    own, target = _message_id(told.get("id")), _message_id(told.get("msgId"))
    author = _author(told.get("id"))
    if own is None or target is None:
        return _malformed("reaction", session)
    emoji = told.get("reactionText")
    text = emoji[:MAX_EMOJI] if isinstance(emoji, str) else ""
    # A second emoji on one message comes under the same id as the first.
    which = f":{text or 'removed'}:{told.get('timestamp')}"
    return MessageChange(
        session, f"{own}{which}"[:255], target, Change.REACTION, author, _seconds(told.get("timestamp")), text,
        message_token=f"{_token(own) or own}{which}", target_token=_token(target),
    )  # fmt: skip


def _parse_revoked(told: Mapping[str, Any], session: str, _: bytes) -> ProviderEvent:
    own, target = _message_id(told.get("id")), _message_id(told.get("refId"))
    if own is None or target is None:
        return _malformed("revoked message", session)
    author = None if own.startswith("true_") else parse_jid(_serialized(told.get("author") or told.get("from")))
    return MessageChange(
        session, own, target, Change.DELETION, author, 0.0, message_token=_token(own), target_token=_token(target)
    )


def _parse_call(told: Mapping[str, Any], session: str, _: bytes) -> ProviderEvent:
    call_id, person = identifier(told.get("id")), parse_jid(_serialized(told.get("peerJid")))
    if call_id is None or person is None:
        return _malformed("call", session)
    at = _seconds(told.get("offerTime"))
    return InboundMessage(session, call_id, (person,), None, None, at, InboundCall(Rung("USER_INITIATED")), None)


def _parse_poll_answer(told: Mapping[str, Any], session: str, body: bytes) -> ProviderEvent:
    target, person = _message_id(told.get("msgId")), parse_jid(_serialized(told.get("sender")))
    chat = parse_jid(_serialized(told.get("chatId"))) or person
    if target is None or person is None or chat is None:
        return _malformed("poll response", session)
    chosen = [_word(option.get("name")) for option in _objects(told.get("selectedOptions"))]
    at = _seconds(told.get("timestamp"))
    content: Inbound = InboundReply(PollReply(Voted(tuple(name for name in chosen if name))))
    if not isinstance(told.get("selectedOptions"), list) or None in chosen:
        content = Unsupported("poll_vote", body)
    author = person if chat.kind is AddressKind.GROUP else None
    message_id = f"{target}:{person.value}:{at:.3f}"[:255]
    # In a group many may vote in one moment; the one person of a chat goes by several names.
    token = f"{_token(target) or target}:{author.value if author else ''}:{at:.3f}"[:LONGEST]
    return InboundMessage(session, message_id, (chat,), author, None, at, content, target, message_token=token)


def _parse_session(told: Mapping[str, Any], session: str, _: bytes) -> ProviderEvent:
    event = str(told.get("event"))
    word = (_word(told.get("status")) if event == "status-find" else event) or "unknown"
    return SessionChange(session, word[:64], away=word not in CONNECTED)


def _parse_other(told: Mapping[str, Any], session: str, _: bytes) -> ProviderEvent:
    return Ignored(session, str(told.get("event"))[:64], "event", "Nothing is done with this event.")


_PARSERS: Final[Mapping[str, Callable[[Mapping[str, Any], str, bytes], ProviderEvent]]] = {
    "onmessage": _parse_message,
    "unreadmessages": _parse_message,
    "onselfmessage": _parse_message,
    "onack": _parse_ack,
    "onreactionmessage": _parse_reaction,
    "onrevokedmessage": _parse_revoked,
    "onpollresponse": _parse_poll_answer,
    "incomingcall": _parse_call,
    "status-find": _parse_session,
    "qrcode": _parse_session,
    "phoneCode": _parse_session,
    "closesession": _parse_session,
    "logoutsession": _parse_session,
}


# --- content ----------------------------------------------------------------------------------------------------------


def _content(kind: str, told: Mapping[str, Any], message_id: str, body: bytes) -> Inbound:
    """What cannot be read as its kind is still a person's message, and is kept."""
    if kind == "chat" and isinstance(told.get("body"), str):
        return InboundText(told["body"])
    if kind in _FILES:
        return _FILES[kind](_file(told, message_id, voice=kind == "ptt"))
    read = _CONTENTS.get(kind)
    understood = read(told) if read else None
    return understood or Unsupported(kind, body)


def _file(told: Mapping[str, Any], message_id: str, *, voice: bool) -> ReceivedFile:
    size = told.get("size")
    return ReceivedFile(
        id=message_id,
        mime_type=_word(told.get("mimetype")),
        sha256=_word(told.get("filehash")),
        file_size=size if isinstance(size, int) else None,
        caption=_word(told.get("caption")),
        filename=_word(told.get("filename")),
        voice=voice,
        animated=told.get("isAnimated") is True,
    )


_FILES: Final[Mapping[str, Callable[[ReceivedFile], Inbound]]] = {
    "image": InboundImage,
    "video": InboundVideo,
    "audio": InboundAudio,
    "ptt": InboundAudio,
    "document": InboundDocument,
    "sticker": InboundSticker,
}


def _place(told: Mapping[str, Any]) -> Inbound | None:
    try:
        latitude, longitude = float(told["lat"]), float(told["lng"])
    except (KeyError, TypeError, ValueError):
        return None
    name, _, where = (_word(told.get("loc")) or "").partition("\n")
    return InboundLocation(ReceivedPlace(latitude, longitude, name or None, where or None))


def _card(told: Mapping[str, Any]) -> Inbound | None:
    return parse_vcards([text for text in (told.get("body"), told.get("content")) if isinstance(text, str)][:1])


def _cards(told: Mapping[str, Any]) -> Inbound | None:
    return parse_vcards([text for card in _objects(told.get("vcardList")) if (text := _word(card.get("vcard")))])


def _row(told: Mapping[str, Any]) -> Inbound | None:
    answer = told.get("listResponse")
    chosen = answer.get("singleSelectReply") if isinstance(answer, dict) else None
    row = _word(chosen.get("selectedRowId")) if isinstance(chosen, dict) else None
    if row is None or not isinstance(answer, dict):
        return None
    title = _word(answer.get("title")) or row
    return InboundReply(ListReply(Chosen(row, title, _word(answer.get("description")))))


def _button(told: Mapping[str, Any]) -> Inbound | None:
    chosen, title = _word(told.get("selectedButtonId")), _word(told.get("body"))
    return InboundReply(ButtonReply(Chosen(chosen, title or chosen))) if chosen else None


def _poll(told: Mapping[str, Any]) -> Inbound | None:
    question, many = _word(told.get("pollName")), told.get("pollSelectableOptionsCount")
    options = tuple(name for option in _objects(told.get("pollOptions")) if (name := _word(option.get("name"))))
    if question is None or not options:
        return None
    return InboundReply(Poll(Asked(question), Offered(options, many if isinstance(many, int) else 0)))


def _press(told: Mapping[str, Any]) -> Inbound | None:
    text = _word(told.get("body"))
    return InboundButton(Press(text, _word(told.get("selectedId")))) if text else None


_CONTENTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Inbound | None]]] = {
    "location": _place,
    "vcard": _card,
    "multi_vcard": _cards,
    "list_response": _row,
    "buttons_response": _button,
    "poll_creation": _poll,
    "template_button_reply": _press,
}


def find_media(content: Inbound, told: Mapping[str, Any], message_id: str) -> InboundMedia | None:
    """Where the file is: inside the webhook where the server downloads by itself, else behind the message's id."""
    kind = next((kind for kind, made in _FILES.items() if type(content) is made), None)
    if kind is None:
        return None
    name, sha256 = _word(told.get("filename")) or "", _sha256(told.get("filehash"))
    if _is_inside(told):
        return StoredInWebhook(_KINDS.get(kind, kind), "/body", sha256, name)
    return RemoteMedia(_KINDS.get(kind, kind), message_id, sha256, name)


_KINDS: Final = {"ptt": "audio"}


def _is_inside(told: Mapping[str, Any]) -> bool:
    """`body` holds the file, or only a thumbnail where the server does not download; then `content` is the same."""
    inside = told.get("body")
    if not isinstance(inside, str) or told.get("fileUrl"):
        return False
    return bool(inside) and not (inside.startswith(THUMBNAIL) and inside == told.get("content"))


def _sha256(told: object) -> str:
    try:
        digest = base64.b64decode(told, validate=True) if isinstance(told, str) else b""
    except (binascii.Error, ValueError):
        return ""
    return digest.hex() if len(digest) == 32 else ""


# --- names ------------------------------------------------------------------------------------------------------------


def _message_id(told: object) -> str | None:
    """A text in messages, an object in acks and reactions."""
    return identifier(_serialized(told))


def _token(message_id: str) -> str:
    """Empty where the id is not made as the server's are."""
    return token_of(message_id) or ""


def _serialized(told: object) -> object:
    return told.get("_serialized") if isinstance(told, dict) else told


def _chat(told: Mapping[str, Any], *, ours: bool) -> tuple[Address, ...]:
    """All addresses known of the person, the number first: it reaches them from everywhere."""
    names = [told.get("chatId"), told.get("to" if ours else "from")]
    sender = told.get("sender")
    if not ours and isinstance(sender, dict) and told.get("isGroupMsg") is not True:
        names += [sender.get("phoneNumber"), sender.get("id"), sender.get("lid")]
    found = dict.fromkeys(place for name in names if (place := parse_jid(_serialized(name))))
    groups = [place for place in found if place.kind is AddressKind.GROUP]
    return tuple(groups[:1] or sorted(found, key=lambda place: place.kind is not AddressKind.PHONE))


def _author(told: object) -> Address | None:
    """Of a reaction: the participant in a group, else the chat; None where it was us."""
    if not isinstance(told, dict) or told.get("fromMe") is True:
        return None
    return parse_jid(_serialized(told.get("participant"))) or parse_jid(_serialized(told.get("remote")))


def _quoted(told: Mapping[str, Any]) -> str | None:
    """The whole id of the quoted message; some kinds tell only its last part."""
    if whole := _message_id(told.get("quotedMsgId")):
        return whole
    tail, chat = identifier(told.get("quotedStanzaID")), identifier(told.get("chatId") or told.get("from"))
    if tail is None or chat is None:
        return None
    # Who answers a question of ours (a list, a button) quotes us; another quote names its author.
    theirs = told.get("quotedParticipant") not in (None, told.get("to"))
    return f"{'false' if theirs else 'true'}_{chat}_{tail}"


def _mentioned(told: Mapping[str, Any]) -> list[object]:
    jids = told.get("mentionedJidList")
    return [_serialized(jid) for jid in jids] if isinstance(jids, list) else []


def _name(told: Mapping[str, Any]) -> str | None:
    sender = told.get("sender")
    pushed = sender.get("pushname") if isinstance(sender, dict) else None
    return _word(told.get("notifyName")) or _word(pushed)


def _objects(told: object) -> list[dict[str, Any]]:
    return [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []


def _word(told: object) -> str | None:
    return told if isinstance(told, str) and told else None


def _seconds(told: object) -> float:
    """Seconds since the epoch; some events write milliseconds."""
    return from_milliseconds(told) if isinstance(told, int | float) else 0.0


def _malformed(what: str, session: str) -> Ignored:
    return Ignored(session, "malformed", what, "It has another shape than WPPConnect Server writes.")
