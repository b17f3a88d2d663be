"""Webhook bodies of the Cloud API, read as events.

Total: whatever a body with a good signature holds, the end is events or PayloadForeign. The body is opened
level by level, and each message stays raw bytes until it is read alone, so that a wrong type in one costs
only that one, and a kind that is not understood yet is kept exactly as it came.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from msgspec import Raw

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import Inbound, InboundText, Unsupported
from hailgate.core.content.inbound import InboundCall, Origin, Rung
from hailgate.core.errors import PayloadForeign
from hailgate.core.events import (
    Change,
    ContactChange,
    EchoedMessage,
    Ignored,
    InboundMessage,
    MarketingChoice,
    MessageChange,
    MessageStatus,
    ProviderEvent,
)
from hailgate.core.status import Status
from hailgate.providers.cloud import shapes
from hailgate.providers.cloud.errors import explain, tells_opt_out
from hailgate.providers.cloud.media import remote_media
from hailgate.providers.cloud.templates import TEMPLATE_FIELDS, parse_change
from hailgate.providers.reading import address, identifier, instant, read, read_body

OBJECT = "whatsapp_business_account"
MESSAGES = "messages"

STATUSES = {status.word: status for status in Status if status is not Status.QUEUED}

CALLS = "calls"
PREFERENCES = "user_preferences"
ECHOES = "smb_message_echoes"
GROUPS = "group_"

# Told like messages, but done to one that is there already, or to the person.
CHANGES = {"reaction": Change.REACTION, "edit": Change.EDIT, "revoke": Change.DELETION}
# Told like a message, but nobody wrote: a chat was opened for the first time.
WELCOME = "request_welcome"

MAX_TITLE = 200
# A family with skin tones takes about a dozen code points.
MAX_EMOJI = 64


class _Person(NamedTuple):
    """All addresses known of somebody, best first, and what they call themselves."""

    addresses: tuple[Address, ...]
    name: str | None


def parse_webhook(body: bytes) -> list[ProviderEvent]:
    """Raise PayloadForeign for what is no webhook of a WhatsApp Business Account."""
    return [event for raw in _open(body).entry for event in _parse_entry(raw)]


def _open(body: bytes) -> shapes.Envelope:
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


def _parse_change(raw: Raw, entry: shapes.Entry) -> Iterable[ProviderEvent]:
    change = read(shapes.change, raw)
    if change is None:
        return [_malformed("change")]
    if change.field in TEMPLATE_FIELDS:
        return [parse_change(change.field, change.value, identifier(entry.id), instant(bytes(entry.time)))]
    return _BY_FIELD.get(change.field, _parse_other_field)(change)


def _parse_value(change: shapes.Change) -> Iterator[ProviderEvent]:
    value = read(shapes.value, change.value)
    if value is None:
        yield _malformed(MESSAGES)
        return
    account = _account(value.metadata)
    if account is None:
        yield Ignored(None, MESSAGES, "nowhere", "The change names no phone number id.")
        return
    people = _people(value.contacts)
    for raw in _items(value.messages):
        yield _parse_message(raw, account, people)
    for raw in _items(value.statuses):
        yield _parse_status(raw, account)
    for raw in _items(value.errors):
        code, detail = _explanation(raw)
        yield Ignored(account, MESSAGES, "error", f"{code}: {detail}")


def _parse_message(raw: Raw, account: str, people: Mapping[str, shapes.Contact]) -> ProviderEvent:
    message = read(shapes.message, raw)
    if message is None or (message_id := identifier(message.id)) is None:
        return _malformed("message", account)
    if message.type == WELCOME:
        return Ignored(account, MESSAGES, message.type, "Nobody wrote this.", message_id)
    person, name = _addresses(message.sender, message.from_user_id, people)
    if not person:
        return Ignored(account, MESSAGES, message.type[:64], "The message names no sender.", message_id)
    if message.type in CHANGES and (change := _message_change(message, raw, account, message_id, person[0])):
        return change
    if message.type == "system":
        return _contact_change(raw, account, message_id, person)
    group = address(AddressKind.GROUP, message.group_id)
    context = read(shapes.context, message.context)
    content = _content(message.type, message.text, raw)
    return InboundMessage(
        account=account,
        message_id=message_id,
        chat=(group,) if group else person,
        author=person[0] if group else None,
        name=name,
        at=_seconds(message.timestamp),
        content=content,
        context_id=identifier(context.id) if context else None,
        origin=_origin(message, context),
        media=remote_media(content),
    )


def _content(kind: str, text: Raw, raw: Raw) -> Inbound:
    """What cannot be read as its kind is still a person's message, and is kept."""
    if kind == "text":
        if written := read(shapes.text, text):
            return InboundText(written.body)
    elif understood := read(shapes.understood, raw):
        return understood
    return Unsupported(kind or "unknown", bytes(raw))


def _origin(message: shapes.Message, context: shapes.Context | None) -> Origin | None:
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


def _message_change(
    message: shapes.Message | shapes.Echo, raw: Raw, account: str, message_id: str, author: Address | None
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
    return MessageChange(account, message_id, known, CHANGES[message.type], author, at, emoji[:MAX_EMOJI], content)


def _edited_content(raw: Raw) -> Inbound:
    edited = read(shapes.edited, raw) or shapes.Edited()
    return _content(edited.type, edited.text, raw)


def _contact_change(raw: Raw, account: str, message_id: str, person: tuple[Address, ...]) -> ProviderEvent:
    """A new number, a new business-scoped id, or new keys of the same person."""
    told = read(shapes.system, raw)
    if told is None:
        return _malformed("system message", account)
    news = told.system
    learned = (address(AddressKind.PHONE, news.wa_id), address(AddressKind.BSUID, news.user_id))
    return ContactChange(account, message_id, person, tuple(found for found in learned if found), news.type[:64])


def _addresses(number: str | None, user_id: str | None, people: Mapping[str, shapes.Contact]) -> _Person:
    """The phone first: it reaches the person with every kind of message, a business-scoped id does not."""
    contact = people.get(number or "") or people.get(user_id or "") or shapes.Contact()
    phone = address(AddressKind.PHONE, number) or address(AddressKind.PHONE, contact.wa_id)
    scoped = address(AddressKind.BSUID, user_id) or address(AddressKind.BSUID, contact.user_id)
    return _Person(tuple(found for found in (phone, scoped) if found), _name(contact))


def _parse_status(raw: Raw, account: str) -> ProviderEvent:
    status = read(shapes.status, raw)
    if status is None or (message_id := identifier(status.id)) is None:
        return _malformed("status", account)
    if status.status not in STATUSES:
        return Ignored(account, MESSAGES, f"status {status.status[:64]}", "No such step.", message_id)
    code, detail = _explanation(*_items(status.errors)[:1])
    return MessageStatus(
        account=account,
        message_id=message_id,
        status=STATUSES[status.status],
        at=_seconds(status.timestamp),
        recipient=_recipient(status),
        tracker=identifier(status.tracker),
        code=code,
        detail=detail,
        opted_out=code is not None and tells_opt_out(int(code)),
    )


def _recipient(status: shapes.Status) -> Address | None:
    if status.recipient_type == "group":
        return address(AddressKind.GROUP, status.recipient_id)
    phone = address(AddressKind.PHONE, status.recipient_id)
    return phone or address(AddressKind.BSUID, status.recipient_user_id)


def _explanation(raw: Raw = shapes.NOTHING) -> tuple[str | None, str | None]:
    """Code and sentence. Never `message` or `details`: these may quote what a person wrote."""
    error = read(shapes.error, raw)
    if error is None:
        return None, None
    return str(error.code), explain(error.code) or (error.title or "Unexplained")[:MAX_TITLE]


def _people(raw: Raw) -> dict[str, shapes.Contact]:
    """Contacts by each of their names. Their position in the list says nothing."""
    people: dict[str, shapes.Contact] = {}
    for item in _items(raw):
        if contact := read(shapes.contact, item):
            people |= {name: contact for name in (contact.wa_id, contact.user_id) if name}
    return people


def _name(contact: shapes.Contact) -> str | None:
    profile = read(shapes.profile, contact.profile)
    return (profile.name or profile.username or None) if profile else None


def _account(raw: Raw) -> str | None:
    metadata = read(shapes.metadata, raw)
    return identifier(metadata.phone_number_id) if metadata else None


# --- other fields -----------------------------------------------------------------------------------------------------


def _parse_preferences(change: shapes.Change) -> Iterator[ProviderEvent]:
    value = read(shapes.elsewhere, change.value) or shapes.Elsewhere()
    account = _account(value.metadata)
    for raw in _items(value.user_preferences):
        told = read(shapes.preference, raw)
        person = told and (address(AddressKind.PHONE, told.wa_id) or address(AddressKind.BSUID, told.user_id))
        if account is None or told is None or not person:
            yield _malformed("user preference", account)
        elif told.value in {"stop", "resume"} and told.category == "marketing_messages":
            yield MarketingChoice(account, person, told.value == "resume", _seconds(told.timestamp))
        else:
            yield Ignored(account, PREFERENCES, told.value[:64], "No such choice is known.")


def _parse_calls(change: shapes.Change) -> Iterator[ProviderEvent]:
    """The ring of a call is shown like a message, and opens the window like one; its end is noted."""
    value = read(shapes.elsewhere, change.value) or shapes.Elsewhere()
    account, people = _account(value.metadata), _people(value.contacts)
    for raw in _items(value.calls):
        call = read(shapes.call, raw)
        if account is None or call is None or (call_id := identifier(call.id)) is None:
            yield _malformed("call", account)
            continue
        person, name = _addresses(call.sender, call.from_user_id, people)
        if call.event != "connect" or not person:
            yield Ignored(account, CALLS, call.event[:64], "Noted of a call.", call_id)
            continue
        content = InboundCall(Rung(call.direction))
        at = _seconds(call.timestamp)
        yield InboundMessage(account, call_id, person, None, name, at, content, None)


def _parse_echoes(change: shapes.Change) -> Iterator[ProviderEvent]:
    """What the business wrote, edited or took back on its own telephone."""
    value = read(shapes.elsewhere, change.value) or shapes.Elsewhere()
    account, people = _account(value.metadata), _people(value.contacts)
    for raw in _items(value.message_echoes):
        echo = read(shapes.echo, raw)
        if account is None or echo is None or (message_id := identifier(echo.id)) is None:
            yield _malformed("echo", account)
            continue
        if echo.type in CHANGES and (told := _message_change(echo, raw, account, message_id, None)):
            yield told
            continue
        person, name = _addresses(echo.to, echo.to_user_id, people)
        if not person:
            yield Ignored(account, ECHOES, echo.type[:64], "The echo names no recipient.", message_id)
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
        )


def _parse_groups(change: shapes.Change) -> Iterator[ProviderEvent]:
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


def _parse_other_field(change: shapes.Change) -> Iterable[ProviderEvent]:
    if change.field.startswith(GROUPS):
        return _parse_groups(change)
    named = read(shapes.named, change.value) or shapes.Named()
    kind = named.event or change.field
    return [Ignored(_account(named.metadata), change.field[:64], kind[:64], "Nothing is done with this field.")]


_BY_FIELD: Final[Mapping[str, Callable[[shapes.Change], Iterable[ProviderEvent]]]] = {
    MESSAGES: _parse_value,
    PREFERENCES: _parse_preferences,
    CALLS: _parse_calls,
    ECHOES: _parse_echoes,
}


def _malformed(what: str, account: str | None = None) -> Ignored:
    return Ignored(account, MESSAGES, f"malformed {what}", "It has another shape than Meta documents.")


def _items(raw: Raw) -> list[Raw]:
    return read(shapes.items, raw) or []


def _seconds(raw: Raw) -> float:
    """Meta writes seconds as a string."""
    return instant(bytes(raw).strip(b'"'))
