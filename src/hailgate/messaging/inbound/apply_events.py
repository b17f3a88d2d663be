"""Applying events: what a provider told, folded in: messages, statuses, and the turns they call for.

Raw webhooks may repeat; effects do not. The effect key of an event is written first, in the transaction of the effect
itself, and an event whose key is there already has none. An event for a number that is not attached to this hook has
no effect either: it is counted and noted.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hailgate.accounts.alarms import raise_alarm
from hailgate.core.alarms import Cause
from hailgate.core.events import (
    AccountTrouble,
    ContactChange,
    InboundMessage,
    MarketingChoice,
    MessageChange,
    MessageStatus,
    ProviderEvent,
    SessionChange,
    TemplateChange,
    ThreadOwnerChange,
)
from hailgate.messaging.channels.sessions import hasten, note_away
from hailgate.messaging.inbound.arrivals import Arrival, Channels, HookChannel, find_channels, place_of
from hailgate.messaging.inbound.call_turns import Debounce
from hailgate.messaging.inbound.edits import Amended, record_changes
from hailgate.messaging.inbound.effects import EFFECTIVE, record_effects, tell_effect
from hailgate.messaging.inbound.incoming import Incoming
from hailgate.messaging.inbound.record_messages import record_messages
from hailgate.messaging.inbound.settle import settle_arrivals
from hailgate.messaging.inbound.statuses import News, record_statuses
from hailgate.messaging.inbound.thread_owners import OwnerTold, record_owners
from hailgate.messaging.inbound.told_people import follow_contacts, record_marketing_choices
from hailgate.messaging.people.early_changes import EarlyChange, keep_early
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.sql import Cursor
from hailgate.messaging.templates.sync import TemplateNews, record_template_changes


def apply_events(
    cursor: Cursor, hook_id: int, arrivals: Sequence[Arrival], debounce: Debounce, moment: float
) -> tuple[list[tuple[int, str]], Counter[str]]:
    """Fold a batch in, in order. Returns for each raw webhook what it came to, in words, and the sum by kind.

    Webhooks that have to wait are not among them.
    """
    channels = find_channels(cursor, hook_id, arrivals)
    arrivals = settle_arrivals(cursor, channels, arrivals, moment)
    fresh = record_effects(cursor, channels, arrivals, moment)
    batch = _sort(channels, arrivals, fresh)
    unheard = follow_contacts(cursor, batch.contacts, moment)
    record_owners(cursor, batch.owners, moment)
    record_messages(cursor, batch.messages, debounce, moment)
    keep_early(cursor, follow_contacts(cursor, unheard, moment), moment)
    record_statuses(cursor, batch.statuses, moment)
    found = record_changes(cursor, [change for _, change in batch.changes], moment)
    record_marketing_choices(cursor, batch.choices, moment)
    record_template_changes(cursor, batch.templates, moment)
    if batch.away:  # before its watch, as a wish locks them
        note_away(cursor, batch.away, moment)
    hasten(cursor, batch.sessions, moment)
    _raise_alarms(batch.troubles)
    return _with_astray(batch, found), batch.total


@dataclass
class _Batch:
    """The events that have an effect, each kind in its order; ``changes`` with the webhook that told of each.

    ``notes`` say what each webhook came to, ``total`` counts that of all.
    """

    messages: list[Incoming] = field(default_factory=list)
    statuses: list[News] = field(default_factory=list)
    changes: list[tuple[int, Amended]] = field(default_factory=list)
    contacts: list[EarlyChange] = field(default_factory=list)
    choices: list[tuple[HookChannel, MarketingChoice]] = field(default_factory=list)
    templates: list[TemplateNews] = field(default_factory=list)
    sessions: list[tuple[int, int]] = field(default_factory=list)
    away: set[int] = field(default_factory=set)
    owners: list[OwnerTold] = field(default_factory=list)
    troubles: list[tuple[int, AccountTrouble]] = field(default_factory=list)
    notes: list[tuple[int, str]] = field(default_factory=list)
    total: Counter[str] = field(default_factory=Counter)

    def add(self, arrival: Arrival, channel: HookChannel, event: ProviderEvent) -> None:
        match event:
            case InboundMessage():
                self._add_message(arrival, channel, event)
            case MessageStatus():
                self.statuses.append(News(channel.tenant_id, channel.id, event, channel.portfolio))
            case MessageChange():
                self.changes.append((arrival.id, Amended(channel.tenant_id, channel.id, event, channel.portfolio)))
            case ContactChange():
                self.contacts.append(EarlyChange(channel.tenant_id, channel.portfolio, event))
            case ThreadOwnerChange():
                self.owners.append(OwnerTold(channel.party(event.chat, event.at), event))
            case MarketingChoice():
                self.choices.append((channel, event))
            case TemplateChange() if channel.business_id is not None:
                self.templates.append(TemplateNews(channel.tenant_id, channel.business_id, event))
            case SessionChange():
                self.sessions.append((channel.tenant_id, channel.id))
                if event.away:
                    self.away.add(channel.id)

    def _add_message(self, arrival: Arrival, channel: HookChannel, event: InboundMessage) -> None:
        first = not self.messages or self.messages[-1].webhook != arrival.uid
        uid = arrival.uid if first else uuid7()
        self.messages.append(Incoming(channel, event, uid, arrival.uid, arrival.id))

    def note(self, arrival: Arrival, tally: Counter[str]) -> None:
        words = ", ".join(f"{count} {word}" for word, count in tally.items())
        self.notes.append((arrival.id, words or "nothing in it"))
        for word, count in tally.items():
            self.total[word.partition(" ")[0]] += count


def _sort(channels: Channels, arrivals: Sequence[Arrival], fresh: set[tuple[int, str]]) -> _Batch:
    batch = _Batch()
    for arrival in arrivals:
        tally: Counter[str] = Counter()
        for event in arrival.events:
            channel = channels.get(place_of(event))
            word = tell_effect(event, channel, fresh)
            tally[word] += 1
            if isinstance(event, AccountTrouble):
                batch.troubles.append((arrival.tenant_id, event))
            elif channel is not None and word in EFFECTIVE:
                batch.add(arrival, channel, event)
        batch.note(arrival, tally)
    return batch


def _with_astray(batch: _Batch, found: Sequence[bool]) -> list[tuple[int, str]]:
    """The notes, with how many changes were of messages that are not here."""
    told = (arrival_id for arrival_id, _ in batch.changes)
    astray = Counter(id_ for id_, is_here in zip(told, found, strict=True) if not is_here)
    return [(id_, f"{note}{_astray(astray[id_])}") for id_, note in batch.notes]


def _astray(count: int) -> str:
    return f" ({count} of a message that is not here)" if count else ""


def _raise_alarms(troubles: Sequence[tuple[int, AccountTrouble]]) -> None:
    """Of whole accounts, whichever of their numbers are here."""
    for tenant_id, event in troubles:
        raise_alarm(Cause(event.alarm, f"account:{event.business[:40]}", tenant_id))
