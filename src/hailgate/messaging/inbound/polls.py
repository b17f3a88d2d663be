"""Polls: providers that may lose a webhook are asked what came in, and the answers go the way of all webhooks.

Each channel that can be asked has one row of work. What a poll brings is stored before the next one begins where it
ended; a message that its webhook told before has its one effect all the same.
"""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from hailgate.core.sessions import SessionWish
from hailgate.core.slots import Room
from hailgate.messaging.inbound.receive import ReceivedWebhook, store_polled
from hailgate.messaging.models import WorkKind
from hailgate.messaging.store.ids import uuid7
from hailgate.messaging.store.notify import Wake, wake_after_commit
from hailgate.messaging.store.sql import Cursor, among, array, atomic_cursor, every_tenant, fetch, fetch_one, now
from hailgate.messaging.store.tables import CHANNEL
from hailgate.messaging.work import rows
from hailgate.messaging.work.claim import Batch, Leased, claim_due, lock_held
from hailgate.messaging.work.leases import find_alive

POLL_EVERY_S: Final = 300.0
# A poll begins this long before the last one ended: providers' clocks differ, and lists lag.
OVERLAP_S: Final = 120.0
# After a long absence no more is asked for than this: older messages are history, not mail.
LONGEST_GAP_S: Final = 7 * 86_400.0


class PollClaim(NamedTuple):
    """Ask this channel's provider for what came in at or after ``since``."""

    id: int
    lease: int
    tenant_id: int
    channel_id: int
    hook_id: int
    crashes: int
    since: float


def begin_polls(providers: Collection[str]) -> int:
    """For channels that have no poll yet. A new channel has no past that would concern us."""
    if not providers:
        return 0
    statement = (
        f"SELECT channel.id, channel.tenant_id FROM messaging_channel channel WHERE {among('channel.provider')} "
        f"AND channel.active AND channel.hook_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM messaging_work work "
        f"WHERE work.kind = {WorkKind.POLL.value} AND work.key = channel.id) {every_tenant('sweep')} LIMIT 500"
    )
    with atomic_cursor(read_only=True) as cursor:
        if not fetch(cursor, statement, [array(providers)]):
            return 0
    with atomic_cursor() as cursor:
        found, moment = fetch(cursor, statement, [array(providers)]), now(cursor)
        CHANNEL.update(cursor, ("polled_until",), [(id_, moment) for id_, _ in found], rising=("polled_until",))
        new = [rows.NewWork(tenant, WorkKind.POLL, id_, id_, due_at=moment + POLL_EVERY_S) for id_, tenant in found]
        rows.enqueue(cursor, new, moment)
        return len(found)


def claim_polls(worker_id: int, room: Room) -> Batch[PollClaim]:
    return claim_due(WorkKind.POLL, worker_id, room, _load)


def record_page(worker_id: int, claim: PollClaim, bodies: Sequence[bytes]) -> bool:
    """Store what one page brought. False where the poll is no longer this worker's."""
    with atomic_cursor() as cursor:
        if find_alive(cursor, worker_id) is None or not lock_held(cursor, worker_id, [claim]):
            return False
        store_polled([ReceivedWebhook(uuid7(), claim.tenant_id, claim.hook_id, "{}", body) for body in bodies])
        wake_after_commit(cursor, Wake.INGEST)
        return True


def finish_poll(worker_id: int, claim: PollClaim, until: float | None) -> None:
    """``until`` is when the poll began, and where the next one does; None where it did not come to its end."""
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None or not lock_held(cursor, worker_id, [claim]):
            return
        if until is not None and not _may_lag(cursor, claim, moment):
            CHANNEL.update(cursor, ("polled_until",), [(claim.channel_id, until)], rising=("polled_until",))
        rows.postpone(cursor, [rows.Postponed(claim.id, moment + POLL_EVERY_S, 0, "", "")])


def _may_lag(cursor: Cursor, claim: PollClaim, moment: float) -> bool:
    """Whether the list lacks what the phone has: its session is away, or came back a moment ago.

    Then the same is asked for again, since what is listed later bears the time at which it was written.
    """
    session = fetch_one(
        cursor,
        f"SELECT open_since FROM messaging_session WHERE channel_id = %s AND wish IN (%s, %s) {every_tenant('by key')}",
        [claim.channel_id, SessionWish.OPEN.value, SessionWish.PAIR.value],
    )
    return session is not None and (session[0] is None or moment - float(session[0]) < OVERLAP_S)


def _load(cursor: Cursor, leased: Sequence[Leased], moment: float) -> list[PollClaim]:
    """A channel that was switched off or lost its hook is not asked any more."""
    found = fetch(
        cursor,
        f"SELECT id, hook_id, polled_until FROM messaging_channel WHERE {among('id')} AND active "
        f"AND hook_id IS NOT NULL {every_tenant('by key')}",
        [array(row.key for row in leased)],
    )
    places = {id_: (hook_id, polled_until) for id_, hook_id, polled_until in found}
    rows.complete(cursor, [row.id for row in leased if row.key not in places])
    return [
        PollClaim(
            row.id, row.lease, row.tenant_id, row.key, places[row.key][0], row.crashes,
            max(places[row.key][1] - OVERLAP_S, moment - LONGEST_GAP_S),
        )
        for row in leased if row.key in places
    ]  # fmt: skip
