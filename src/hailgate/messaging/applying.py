"""What a provider told us, folded in: messages, statuses, and the turns they call for.

Raw webhooks may repeat; effects do not. The effect key of an event is written first, in the transaction of the effect
itself, and an event whose key is there already has none. An event for a number that is not attached to this hook has
no effect either: it is counted and noted.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from hailgate.accounts.seal import sealer
from hailgate.core.content import encode_content, kind_of
from hailgate.core.events import (
    ContactChange,
    EchoedMessage,
    Ignored,
    InboundMessage,
    MarketingChoice,
    MessageChange,
    MessageStatus,
    ProviderEvent,
    TemplateChange,
)
from hailgate.core.status import Status
from hailgate.messaging import rows
from hailgate.messaging.amending import Amended, record_changes
from hailgate.messaging.businesses import Told, record_template_changes
from hailgate.messaging.conversations import Open, Party, address_digest, learn_addresses, open_conversations
from hailgate.messaging.fetching import AwaitedFile, await_files
from hailgate.messaging.ids import uuid7
from hailgate.messaging.models import PERSON, TELEPHONE, Direction, WorkKind, WorkState
from hailgate.messaging.sql import (
    Cursor,
    among,
    array,
    aside,
    every_tenant,
    fetch,
    locked,
)
from hailgate.messaging.statuses import News, record_statuses
from hailgate.messaging.tables import ADDRESS, CONVERSATION, EFFECT, MESSAGE, SUPPRESSION, WORK
from hailgate.tracing import is_traced, tell_span

MARKETING = "marketing"


_WORDS: dict[type[ProviderEvent], str] = {
    InboundMessage: "message",
    EchoedMessage: "echo",
    MessageStatus: "status",
    MessageChange: "change",
    ContactChange: "contact",
    MarketingChoice: "choice",
    TemplateChange: "template",
}
EFFECTIVE = frozenset(_WORDS.values())


class Arrival(NamedTuple):
    """One raw webhook, understood. The first message in it gets its ``uid``: both are then one trace."""

    id: int
    uid: UUID
    tenant_id: int
    events: Sequence[ProviderEvent]


class Debounce(NamedTuple):
    """Seconds the assistant waits after a person's last message, and at most after the first."""

    quiet: float
    most: float


class _Channel(NamedTuple):
    id: int
    tenant_id: int
    answered_by: str
    business_id: int | None


class _Inbound(NamedTuple):
    """``webhook`` is the id of what told it."""

    channel: _Channel
    event: InboundMessage
    uid: UUID
    webhook: UUID


class _Others(NamedTuple):
    """What comes seldom, each in its order."""

    changes: list[Amended]
    contacts: list[tuple[_Channel, ContactChange]]
    choices: list[tuple[_Channel, MarketingChoice]]
    templates: list[Told]

    def add(self, channel: _Channel, event: ProviderEvent) -> None:
        if isinstance(event, MessageChange):
            self.changes.append(Amended(channel.tenant_id, channel.id, event))
        elif isinstance(event, ContactChange):
            self.contacts.append((channel, event))
        elif isinstance(event, MarketingChoice):
            self.choices.append((channel, event))
        elif isinstance(event, TemplateChange) and channel.business_id is not None:
            self.templates.append(Told(channel.tenant_id, channel.business_id, event))


def apply_events(
    cursor: Cursor, hook_id: int, arrivals: Sequence[Arrival], debounce: Debounce, moment: float
) -> tuple[list[tuple[int, str]], Counter[str]]:
    """Fold a batch in, in order. Returns for each raw webhook what it came to, in words, and the sum by kind."""
    channels = _channels_of(cursor, hook_id, arrivals)
    fresh = _record_effects(cursor, channels, arrivals, moment)
    inbound: list[_Inbound] = []
    news: list[News] = []
    others = _Others([], [], [], [])
    notes = []
    total: Counter[str] = Counter()
    for arrival in arrivals:
        tally: Counter[str] = Counter()
        for event in arrival.events:
            channel = channels.get(_place(event))
            word = _word(event, channel, fresh)
            tally[word] += 1
            total[word.partition(" ")[0]] += 1
            if channel is None or word not in EFFECTIVE:
                continue
            if isinstance(event, InboundMessage):
                first = not inbound or inbound[-1].webhook != arrival.uid
                inbound.append(_Inbound(channel, event, arrival.uid if first else uuid7(), arrival.uid))
            elif isinstance(event, MessageStatus):
                news.append(News(channel.tenant_id, channel.id, event))
            else:
                others.add(channel, event)
        notes.append((arrival.id, ", ".join(f"{count} {word}" for word, count in tally.items()) or "nothing in it"))
    _record_inbound(cursor, inbound, debounce, moment)
    record_statuses(cursor, news, moment)
    record_changes(cursor, others.changes, moment)
    _learn(cursor, others.contacts)
    _record_choices(cursor, others.choices, moment)
    record_template_changes(cursor, others.templates, moment)
    return notes, total


_Place = tuple[bool, str]
"""An account of the provider's: of templates, or of a number."""


def _place(event: ProviderEvent) -> _Place:
    return (True, event.business) if isinstance(event, TemplateChange) else (False, event.account or "")


def _channels_of(cursor: Cursor, hook_id: int, arrivals: Sequence[Arrival]) -> dict[_Place, _Channel]:
    """Of each number, and where something is told of templates, the first one that sends them."""
    found = fetch(
        cursor,
        f"SELECT account, id, tenant_id, answered_by, library_id FROM messaging_channel "
        f"WHERE hook_id = %s {every_tenant('ingest')} ORDER BY id DESC",
        [hook_id],
    )
    channels = {(False, account): _Channel(*columns) for account, *columns in found}
    if any(isinstance(event, TemplateChange) for arrival in arrivals for event in arrival.events):
        senders = {channel.business_id: channel for channel in channels.values()}
        businesses = fetch(
            cursor,
            f"SELECT id, account FROM messaging_templatelibrary WHERE {among('id')} {every_tenant('ingest')}",
            [array(business_id for business_id in senders if business_id is not None)],
        )
        channels |= {(True, account): senders[id_] for id_, account in businesses}
    return channels


def _record_effects(
    cursor: Cursor, channels: dict[_Place, _Channel], arrivals: Sequence[Arrival], moment: float
) -> set[tuple[int, str]]:
    """The effects that are new. The set is used up as events are met, so that a repeat inside the batch has none."""
    wanted = {}
    for arrival in arrivals:
        for event in arrival.events:
            channel = channels.get(_place(event))
            if channel is not None and not isinstance(event, Ignored):
                key = event.effect_key().hex()
                wanted[channel.id, key] = (channel.tenant_id, channel.id, key, moment)
    new = EFFECT.insert_new(
        cursor, ("tenant_id", "channel_id", "key", "at"), list(wanted.values()), unique=("channel_id", "key")
    )
    return {(channel_id, key) for channel_id, key in new}


def _word(event: ProviderEvent, channel: _Channel | None, fresh: set[tuple[int, str]]) -> str:
    if isinstance(event, Ignored):
        return f"ignored ({event.field} {event.kind}: {event.note})"
    if channel is None:
        return f"for {'an account' if isinstance(event, TemplateChange) else 'a number'} not attached here"
    place = (channel.id, event.effect_key().hex())
    if place not in fresh:
        return "repeated"
    fresh.discard(place)
    return _WORDS[type(event)]


# --- messages ---------------------------------------------------------------------------------------------------------


def _record_inbound(cursor: Cursor, inbound: Sequence[_Inbound], debounce: Debounce, moment: float) -> None:
    """Also what we wrote ourselves, on a telephone: both are in one order."""
    if not inbound:
        return
    parties = [
        Party(channel.tenant_id, channel.id, event.chat, channel.answered_by, event.name or "")
        for channel, event, *_ in inbound
    ]
    conversations = open_conversations(cursor, parties, moment)
    stored = [_row(each, conversation, moment) for each, conversation in zip(inbound, conversations, strict=True)]
    ids = MESSAGE.insert_numbered(cursor, _COLUMNS, stored)
    latest: dict[int, tuple[int, float]] = {}
    echoed: dict[int, int] = {}
    for (_, event, *_), conversation, id_ in zip(inbound, conversations, ids, strict=True):
        if isinstance(event, EchoedMessage):
            echoed[conversation.id] = id_
            continue
        before = latest.get(conversation.id, (0, conversation.last_inbound_at or 0.0))[1]
        latest[conversation.id] = (id_, float(max(_written_at(event, moment), before)))
    _touch(cursor, latest, moment)
    _take_over(cursor, echoed, latest, moment)
    _await_files(cursor, inbound, ids, moment)
    _call_for_answers(cursor, inbound, conversations, debounce, moment)
    if is_traced():
        transaction.on_commit(lambda: _trace(inbound))


def _trace(inbound: Sequence[_Inbound]) -> None:
    for channel, _, uid, webhook in inbound:
        facts = {"message": str(uid), "channel": channel.id, "tenant": channel.tenant_id}
        tell_span("receive", uid, 0.0, facts, follows=() if uid == webhook else (webhook,))


_COLUMNS = (
    "uid", "tenant_id", "conversation_id", "channel_id", "direction", "sender", "kind", "content", "address_kind",
    "address", "author_kind", "author", "context_id", "provider_id", "status", "unknown", "code", "detail", "ordinal",
    "metadata", "accepted_at", "provider_at",
)  # fmt: skip


def _row(inbound: _Inbound, conversation: Open, moment: float) -> tuple[object, ...]:
    channel, event, uid, _ = inbound
    seal = sealer().seal_content
    chat, author = event.chat[0], event.author
    written = (Direction.INBOUND.value, "contact", Status.DELIVERED.value)
    if isinstance(event, EchoedMessage):
        written = (Direction.OUTBOUND.value, TELEPHONE, Status.SENT.value)
    direction, sender, status = written
    return (
        uid, channel.tenant_id, conversation.id, channel.id, direction, sender,
        kind_of(event.content)[:30], seal(encode_content(event.content, event.origin)), chat.kind.value,
        seal(chat.value), author.kind.value if author else "", seal(author.value) if author else "",
        (event.context_id or "")[:255],
        event.message_id[:255], status, False, "", "", 0, "", moment, _written_at(event, moment),
    )  # fmt: skip


def _await_files(cursor: Cursor, inbound: Sequence[_Inbound], ids: Sequence[int], moment: float) -> None:
    """Their messages are stored and shown with or without them."""
    await_files(
        cursor,
        [
            AwaitedFile(channel.tenant_id, channel.id, id_, event.media)
            for (channel, event, *_), id_ in zip(inbound, ids, strict=True)
            if event.media is not None
        ],
        moment,
    )


def _written_at(event: InboundMessage, moment: float) -> float:
    """The provider's time, which opens the service window; never later than now, and now where it is missing."""
    return float(min(event.at, moment)) if event.at > 0 else moment


def _touch(cursor: Cursor, latest: dict[int, tuple[int, float]], moment: float) -> None:
    columns = ("last_message_id", "last_message_at", "last_inbound_id", "last_inbound_at")
    changed = [(key, id_, moment, id_, written_at) for key, (id_, written_at) in sorted(latest.items())]
    CONVERSATION.update(cursor, columns, changed)


def _take_over(cursor: Cursor, echoed: dict[int, int], latest: dict[int, tuple[int, float]], moment: float) -> None:
    """Whoever writes on the business's own telephone has the conversation: no assistant answers beside a person."""
    if not echoed:
        return
    last = {key: max(id_, latest.get(key, (0, 0.0))[0]) for key, id_ in echoed.items()}
    CONVERSATION.update(
        cursor, ("last_message_id", "last_message_at"), [(key, id_, moment) for key, id_ in sorted(last.items())]
    )
    cursor.execute(
        f"UPDATE messaging_conversation SET answered_by = '{PERSON}', version = version + 1, "
        f"answered_id = last_inbound_id, seen_id = last_inbound_id "
        f"WHERE {among('id')} AND answered_by <> '{PERSON}' {every_tenant('by key')}",
        [array(echoed)],
    )


def _pending_turns(cursor: Cursor, keys: Iterable[int]) -> list[tuple[int, int, float]]:
    """``(id, key, created_at)`` of turns that have not begun, locked. The caller holds their conversations' locks."""
    not_begun = (WorkState.WAITING.value, WorkState.READY.value)
    places = [(WorkKind.TURN.value, key) for key in keys]
    found = WORK.find(cursor, ("id", "state"), places, by=("kind", "key"))
    ids = [id_ for id_, state in found if state in not_begun]
    if not ids:
        return []
    return fetch(
        cursor,
        f"SELECT id, key, created_at FROM messaging_work WHERE {among('id')} AND {aside('state')} IN {not_begun} "
        f"{every_tenant('by key')} ORDER BY id{locked()}",
        [array(ids)],
    )


def _call_for_answers(
    cursor: Cursor,
    inbound: Sequence[_Inbound],
    conversations: Sequence[Open],
    debounce: Debounce,
    moment: float,
) -> None:
    """A turn for each conversation that an assistant answers; one that has not begun yet waits a little longer."""
    met = list(zip(inbound, conversations, strict=True))
    ours = {conversation.id for (_, event, *_), conversation in met if isinstance(event, EchoedMessage)}
    asked = {
        conversation.id: channel
        for (channel, *_), conversation in met
        if conversation.answered_by != PERSON and conversation.id not in ours
    }
    if not asked:
        return
    due_at = moment + debounce.quiet if debounce.quiet else 0.0
    pending = _pending_turns(cursor, asked)
    later = [(id_, float(min(created_at + debounce.most, due_at))) for id_, _, created_at in pending]
    WORK.update(cursor, ("due_at",), later)
    waiting = {key for _, key, _ in pending}
    new = [
        rows.NewWork(channel.tenant_id, WorkKind.TURN, key, channel.id, due_at=due_at)
        for key, channel in asked.items()
        if key not in waiting
    ]
    rows.enqueue(cursor, new, moment)


# --- people -----------------------------------------------------------------------------------------------------------


def _learn(cursor: Cursor, changed: Sequence[tuple[_Channel, ContactChange]]) -> None:
    """A further address of somebody we know. Of a stranger nothing is kept but the webhook."""
    for channel, event in changed:
        keys = [(channel.tenant_id, address_digest(address)) for address in event.known]
        contacts: dict[str, int] = dict(
            ADDRESS.find(cursor, ("digest", "contact_id"), keys, by=("tenant_id", "digest"))
        )
        contact = next((contacts[digest] for _, digest in keys if digest in contacts), None)
        if contact is not None and event.learned:
            learn_addresses(cursor, [(channel.tenant_id, contact, address) for address in event.learned])


def _record_choices(cursor: Cursor, choices: Sequence[tuple[_Channel, MarketingChoice]], moment: float) -> None:
    """The last word of each person counts."""
    last: dict[tuple[int, str], MarketingChoice] = {
        (channel.tenant_id, address_digest(event.address)): event for channel, event in choices
    }
    for (tenant_id, digest), event in last.items():
        if event.wanted:
            cursor.execute(
                "DELETE FROM messaging_suppression WHERE tenant_id = %s AND digest = %s AND scope = %s",
                [tenant_id, digest, MARKETING],
            )
        else:
            columns = ("tenant_id", "digest", "scope", "reason", "at")
            row = (tenant_id, digest, MARKETING, "user_preferences", moment)
            SUPPRESSION.insert_new(cursor, columns, [row], unique=("tenant_id", "digest", "scope"))
