"""What a provider told us, folded in: messages, statuses, and the turns they call for.

Raw webhooks may repeat; effects do not. The effect key of an event is written first, in the transaction of the effect
itself, and an event whose key is there already has none. An event for a number that is not attached to this hook has
no effect either: it is counted and noted.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from hailgate.accounts.alarms import raise_alarm
from hailgate.accounts.seal import sealer
from hailgate.core.address import Address
from hailgate.core.alarms import Cause
from hailgate.core.content import encode_content, kind_of
from hailgate.core.events import (
    AccountTrouble,
    ContactChange,
    EchoedMessage,
    Ignored,
    InboundMessage,
    MarketingChoice,
    MessageChange,
    MessageStatus,
    ProviderEvent,
    SessionChange,
    TemplateChange,
    ThreadOwnerChange,
    UnreadableMessage,
)
from hailgate.core.status import Status
from hailgate.core.thread_owner import ThreadOwner
from hailgate.messaging.broker.outbox import EventOf, record_events
from hailgate.messaging.channels.sessions import hasten
from hailgate.messaging.files.fetch import AwaitedFile, await_files
from hailgate.messaging.inbound.consent_words import Wished, read_wish, record_wishes
from hailgate.messaging.inbound.echoes import Echo, judge_echoes
from hailgate.messaging.inbound.edits import Amended, record_changes
from hailgate.messaging.inbound.menu_answers import Utterance, numbers_menus, read_menu_answers
from hailgate.messaging.inbound.ordering import Dated, put_in_order
from hailgate.messaging.inbound.statuses import News, record_statuses
from hailgate.messaging.inbound.targets import Target, find_targets
from hailgate.messaging.inbound.thread_owners import OwnerTold, doubt_owners, record_owners
from hailgate.messaging.inbound.unreadable import Unread, judge_unreadable
from hailgate.messaging.models import PERSON, RESPONDER, TELEPHONE, Direction, WorkKind, WorkState
from hailgate.messaging.outbound.cancel import cancel_answers
from hailgate.messaging.people.changes import record_change
from hailgate.messaging.people.consents import ConsentChoice, record_choices
from hailgate.messaging.people.conversations import Open, Party, address_digest, open_conversations
from hailgate.messaging.people.identify import settle_parties
from hailgate.messaging.people.party import portfolio_of
from hailgate.messaging.people.proofs import ProofKind
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sql import (
    Cursor,
    among,
    array,
    aside,
    every_tenant,
    fetch,
    locked,
)
from hailgate.messaging.store.tables import CONVERSATION, EFFECT, MESSAGE, WORK
from hailgate.messaging.templates.sync import TemplateNews, record_template_changes
from hailgate.messaging.work import rows
from hailgate.providers import get_provider, list_providers
from hailgate.telemetry.traces import is_traced, tell_span

_WORDS: dict[type[ProviderEvent], str] = {
    InboundMessage: "message",
    EchoedMessage: "echo",
    UnreadableMessage: "unreadable",
    MessageStatus: "status",
    MessageChange: "change",
    ContactChange: "contact",
    ThreadOwnerChange: "owner",
    MarketingChoice: "choice",
    TemplateChange: "template",
    SessionChange: "session",
}
EFFECTIVE = frozenset(_WORDS.values())


class Arrival(NamedTuple):
    """One raw webhook, understood. The first message in it gets its ``uid``: both are then one trace."""

    id: int
    uid: UUID
    tenant_id: int
    events: Sequence[ProviderEvent]
    received_at: float = 0.0


class Debounce(NamedTuple):
    """Seconds the assistant waits after a person's last message, and at most after the first."""

    quiet: float
    most: float


class _Channel(NamedTuple):
    id: int
    tenant_id: int
    answered_by: str
    business_id: int | None
    provider: str
    consent_languages: str

    @property
    def portfolio(self) -> str:
        return portfolio_of(self.id, self.business_id)


class _Inbound(NamedTuple):
    """``webhook`` is what told it, and ``webhook_id`` its row."""

    channel: _Channel
    event: InboundMessage
    uid: UUID
    webhook: UUID
    webhook_id: int


class _Others(NamedTuple):
    """What comes seldom, each in its order."""

    changes: list[Amended]
    contacts: list[tuple[_Channel, ContactChange]]
    choices: list[tuple[_Channel, MarketingChoice]]
    templates: list[TemplateNews]
    sessions: list[tuple[int, int]]
    owners: list[OwnerTold]

    def add(self, channel: _Channel, event: ProviderEvent) -> None:
        if isinstance(event, MessageChange):
            self.changes.append(Amended(channel.tenant_id, channel.id, event))
        elif isinstance(event, ContactChange):
            self.contacts.append((channel, event))
        elif isinstance(event, ThreadOwnerChange):
            self.owners.append(OwnerTold(_party(channel, event.chat, event.at), event))
        elif isinstance(event, MarketingChoice):
            self.choices.append((channel, event))
        elif isinstance(event, TemplateChange) and channel.business_id is not None:
            self.templates.append(TemplateNews(channel.tenant_id, channel.business_id, event))
        elif isinstance(event, SessionChange):
            self.sessions.append((channel.tenant_id, channel.id))


def apply_events(
    cursor: Cursor, hook_id: int, arrivals: Sequence[Arrival], debounce: Debounce, moment: float
) -> tuple[list[tuple[int, str]], Counter[str]]:
    """Fold a batch in, in order. Returns for each raw webhook what it came to, in words, and the sum by kind.

    Webhooks that have to wait are not among them.
    """
    channels = _channels_of(cursor, hook_id, arrivals)
    arrivals = _with_echoes_judged(cursor, channels, arrivals, moment)
    arrivals = _with_unreadable_judged(cursor, channels, arrivals, moment)
    arrivals = _in_order(channels, arrivals, moment)
    fresh = _record_effects(cursor, channels, arrivals, moment)
    inbound: list[_Inbound] = []
    news: list[News] = []
    others = _Others([], [], [], [], [], [])
    troubles: list[tuple[int, AccountTrouble]] = []
    notes: list[tuple[int, str]] = []
    changed: list[int] = []
    total: Counter[str] = Counter()
    for arrival in arrivals:
        tally: Counter[str] = Counter()
        for event in arrival.events:
            channel = channels.get(_place(event))
            word = _word(event, channel, fresh)
            if isinstance(event, AccountTrouble):
                troubles.append((arrival.tenant_id, event))
            tally[word] += 1
            total[word.partition(" ")[0]] += 1
            if channel is None or word not in EFFECTIVE:
                continue
            if isinstance(event, InboundMessage):
                first = not inbound or inbound[-1].webhook != arrival.uid
                uid = arrival.uid if first else uuid7()
                inbound.append(_Inbound(channel, event, uid, arrival.uid, arrival.id))
            elif isinstance(event, MessageStatus):
                news.append(News(channel.tenant_id, channel.id, event, channel.portfolio))
            else:
                others.add(channel, event)
                changed += [arrival.id] if isinstance(event, MessageChange) else []
        notes.append((arrival.id, ", ".join(f"{count} {word}" for word, count in tally.items()) or "nothing in it"))
    unheard = _follow(cursor, others.contacts, moment)
    record_owners(cursor, others.owners, moment)
    _record_inbound(cursor, inbound, debounce, moment)
    _follow(cursor, unheard, moment)
    record_statuses(cursor, news, moment)
    found = record_changes(cursor, others.changes, moment)
    _record_choices(cursor, others.choices, moment)
    record_template_changes(cursor, others.templates, moment)
    hasten(cursor, others.sessions, moment)
    _raise_alarms(troubles)
    astray = Counter(id_ for id_, is_here in zip(changed, found, strict=True) if not is_here)
    return [(id_, f"{note}{_astray(astray[id_])}") for id_, note in notes], total


def _astray(count: int) -> str:
    return f" ({count} of a message that is not here)" if count else ""


def _raise_alarms(troubles: Sequence[tuple[int, AccountTrouble]]) -> None:
    """Of whole accounts, whichever of their numbers are here."""
    for tenant_id, event in troubles:
        raise_alarm(Cause(event.alarm, f"account:{event.business[:40]}", tenant_id))


_Place = tuple[bool, str]
"""An account of the provider's: of templates, or of a number."""


def _place(event: ProviderEvent) -> _Place:
    if isinstance(event, TemplateChange | AccountTrouble):
        return True, event.business
    return False, event.account or ""


def _channels_of(cursor: Cursor, hook_id: int, arrivals: Sequence[Arrival]) -> dict[_Place, _Channel]:
    """Of each number, and where something is told of templates, the first one that sends them."""
    found = fetch(
        cursor,
        f"SELECT account, id, tenant_id, answered_by, library_id, provider, consent_languages FROM messaging_channel "
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


def _with_echoes_judged(
    cursor: Cursor, channels: dict[_Place, _Channel], arrivals: Sequence[Arrival], moment: float
) -> Sequence[Arrival]:
    """Echoes of our own sends are statuses; what may be one, and is not known yet, waits."""
    echoing = {spec.name for spec in list_providers() if spec.capabilities.echoes_sends}
    echoes = [
        Echo(arrival.id, arrival.received_at, channel.tenant_id, channel.id, event)
        for arrival in arrivals
        for event in arrival.events
        if isinstance(event, EchoedMessage) and (channel := channels.get(_place(event))) and channel.provider in echoing
    ]
    if not echoes:
        return arrivals
    judged = judge_echoes(cursor, echoes, moment)
    ours = {id(echoes[place].event): status for place, status in judged.ours.items()}
    return [
        arrival._replace(events=[ours.get(id(event), event) for event in arrival.events])
        for arrival in arrivals
        if arrival.id not in judged.held
    ]


def _with_unreadable_judged(
    cursor: Cursor, channels: dict[_Place, _Channel], arrivals: Sequence[Arrival], moment: float
) -> Sequence[Arrival]:
    """What came again and could be read is not shown twice; what may still come again waits."""
    unread = [
        (arrival.id, Unread(channel.id, arrival.received_at, event))
        for arrival in arrivals
        for event in arrival.events
        if isinstance(event, UnreadableMessage) and (channel := channels.get(_place(event)))
    ]
    if not unread:
        return arrivals
    fates = judge_unreadable(cursor, [each for _, each in unread], moment)
    judged = list(zip(unread, fates, strict=True))
    waiting = {arrival_id for (arrival_id, _), fate in judged if fate.waits and not fate.read}
    read = {id(each.event) for (_, each), fate in judged if fate.read}
    return [
        arrival._replace(events=[_as_read(event) if id(event) in read else event for event in arrival.events])
        for arrival in arrivals
        if arrival.id not in waiting
    ]


def _as_read(event: ProviderEvent) -> Ignored:
    assert isinstance(event, UnreadableMessage)  # noqa: S101 -- only such are judged
    return Ignored(event.account, "message", "unreadable", "It came again and could be read.", event.message_id)


def _in_order(channels: dict[_Place, _Channel], arrivals: Sequence[Arrival], moment: float) -> Sequence[Arrival]:
    """By the provider's time within each chat, where messages overtake each other; what may be overtaken waits."""
    if not channels or not (settle_s := _settle_s(next(iter(channels.values())))):
        return arrivals
    dated = [
        Dated(place, arrival.received_at, (channel.id, event.chat[0].key), event.at)
        for place, arrival in enumerate(arrivals)
        if len(arrival.events) == 1
        and isinstance(event := arrival.events[0], InboundMessage)
        and (channel := channels.get(_place(event)))
    ]
    moves, waiting = put_in_order(dated, settle_s, moment)
    return [arrivals[moves.get(place, place)] for place in range(len(arrivals)) if place not in waiting]


def _settle_s(channel: _Channel) -> float:
    """A hook is of one provider, and so are its channels."""
    return get_provider(channel.provider).capabilities.settle_s


def _record_effects(
    cursor: Cursor, channels: dict[_Place, _Channel], arrivals: Sequence[Arrival], moment: float
) -> set[tuple[int, str]]:
    """The effects that are new. The set is used up as events are met, so that a repeat inside the batch has none."""
    wanted = {}
    for arrival in arrivals:
        for event in arrival.events:
            channel = channels.get(_place(event))
            if channel is not None and not isinstance(event, AccountTrouble | Ignored | SessionChange):
                key = event.effect_key().hex()
                wanted[channel.id, key] = (channel.tenant_id, channel.id, key, moment)
    new = EFFECT.insert_new(
        cursor, ("tenant_id", "channel_id", "key", "at"), list(wanted.values()), unique=("channel_id", "key")
    )
    return {(channel_id, key) for channel_id, key in new}


def _word(event: ProviderEvent, channel: _Channel | None, fresh: set[tuple[int, str]]) -> str:
    if isinstance(event, Ignored):
        return f"ignored ({event.field} {event.kind}: {event.note})"
    if isinstance(event, AccountTrouble):
        return f"trouble ({event.kind}: {event.words})"
    if channel is None:
        return f"for {'an account' if isinstance(event, TemplateChange) else 'a number'} not attached here"
    if isinstance(event, SessionChange):
        return _WORDS[SessionChange]
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
    parties = [_party(channel, event.chat, event.at, event.name or "") for channel, event, *_ in inbound]
    conversations = open_conversations(cursor, parties, moment)
    cards = [
        party._replace(addresses=(party.addresses[0], *event.own))
        for party, (_, event, *_) in zip(parties, inbound, strict=True)
        if event.own
    ]
    settle_parties(cursor, cards, ProofKind.CARD, moment)
    inbound = _with_menus_answered(cursor, inbound, conversations, moment)
    answered = _answered(cursor, inbound)
    stored = [
        _row(each, conversation, answered.get(id(each), (each.event.context_id or "")[:255]), moment)
        for each, conversation in zip(inbound, conversations, strict=True)
    ]
    ids = MESSAGE.insert_numbered(cursor, _COLUMNS, stored)
    latest: dict[int, tuple[int, float]] = {}
    echoed: dict[int, int] = {}
    typed: set[int] = set()
    unsure: set[int] = set()
    for (_, event, *_), conversation, id_ in zip(inbound, conversations, ids, strict=True):
        if isinstance(event, EchoedMessage):
            echoed[conversation.id] = id_
            typed |= set() if event.responder else {conversation.id}
            continue
        if _is_told_to_us(event, conversation, moment):
            unsure.add(conversation.id)
        before = latest.get(conversation.id, (0, conversation.last_inbound_at or 0.0))[1]
        latest[conversation.id] = (id_, float(max(_written_at(event, moment), before)))
    _publish(cursor, inbound, ids, moment)
    _touch(cursor, latest, moment)
    _note_echoes(cursor, echoed, latest, moment)
    _note_answered(cursor, {key: id_ for key, id_ in echoed.items() if key not in typed})
    _take_over(cursor, typed, moment)
    doubt_owners(cursor, unsure)
    wished = _read_wishes(inbound, conversations, moment)
    record_wishes(cursor, wished, moment)
    _await_files(cursor, inbound, ids, moment)
    settled = {each.conversation_id for each in wished}
    _call_for_answers(cursor, inbound, conversations, settled, debounce, moment)
    if is_traced():
        transaction.on_commit(lambda: _trace(inbound))


def _party(channel: _Channel, chat: Sequence[Address], at: float, name: str = "") -> Party:
    return Party(
        channel.tenant_id, channel.id, tuple(chat), channel.answered_by, name, told=True, at=at,
        portfolio=channel.portfolio,
    )  # fmt: skip


def _with_menus_answered(
    cursor: Cursor, inbound: Sequence[_Inbound], conversations: Sequence[Open], moment: float
) -> Sequence[_Inbound]:
    """A hook is of one provider, and so are all that came by it."""
    if not numbers_menus(inbound[0].channel.provider):
        return inbound
    said = [
        Utterance(conversation.id, each.channel.id, each.event, _written_at(each.event, moment))
        for each, conversation in zip(inbound, conversations, strict=True)
    ]
    read = read_menu_answers(cursor, said)
    return [each._replace(event=event) for each, event in zip(inbound, read, strict=True)]


def _answered(cursor: Cursor, inbound: Sequence[_Inbound]) -> dict[int, str]:
    """Of those that answer another message, the id by which we know that one; where it is here under another."""
    replies = [each for each in inbound if each.event.context_id]
    targets = [
        Target(each.channel.tenant_id, each.channel.id, each.event.context_id or "", each.event.chat)
        for each in replies
    ]
    found = find_targets(cursor, targets) if targets else []
    return {id(each): at.provider_id for each, at in zip(replies, found, strict=True) if at}


def _publish(cursor: Cursor, inbound: Sequence[_Inbound], ids: Sequence[int], moment: float) -> None:
    """What a person wrote; our own words on a telephone are nobody's news."""
    received = (
        EventOf(each.channel.tenant_id, id_, "message.received", _written_at(each.event, moment))
        for each, id_ in zip(inbound, ids, strict=True)
        if not isinstance(each.event, EchoedMessage)
    )
    record_events(cursor, received)


def _trace(inbound: Sequence[_Inbound]) -> None:
    for channel, _, uid, webhook, _ in inbound:
        facts = {"message": str(uid), "channel": channel.id, "tenant": channel.tenant_id}
        tell_span("receive", uid, 0.0, facts, follows=() if uid == webhook else (webhook,))


_COLUMNS = (
    "uid", "tenant_id", "conversation_id", "channel_id", "direction", "sender", "kind", "content", "address_kind",
    "address", "author_kind", "author", "context_id", "provider_id", "status", "unknown", "code", "detail", "ordinal",
    "metadata", "accepted_at", "provider_at",
)  # fmt: skip


def _row(inbound: _Inbound, conversation: Open, context_id: str, moment: float) -> tuple[object, ...]:
    channel, event, uid, *_ = inbound
    seal = sealer().seal_content
    chat, author = event.chat[0], event.author
    written = (Direction.INBOUND.value, "contact", Status.DELIVERED.value)
    if isinstance(event, EchoedMessage):
        sender = RESPONDER if event.responder else TELEPHONE
        written = (Direction.OUTBOUND.value, sender, Status.SENT.value)
    direction, sender, status = written
    return (
        uid, channel.tenant_id, conversation.id, channel.id, direction, sender,
        kind_of(event.content)[:30], seal(encode_content(event.content, event.origin)), chat.kind.value,
        seal(chat.value), author.kind.value if author else "", seal(author.value) if author else "",
        context_id,
        event.message_id[:255], status, False, "", "", 0, "", moment, _written_at(event, moment),
    )  # fmt: skip


def _read_wishes(inbound: Sequence[_Inbound], conversations: Sequence[Open], moment: float) -> list[Wished]:
    """Of people who wrote a consent word, and said nothing else beside it in this batch."""
    wished: dict[int, Wished | None] = {}
    for each, conversation in zip(inbound, conversations, strict=True):
        channel, event = each.channel, each.event
        wish = read_wish(event, channel.consent_languages.split(","))
        at = _written_at(event, moment)
        wished[conversation.id] = wish and Wished(
            channel.tenant_id, channel.id, conversation.id, event.chat, each.uid, at, conversation.answered_by, wish
        )
    return [each for each in wished.values() if each]


def _await_files(cursor: Cursor, inbound: Sequence[_Inbound], ids: Sequence[int], moment: float) -> None:
    """Their messages are stored and shown with or without them."""
    await_files(
        cursor,
        [
            AwaitedFile(channel.tenant_id, channel.id, id_, event.media, webhook_id, _kept_s(channel))
            for (channel, event, _, _, webhook_id), id_ in zip(inbound, ids, strict=True)
            if event.media is not None
        ],
        moment,
    )


def _kept_s(channel: _Channel) -> float:
    return get_provider(channel.provider).capabilities.media_kept_s


def _written_at(event: InboundMessage, moment: float) -> float:
    """The provider's time, which opens the service window; never later than now, and now where it is missing."""
    return float(min(event.at, moment)) if event.at > 0 else moment


def _touch(cursor: Cursor, latest: dict[int, tuple[int, float]], moment: float) -> None:
    columns = ("last_message_id", "last_message_at", "last_inbound_id", "last_inbound_at")
    changed = [(key, id_, moment, id_, written_at) for key, (id_, written_at) in sorted(latest.items())]
    CONVERSATION.update(cursor, columns, changed)


def _is_told_to_us(event: InboundMessage, conversation: Open, moment: float) -> bool:
    """As if we owned the thread, although another does: what was told to those who only listen, too, is not newer."""
    newer = _written_at(event, moment) > conversation.thread_owner_at
    return newer and conversation.owner(moment) is ThreadOwner.OTHER


def _note_echoes(cursor: Cursor, echoed: dict[int, int], latest: dict[int, tuple[int, float]], moment: float) -> None:
    if not echoed:
        return
    last = {key: max(id_, latest.get(key, (0, 0.0))[0]) for key, id_ in echoed.items()}
    CONVERSATION.update(
        cursor, ("last_message_id", "last_message_at"), [(key, id_, moment) for key, id_ in sorted(last.items())]
    )


def _note_answered(cursor: Cursor, echoed: dict[int, int]) -> None:
    """By another responder: what the person wrote before is not answered once more when the thread is ours again."""
    if echoed:
        CONVERSATION.update(cursor, ("answered_id",), sorted(echoed.items()))


def _take_over(cursor: Cursor, typed: Collection[int], moment: float) -> None:
    """Whoever writes on the business's own telephone has the conversation: no assistant answers beside a person."""
    if not typed:
        return
    cursor.execute(
        f"UPDATE messaging_conversation SET answered_by = '{PERSON}', version = version + 1, "
        f"answered_id = last_inbound_id, seen_id = last_inbound_id "
        f"WHERE {among('id')} AND answered_by <> '{PERSON}' {every_tenant('by key')}",
        [array(typed)],
    )
    cancel_answers(cursor, typed, moment)


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


def _call_for_answers(  # noqa: PLR0917 -- what was said, and when
    cursor: Cursor,
    inbound: Sequence[_Inbound],
    conversations: Sequence[Open],
    settled: Collection[int],
    debounce: Debounce,
    moment: float,
) -> None:
    """A turn for each conversation that an assistant answers; one that has not begun yet waits a little longer.

    None where all that was said is ``settled``.
    """
    met = list(zip(inbound, conversations, strict=True))
    ours = {conversation.id for (_, event, *_), conversation in met if isinstance(event, EchoedMessage)}
    asked = {
        conversation.id: channel
        for (channel, *_), conversation in met
        if conversation.answered_by != PERSON
        and conversation.id not in ours
        and conversation.id not in settled
        and conversation.owner(moment) is ThreadOwner.US
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


def _follow(
    cursor: Cursor, changed: Sequence[tuple[_Channel, ContactChange]], moment: float
) -> list[tuple[_Channel, ContactChange]]:
    """In order of the provider's time. Returns those of people whom nobody knows (yet)."""
    return [
        (channel, event)
        for channel, event in sorted(changed, key=lambda told: told[1].at)
        if not record_change(cursor, channel.tenant_id, channel.portfolio, event, moment)
    ]


def _record_choices(cursor: Cursor, choices: Sequence[tuple[_Channel, MarketingChoice]], moment: float) -> None:
    """A choice holds for every address that it names; that these are one person is told with it."""
    parties = [
        Party(channel.tenant_id, channel.id, event.addresses, "", told=True, at=event.at, portfolio=channel.portfolio)
        for channel, event in choices
    ]
    settle_parties(cursor, parties, ProofKind.WEBHOOK, moment)
    record_choices(
        cursor,
        [
            ConsentChoice(
                channel.tenant_id, address_digest(address), event.wanted,
                float(min(event.at, moment)) if event.at > 0 else moment, "user_preferences",
            )
            for channel, event in choices
            for address in event.addresses
        ],
    )  # fmt: skip
