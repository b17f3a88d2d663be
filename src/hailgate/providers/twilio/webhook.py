"""What Twilio posts: messages of people and steps of ours, as events. Pure and total."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import Inbound, InboundText, Unsupported
from hailgate.core.content.inbound import (
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
    Origin,
    Press,
    ReceivedFile,
    ReceivedPlace,
    Referral,
)
from hailgate.core.errors import PayloadForeign, RecipientOptedOut
from hailgate.core.events import Ignored, InboundMessage, MessageStatus, ProviderEvent
from hailgate.core.media import RemoteMedia
from hailgate.core.status import Status
from hailgate.providers.contract import WebhookRequest
from hailgate.providers.reading import address, identifier
from hailgate.providers.twilio.errors import classify, describe, find_channel_fault
from hailgate.providers.twilio.signature import parse_form

PREFIX: Final = "whatsapp:"
TRACKER: Final = "tracker"
LONGEST_LINK: Final = 2_000

Fields = Mapping[str, str]

# Queued at Twilio is sent, for us: it has taken the message.
STATUSES: Final[Mapping[str, Status]] = {
    "accepted": Status.SENT,
    "scheduled": Status.SENT,
    "queued": Status.SENT,
    "sending": Status.SENT,
    "sent": Status.SENT,
    "delivered": Status.DELIVERED,
    "partially_delivered": Status.DELIVERED,
    "read": Status.READ,
    "undelivered": Status.FAILED,
    "failed": Status.FAILED,
    "canceled": Status.FAILED,
}
_FILES: Final[Mapping[str, Callable[[ReceivedFile], Inbound]]] = {
    "image": InboundImage,
    "video": InboundVideo,
    "audio": InboundAudio,
    "sticker": InboundSticker,
}
# Of a messaging service with keywords of its own (Advanced Opt-Out). HELP, which it answers too, chooses nothing.
_WISHES: Final[Mapping[str, bool]] = {"STOP": False, "START": True}
_PHONE: Final = re.compile(r"\+?[0-9]{7,15}")


def parse_webhook(request: WebhookRequest) -> Sequence[ProviderEvent]:
    """Raises PayloadForeign for what is no message and no step of one."""
    fields = _fields_of(request)
    message_id = identifier(fields.get("MessageSid") or fields.get("SmsSid"))
    if message_id is None or not fields.get("From") or not fields.get("To"):
        raise PayloadForeign
    if "MessageStatus" in fields:
        return [_parse_status(fields, message_id, request.params.get(TRACKER))]
    return _parse_message(fields, message_id)


def parse_address(told: str | None) -> Address | None:
    """`whatsapp:+15551234567`, or a business-scoped id in its place."""
    value = (told or "").removeprefix(PREFIX)
    kind = AddressKind.PHONE if _PHONE.fullmatch(value) else AddressKind.BSUID
    return address(kind, value)


def account_of(told: str) -> str:
    return told.removeprefix(PREFIX).removeprefix("+")


def _fields_of(request: WebhookRequest) -> Fields:
    """Of a name that comes twice, the last; the query holds ids of ours, or the whole call where it is a GET."""
    return dict(parse_form(request.body)) if request.method == "POST" else request.params


# --- steps ------------------------------------------------------------------------------------------------------------


def _parse_status(fields: Fields, message_id: str, tracker: str | None) -> ProviderEvent:
    account, word = account_of(fields["From"]), fields["MessageStatus"]
    if word not in STATUSES:
        return Ignored(account, "status", word[:60], "No such step.", message_id)
    code = identifier(fields.get("ErrorCode")) if STATUSES[word] is Status.FAILED else None
    if word == "canceled":
        code = code or "canceled"
    return MessageStatus(
        account=account,
        message_id=message_id,
        status=STATUSES[word],
        at=0.0,
        recipient=parse_address(fields["To"]),
        tracker=identifier(tracker),
        code=code,
        detail=describe(code, fields.get("ErrorMessage")) if code else None,
        opted_out=bool(code) and isinstance(classify(code or ""), RecipientOptedOut),
        channel_fault=find_channel_fault(code) if code else None,
    )


# --- messages ---------------------------------------------------------------------------------------------------------


def _parse_message(fields: Fields, message_id: str) -> list[ProviderEvent]:
    account = account_of(fields["To"])
    chat = _addresses(fields)
    if not chat:
        return [Ignored(account, "message", "sender", "The message names no sender.", message_id)]
    first, *files = _contents(fields) or [(_words(fields), None)]
    return [
        InboundMessage(
            account=account,
            message_id=message_id if place == 0 else f"{message_id}.{place}",
            chat=chat,
            author=None,
            name=fields.get("ProfileName") or None,
            at=0.0,
            content=content,
            context_id=identifier(fields.get("OriginalRepliedMessageSid")),
            origin=_origin(fields),
            media=media,
            wants=_WISHES.get(fields.get("OptOutType", "").upper()),
        )
        for place, (content, media) in enumerate([first, *files])
    ]


def _addresses(fields: Fields) -> tuple[Address, ...]:
    """All that names the person, the phone first."""
    told = (fields.get("From"), fields.get("WaId"), fields.get("ExternalUserId"), fields.get("ParentExternalUserId"))
    known = dict.fromkeys(found for name in told if (found := parse_address(name)) is not None)
    return tuple(sorted(known, key=lambda one: one.kind is not AddressKind.PHONE))


def _contents(fields: Fields) -> list[tuple[Inbound, RemoteMedia | None]]:
    """One for each file; WhatsApp sends one file a message, and nobody promised that for ever."""
    count = fields.get("NumMedia", "0")
    most = int(count) if count.isascii() and count.isdigit() and len(count) < 3 else 0
    return [found for place in range(most) if (found := _file(fields, place))]


def _file(fields: Fields, place: int) -> tuple[Inbound, RemoteMedia | None] | None:
    link, mime = fields.get(f"MediaUrl{place}", ""), fields.get(f"MediaContentType{place}", "")
    sid = identifier(link.rpartition("/")[2])
    if sid is None or len(link) > LONGEST_LINK:
        return None
    kind = _kind(fields.get("MessageType", ""), mime)
    words = fields.get("Body") or None if place == 0 else None
    named, caption = (words, None) if kind == "document" else (None, words)
    voice = kind == "audio" and "opus" in mime
    file = ReceivedFile(sid, mime_type=mime or None, caption=caption, filename=named, voice=voice)
    return _FILES.get(kind, InboundDocument)(file), RemoteMedia(kind, name=named or "", link=link)


def _kind(told: str, mime: str) -> str:
    if told == "sticker" or (not told and mime == "image/webp"):
        return "sticker"
    family = mime.partition("/")[0]
    return family if family in _FILES and told != "document" else "document"


def _words(fields: Fields) -> Inbound:
    """What came without a file."""
    kind, body = fields.get("MessageType", "text"), fields.get("Body", "")
    if "Latitude" in fields and "Longitude" in fields:
        return _place(fields)
    if (answer := _answer(fields, kind, body)) is not None:
        return answer
    if body or kind == "text":
        return InboundText(body)
    return Unsupported(kind, msgspec.json.encode(dict(fields)))


def _answer(fields: Fields, kind: str, body: str) -> Inbound | None:
    """What answers a question of ours: a flow, a list, a button, a template's quick reply."""
    if fields.get("InteractiveData"):
        return InboundReply(FlowReply(FilledIn(fields["InteractiveData"], body=body or None)))
    if fields.get("ListId"):
        chosen = Chosen(fields["ListId"], fields.get("ListTitle") or body, fields.get("ListDescription") or None)
        return InboundReply(ListReply(chosen))
    said, payload = fields.get("ButtonText") or body, fields.get("ButtonPayload")
    if payload and kind == "interactive":
        return InboundReply(ButtonReply(Chosen(payload, said)))
    return InboundButton(Press(said, payload or None)) if payload or fields.get("ButtonText") else None


def _place(fields: Fields) -> Inbound:
    try:
        latitude, longitude = float(fields["Latitude"]), float(fields["Longitude"])
        inside = abs(latitude) <= 90 and abs(longitude) <= 180
    except ValueError:
        inside = False
    if not inside:
        return Unsupported("location", msgspec.json.encode(dict(fields)))
    return InboundLocation(
        ReceivedPlace(latitude, longitude, fields.get("Label") or None, fields.get("Address") or None)
    )


def _origin(fields: Fields) -> Origin | None:
    referral = Referral(
        source_url=fields.get("ReferralSourceUrl"),
        source_id=fields.get("ReferralSourceId"),
        source_type=fields.get("ReferralSourceType"),
        headline=fields.get("ReferralHeadline"),
        body=fields.get("ReferralBody"),
        image_url=fields.get("ReferralMediaUrl"),
        ctwa_clid=fields.get("ReferralCtwaClid"),
    )
    origin = Origin(
        forwarded=fields.get("Forwarded") == "true",
        frequently_forwarded=fields.get("FrequentlyForwarded") == "true",
        referral=referral if referral != Referral() else None,
    )
    return origin if origin != Origin() else None
