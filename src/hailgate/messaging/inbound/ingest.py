"""Ingest: what was stored is understood in order per hook, and applied in one transaction."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.db import InterfaceError, OperationalError

from hailgate.accounts.seal import sealer
from hailgate.core.errors import PayloadForeign
from hailgate.core.events import ProviderEvent
from hailgate.messaging.inbound.apply_events import apply_events
from hailgate.messaging.inbound.arrivals import Arrival
from hailgate.messaging.inbound.call_turns import Debounce
from hailgate.messaging.inbound.receive import LargeBody
from hailgate.messaging.models import EventState
from hailgate.messaging.store.sql import (
    Cursor,
    Row,
    among,
    array,
    as_uuid,
    atomic_cursor,
    every_tenant,
    fetch,
    fetch_one,
    locked,
)
from hailgate.messaging.store.tables import EVENT
from hailgate.messaging.work.leases import find_alive
from hailgate.telemetry.traces import is_traced, tell_span

# Runs that ended with their process before a webhook is buried as poison.
MOST_TRIES = 5
# Room for the names of everything that a webhook told and nothing was done with.
LONGEST_NOTE = 4_000
MOST_BATCH_BYTES = 8 * 1024 * 1024
HELD = "waits for what belongs to it"
# These say that the store is away, and nothing of the webhooks.
AWAY = (OperationalError, InterfaceError)


class StoredRequest(NamedTuple):
    """A provider's call as its row tells it. ``headers`` are those that were kept."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


Parse = Callable[[StoredRequest], Sequence[ProviderEvent]]
"""A provider's ``parse`` for one hook: events, or PayloadForeign."""


class Ingested(NamedTuple):
    """How many webhooks were taken, how many of them set aside, and what was in them by kind.

    ``held_s`` are the ages of those that wait for what belongs to them.
    """

    webhooks: int
    buried: int
    tally: Counter[str]
    held_s: tuple[float, ...] = ()


def hooks_with_events() -> list[int]:
    with atomic_cursor(read_only=True) as cursor:
        found = fetch(
            cursor,
            f"SELECT id FROM messaging_hook hook WHERE EXISTS (SELECT 1 FROM messaging_webhookevent event "
            f"WHERE event.hook_id = hook.id AND event.state = {EventState.PENDING.value}) {every_tenant('ingest')}",
        )
    return [row[0] for row in found]


def has_unread(channel_id: int) -> bool:
    """Whether its hook has webhooks that nobody understood yet: the provider knows more than the store."""
    with atomic_cursor(read_only=True) as cursor:
        found = fetch(
            cursor,
            f"SELECT 1 FROM messaging_channel channel JOIN messaging_webhookevent event "
            f"ON event.hook_id = channel.hook_id AND event.state = {EventState.PENDING.value} "
            f"WHERE channel.id = %s {every_tenant('by key')} LIMIT 1",
            [channel_id],
        )
    return bool(found)


class TakenWebhook(NamedTuple):
    """``query`` and ``body`` are as they were stored, perhaps sealed; a large body is put in its place as it is."""

    id: int
    uid: UUID
    tenant_id: int
    tries: int
    method: str
    path: str
    query: str
    headers: str
    body: bytes
    large: LargeBody
    received_at: float


class Refused(NamedTuple):
    """A webhook that is set aside, or that was none of ours."""

    id: int
    state: EventState
    note: str


Understood = Arrival | Refused


def take_webhooks(worker_id: int, hook_id: int, limit: int = 500) -> list[TakenWebhook]:
    """The oldest pending webhooks of a hook, which belongs to this worker until they are applied.

    Nobody else applies them in another order; a worker that dies loses the hook with everything else it held. How far
    it wanted to go is committed first: whoever finds that mark after its end counts a try for each of these webhooks,
    and takes those that were tried alone.
    """
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
        return _read(cursor, batch)


def _read(cursor: Cursor, ids: Sequence[int]) -> list[TakenWebhook]:
    found = fetch(
        cursor,
        f"SELECT id, uid, tenant_id, tries, method, path, query, headers, body, body_file, body_key, body_size, "
        f"body_sha256, received_at FROM messaging_webhookevent WHERE {among('id')} {every_tenant('ingest')} "
        f"ORDER BY id",
        [array(ids)],
    )
    return [_taken(row) for row in found]


def _taken(row: Row) -> TakenWebhook:
    id_, uid, tenant_id, tries, method, path, query, headers, body, *large, received_at = row
    return TakenWebhook(
        id_, as_uuid(uid), tenant_id, tries, method, path, query, headers, bytes(body), LargeBody(*large), received_at
    )


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
        f"SELECT id, tries, length(body) + body_size FROM messaging_webhookevent WHERE hook_id = %s "
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


def understand_webhooks(taken: Sequence[TakenWebhook], parse: Parse) -> list[Understood]:
    """Away from the store: parsing may take its time."""
    return [_understand(event, parse) for event in taken]


def _understand(event: TakenWebhook, parse: Parse) -> Understood:
    if event.tries >= MOST_TRIES:
        return Refused(event.id, EventState.DEAD, f"poison: its process ended {event.tries} times")
    try:
        events = parse(_request_of(event))
    except PayloadForeign as foreign:
        return Refused(event.id, EventState.DONE, f"foreign: {foreign.detail}")
    except Exception as bug:  # noqa: BLE001 -- kept and shown, and its followers go on
        return Refused(event.id, EventState.DEAD, f"not understood: {type(bug).__name__}")
    return Arrival(event.id, event.uid, event.tenant_id, events, event.received_at)


_decode_headers = msgspec.json.Decoder(dict[str, str]).decode


def _request_of(event: TakenWebhook) -> StoredRequest:
    query = sealer().unseal(event.query) if event.query else ""
    headers = _decode_headers(event.headers)
    body = event.body if event.large.file else sealer().unseal_bytes(event.body)
    return StoredRequest(event.method, event.path, query, headers, body)


def apply_webhooks(worker_id: int, hook_id: int, understood: Sequence[Understood], debounce: Debounce) -> Ingested:
    """What was understood has its effects in one transaction, and the hook is free again."""
    if not understood:
        return Ingested(0, 0, Counter())
    try:
        return _apply(worker_id, hook_id, understood, debounce)
    except AWAY:
        raise
    except Exception:  # noqa: BLE001 -- whatever it is, it must not come back with each look round
        # One of them is at fault: each by itself, in order.
        each = [_apply_alone(worker_id, hook_id, one, debounce) for one in understood]
        ages = tuple(age for one in each for age in one.held_s)
        tally = sum((one.tally for one in each), Counter())
        return Ingested(len(understood), sum(one.buried for one in each), tally, ages)


def _apply(worker_id: int, hook_id: int, understood: Sequence[Understood], debounce: Debounce) -> Ingested:
    begun = time.monotonic()
    arrivals = [one for one in understood if isinstance(one, Arrival)]
    refused = [one for one in understood if isinstance(one, Refused)]
    with atomic_cursor() as cursor:
        moment = _find_ours(cursor, worker_id, hook_id)
        if moment is None:
            return Ingested(0, 0, Counter())
        notes, tally = apply_events(cursor, hook_id, arrivals, debounce, moment)
        understood_as = EventState.DONE.value
        done = [(id_, understood_as, note[:LONGEST_NOTE], moment) for id_, note in notes]
        waiting = {arrival.id for arrival in arrivals} - {id_ for id_, _ in notes}
        held = [(id_, EventState.HELD.value, HELD, None) for id_ in sorted(waiting)]
        dead = [(id_, state.value, note[:LONGEST_NOTE], moment) for id_, state, note in refused]
        EVENT.update(cursor, ("state", "outcome", "understood_at"), done + held + dead)
        _let_go(cursor, hook_id)
    if is_traced():
        for arrival in arrivals:
            tell_span("ingest", arrival.uid, time.monotonic() - begun, {"hook": hook_id, "tenant": arrival.tenant_id})
    ages = tuple(moment - arrival.received_at for arrival in arrivals if arrival.id in waiting)
    return Ingested(len(understood), sum(one.state is EventState.DEAD for one in refused), tally, ages)


def _apply_alone(worker_id: int, hook_id: int, one: Understood, debounce: Debounce) -> Ingested:
    """One that the store refuses is set aside and shown; it holds up nobody."""
    try:
        with atomic_cursor() as cursor:
            _hold(cursor, worker_id, hook_id, one.id)
        return _apply(worker_id, hook_id, [one], debounce)
    except AWAY:
        raise
    except Exception as bad:  # noqa: BLE001 -- kept and shown
        with atomic_cursor() as cursor:
            if _find_ours(cursor, worker_id, hook_id) is not None:
                note = f"could not be applied: {type(bad).__name__}"
                EVENT.update(cursor, ("state", "outcome"), [(one.id, EventState.DEAD.value, note)])
                _let_go(cursor, hook_id)
        return Ingested(1, 1, Counter())


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
