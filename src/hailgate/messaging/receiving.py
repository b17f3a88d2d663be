"""The way in: a webhook is stored raw before it is answered, and understood afterwards, in order per hook."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import InterfaceError, OperationalError

from hailgate.accounts.seal import sealer
from hailgate.core.errors import PayloadForeign
from hailgate.core.events import ProviderEvent
from hailgate.messaging.applying import Arrival, Debounce, apply_events
from hailgate.messaging.leases import find_alive
from hailgate.messaging.models import EventState
from hailgate.messaging.sql import (
    Cursor,
    among,
    array,
    as_uuid,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_one,
    in_one_flight,
    locked,
    moment,
    now,
)
from hailgate.messaging.tables import EVENT
from hailgate.messaging.waking import Wake, wake_after_commit, wake_now, wake_others
from hailgate.tracing import is_traced, tell_span

# Runs that ended with their process before a webhook is buried as poison.
MOST_TRIES = 5
MOST_BATCH_BYTES = 8 * 1024 * 1024
# These say that the store is away, and nothing of the webhooks.
AWAY = (OperationalError, InterfaceError)

COLUMNS = ("uid", "tenant_id", "hook_id", "headers", "body")
UNTOUCHED = {"state": "0", "tries": "0", "outcome": "''"}

Understand = Callable[[bytes], Sequence[ProviderEvent]]
"""A provider's ``parse`` for one hook: events, or PayloadForeign."""


class ReceivedWebhook(NamedTuple):
    """A verified call of a provider. ``headers`` is JSON of those that may be kept."""

    uid: UUID
    tenant_id: int
    hook_id: int
    headers: str
    body: bytes


class SpooledWebhook(NamedTuple):
    """One that lay on disk while the store was away: ``body`` as it is stored, perhaps sealed, and when it came."""

    uid: UUID
    tenant_id: int
    hook_id: int
    received_at: float
    headers: str
    body: bytes


def store_webhooks(batch: Sequence[ReceivedWebhook]) -> list[bool]:
    """Exactly one row each; True once committed."""
    seal = sealer().seal_bytes
    rows = [(hook.uid, hook.tenant_id, hook.hook_id, hook.headers, seal(hook.body)) for hook in batch]
    with in_one_flight() as cursor:
        same = {**UNTOUCHED, "received_at": moment(cursor)}
        EVENT.insert(cursor, COLUMNS, rows, same=same, on_conflict="ON CONFLICT (uid) DO NOTHING")
        wake_others(cursor, Wake.INGEST)
    wake_now(Wake.INGEST)
    return [True] * len(batch)


def spool_webhook(webhook: ReceivedWebhook, received_at: float) -> SpooledWebhook:
    """Sealed as its row would be."""
    uid, tenant_id, hook_id, headers, body = webhook
    return SpooledWebhook(uid, tenant_id, hook_id, received_at, headers, sealer().seal_bytes(body))


def store_spooled(batch: Sequence[SpooledWebhook]) -> list[bool]:
    """As ``store_webhooks``. One that is there already stays as it is: its process may have ended half way."""
    with atomic_cursor() as cursor:
        latest = now(cursor)  # of the store; the clock of whoever received it may be ahead
        rows = [
            (each.uid, each.tenant_id, each.hook_id, each.headers, each.body, min(each.received_at, latest))
            for each in batch
        ]
        columns = (*COLUMNS, "received_at")
        EVENT.insert(cursor, columns, rows, same=UNTOUCHED, on_conflict="ON CONFLICT (uid) DO NOTHING")
        wake_after_commit(cursor, Wake.INGEST)
    return [True] * len(batch)


def find_stored(batch: Sequence[ReceivedWebhook]) -> list[bool | None]:
    """Which of a batch are stored, asked after a COMMIT that was not answered."""
    with atomic_cursor(read_only=True) as cursor:
        found = fetch(
            cursor,
            f"SELECT uid FROM messaging_webhookevent WHERE {among('uid')} {every_tenant('by key')}",
            [array(hook.uid for hook in batch)],
        )
    known = {as_uuid(row[0]) for row in found}
    return [True if hook.uid in known else None for hook in batch]


# --- understanding ----------------------------------------------------------------------------------------------------


class Ingested(NamedTuple):
    """How many webhooks were taken, how many of them set aside, and what was in them by kind."""

    webhooks: int
    buried: int
    tally: Counter[str]


def hooks_with_events() -> list[int]:
    with atomic_cursor(read_only=True) as cursor:
        found = fetch(
            cursor,
            f"SELECT id FROM messaging_hook hook WHERE EXISTS (SELECT 1 FROM messaging_webhookevent event "
            f"WHERE event.hook_id = hook.id AND event.state = {EventState.PENDING.value}) {every_tenant('ingest')}",
        )
    return [row[0] for row in found]


def ingest(worker_id: int, hook_id: int, understand: Understand, debounce: Debounce, limit: int = 500) -> Ingested:
    """Take the oldest pending webhooks of a hook, then apply them in one transaction.

    The hook belongs to this worker in between, so that nobody else applies them in another order; a worker that
    dies loses it with everything else it held. How far it wanted to go is committed first: whoever finds that mark
    after its end counts a try for each of these webhooks, and takes those that were tried alone.
    """
    taken = _take(worker_id, hook_id, limit)
    if not taken:
        return Ingested(0, 0, Counter())
    try:
        return _apply(worker_id, hook_id, taken, understand, debounce)
    except AWAY:
        raise
    except Exception:  # noqa: BLE001 -- whatever it is, it must not come back with each look round
        if len(taken) > 1:  # one of them is at fault: each by itself, in order
            each = [_apply_alone(worker_id, hook_id, event, understand, debounce) for event in taken]
            return Ingested(len(taken), sum(one.buried for one in each), sum((one.tally for one in each), Counter()))
        return _apply_alone(worker_id, hook_id, taken[0], understand, debounce)


class _Taken(NamedTuple):
    """``body`` is as it was stored, perhaps sealed."""

    id: int
    uid: UUID
    tenant_id: int
    body: bytes
    tries: int


_Refused = tuple[int, EventState, str]


def _take(worker_id: int, hook_id: int, limit: int) -> list[_Taken]:
    with atomic_cursor() as cursor:
        if find_alive(cursor, worker_id) is None:
            return []
        found = fetch_one(
            cursor,
            f"SELECT ingest_worker_id, ingest_upto FROM messaging_hook WHERE id = %s {every_tenant('ingest')}"
            f"{locked(skip=True)}",
            [hook_id],
        )
        if found is None or found[0] not in {None, worker_id}:
            return []
        if found[0] is None and found[1] is not None:  # were it still ours, no process would have ended
            _count_tries(cursor, hook_id, found[1])
        batch = _next_batch(cursor, hook_id, limit)
        cursor.execute(
            f"UPDATE messaging_hook SET ingest_worker_id = %s, ingest_upto = %s WHERE id = %s {every_tenant('ingest')}",
            [worker_id, batch[-1], hook_id] if batch else [None, None, hook_id],
        )
        rows = fetch(
            cursor,
            f"SELECT id, uid, tenant_id, body, tries FROM messaging_webhookevent WHERE {among('id')} "
            f"{every_tenant('ingest')} ORDER BY id",
            [array(batch)],
        )
    return [_Taken(id_, as_uuid(uid), tenant_id, bytes(body), tries) for id_, uid, tenant_id, body, tries in rows]


def _count_tries(cursor: Cursor, hook_id: int, upto: int) -> None:
    cursor.execute(
        f"UPDATE messaging_webhookevent SET tries = tries + 1 WHERE hook_id = %s "
        f"AND state = {EventState.PENDING.value} AND id <= %s {every_tenant('ingest')}",
        [hook_id, upto],
    )


def _next_batch(cursor: Cursor, hook_id: int, limit: int) -> list[int]:
    """The oldest ones, up to the first that was tried before; or that one alone, if it is the oldest."""
    pending = fetch(
        cursor,
        f"SELECT id, tries, length(body) FROM messaging_webhookevent WHERE hook_id = %s "
        f"AND state = {EventState.PENDING.value} {every_tenant('ingest')} ORDER BY id LIMIT %s",
        [hook_id, limit],
    )
    batch: list[int] = []
    total = 0
    for id_, tries, size in pending:
        total += size
        if batch and (tries or total > MOST_BATCH_BYTES):
            break
        batch.append(id_)
        if tries:
            break
    return batch


def _apply(
    worker_id: int, hook_id: int, taken: Sequence[_Taken], understand: Understand, debounce: Debounce
) -> Ingested:
    begun = time.monotonic()
    arrivals, refused = _understood(taken, understand)
    with atomic_cursor() as cursor:
        moment = _find_ours(cursor, worker_id, hook_id)
        if moment is None:
            return Ingested(0, 0, Counter())
        notes, tally = apply_events(cursor, hook_id, arrivals, debounce, moment)
        done = [(id_, EventState.DONE.value, note[:200]) for id_, note in notes]
        dead = [(id_, state.value, note[:200]) for id_, state, note in refused]
        EVENT.update(cursor, ("state", "outcome"), done + dead)
        _let_go(cursor, hook_id)
    if is_traced():
        for arrival in arrivals:
            tell_span("ingest", arrival.uid, time.monotonic() - begun, {"hook": hook_id, "tenant": arrival.tenant_id})
    return Ingested(len(taken), sum(state is EventState.DEAD for _, state, _ in refused), tally)


def _apply_alone(worker_id: int, hook_id: int, event: _Taken, understand: Understand, debounce: Debounce) -> Ingested:
    """One that the store refuses is set aside and shown; it holds up nobody."""
    try:
        with atomic_cursor() as cursor:
            _hold(cursor, worker_id, hook_id, event.id)
        return _apply(worker_id, hook_id, [event], understand, debounce)
    except AWAY:
        raise
    except Exception as bad:  # noqa: BLE001 -- kept and shown
        with atomic_cursor() as cursor:
            if _find_ours(cursor, worker_id, hook_id) is not None:
                note = f"could not be applied: {type(bad).__name__}"
                EVENT.update(cursor, ("state", "outcome"), [(event.id, EventState.DEAD.value, note)])
                _let_go(cursor, hook_id)
        return Ingested(1, 1, Counter())


def _understood(taken: Sequence[_Taken], understand: Understand) -> tuple[list[Arrival], list[_Refused]]:
    arrivals: list[Arrival] = []
    refused: list[_Refused] = []
    for event in taken:
        if event.tries >= MOST_TRIES:
            refused.append((event.id, EventState.DEAD, f"poison: its process ended {event.tries} times"))
            continue
        try:
            events = understand(sealer().unseal_bytes(event.body))
            arrivals.append(Arrival(event.id, event.uid, event.tenant_id, events))
        except PayloadForeign as foreign:
            refused.append((event.id, EventState.DONE, f"foreign: {foreign.detail}"))
        except Exception as bug:  # noqa: BLE001 -- kept and shown, and its followers go on
            refused.append((event.id, EventState.DEAD, f"not understood: {type(bug).__name__}"))
    return arrivals, refused


def _find_ours(cursor: Cursor, worker_id: int, hook_id: int) -> float | None:
    """The database's time, if this worker is alive and holds the hook."""
    moment = find_alive(cursor, worker_id)
    if moment is None:
        return None
    held = fetch_one(
        cursor,
        f"SELECT id FROM messaging_hook WHERE id = %s AND ingest_worker_id = %s {every_tenant('ingest')}{locked()}",
        [hook_id, worker_id],
    )
    return moment if held else None


def _hold(cursor: Cursor, worker_id: int, hook_id: int, event_id: int) -> None:
    """Take a hook that nobody holds, between two webhooks that are applied one by one. A dead worker would keep it."""
    if find_alive(cursor, worker_id) is not None:
        cursor.execute(
            f"UPDATE messaging_hook SET ingest_worker_id = %s, ingest_upto = %s WHERE id = %s "
            f"AND ingest_worker_id IS NULL {every_tenant('ingest')}",
            [worker_id, event_id, hook_id],
        )


def _let_go(cursor: Cursor, hook_id: int) -> None:
    cursor.execute(
        f"UPDATE messaging_hook SET ingest_worker_id = NULL, ingest_upto = NULL WHERE id = %s {every_tenant('ingest')}",
        [hook_id],
    )
