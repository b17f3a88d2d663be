"""Statuses: what became of messages, told in any order, repeated, with gaps, early or for strangers."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.core.errors import ChannelRefused
from hailgate.core.events import MessageStatus
from hailgate.core.status import Status
from hailgate.core.uids import find_uid
from hailgate.messaging.channels.checks import enqueue_checks
from hailgate.messaging.inbound.status_reports import StatusReport, apply_reports
from hailgate.messaging.models import Direction
from hailgate.messaging.people.identify import settle_parties
from hailgate.messaging.people.party import Party
from hailgate.messaging.people.proofs import PersonProof, ProofKind, record_proofs
from hailgate.messaging.store.commit_counters import Place, count_after_commit
from hailgate.messaging.store.sql import Cursor, among, array, as_uuid, atomic_cursor, every_tenant, fetch, locked, now
from hailgate.messaging.store.tables import CHANNEL, EARLY_STATUS, MESSAGE
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
    known = list(zip(news, _find_messages(cursor, news), strict=True))
    _keep_early(cursor, [one for one, message in known if message is None], moment)
    found = [(one, message) for one, message in known if message is not None]
    apply_reports(cursor, [_report(one, message, moment) for one, message in found])
    _learn_recipients(cursor, [(one, message.address) for one, message in found if _renames(one, message)], moment)


def _find_messages(cursor: Cursor, news: Sequence[News]) -> list[_Known | None]:
    """By our own id, where the provider echoes it; else by the provider's."""
    by_uid, by_provider_id = _messages_by_uid(cursor, news), _messages_by_provider_id(cursor, news)
    by_token = _messages_by_token(cursor, news)
    return [
        by_uid.get((channel_id, uid))
        if (uid := _tracked(event))
        else by_provider_id.get((channel_id, event.message_id)) or by_token.get((channel_id, event.message_token))
        for _, channel_id, event, _ in news
    ]


def _keep_early(cursor: Cursor, news: Sequence[News], moment: float) -> None:
    columns = ("tenant_id", "channel_id", "provider_id", "received_at", "status", *_FACTS)
    early = [
        (tenant_id, channel_id, _any_id(event)[:255], moment, event.status.value, *_facts(event, moment))
        for tenant_id, channel_id, event, _ in news
    ]
    EARLY_STATUS.insert(cursor, columns, early)


def _any_id(event: MessageStatus) -> str:
    """Under which its message can be found, whatever the provider calls it by then."""
    return event.message_token or event.message_id


def _report(one: News, message: _Known, moment: float) -> StatusReport:
    event = one.event
    own_id, token = (None, None) if message.named else (event.message_id[:255], event.message_token or None)
    return StatusReport(one.tenant_id, message.id, own_id, token, event.status, *_facts(event, moment))


def _renames(one: News, message: _Known) -> bool:
    """Whether it says more of the recipient than we know."""
    event = one.event
    return event.recipient is not None and bool(event.also or event.name or message.value != event.recipient.value)


_FACTS = (
    "at", "code", "detail", "opted_out", "price_category", "price_type", "billed", "free_until", "told", "participant",
)  # fmt: skip


def _facts(
    event: MessageStatus, moment: float
) -> tuple[float, str, str, bool, str, str, bool | None, float | None, str, str]:
    at = event.at if event.at > 0 else moment
    return at, (event.code or "")[:60], (event.detail or "")[:300], event.opted_out, *_beside(event)


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
    healing = []
    for one, fault in faults:
        if fault.pauses:
            cursor.execute(
                "UPDATE messaging_channel SET paused_at = %s, paused_reason = %s "
                "WHERE tenant_id = %s AND id = %s AND paused_at IS NULL",
                [moment, fault.code, one.tenant_id, one.channel_id],
            )
            if cursor.rowcount and fault.code == ChannelRefused.code:
                healing.append((one.tenant_id, one.channel_id))
    enqueue_checks(cursor, healing, moment)


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
            f"SELECT early.id, early.tenant_id, coalesce(message.id, tokened.id), early.status, "
            f"{', '.join(f'early.{name}' for name in _FACTS)} "
            f"FROM messaging_earlystatus early LEFT JOIN messaging_message message "
            f"ON message.channel_id = early.channel_id AND message.provider_id = early.provider_id "
            f"LEFT JOIN messaging_message tokened "
            f"ON tokened.channel_id = early.channel_id AND tokened.message_token = early.provider_id "
            f"WHERE coalesce(message.direction, tokened.direction) = {Direction.OUTBOUND.value} "
            f"{every_tenant('sweep')} "
            f"ORDER BY early.id LIMIT %s{locked(of='early', skip=True)}",
            [limit],
        )
        moment = now(cursor)
        reports = [
            StatusReport(tenant, id_, None, None, Status(rank), *facts) for _, tenant, id_, rank, *facts in found
        ]
        apply_reports(cursor, reports)
        cursor.execute(
            f"DELETE FROM messaging_earlystatus WHERE {among('id')} OR received_at < %s {every_tenant('sweep')}",
            [array(row[0] for row in found), moment - EARLY_STATUS_LIFE_S],
        )
        return len(found)


def _tracked(event: MessageStatus) -> UUID | None:
    """The message's own id in what the provider echoes: ``<uuid>.<attempt>``."""
    return find_uid((event.tracker or "").partition(".")[0])


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
    return _messages_by(cursor, "provider_id", keys)


def _messages_by_token(cursor: Cursor, news: Sequence[News]) -> dict[tuple[int, str], _Known]:
    """Those of providers that call one message by several ids."""
    keys = {
        (one.channel_id, token) for one in news if (token := one.event.message_token) and _tracked(one.event) is None
    }
    return _messages_by(cursor, "message_token", keys)


def _messages_by(cursor: Cursor, name: str, keys: Collection[tuple[int, str]]) -> dict[tuple[int, str], _Known]:
    columns = ("channel_id", name, "id", "direction", "address_kind", "address")
    found = MESSAGE.find(cursor, columns, keys, by=("channel_id", name))
    return {
        (channel_id, own): _Known(id_, True, *address)
        for channel_id, own, id_, direction, *address in found
        if direction == Direction.OUTBOUND.value
    }
