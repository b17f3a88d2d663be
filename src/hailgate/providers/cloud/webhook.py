"""Webhook bodies of the Cloud API, read as events.

Total: whatever a body with a good signature holds, the end is events or PayloadForeign. The body is opened
level by level, and each message stays raw bytes until it is read alone, so that a wrong type in one costs
only that one, and a kind that is not understood yet is kept exactly as it came.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from msgspec import Raw

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import Inbound, InboundText
from hailgate.core.content.inbound import InboundCall, Origin, Rung
from hailgate.core.errors import PayloadForeign
from hailgate.core.events import (
    Change,
    EchoedMessage,
    Ignored,
    InboundMessage,
    MarketingChoice,
    MessageChange,
    MessageStatus,
    ProviderEvent,
    ThreadOwnerChange,
)
from hailgate.core.status import Status
from hailgate.providers.cloud import shapes
from hailgate.providers.cloud.account_news import ACCOUNT_FIELDS, parse_account
from hailgate.providers.cloud.errors import explain, find_channel_fault, tells_opt_out
from hailgate.providers.cloud.handovers import HANDOVERS, parse_handovers
from hailgate.providers.cloud.media import remote_media
from hailgate.providers.cloud.people import (
    NOBODY,
    People,
    Person,
    addresses_of,
    contact_change,
    own_numbers,
    read_people,
    recipient_of,
)
from hailgate.providers.cloud.pricing import parse_price
from hailgate.providers.cloud.templates import TEMPLATE_FIELDS, parse_change
from hailgate.providers.cloud.undelivered import parse_unsupported
from hailgate.providers.reading import address, identifier, instant, read, read_body

OBJECT = "whatsapp_business_account"
MESSAGES = "messages"

STATUSES = {status.word: status for status in Status if status is not Status.QUEUED}

CALLS = "calls"
OUR_CALL = "BUSINESS_INITIATED"
PREFERENCES = "user_preferences"
ECHOES = "smb_message_echoes"
STANDBY = "standby"
GROUPS = "group_"

# Told like messages, but done to one that is there already, or to the person.
CHANGES = {"reaction": Change.REACTION, "edit": Change.EDIT, "revoke": Change.DELETION}
# Told like a message, but nobody wrote: a chat was opened for the first time.
WELCOME = "request_welcome"

MAX_TITLE = 200
MAX_DETAILS = 500
# A family with skin tones takes about a dozen code points.
MAX_EMOJI = 64


def parse_webhook(body: bytes) -> list[ProviderEvent]:
    """Raise PayloadForeign for what is no webhook of a WhatsApp Business Account."""
    return [event for raw in _open(body).entry for event in _parse_entry(raw)]


def _open(body: bytes) -> shapes.CloudEnvelope:
    envelope = read_body(shapes.envelope, body)
    if envelope is None:
        raise PayloadForeign("The body is not a JSON webhook of Meta's.")
    if envelope.object != OBJECT:
        raise PayloadForeign("The webhook is about another product of Meta's.")
    return envelope


def _parse_entry(raw: Raw) -> Iterator[ProviderEvent]:
    entry = read(shapes.entry, raw)
    if entry is None:
        yield _malformed("entry")
        return
    for change in entry.changes:
        yield from _parse_change(change, entry)


def _parse_change(raw: Raw, entry: shapes.CloudEntry) -> Iterable[ProviderEvent]:
    change = read(shapes.change, raw)
    if change is None:
        return [_malformed("change")]
    if change.field in TEMPLATE_FIELDS:
        return [parse_change(change.field, change.value, identifier(entry.id), instant(bytes(entry.time)))]
    if change.field in ACCOUNT_FIELDS:
        at = instant(bytes(entry.time))
        return [parse_account(change.field, change.value, identifier(entry.id) or "", at)]
    return _BY_FIELD.get(change.field, _parse_other_field)(change)


def _parse_value(change: shapes.CloudChange) -> Iterator[ProviderEvent]:
    value = read(shapes.value, change.value)
    if value is None:
        yield _malformed(MESSAGES)
        return
    account = _account(value.metadata)
    if account is None:
        yield Ignored(None, MESSAGES, "nowhere", "The change names no phone number id.")
        return
    people = read_people(value.contacts)
    for raw in _items(value.messages):
        yield _parse_message(raw, account, people)
    for raw in _items(value.statuses):
        yield _parse_status(raw, account, people)
    for raw in _items(value.errors):
        code, detail = _explanation(raw)
        yield Ignored(account, MESSAGES, "error", f"{code}: {detail}")


def _parse_message(raw: Raw, account: str, people: People) -> ProviderEvent:
    message = read(shapes.message, raw)
    if message is None or (message_id := identifier(message.id)) is None:
        return _malformed("message", account)
    if message.type == WELCOME:
        return Ignored(account, MESSAGES, message.type, "Nobody wrote this.", message_id)
    person, name = addresses_of(message.sender, message.from_user_id, people)
    if message.type == "system" and (changed := contact_change(raw, account, message_id, person)):
        return changed
    if not person:
        return Ignored(account, MESSAGES, message.type[:64], "The message names no sender.", message_id)
    group = address(AddressKind.GROUP, message.group_id)
    chat = (group,) if group else person
    if message.type in CHANGES:
        change = _message_change(message, raw, account, message_id, person[0], Person(chat, name))
        if change:
            return change
    context = read(shapes.context, message.context)
    content = _content(message.type, message.text, raw)
    return InboundMessage(
        account=account,
        message_id=message_id,
        chat=chat,
        author=person[0] if group else None,
        name=name,
        at=_seconds(message.timestamp),
        content=content,
        context_id=identifier(context.id) if context else None,
        origin=_origin(message, context),
        media=remote_media(content),
        own=() if group else own_numbers(message.type, raw),
    )


def _content(kind: str, text: Raw, raw: Raw) -> Inbound:
    """What cannot be read as its kind is still a person's message, and is kept."""
    if kind == "text":
        if written := read(shapes.text, text):
            return InboundText(written.body)
    elif understood := read(shapes.understood, raw):
        return understood
    return parse_unsupported(kind, raw)


def _origin(message: shapes.CloudMessage, context: shapes.CloudContext | None) -> Origin | None:
    referral = None if message.referral is shapes.NOTHING else read(shapes.referral, message.referral)
    if context is None or context.referred_product is shapes.NOTHING:
        product = None
    else:
        product = read(shapes.product, context.referred_product)
    forwarded = context is not None and context.forwarded
    frequently = context is not None and context.frequently_forwarded
    if not (referral or product or forwarded or frequently):
        return None
    return Origin(forwarded or frequently, frequently, product, referral)


def _message_change(  # noqa: PLR0917 -- what was read of it so far
    message: shapes.CloudMessage | shapes.CloudEcho,
    raw: Raw,
    account: str,
    message_id: str,
    author: Address | None,
    chat: Person,
) -> MessageChange | None:
    """None for what names no message: it is then shown as it came."""
    changed = read(shapes.changed, raw) or shapes.Changed()
    amended = changed.edit if message.type == "edit" else changed.revoke
    if message.type == "reaction" and changed.reaction:
        target, emoji, content = changed.reaction.message_id, changed.reaction.emoji or "", None
    elif amended and message.type == "revoke":
        target, emoji, content = amended.original_message_id, "", None
    elif amended:
        target, emoji, content = amended.original_message_id, "", _edited_content(amended.message)
    else:
        return None
    if (known := identifier(target)) is None:
        return None
    at = _seconds(message.timestamp)
    return MessageChange(
        account, message_id, known, CHANGES[message.type], author, at, emoji[:MAX_EMOJI], content, *chat
    )


def _edited_content(raw: Raw) -> Inbound:
    edited = read(shapes.edited, raw) or shapes.Edited()
    return _content(edited.type, edited.text, raw)


def _parse_status(raw: Raw, account: str, people: People) -> ProviderEvent:
    status = read(shapes.status, raw)
    if status is None or (message_id := identifier(status.id)) is None:
        return _malformed("status", account)
    if status.status not in STATUSES:
        return Ignored(account, MESSAGES, f"status {status.status[:64]}", "No such step.", message_id)
    code, detail = _explanation(*_items(status.errors)[:1])
    (recipient, *also), name = recipient_of(status, people)
    return MessageStatus(
        account=account,
        message_id=message_id,
        status=STATUSES[status.status],
        at=_seconds(status.timestamp),
        recipient=recipient,
        tracker=identifier(status.tracker),
        code=code,
        detail=detail,
        opted_out=code is not None and tells_opt_out(int(code)),
        channel_fault=find_channel_fault(int(code)) if code is not None else None,
        also=tuple(other for other in also if other),
        name=name,
        price=parse_price(raw),
        told=_details(*_items(status.errors)[:1]),
        participant=_participant(status),
    )


def _participant(status: shapes.CloudStatus) -> Address | None:
    phone = address(AddressKind.PHONE, status.recipient_participant_id)
    return phone or address(AddressKind.BSUID, status.recipient_participant_user_id)


def _explanation(raw: Raw = shapes.NOTHING) -> tuple[str | None, str | None]:
    """Code and sentence. Never `message` or `details`: these may quote what a person wrote."""
    error = read(shapes.error, raw)
    if error is None:
        return None, None
    return str(error.code), explain(error.code) or (error.title or "Unexplained")[:MAX_TITLE]


def _details(raw: Raw = shapes.NOTHING) -> str:
    """Meta's own words for a failure: for those who may read the conversation, and sealed like it."""
    error = read(shapes.explained, raw)
    details = error.error_data.details if error and error.error_data else None
    return details[:MAX_DETAILS] if details else ""


def _account(raw: Raw) -> str | None:
    metadata = read(shapes.metadata, raw)
    return identifier(metadata.phone_number_id) if metadata else None


# --- other fields -----------------------------------------------------------------------------------------------------


def _parse_preferences(change: shapes.CloudChange) -> Iterator[ProviderEvent]:
    value = read(shapes.elsewhere, change.value) or shapes.Elsewhere()
    account, people = _account(value.metadata), read_people(value.contacts)
    for raw in _items(value.user_preferences):
        told = read(shapes.preference, raw)
        person, name = addresses_of(told.wa_id, told.user_id, people) if told else NOBODY
        if account is None or told is None or not person:
            yield _malformed("user preference", account)
        elif (choice := told.value.lower()) in {"stop", "resume"} and told.category == "marketing_messages":
            yield MarketingChoice(account, person, choice == "resume", _seconds(told.timestamp), name)
        else:
            yield Ignored(account, PREFERENCES, told.value[:64], "No such choice is known.")


def _parse_calls(change: shapes.CloudChange) -> Iterator[ProviderEvent]:
    """The ring of a call is shown like a message; a person's opens the window like one. Its end is noted."""
    value = read(shapes.elsewhere, change.value) or shapes.Elsewhere()
    account, people = _account(value.metadata), read_people(value.contacts)
    for raw in _items(value.calls):
        call = read(shapes.call, raw)
        if account is None or call is None or (call_id := identifier(call.id)) is None:
            yield _malformed("call", account)
            continue
        ours = (call.direction or "").upper() == OUR_CALL
        rung = (call.to, call.to_user_id) if ours else (call.sender, call.from_user_id)
        person, name = addresses_of(*rung, people)
        if call.event != "connect" or not person:
            yield Ignored(account, CALLS, call.event[:64], "Noted of a call.", call_id)
            continue
        told = EchoedMessage if ours else InboundMessage
        content = InboundCall(Rung(call.direction))
        yield told(account, call_id, person, None, name, _seconds(call.timestamp), content, None)


def _parse_echoes(change: shapes.CloudChange, *, responder: bool = False) -> Iterator[ProviderEvent]:
    """What the business wrote, edited or took back on its own telephone; or another ``responder`` did."""
    value = read(shapes.elsewhere, change.value) or shapes.Elsewhere()
    account, people = _account(value.metadata), read_people(value.contacts)
    for raw in _items(value.message_echoes):
        echo = read(shapes.echo, raw)
        if account is None or echo is None or (message_id := identifier(echo.id)) is None:
            yield _malformed("echo", account)
            continue
        person, name = addresses_of(echo.to, echo.to_user_id, people)
        if echo.type in CHANGES and (
            told := _message_change(echo, raw, account, message_id, None, Person(person, name))
        ):
            yield told
            continue
        if not person:
            yield Ignored(account, change.field, echo.type[:64], "The echo names no recipient.", message_id)
            continue
        context = read(shapes.context, echo.context)
        content = _content(echo.type, echo.text, raw)
        yield EchoedMessage(
            account=account,
            message_id=message_id,
            chat=person,
            author=None,
            name=name,
            at=_seconds(echo.timestamp),
            content=content,
            context_id=identifier(context.id) if context else None,
            media=remote_media(content),
            responder=responder,
        )


def _parse_standby(change: shapes.CloudChange) -> Iterator[ProviderEvent]:
    """What is said in threads that another responder owns: read like ours, and a sign of who owns them."""
    for event in (*_parse_value(change), *_parse_echoes(change, responder=True)):
        yield event
        if isinstance(event, InboundMessage):
            yield ThreadOwnerChange(event.account, event.message_id, event.chat, ours=False, role="", at=event.at)


def _parse_groups(change: shapes.CloudChange) -> Iterator[ProviderEvent]:
    """Groups exist here by what is written in them; what else becomes of one is noted under its name."""
    value = read(shapes.elsewhere, change.value) or shapes.Elsewhere()
    account, groups = _account(value.metadata), _items(value.groups)
    if not groups:
        yield _malformed(change.field[:64], account)
    for raw in groups:
        group = read(shapes.group, raw)
        if group is None:
            yield _malformed("group", account)
            continue
        code, detail = _explanation(*_items(group.errors)[:1])
        note = "Done to a group." if code is None else f"It failed. {code}: {detail}"
        yield Ignored(account, change.field[:64], group.type[:64], note)


def _parse_other_field(change: shapes.CloudChange) -> Iterable[ProviderEvent]:
    if change.field.startswith(GROUPS):
        return _parse_groups(change)
    named = read(shapes.named, change.value) or shapes.Named()
    kind = named.event or change.field
    return [Ignored(_account(named.metadata), change.field[:64], kind[:64], "Nothing is done with this field.")]


_BY_FIELD: Final[Mapping[str, Callable[[shapes.CloudChange], Iterable[ProviderEvent]]]] = {
    MESSAGES: _parse_value,
    PREFERENCES: _parse_preferences,
    CALLS: _parse_calls,
    ECHOES: _parse_echoes,
    STANDBY: _parse_standby,
    HANDOVERS: parse_handovers,
}


def _malformed(what: str, account: str | None = None) -> Ignored:
    return Ignored(account, MESSAGES, f"malformed {what}", "It has another shape than Meta documents.")


def _items(raw: Raw) -> list[Raw]:
    return read(shapes.items, raw) or []


def _seconds(raw: Raw) -> float:
    """Meta writes seconds as a string."""
    return instant(bytes(raw).strip(b'"'))
