"""What became of messages, as their provider tells it: in any order, repeated, with gaps, early or for strangers."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.core.events import MessageStatus
from hailgate.core.status import Status
from hailgate.messaging.broker.outbox import EventOf, record_events
from hailgate.messaging.models import Direction
from hailgate.messaging.people.identify import settle_parties
from hailgate.messaging.people.party import Party
from hailgate.messaging.people.proofs import PersonProof, ProofKind, record_proofs
from hailgate.messaging.people.suppressions import record_opt_outs
from hailgate.messaging.store.commit_counters import Place, count_after_commit
from hailgate.messaging.store.sql import (
    Cursor,
    Row,
    among,
    array,
    as_uuid,
    atomic_cursor,
    every_tenant,
    fetch,
    locked,
    now,
)
from hailgate.messaging.store.tables import CHANNEL, CONVERSATION, EARLY_STATUS, MESSAGE, RECEIPT
from hailgate.telemetry.metrics import STATUSES
from hailgate.telemetry.traces import is_traced, tell_span

# A status for a message id that we never sent is not ours to keep for ever.
EARLY_STATUS_LIFE_S = 600.0
# What a status told longer ago says nothing of the channel as it is now.
FAULT_LIFE_S = 600.0


class News(NamedTuple):
    """A status that came in on one of our channels."""

    tenant_id: int
    channel_id: int
    event: MessageStatus
    portfolio: str = ""


class _Report(NamedTuple):
    """A status whose message is known. ``provider_id`` is set where the message did not know its own yet.

    ``told`` and ``participant`` are sealed.
    """

    tenant_id: int
    message_id: int
    provider_id: str | None
    status: Status
    at: float
    code: str
    detail: str
    opted_out: bool
    price_category: str
    price_type: str
    billed: bool | None
    free_until: float | None
    told: str
    participant: str

    @property
    def is_for_all(self) -> bool:
        """What one person of a group did is not what became of the message."""
        return not self.participant or self.status in {Status.SENT, Status.DELIVERED}

    @property
    def price(self) -> tuple[str, str, bool | None, float | None]:
        return self.price_category, self.price_type, self.billed, self.free_until


class _Known(NamedTuple):
    """``kind`` and ``value`` are of the address that it was sent to, as they are stored."""

    id: int
    named: bool
    kind: str
    value: str

    @property
    def address(self) -> Address:
        return Address(AddressKind(self.kind), sealer().unseal(self.value))


def record_statuses(cursor: Cursor, news: Sequence[News], moment: float) -> None:
    """Apply those of known messages; keep the others until their message's id is known."""
    if not news:
        return
    for status, told in _by_status(news).items():
        count_after_commit(STATUSES, told, status=status.word)
    _tell_channels(cursor, news, moment)
    if is_traced():
        transaction.on_commit(lambda: _trace(news))
    by_uid = _messages_by_uid(cursor, news)
    by_provider_id = _messages_by_provider_id(cursor, news)
    reports, early = [], []
    recipients: list[tuple[News, Address]] = []
    for one in news:
        tenant_id, channel_id, event, _ = one
        uid = _tracked(event)
        known = by_uid.get((channel_id, uid)) if uid else by_provider_id.get((channel_id, event.message_id))
        facts = (
            event.status,
            event.at if event.at > 0 else moment,
            (event.code or "")[:60],
            (event.detail or "")[:300],
            event.opted_out,
            *_beside(event),
        )
        if known is None:
            status, *rest = facts
            early.append((tenant_id, channel_id, event.message_id[:255], moment, status.value, *rest))
        else:
            reports.append(_Report(tenant_id, known.id, None if known.named else event.message_id[:255], *facts))
            if event.recipient is not None and (event.also or known.value != event.recipient.value):
                recipients.append((one, known.address))
    columns = ("tenant_id", "channel_id", "provider_id", "received_at", "status", *_FACTS)
    EARLY_STATUS.insert(cursor, columns, early)
    _apply(cursor, reports)
    _learn_recipients(cursor, recipients, moment)


def _learn_recipients(cursor: Cursor, told: Sequence[tuple[News, Address]], moment: float) -> None:
    """A status says by which ids the provider knows the person that a message went to."""
    parties, proofs = [], []
    for (tenant_id, channel_id, event, portfolio), address in told:
        if event.recipient is None or AddressKind.GROUP in {event.recipient.kind, address.kind}:
            continue
        names = (event.recipient, *event.also)
        at = event.at or moment
        parties.append(
            Party(tenant_id, channel_id, names, "", event.name or "", told=True, at=event.at, portfolio=portfolio)
        )
        if address not in names:
            right = next((name for name in names if name.kind == address.kind), names[0])
            proofs.append(PersonProof(tenant_id, ProofKind.STATUS, address, right, at, portfolio=portfolio))
    record_proofs(cursor, proofs, moment)
    settle_parties(cursor, parties, ProofKind.STATUS, moment)


_FACTS = (
    "at", "code", "detail", "opted_out", "price_category", "price_type", "billed", "free_until", "told", "participant",
)  # fmt: skip


def _beside(event: MessageStatus) -> tuple[str, str, bool | None, float | None, str, str]:
    """The price and, sealed, the provider's own words and whom of a group they are about."""
    price, seal = event.price, sealer().seal_content
    told = seal(event.told) if event.told else ""
    participant = seal(event.participant.key) if event.participant else ""
    if price is None:
        return "", "", None, None, told, participant
    return price.category, price.type, price.billed, price.free_until, told, participant


def _tell_channels(cursor: Cursor, news: Sequence[News], moment: float) -> None:
    """A trouble of the whole channel does to it what the same code in an answer does, unless it is over by now."""
    fresh = [one for one in news if one.event.at <= 0 or moment - one.event.at < FAULT_LIFE_S]
    faults = [(one, one.event.channel_fault) for one in fresh if one.event.channel_fault is not None]
    rests = {one.channel_id: moment + fault.rest_s for one, fault in faults if not fault.pauses}
    CHANNEL.update(cursor, ("ready_at",), sorted(rests.items()), rising=("ready_at",))
    for one, fault in faults:
        if fault.pauses:
            cursor.execute(
                "UPDATE messaging_channel SET paused_at = %s, paused_reason = %s "
                "WHERE tenant_id = %s AND id = %s AND paused_at IS NULL",
                [moment, fault.code, one.tenant_id, one.channel_id],
            )


def _trace(news: Sequence[News]) -> None:
    for one in news:
        if uid := _tracked(one.event):
            facts = {"message": str(uid), "channel": one.channel_id, "status": one.event.status.word}
            tell_span("status", uid, 0.0, facts)


def _by_status(news: Sequence[News]) -> dict[Status, list[Place]]:
    told: dict[Status, list[Place]] = defaultdict(list)
    for one in news:
        told[one.event.status].append((one.tenant_id, one.channel_id))
    return told


def apply_early_statuses(limit: int = 500) -> int:
    """Statuses that came before we knew the provider's id of their message; forgotten after ten minutes."""
    with atomic_cursor(read_only=True) as cursor:
        if not fetch(cursor, f"SELECT 1 FROM messaging_earlystatus {every_tenant('sweep')} LIMIT 1"):
            return 0
    with atomic_cursor() as cursor:
        found = fetch(
            cursor,
            f"SELECT early.id, message.tenant_id, message.id, early.status, "
            f"{', '.join(f'early.{name}' for name in _FACTS)} "
            f"FROM messaging_earlystatus early JOIN messaging_message message "
            f"ON message.channel_id = early.channel_id AND message.provider_id = early.provider_id "
            f"WHERE message.direction = {Direction.OUTBOUND.value} {every_tenant('sweep')} "
            f"ORDER BY early.id LIMIT %s{locked(of='early', skip=True)}",
            [limit],
        )
        moment = now(cursor)
        _apply(
            cursor,
            [_Report(tenant, id_, None, Status(rank), *facts) for _, tenant, id_, rank, *facts in found],
        )
        cursor.execute(
            f"DELETE FROM messaging_earlystatus WHERE {among('id')} OR received_at < %s {every_tenant('sweep')}",
            [array(row[0] for row in found), moment - EARLY_STATUS_LIFE_S],
        )
        return len(found)


def _tracked(event: MessageStatus) -> UUID | None:
    """The message's own id in what the provider echoes: ``<uuid>.<attempt>``."""
    try:
        return UUID((event.tracker or "").partition(".")[0])
    except ValueError:
        return None


def _messages_by_uid(cursor: Cursor, news: Sequence[News]) -> dict[tuple[int, UUID], _Known]:
    uids = {uid for one in news if (uid := _tracked(one.event))}
    if not uids:
        return {}
    found = fetch(
        cursor,
        f"SELECT channel_id, uid, id, provider_id, address_kind, address FROM messaging_message "
        f"WHERE {among('uid')} AND {among('channel_id')} {every_tenant('by key')}",
        [array(uids), array({one.channel_id for one in news})],
    )
    return {
        (channel_id, as_uuid(uid)): _Known(id_, own is not None, *address)
        for channel_id, uid, id_, own, *address in found
    }


def _messages_by_provider_id(cursor: Cursor, news: Sequence[News]) -> dict[tuple[int, str], _Known]:
    keys = {(one.channel_id, one.event.message_id) for one in news if _tracked(one.event) is None}
    columns = ("channel_id", "provider_id", "id", "direction", "address_kind", "address")
    found = MESSAGE.find(cursor, columns, keys, by=("channel_id", "provider_id"))
    return {
        (channel_id, own): _Known(id_, True, *address)
        for channel_id, own, id_, direction, *address in found
        if direction == Direction.OUTBOUND.value
    }


def _apply(cursor: Cursor, reports: Sequence[_Report]) -> None:
    """Raise each message to its highest news. A failure's words are stored; they show only while it stands."""
    if not reports:
        return
    _note_free_entry(cursor, {report.message_id: until for report in reports if (until := report.free_until)})
    best: dict[int, _Report] = {}
    for report in reports:
        if not report.is_for_all:
            continue
        if report.message_id not in best or report.status > best[report.message_id].status:
            best[report.message_id] = report
    before = fetch(
        cursor,
        f"SELECT id, status, again_of_id FROM messaging_message WHERE {among('id')} {every_tenant('by key')} "
        f"ORDER BY id{locked()}",
        [array({report.message_id for report in reports})],
    )
    _tell_both(cursor, before, best)
    names = {report.message_id: report.provider_id for report in reports if report.provider_id}
    MESSAGE.update(cursor, ("provider_id",), sorted(names.items()))
    ranks = sorted((id_, report.status.value) for id_, report in best.items())
    MESSAGE.update(cursor, ("status",), ranks, rising=("status",))
    failed = [(id_, report.code, report.detail) for id_, report in best.items() if report.status is Status.FAILED]
    MESSAGE.update(cursor, ("code", "detail"), sorted(failed))
    priced = {report.message_id: report.price for report in reports if any(report.price)}
    prices = ("price_category", "price_type", "billed", "free_until")
    MESSAGE.update(cursor, prices, sorted((id_, *price) for id_, price in priced.items()))
    columns = ("tenant_id", "message_id", "event", "at", "code", "detail", "told", "participant")
    told = [(r.tenant_id, r.message_id, r.status.word, r.at, r.code, r.detail, r.told, r.participant) for r in reports]
    RECEIPT.insert(cursor, columns, told)
    _publish(cursor, reports, {id_: status for id_, status, _ in before})
    if opted_out := {report.message_id: report.at for report in reports if report.opted_out and report.is_for_all}:
        record_opt_outs(cursor, _recipients(cursor, opted_out))


def _note_free_entry(cursor: Cursor, told: Mapping[int, float]) -> None:
    """Until when messages to these people are free. Their conversations are locked before the messages."""
    if not told:
        return
    found = fetch(
        cursor,
        f"SELECT coalesce(conversation.merged_into_id, conversation.id), message.id FROM messaging_message message "
        f"JOIN messaging_conversation conversation ON conversation.id = message.conversation_id "
        f"WHERE {among('message.id')} {every_tenant('by key')}",
        [array(told)],
    )
    ends: dict[int, float] = {}
    for conversation_id, message_id in found:
        ends[conversation_id] = max(ends.get(conversation_id, 0.0), told[message_id])
    CONVERSATION.update(cursor, ("free_until",), sorted(ends.items()), rising=("free_until",))


def _tell_both(cursor: Cursor, before: Sequence[Row], best: Mapping[int, _Report]) -> None:
    """A message that was sent again because it had failed: that one of the two arrived is told at both."""
    arrived = {id_: one for id_, one in best.items() if one.status >= Status.DELIVERED}
    again = [(first, arrived[id_]) for id_, _, first in before if first is not None and id_ in arrived]
    late = [id_ for id_, status, _ in before if status == Status.FAILED and id_ in arrived]
    if late:
        found = fetch(
            cursor,
            f"SELECT id, again_of_id FROM messaging_message WHERE {among('again_of_id')} {every_tenant('by key')}",
            [array(late)],
        )
        again += [(id_, arrived[first]) for id_, first in found]
    columns = ("tenant_id", "message_id", "event", "at", "code", "detail")
    sentence = "The other of the two that say this has arrived."
    RECEIPT.insert(cursor, columns, [(r.tenant_id, id_, "other_delivered", r.at, "", sentence) for id_, r in again])


def _publish(cursor: Cursor, reports: Sequence[_Report], before: dict[int, int]) -> None:
    """That it was sent is told once: by our own send, or where that came to nothing, by the provider."""
    whole = [report for report in reports if report.is_for_all]
    news = [r for r in whole if r.status is not Status.SENT or before.get(r.message_id, 0) < Status.SENT]
    record_events(
        cursor, (EventOf(r.tenant_id, r.message_id, f"message.{r.status.word}", r.at, r.code, r.detail) for r in news)
    )


def _recipients(cursor: Cursor, times: Mapping[int, float]) -> list[tuple[int, Address, float]]:
    """Tenant and address of those that messages were sent to; the provider may spell the address in another way."""
    found = fetch(
        cursor,
        f"SELECT id, tenant_id, address_kind, address FROM messaging_message WHERE {among('id')} "
        f"{every_tenant('by key')}",
        [array(times)],
    )
    unseal = sealer().unseal
    return [(tenant_id, Address(AddressKind(kind), unseal(value)), times[id_]) for id_, tenant_id, kind, value in found]
