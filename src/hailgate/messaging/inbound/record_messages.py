"""Inbound messages: stored in their conversations, and all that follows from them."""

from collections.abc import Sequence
from typing import Final

from django.db import transaction

from hailgate.accounts.seal import sealer
from hailgate.core.content import encode_content, kind_of
from hailgate.core.events import EchoedMessage
from hailgate.core.status import Status
from hailgate.messaging.broker.outbox import EventOf, record_events
from hailgate.messaging.files.fetch import AwaitedFile, await_files
from hailgate.messaging.inbound.arrivals import HookChannel
from hailgate.messaging.inbound.call_turns import Debounce, call_for_answers
from hailgate.messaging.inbound.consent_words import Wished, read_wish, record_wishes
from hailgate.messaging.inbound.incoming import Incoming, StoredInbound
from hailgate.messaging.inbound.menu_answers import Utterance, numbers_menus, read_menu_answers
from hailgate.messaging.inbound.targets import Target, find_targets
from hailgate.messaging.inbound.touch import touch_conversations
from hailgate.messaging.models import RESPONDER, TELEPHONE, Direction
from hailgate.messaging.people.conversations import Open, open_conversations
from hailgate.messaging.people.identify import settle_parties
from hailgate.messaging.people.proofs import ProofKind
from hailgate.messaging.store.sql import Cursor
from hailgate.messaging.store.tables import MESSAGE
from hailgate.providers import get_provider
from hailgate.telemetry.traces import is_traced, tell_span


def record_messages(cursor: Cursor, incoming: Sequence[Incoming], debounce: Debounce, moment: float) -> None:
    """Also what we wrote ourselves, on a telephone: both are in one order."""
    if not incoming:
        return
    conversations = _open_conversations(cursor, incoming, moment)
    incoming = _with_menus_answered(cursor, incoming, conversations, moment)
    stored = _store(cursor, incoming, conversations, moment)
    _publish(cursor, stored, moment)
    touch_conversations(cursor, stored, moment)
    wished = _read_wishes(stored, moment)
    record_wishes(cursor, wished, moment)
    _await_files(cursor, stored, moment)
    call_for_answers(cursor, stored, {each.uid for each in wished}, debounce, moment)
    if is_traced():
        transaction.on_commit(lambda: _trace(incoming))


def _open_conversations(cursor: Cursor, incoming: Sequence[Incoming], moment: float) -> list[Open]:
    """What an event says of its own sender beside the chat, as a card does, is settled with it."""
    parties = [each.channel.party(each.event.chat, each.event.at, each.event.name or "") for each in incoming]
    conversations = open_conversations(cursor, parties, moment)
    cards = [
        party._replace(addresses=(party.addresses[0], *each.event.own))
        for party, each in zip(parties, incoming, strict=True)
        if each.event.own
    ]
    settle_parties(cursor, cards, ProofKind.CARD, moment)
    return conversations


def _with_menus_answered(
    cursor: Cursor, incoming: Sequence[Incoming], conversations: Sequence[Open], moment: float
) -> Sequence[Incoming]:
    """A hook is of one provider, and so are all that came by it."""
    if not numbers_menus(incoming[0].channel.provider):
        return incoming
    said = [
        Utterance(conversation.id, each.channel.tenant_id, each.channel.id, each.event, each.written_at(moment))
        for each, conversation in zip(incoming, conversations, strict=True)
    ]
    read = read_menu_answers(cursor, said)
    return [each._replace(event=event) for each, event in zip(incoming, read, strict=True)]


def _store(
    cursor: Cursor, incoming: Sequence[Incoming], conversations: Sequence[Open], moment: float
) -> list[StoredInbound]:
    answered = _answered(cursor, incoming)
    stored = [
        _row(each, conversation, answered.get(id(each), (each.event.context_id or "")[:255]), moment)
        for each, conversation in zip(incoming, conversations, strict=True)
    ]
    ids = MESSAGE.insert_numbered(cursor, _COLUMNS, stored)
    return list(map(StoredInbound, incoming, conversations, ids))


def _answered(cursor: Cursor, incoming: Sequence[Incoming]) -> dict[int, str]:
    """Of those that answer another message, the id by which we know that one; where it is here under another."""
    replies = [each for each in incoming if each.event.context_id]
    targets = [
        Target(each.channel.tenant_id, each.channel.id, each.event.context_id or "", each.event.chat)
        for each in replies
    ]
    found = find_targets(cursor, targets) if targets else []
    return {id(each): at.provider_id for each, at in zip(replies, found, strict=True) if at}


def _publish(cursor: Cursor, stored: Sequence[StoredInbound], moment: float) -> None:
    """What a person wrote; our own words on a telephone are nobody's news."""
    received = (
        EventOf(each.channel.tenant_id, each.id, "message.received", each.incoming.written_at(moment))
        for each in stored
        if not each.is_echo
    )
    record_events(cursor, received)


def _trace(incoming: Sequence[Incoming]) -> None:
    for channel, _, uid, webhook, _ in incoming:
        facts = {"message": str(uid), "channel": channel.id, "tenant": channel.tenant_id}
        tell_span("receive", uid, 0.0, facts, follows=() if uid == webhook else (webhook,))


_COLUMNS = (
    "uid", "tenant_id", "conversation_id", "channel_id", "direction", "sender", "kind", "content", "address_kind",
    "address", "author_kind", "author", "context_id", "provider_id", "status", "unknown", "code", "detail", "ordinal",
    "metadata", "accepted_at", "provider_at", "message_token",
)  # fmt: skip


_BY_PERSON: Final = (Direction.INBOUND.value, "contact", Status.DELIVERED.value)


def _row(incoming: Incoming, conversation: Open, context_id: str, moment: float) -> tuple[object, ...]:
    channel, event, uid, *_ = incoming
    seal = sealer().seal_content
    chat, author = event.chat[0], event.author
    written = _BY_PERSON
    if isinstance(event, EchoedMessage):
        sender = RESPONDER if event.responder else TELEPHONE
        written = (Direction.OUTBOUND.value, sender, Status.SENT.value)
    direction, sender, status = written
    return (
        uid, channel.tenant_id, conversation.id, channel.id, direction, sender,
        kind_of(event.content)[:30], seal(encode_content(event.content, event.origin)), chat.kind.value,
        seal(chat.value), author.kind.value if author else "", seal(author.value) if author else "",
        context_id,
        event.message_id[:255], status, False, "", "", 0, "", moment, incoming.written_at(moment),
        event.message_token or None,
    )  # fmt: skip


def _read_wishes(stored: Sequence[StoredInbound], moment: float) -> list[Wished]:
    return [wished for each in stored if (wished := _read_wish(each, moment))]


def _read_wish(stored: StoredInbound, moment: float) -> Wished | None:
    (channel, event, uid, *_), conversation = stored.incoming, stored.conversation
    wish = read_wish(event, channel.consent_languages.split(","))
    if wish is None:
        return None
    at = stored.incoming.written_at(moment)
    return Wished(channel.tenant_id, channel.id, conversation.id, event.chat, uid, at, conversation.answered_by, wish)


def _await_files(cursor: Cursor, stored: Sequence[StoredInbound], moment: float) -> None:
    """Their messages are stored and shown with or without them."""
    awaited = [
        AwaitedFile(
            each.channel.tenant_id, each.channel.id, each.id, each.event.media, each.incoming.webhook_id,
            _kept_s(each.channel),
        )
        for each in stored
        if each.event.media is not None
    ]  # fmt: skip
    await_files(cursor, awaited, moment)


def _kept_s(channel: HookChannel) -> float:
    return get_provider(channel.provider).capabilities.media_kept_s
