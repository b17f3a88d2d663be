"""Heads: the deliveries that may be claimed now, one for each conversation, as they stand in the store."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from hailgate.core import retry_budget
from hailgate.core.consent_scopes import MARKETING, UNASKED
from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.outbound.channel_limits import Share
from hailgate.messaging.store.sql import Cursor, Row, every_tenant, fetch, indexed_by, on_postgresql
from hailgate.messaging.work import rows


class DeliveryHead(NamedTuple):
    id: int
    tenant_id: int
    key: int
    channel_id: int
    lease: int
    crashes: int
    attempts_made: int
    spent: int
    priority: int
    expires_at: float | None
    message_id: int
    uid: UUID | str
    kind: str
    content: str
    address_kind: str
    address: str
    context_id: str
    status: int
    last_inbound_at: float | None
    pair_tat: float
    pair_refusals: int
    window_unsure: bool
    suppressed: bool
    opted_out: bool
    unasked: bool
    accepted_at: float
    failing_since: float | None
    free_until: float
    cause: int | None

    @property
    def is_retry(self) -> bool:
        return self.priority >= rows.RETRIED


def find_heads(cursor: Cursor, shares: dict[int, Share], moment: float) -> list[DeliveryHead]:
    """The oldest due heads of each channel, interactive before bulk: fresh ones, and its share of retries."""
    if not shares:
        return []
    found = _heads_at_once(cursor, shares, moment) if on_postgresql() else _heads_in_turn(cursor, shares, moment)
    return _divided([DeliveryHead._make(row) for row in found], shares)


def _heads_at_once(cursor: Cursor, shares: dict[int, Share], moment: float) -> list[Row]:
    fresh, retried = (
        due.replace("%s", "share.channel_id", 1).replace("LIMIT %s", f"LIMIT share.{size}")
        for due, size in ((_FRESH, "room"), (_RETRIED, "retries"))
    )
    return fetch(
        cursor,
        f"""
        SELECT {_HEAD_COLUMNS}
        FROM unnest(%b::bigint[], %b::int[], %b::int[]) WITH ORDINALITY AS share(channel_id, room, retries, place)
        CROSS JOIN LATERAL (
            (SELECT * FROM messaging_work work {fresh}) UNION ALL (SELECT * FROM messaging_work work {retried})
        ) work {_HEAD_JOINS} {every_tenant("claim")}
        ORDER BY share.place, work.priority, work.due_at, work.id
        """,
        [list(shares), [share.room for share in shares.values()], [share.retries for share in shares.values()],
         moment, moment],
    )  # fmt: skip


def _heads_in_turn(cursor: Cursor, shares: dict[int, Share], moment: float) -> list[Row]:
    found = []
    chosen = f"SELECT {_HEAD_COLUMNS} FROM messaging_work work{indexed_by('work_ready')} {_HEAD_JOINS}"
    for id_, share in shares.items():
        for due, size in ((_FRESH, share.room), (_RETRIED, share.retries)):
            statement = f"{chosen} {due} {every_tenant('claim')}"
            found += fetch(cursor, statement, [id_, moment, size]) if size else []
    return found


def _divided(found: Sequence[DeliveryHead], shares: dict[int, Share]) -> list[DeliveryHead]:
    """Of each channel no more than its room, retries and fresh ones as they share it."""
    fresh: dict[int, list[DeliveryHead]] = defaultdict(list)
    retried: dict[int, list[DeliveryHead]] = defaultdict(list)
    for head in found:
        (retried if head.is_retry else fresh)[head.channel_id].append(head)
    if not retried:
        return list(found)
    heads = []
    for id_, share in shares.items():
        first, again = retry_budget.divide(share.room, len(fresh[id_]), len(retried[id_]), probing=share.probing)
        heads += [*fresh[id_][:first], *retried[id_][:again]]
    return heads


def _unwanted(scope: str) -> str:
    """Whether the person of a conversation has stopped messages of this scope, at any of their addresses."""
    return f"""
        EXISTS (SELECT 1 FROM messaging_suppression suppression JOIN messaging_contactaddress address
                ON address.tenant_id = suppression.tenant_id AND address.digest = suppression.digest
                WHERE suppression.tenant_id = work.tenant_id AND suppression.scope = '{scope}'
                AND address.contact_id = conversation.contact_id)"""


_BULK = f"({rows.BULK}, {rows.BULK + rows.RETRIED})"
_HEAD_COLUMNS = f"""
    work.id, work.tenant_id, work.key, work.channel_id, work.lease, work.tries, work.knocks, work.attempts,
    work.priority, work.expires_at,
    message.id, message.uid, message.kind, message.content, message.address_kind, message.address,
    message.context_id, message.status, conversation.last_inbound_at, conversation.pair_tat,
    conversation.pair_refusals,
    conversation.window_unsure,
    {_unwanted("all")}, message.kind = 'template' AND {_unwanted(MARKETING)},
    (message.kind = 'template' OR work.priority IN {_BULK}) AND {_unwanted(UNASKED)},
    message.accepted_at, work.failing_since, conversation.free_until, message.cause
"""
_HEAD_JOINS = """
    JOIN messaging_message message ON message.id = work.message_id
    JOIN messaging_conversation conversation ON conversation.id = work.key
"""
_DUE = f"""
    WHERE work.kind = {WorkKind.DELIVERY.value} AND work.state = {WorkState.READY.value}
    AND work.channel_id = %s AND work.priority {{lane}} {rows.RETRIED} AND work.due_at <= %s
    ORDER BY work.priority, work.due_at, work.id LIMIT %s
"""
_FRESH, _RETRIED = _DUE.format(lane="<"), _DUE.format(lane=">=")
