"""Claiming work rows: what every kind of duty has in common, and all of it for a kind that no channel limits.

A claim leases rows to one worker in one transaction; whatever is written for them later asks first whether the lease
is still that worker's.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from hailgate.core.slots import Room
from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.store.sql import Cursor, among, array, atomic_cursor, every_tenant, fetch, locked
from hailgate.messaging.work import rows
from hailgate.messaging.work.leases import find_alive

# Runs that told no outcome before a row counts as poison (reliability contract: at most five tries).
MOST_CRASHES = 5
# A row that was sealed with a key that this process does not have is looked at again after this long.
UNREADABLE_S = 60.0


class Leased(NamedTuple):
    """A work row that one worker may carry out.

    ``crashes`` counts its runs before this one that told no outcome, ``spent`` the attempts that count against it.
    """

    id: int
    lease: int
    tenant_id: int
    key: int
    channel_id: int
    spent: int
    crashes: int
    expires_at: float | None


class HasLease(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def lease(self) -> int: ...


class Runnable(HasLease, Protocol):
    @property
    def channel_id(self) -> int: ...
    @property
    def crashes(self) -> int: ...


Claim = TypeVar("Claim", bound=Runnable)


class Batch(NamedTuple, Generic[Claim]):
    """``moment`` is the database's time of the claim; ``again_at`` is when more may be due, if that is known."""

    claims: list[Claim]
    moment: float
    again_at: float | None


class Look(NamedTuple):
    """What a look at the rows of one kind found: the database's time, and when the earliest of them is due."""

    moment: float
    earliest: float | None

    @property
    def due(self) -> bool:
        return self.earliest is not None and self.earliest <= self.moment


def look_for(kind: WorkKind, where: str = "", parameters: Sequence[Any] = ()) -> Look:
    """Comes before a claim's transaction: on SQLite, nothing takes the write lock only to find nothing.

    One moment answers both "is anything due" and "when will it be", or a row that becomes due in between is in neither.
    """
    with atomic_cursor(read_only=True) as cursor:
        return Look(*rows.earliest_due(cursor, kind, where, parameters))


def claim_due(
    kind: WorkKind, worker_id: int, room: Room, load: Callable[[Cursor, Sequence[Leased], float], list[Claim]]
) -> Batch[Claim]:
    """Lease due rows to this worker, as ``room`` allows, and ``load`` what they need in the same transaction."""
    look = look_for(kind, *restrict(room))
    if room.total and look.due:
        with atomic_cursor() as cursor:
            moment = find_alive(cursor, worker_id)
            if moment is not None:
                leased = _lease_due(cursor, kind, worker_id, room, moment)
                return Batch(load(cursor, leased, moment) if leased else [], moment, None)
    return Batch([], look.moment, look.earliest if room.total else None)


def restrict(room: Room, column: str = "channel_id") -> tuple[str, list[Any]]:
    """A condition on a channel's column, and its parameters: nothing is looked at for which there is no room."""
    if not room.takes_new:
        return f"AND {among(column)}", [array(room.with_room)]
    return (f"AND NOT ({among(column)})", [array(room.full)]) if room.full else ("", [])


def lock_held(cursor: Cursor, worker_id: int, claims: Iterable[HasLease]) -> set[int]:
    """The ids of rows whose lease is still this worker's, locked: the condition of every write about them."""
    leases = {claim.id: claim.lease for claim in claims}
    found = fetch(
        cursor,
        f"SELECT id, lease FROM messaging_work WHERE {among('id')} AND worker_id = %s "
        f"AND state = {WorkState.LEASED.value} {every_tenant('own rows')} ORDER BY id{locked()}",
        [array(leases), worker_id],
    )
    return {id_ for id_, lease in found if leases[id_] == lease}


def _lease_due(cursor: Cursor, kind: WorkKind, worker_id: int, room: Room, moment: float) -> list[Leased]:
    """Counted before they run. One that ran before without an end is taken alone: it may end its process again."""
    where, channels = restrict(room)
    found = fetch(
        cursor,
        f"SELECT id, lease + 1, tenant_id, key, channel_id, attempts, tries, expires_at FROM messaging_work "
        f"WHERE kind = {kind.value} AND state = {WorkState.READY.value} AND due_at <= %s {where} "
        f"{every_tenant('claim')} ORDER BY due_at, id LIMIT %s{locked(skip=True)}",
        [moment, *channels, room.total],
    )
    due = _within(room, [Leased._make(row) for row in found])
    if suspects := [row for row in due if row.crashes]:
        due = suspects[:1]
    if not due:
        return []
    cursor.execute(
        f"UPDATE messaging_work SET state = {WorkState.LEASED.value}, worker_id = %s, lease = lease + 1, "
        f"tries = tries + 1 WHERE {among('id')} {every_tenant('claim')}",
        [worker_id, array(row.id for row in due)],
    )
    return due


def _within(room: Room, found: Sequence[Leased]) -> list[Leased]:
    """As many of each channel as it has room for, in the order of all."""
    if len({row.channel_id for row in found}) == 1:  # as it mostly is, and asked once
        count = min(len(found), room.of(found[0].channel_id))
        room.take(found[0].channel_id, count)
        return list(found[:count])
    taken = []
    for row in found:
        if room.of(row.channel_id):
            room.take(row.channel_id, 1)
            taken.append(row)
    return taken
