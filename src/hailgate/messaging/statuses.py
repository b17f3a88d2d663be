"""What became of messages, as their provider tells it: in any order, repeated, with gaps, early or for strangers."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.core.events import MessageStatus
from hailgate.core.status import Status
from hailgate.messaging.counting import Place, count_after_commit
from hailgate.messaging.models import Direction
from hailgate.messaging.sql import (
    Cursor,
    among,
    array,
    as_uuid,
    atomic_cursor,
    every_tenant,
    fetch,
    locked,
    now,
)
from hailgate.messaging.suppressing import record_opt_outs
from hailgate.messaging.tables import EARLY_STATUS, MESSAGE, RECEIPT
from hailgate.telemetry import STATUSES
from hailgate.tracing import is_traced, tell_span

# A status for a message id that we never sent is not ours to keep for ever.
EARLY_STATUS_LIFE_S = 600.0
# Ranks at which nothing says that the provider took the message.
UNPROVEN = (Status.QUEUED, Status.FAILED)


class News(NamedTuple):
    """A status that came in on one of our channels."""

    tenant_id: int
    channel_id: int
    event: MessageStatus


class _Report(NamedTuple):
    """A status whose message is known. ``provider_id`` is set where the message did not know its own yet."""

    tenant_id: int
    message_id: int
    provider_id: str | None
    status: Status
    at: float
    code: str
    detail: str
    opted_out: bool


class _Known(NamedTuple):
    id: int
    named: bool


def record_statuses(cursor: Cursor, news: Sequence[News], moment: float) -> None:
    """Apply those of known messages; keep the others until their message's id is known."""
    if not news:
        return
    for status, told in _by_status(news).items():
        count_after_commit(STATUSES, told, status=status.word)
    if is_traced():
        transaction.on_commit(lambda: _trace(news))
    by_uid = _messages_by_uid(cursor, news)
    by_provider_id = _messages_by_provider_id(cursor, news)
    reports, early = [], []
    for tenant_id, channel_id, event in news:
        uid = _tracked(event)
        known = by_uid.get((channel_id, uid)) if uid else by_provider_id.get((channel_id, event.message_id))
        facts = (
            event.status,
            event.at if event.at > 0 else moment,
            (event.code or "")[:60],
            (event.detail or "")[:300],
            event.opted_out,
        )
        if known is None:
            status, *rest = facts
            early.append((tenant_id, channel_id, event.message_id[:255], moment, status.value, *rest))
        else:
            reports.append(_Report(tenant_id, known.id, None if known.named else event.message_id[:255], *facts))
    columns = ("tenant_id", "channel_id", "provider_id", "received_at", "status", "at", "code", "detail", "opted_out")
    EARLY_STATUS.insert(cursor, columns, early)
    _apply(cursor, reports, moment)


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
            f"SELECT early.id, early.status, early.at, early.code, early.detail, early.opted_out, message.id, "
            f"message.tenant_id FROM messaging_earlystatus early JOIN messaging_message message "
            f"ON message.channel_id = early.channel_id AND message.provider_id = early.provider_id "
            f"WHERE message.direction = {Direction.OUTBOUND.value} {every_tenant('sweep')} "
            f"ORDER BY early.id LIMIT %s{locked(of='early', skip=True)}",
            [limit],
        )
        moment = now(cursor)
        _apply(
            cursor,
            [
                _Report(tenant, id_, None, Status(rank), at, code, detail, bool(opted_out))
                for _, rank, at, code, detail, opted_out, id_, tenant in found
            ],
            moment,
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
        f"SELECT channel_id, uid, id, provider_id FROM messaging_message "
        f"WHERE {among('uid')} AND {among('channel_id')} {every_tenant('by key')}",
        [array(uids), array({one.channel_id for one in news})],
    )
    return {(channel_id, as_uuid(uid)): _Known(id_, own is not None) for channel_id, uid, id_, own in found}


def _messages_by_provider_id(cursor: Cursor, news: Sequence[News]) -> dict[tuple[int, str], _Known]:
    keys = {(one.channel_id, one.event.message_id) for one in news if _tracked(one.event) is None}
    columns = ("channel_id", "provider_id", "id", "direction")
    found = MESSAGE.find(cursor, columns, keys, by=("channel_id", "provider_id"))
    return {
        (channel_id, own): _Known(id_, named=True)
        for channel_id, own, id_, direction in found
        if direction == Direction.OUTBOUND.value
    }


def _apply(cursor: Cursor, reports: Sequence[_Report], moment: float) -> None:
    """Raise each message to its highest news. A failure's words are stored; they show only while it stands."""
    if not reports:
        return
    best: dict[int, _Report] = {}
    for report in reports:
        if report.message_id not in best or report.status > best[report.message_id].status:
            best[report.message_id] = report
    cursor.execute(
        f"SELECT id FROM messaging_message WHERE {among('id')} {every_tenant('by key')} ORDER BY id{locked()}",
        [array(best)],
    )
    names = {report.message_id: report.provider_id for report in reports if report.provider_id}
    MESSAGE.update(cursor, ("provider_id",), sorted(names.items()))
    ranks = sorted((id_, report.status.value) for id_, report in best.items())
    MESSAGE.update(cursor, ("status",), ranks, rising=("status",))
    failed = [(id_, report.code, report.detail) for id_, report in best.items() if report.status is Status.FAILED]
    MESSAGE.update(cursor, ("code", "detail"), sorted(failed))
    columns = ("tenant_id", "message_id", "event", "at", "code", "detail")
    RECEIPT.insert(
        cursor, columns, [(r.tenant_id, r.message_id, r.status.word, r.at, r.code, r.detail) for r in reports]
    )
    if opted_out := [report.message_id for report in reports if report.opted_out]:
        record_opt_outs(cursor, _recipients(cursor, opted_out), moment)


def _recipients(cursor: Cursor, message_ids: Sequence[int]) -> list[tuple[int, Address]]:
    """Tenant and address of those that messages were sent to; the provider may spell the address in another way."""
    found = fetch(
        cursor,
        f"SELECT tenant_id, address_kind, address FROM messaging_message WHERE {among('id')} {every_tenant('by key')}",
        [array(message_ids)],
    )
    unseal = sealer().unseal
    return [(tenant_id, Address(AddressKind(kind), unseal(value))) for tenant_id, kind, value in found]
