"""Webhook bodies of Evolution API, read as events. Total: the end is events or PayloadForeign.

Bytes arrive as objects of index and number, long numbers as two halves, and an event's data as an object or a list:
nothing here takes a type for granted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from hailgate.core.address import Address, AddressKind
from hailgate.core.content.inbound import InboundCall, Origin, Referral, Rung, Unsupported, WhyNot
from hailgate.core.errors import PayloadForeign
from hailgate.core.events import (
    Change,
    ContactChange,
    EchoedMessage,
    Ignored,
    InboundMessage,
    MessageChange,
    MessageStatus,
    ProviderEvent,
    SessionChange,
    UnreadableMessage,
)
from hailgate.core.status import Status
from hailgate.providers.evolution.content import find_media, parse_content, seconds
from hailgate.providers.evolution.votes import VOTE, parse_votes, poll_voted_in, read_vote
from hailgate.providers.jids import STORIES, mentioning, parse_jid
from hailgate.providers.reading import identifier, read_body

STATUSES: Final = {
    "SERVER_ACK": Status.SENT,
    "SENT": Status.SENT,
    "DELIVERY_ACK": Status.DELIVERED,
    "DELIVERED": Status.DELIVERED,
    "READ": Status.READ,
    "PLAYED": Status.PLAYED,
    "ERROR": Status.FAILED,
}
# Told of the server, not of an instance.
SERVER_EVENT: Final = "application.startup"
FAILED: Final = "WhatsApp did not take the message."
MAX_EMOJI: Final = 64
# Where the envelope's time lies while an update is read: its hour is wrong, yet each telling has its own.
TOLD_AT: Final = "date_time"

_object = msgspec.json.Decoder(dict[str, Any])


def parse_webhook(body: bytes, instance: str) -> list[ProviderEvent]:
    """Raise PayloadForeign for what is no webhook of this server, or of another instance."""
    told = read_body(_object, body)
    event = told.get("event") if told else None
    if told is None or not isinstance(event, str):
        raise PayloadForeign("The body is not a JSON webhook of Evolution API.")
    named = told.get("instance")
    if isinstance(named, str) and named != instance and event != SERVER_EVENT:
        raise PayloadForeign("The webhook is about another instance.")
    data = told.get("data")
    parse = _PARSERS.get(event.lower().replace("_", "."), _other)
    if parse in {_session, _other}:
        return list(parse(data, instance, event))
    if parse is _update:
        data = [{**item, TOLD_AT: str(told.get("date_time"))} for item in _items(data)]
    return [each for item in _items(data) for each in parse(item, instance, event)]


def repeats(body: bytes, last: bytes) -> bool:
    """Whether a notice of a session's state says what the hook's last one said: a server that cannot reach WhatsApp
    posts 28 of them a second.
    """
    now, before = read_body(_object, body), read_body(_object, last)
    if not now or not before or now.get("event") != "connection.update":
        return False
    same = ("event", "instance", "data")
    return all(now.get(name) == before.get(name) for name in same)


def _message(data: Mapping[str, Any], instance: str, event: str) -> Iterator[ProviderEvent]:
    key = _object_of(data.get("key"))
    message_id = identifier(key.get("id"))
    kind = str(data.get("messageType") or "unknown")[:64]
    if message_id is None:
        yield _malformed(event, instance)
        return
    if key.get("remoteJid") == STORIES:
        yield Ignored(instance, event, "story", "Stories are not conversations.", message_id)
        return
    chat, author = _chat(key), _author(key)
    if not chat:
        yield Ignored(instance, event, kind, "The message names no sender.", message_id)
        return
    message = _object_of(data.get("message"))
    at = seconds(data.get("messageTimestamp"))
    if target := _reacted_to(message):
        by = None if key.get("fromMe") is True else author or chat[0]
        emoji = str(_object_of(message.get("reactionMessage")).get("text") or "")[:MAX_EMOJI]
        yield MessageChange(instance, message_id, target, Change.REACTION, by, at, emoji)
        return
    if not message and kind == "unknown":
        yield Ignored(instance, event, "empty", "The server could not decrypt it.", message_id)
        return
    ours = key.get("fromMe") is True
    content = read_vote(message, data) if VOTE in message else parse_content(message, kind, message_id)
    content = mentioning(content, _mentioned(data, message))
    unread = isinstance(content, Unsupported) and content.why is WhyNot.UNREADABLE
    told_by = EchoedMessage if ours else UnreadableMessage if unread else InboundMessage
    yield told_by(
        account=instance,
        message_id=message_id,
        chat=chat,
        author=author,
        name=None if ours else _word(data.get("pushName")),
        at=at,
        content=content,
        context_id=poll_voted_in(message) or _quoted(data, message),
        origin=_origin(_object_of(data.get("contextInfo"))),
        media=find_media(content, message, message_id),
    )


def _reacted_to(message: Mapping[str, Any]) -> str | None:
    return identifier(_object_of(_object_of(message.get("reactionMessage")).get("key")).get("id"))


def _update(data: Mapping[str, Any], instance: str, event: str) -> Iterator[ProviderEvent]:
    """By `keyId`, WhatsApp's own; `messageId` is the server's row (providers.md 8.2)."""
    message_id, word = identifier(data.get("keyId")), str(data.get("status"))
    if message_id is None:
        yield _malformed(event, instance)
        return
    if word not in STATUSES:
        votes = list(parse_votes(data, instance, str(data.get(TOLD_AT))))
        yield from votes
        if not votes:
            yield Ignored(instance, event, f"status {word[:40]}", "No such step.", message_id)
        return
    status = STATUSES[word]
    failed = status is Status.FAILED
    yield MessageStatus(
        account=instance,
        message_id=message_id,
        status=status,
        at=0.0,
        recipient=parse_jid(data.get("remoteJid")),
        tracker=None,
        code=word if failed else None,
        detail=FAILED if failed else None,
    )


def _edited(data: Mapping[str, Any], instance: str, event: str) -> Iterator[ProviderEvent]:
    key = _object_of(data.get("key"))
    target = identifier(key.get("id"))
    if target is None:
        yield _malformed(event, instance)
        return
    at = seconds(data.get("timestampMs"))
    edited = _object_of(data.get("editedMessage"))
    author = _changed_by(key)
    yield MessageChange(
        instance, f"{target}:edit:{at:.3f}"[:255], target, Change.EDIT, author, at, "",
        parse_content(edited, next(iter(edited), "unknown"), target),
    )  # fmt: skip


def _deleted(data: Mapping[str, Any], instance: str, event: str) -> Iterator[ProviderEvent]:
    key = _object_of(data.get("key")) or data
    target = identifier(key.get("id"))
    if target is None:
        yield _malformed(event, instance)
        return
    yield MessageChange(instance, f"{target}:delete"[:255], target, Change.DELETION, _changed_by(key), 0.0)


def _call(data: Mapping[str, Any], instance: str, event: str) -> Iterator[ProviderEvent]:
    call_id, person = identifier(data.get("id")), parse_jid(data.get("chatId") or data.get("from"))
    if call_id is None or person is None:
        yield _malformed(event, instance)
        return
    if data.get("status") != "offer":
        yield Ignored(instance, event, str(data.get("status"))[:64], "Noted of a call.", call_id)
        return
    content = InboundCall(Rung("USER_INITIATED"))
    yield InboundMessage(instance, call_id, (person,), None, None, 0.0, content, None)


def _contact(data: Mapping[str, Any], instance: str, event: str) -> Iterator[ProviderEvent]:
    """Where a person's hidden id and number stand side by side, they are one person."""
    known = parse_jid(data.get("remoteJid") or data.get("id"))
    learned = parse_jid(data.get("remoteJidAlt") or data.get("lid"))
    if known and learned and known != learned:
        yield ContactChange(instance, f"{known.key}={learned.key}"[:255], (known,), (learned,), event[:64])
        return
    yield Ignored(instance, event, "contact", "Nothing new about a person.")


def _session(data: Any, instance: str, event: str) -> Iterator[ProviderEvent]:
    facts = _object_of(data)
    word = str(facts.get("state") or facts.get("status") or event)[:64]
    yield SessionChange(instance, word, away=word != "open")


def _other(_data: Any, instance: str, event: str) -> Iterator[ProviderEvent]:
    yield Ignored(instance, event[:64], "event", "Nothing is done with this event.")


_Parser = Callable[[Any, str, str], Iterable[ProviderEvent]]
_PARSERS: Final[Mapping[str, _Parser]] = {
    "messages.upsert": _message,
    "send.message": _message,
    "messages.update": _update,
    "messages.edited": _edited,
    "send.message.update": _edited,
    "messages.delete": _deleted,
    "call": _call,
    "contacts.upsert": _contact,
    "contacts.update": _contact,
    "connection.update": _session,
    "qrcode.updated": _session,
    "status.instance": _session,
    "logout.instance": _session,
    "remove.instance": _session,
}


# --- names ------------------------------------------------------------------------------------------------------------


def _chat(key: Mapping[str, Any]) -> tuple[Address, ...]:
    """All addresses known of the person, the number first: it reaches them from everywhere."""
    ours = key.get("fromMe") is True  # then the sender is our own phone, and not the person
    names = (key.get("remoteJid"), key.get("remoteJidAlt"), None if ours else key.get("senderPn"))
    found = dict.fromkeys(place for name in names if (place := parse_jid(name)))
    groups = [place for place in found if place.kind is AddressKind.GROUP]
    return tuple(groups[:1] or sorted(found, key=lambda place: place.kind is not AddressKind.PHONE))


def _author(key: Mapping[str, Any]) -> Address | None:
    """In a group; the number where it is told, which stands in either place by the group's addressing mode."""
    place = parse_jid(key.get("remoteJid"))
    if place is None or place.kind is not AddressKind.GROUP:
        return None
    names = (key.get("participantAlt"), key.get("participantPn"), key.get("participant"))
    found = [known for name in names if (known := parse_jid(name))]
    return min(found, key=lambda known: known.kind is not AddressKind.PHONE, default=None)


def _changed_by(key: Mapping[str, Any]) -> Address | None:
    """None where it was us."""
    if key.get("fromMe") is True:
        return None
    return _author(key) or next(iter(_chat(key)), None)


def _quoted(data: Mapping[str, Any], message: Mapping[str, Any]) -> str | None:
    found = (identifier(context.get("stanzaId")) for context in _contexts(data, message))
    return next((quoted for quoted in found if quoted), None)


def _mentioned(data: Mapping[str, Any], message: Mapping[str, Any]) -> list[object]:
    found = (context.get("mentionedJid") for context in _contexts(data, message))
    return next((jids for jids in found if isinstance(jids, list)), [])


def _contexts(data: Mapping[str, Any], message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Beside the message, and inside its own kind."""
    places = [data, *(_object_of(part) for part in message.values())]
    yield from (_object_of(place.get("contextInfo")) for place in places)


def _origin(context: Mapping[str, Any]) -> Origin | None:
    score = context.get("forwardingScore")
    forwarded = context.get("isForwarded") is True
    ad = _object_of(context.get("externalAdReply"))
    if not (forwarded or ad):
        return None
    referral = None
    if ad:
        referral = Referral(
            source_url=_word(ad.get("sourceUrl")), source_id=_word(ad.get("sourceId")),
            source_type=_word(ad.get("sourceType")), headline=_word(ad.get("title")), body=_word(ad.get("body")),
            thumbnail_url=_word(ad.get("thumbnailUrl")), ctwa_clid=_word(ad.get("ctwaClid")),
        )  # fmt: skip
    return Origin(forwarded, isinstance(score, int) and score >= 5, None, referral)


def _items(data: Any) -> list[Mapping[str, Any]]:
    """Some events come as an object, some as a list, some as both by turns."""
    return [item for item in (data if isinstance(data, list) else [data]) if isinstance(item, dict)] or [{}]


def _object_of(told: Any) -> Mapping[str, Any]:
    return told if isinstance(told, dict) else {}


def _word(told: object) -> str | None:
    return told if isinstance(told, str) and told else None


def _malformed(event: str, instance: str) -> Ignored:
    return Ignored(instance, event[:64], "malformed", "It has another shape than Evolution API writes.")
