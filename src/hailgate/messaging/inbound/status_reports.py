"""Status reports: what a provider told of messages that are known, applied to them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.core.status import Status
from hailgate.messaging.broker.outbox import EventOf, record_events
from hailgate.messaging.people.suppressions import record_opt_outs
from hailgate.messaging.store.sql import Cursor, Row, among, array, every_tenant, fetch, locked
from hailgate.messaging.store.tables import CONVERSATION, MESSAGE, RECEIPT


class StatusReport(NamedTuple):
    """A status whose message is known. ``provider_id`` and the token are set where the message did not know its own
    yet.

    ``told`` and ``participant`` are sealed.
    """

    tenant_id: int
    message_id: int
    provider_id: str | None
    message_token: str | None
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


def apply_reports(cursor: Cursor, reports: Sequence[StatusReport]) -> None:
    """Raise each message to its highest news. A failure's words are stored; they show only while it stands."""
    if not reports:
        return
    _note_free_entry(cursor, {report.message_id: until for report in reports if (until := report.free_until)})
    best = _highest(reports)
    before = fetch(
        cursor,
        f"SELECT id, status, again_of_id FROM messaging_message WHERE {among('id')} {every_tenant('by key')} "
        f"ORDER BY id{locked()}",
        [array({report.message_id for report in reports})],
    )
    _tell_both(cursor, before, best)
    _change_messages(cursor, reports, best)
    _insert_receipts(cursor, reports)
    _publish(cursor, reports, {id_: status for id_, status, _ in before})
    if opted_out := {report.message_id: report.at for report in reports if report.opted_out and report.is_for_all}:
        record_opt_outs(cursor, _recipients(cursor, opted_out))


def _highest(reports: Sequence[StatusReport]) -> dict[int, StatusReport]:
    best: dict[int, StatusReport] = {}
    for report in reports:
        known = best.get(report.message_id)
        if report.is_for_all and (known is None or report.status > known.status):
            best[report.message_id] = report
    return best


def _change_messages(cursor: Cursor, reports: Sequence[StatusReport], best: Mapping[int, StatusReport]) -> None:
    names = {r.message_id: (r.provider_id, r.message_token) for r in reports if r.provider_id}
    MESSAGE.update(cursor, ("provider_id", "message_token"), [(id_, *names[id_]) for id_ in sorted(names)])
    ranks = sorted((id_, report.status.value) for id_, report in best.items())
    MESSAGE.update(cursor, ("status",), ranks, rising=("status",))
    failed = [(id_, report.code, report.detail) for id_, report in best.items() if report.status is Status.FAILED]
    MESSAGE.update(cursor, ("code", "detail"), sorted(failed))
    priced = {report.message_id: report.price for report in reports if any(report.price)}
    prices = ("price_category", "price_type", "billed", "free_until")
    MESSAGE.update(cursor, prices, sorted((id_, *price) for id_, price in priced.items()))


def _insert_receipts(cursor: Cursor, reports: Sequence[StatusReport]) -> None:
    columns = ("tenant_id", "message_id", "event", "at", "code", "detail", "told", "participant")
    told = [(r.tenant_id, r.message_id, r.status.word, r.at, r.code, r.detail, r.told, r.participant) for r in reports]
    RECEIPT.insert(cursor, columns, told)


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


def _tell_both(cursor: Cursor, before: Sequence[Row], best: Mapping[int, StatusReport]) -> None:
    """A message that was sent again because it had failed: that one of the two arrived is told at both."""
    arrived = {id_: one for id_, one in best.items() if one.status >= Status.DELIVERED}
    news = [(id_, first) for id_, status, first in before if id_ in arrived and status < Status.DELIVERED]
    again = [(first, arrived[id_]) for id_, first in news if first is not None]
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


def _publish(cursor: Cursor, reports: Sequence[StatusReport], before: dict[int, int]) -> None:
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
