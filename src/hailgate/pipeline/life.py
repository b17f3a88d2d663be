"""One life of a worker: a lease, and the loops that run under it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from hailgate.accounts.alarms import raise_alarm
from hailgate.core.alarms import Alarm, Cause
from hailgate.core.delivery import RetryPolicy
from hailgate.core.errors import StoreUnavailable
from hailgate.core.events import ProviderEvent
from hailgate.env import Environment
from hailgate.messaging.alarming import keeps_house
from hailgate.messaging.amending import apply_early_changes
from hailgate.messaging.answering import claim_turns, finish_turns
from hailgate.messaging.applying import Debounce
from hailgate.messaging.businesses import claim_business
from hailgate.messaging.channels import HookView, get_hook
from hailgate.messaging.expiring import EXPIRED_AT_ONCE, bury_expired
from hailgate.messaging.fetching import claim_fetches
from hailgate.messaging.files import open_files
from hailgate.messaging.housekeeping import Housekeeping, Kept
from hailgate.messaging.outcomes import record_outcomes, settle_parked
from hailgate.messaging.queue import claim_deliveries
from hailgate.messaging.receiving import Ingested, hooks_with_events, ingest
from hailgate.messaging.statuses import apply_early_statuses
from hailgate.messaging.sweeping import promote_all, promote_lost_heads, pull_in
from hailgate.messaging.takeover import declare_dead, find_ended, release_strays, sign_off
from hailgate.messaging.waking import Wake
from hailgate.pipeline.bridge import Db, Gate
from hailgate.pipeline.connections import Connections
from hailgate.pipeline.faultpoints import swallow
from hailgate.pipeline.fetches import ATTEMPTS as FETCH_ATTEMPTS
from hailgate.pipeline.fetches import Fetches
from hailgate.pipeline.lease import Lease
from hailgate.pipeline.listing import Listing
from hailgate.pipeline.outbound import Outbound
from hailgate.pipeline.retention import EVERY_S as RETENTION_EVERY_S
from hailgate.pipeline.retention import Retention
from hailgate.pipeline.turns import Turns
from hailgate.pipeline.uploads import Uploads
from hailgate.pipeline.wakes import Wakes, listen, seconds_until
from hailgate.providers.contract import WebhookRequest
from hailgate.telemetry import FORGOTTEN_HEADS, INGESTED, TAKEN_OVER, Event, log, where

CLAIM_BATCH = 200
TURNS_AT_ONCE = 100
# Each may hold parts of a large file in memory, and none of them is urgent.
FETCHES_AT_ONCE = 16
STORE_AWAY_S = 0.5
FORGOTTEN_EVERY_S = 15.0
HOUSEKEEPING_EVERY_S = 3600.0
HOUSEKEEPING_REST_S = 0.1

Part = TypeVar("Part")


class Life:
    def __init__(self, env: Environment, db: Db) -> None:
        self._env, self._db = env, db
        self._loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        self._lease = Lease(env.lease_s, env.renew_s, env.home / "workers", self._lose)
        self._wakes = Wakes(env.poll_s)
        self._connections = Connections(
            db, per_host=env.send_concurrency, connect=env.connect_timeout_s, total=env.send_timeout_s
        )
        self._hooks: dict[int, HookView] = {}
        self._debounce = Debounce(env.debounce_s, env.debounce_max_s)
        self._born = time.monotonic()
        self._last: dict[str, float] = {}

    @property
    def worker_id(self) -> int:
        return self._lease.worker_id

    async def begin(self) -> None:
        await self._db(self._lease.begin)
        self._id = self._lease.worker_id
        policy = RetryPolicy(max_attempts=self._env.max_attempts, base=self._env.retry_base_s)
        outcomes = Gate(self._db, partial(record_outcomes, self._id, self._env.hold_s))
        files = open_files(self._env.home, self._env.media_url)
        self._outbound = Outbound(
            self._db,
            self._id,
            outcomes=outcomes,
            connections=self._connections,
            policy=policy,
            uploads=Uploads(self._db, files=files),
            check_lease=self._lease.check,
        )
        self._turns = Turns(
            self._db,
            self._id,
            ends=Gate(self._db, partial(finish_turns, self._id)),
            connections=self._connections,
            life_s=self._env.message_ttl_s,
        )
        self._beginning: asyncio.Future[None] | None = None
        self._answers: set[asyncio.Task[None]] = set()
        self._fetches = Fetches(
            self._db,
            self._id,
            files=files,
            connections=self._connections,
            policy=RetryPolicy(max_attempts=FETCH_ATTEMPTS, base=self._env.retry_base_s),
        )
        self._listing = Listing(self._db, self._connections)
        self._fetching: set[asyncio.Task[None]] = set()
        self._retention = Retention(self._db, self._id, files=files, kept_days=self._env.media_kept_days)
        log.info(Event.WORKER_STARTED, worker=self._id)

    async def abort(self) -> None:
        """Instead of a life: the store was away at its beginning."""
        self._wakes.close()
        await asyncio.to_thread(self._lease.end)

    async def live(self, stopping: asyncio.Event) -> None:
        """Until told to stop, or until the lease is lost."""
        loops = [
            asyncio.create_task(self._forever(step), name=name)
            for name, step in (
                ("deliver", self._deliver), ("ingest", self._ingest), ("answer", self._answer), ("fetch", self._fetch),
                ("list", self._list), ("sweep", self._sweep), ("house", self._keep_house), ("retain", self._retain),
            )
        ] + [asyncio.create_task(listen(self._wakes), name="listen")]  # fmt: skip
        told = [asyncio.create_task(event.wait()) for event in (stopping, self.ended)]
        try:
            await asyncio.wait([*told, *loops], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel([*told, *loops])
            await self._end()
        for loop in loops:
            if not loop.cancelled() and (bug := loop.exception()):
                raise bug

    async def _end(self) -> None:
        if self._beginning:  # whatever it raises, its rows are given back below
            self._beginning.add_done_callback(lambda beginning: beginning.cancelled() or beginning.exception())
        await _cancel(self._fetching)  # to be begun anew by whoever comes next
        lost = self._lease.lost
        if lost:
            log.error(Event.WORKER_LOST, worker=self._id)
            await self._outbound.abandon()
            await _cancel(self._answers)
        else:
            # Side by side: whoever stops this process waits no longer for two of them than for one.
            await asyncio.gather(self._outbound.drain(self._env.drain_s), self._finish_answers())
        await self._turns.close()
        self._wakes.close()
        await self._connections.close()
        if not lost:
            with suppress(StoreUnavailable):
                await self._db(sign_off, self._id, self._env.hold_s)
        await asyncio.to_thread(self._lease.end)
        self.ended.set()
        log.info(Event.WORKER_STOPPED, worker=self._id)

    async def _finish_answers(self) -> None:
        if self._answers:
            await asyncio.wait(self._answers, timeout=self._env.drain_s)
        await _cancel(self._answers)

    def _lose(self) -> None:
        self._loop.call_soon_threadsafe(self.ended.set)

    async def _forever(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except StoreUnavailable:
                log.warning(Event.STORE_UNAVAILABLE, part="worker")
                await asyncio.sleep(STORE_AWAY_S)
                await self._find_strays()
            except Exception as bug:  # noqa: BLE001 -- one bad row or hook must not end the work of all others
                log.error(Event.LOOP_FAILED, worker=self._id, error=type(bug).__name__, at=where(bug))
                await asyncio.sleep(STORE_AWAY_S)

    async def _find_strays(self) -> None:
        """After a break, a claim may have been committed that this process never heard of."""
        with suppress(StoreUnavailable):
            held = frozenset(self._outbound.held) | {int(task.get_name()) for task in self._answers | self._fetching}
            await self._db(release_strays, self._id, held)

    # --- the loops: each is one step, run for ever --------------------------------------------------------------------

    async def _deliver(self) -> None:
        free = self._env.send_concurrency - len(self._outbound.held)
        if free <= 0:
            self._outbound.freed.clear()
            await self._outbound.freed.wait()
            return
        asked = time.monotonic()
        claimed = await self._db(claim_deliveries, self._id, min(free, CLAIM_BATCH))
        # While one batch begins the next is claimed, and no more than one.
        await self._begun()
        if claimed.claims:
            self._beginning = self._outbound.begin(claimed, asked)
            if any(claim.tries > 1 for claim in claimed.claims):  # one may end this process: no others are at stake
                await self._begun()
        else:
            await self._wakes.wait(Wake.DELIVER, seconds_until(claimed.again_at, claimed.moment, asked))

    async def _begun(self) -> None:
        beginning, self._beginning = self._beginning, None
        if beginning:
            await beginning

    async def _ingest(self) -> None:
        taken = 0
        for hook_id in await self._db(hooks_with_events):
            taken += await self._apart(self._ingest_hook(hook_id)) or 0
        if not taken:
            await self._wakes.wait(Wake.INGEST)

    async def _ingest_hook(self, hook_id: int) -> int:
        hook = await self._hook(hook_id)
        ingested = await self._db(ingest, self._id, hook_id, partial(_understand, hook), self._debounce)
        _tell(hook_id, ingested)
        if ingested.buried:
            await self._db(raise_alarm, Cause(Alarm.WEBHOOK_BURIED, f"hook:{hook.uid}", hook.tenant_id))
        return ingested.webhooks

    async def _answer(self) -> None:
        asked = time.monotonic()
        claimed = await self._db(claim_turns, self._id, TURNS_AT_ONCE - len(self._answers))
        for turn in claimed.turns:
            task = asyncio.create_task(self._turns.answer(turn), name=str(turn.id))
            self._answers.add(task)
            task.add_done_callback(self._answered)
        if any(turn.tries > 1 for turn in claimed.turns):
            await asyncio.wait(self._answers)
        elif len(self._answers) >= TURNS_AT_ONCE:
            await asyncio.wait(self._answers, return_when=asyncio.FIRST_COMPLETED)
        elif not claimed.turns:
            await self._wakes.wait(Wake.ANSWER, seconds_until(claimed.again_at, claimed.moment, asked))

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._answers.discard(task)
        if not task.cancelled() and (failed := task.exception()):
            # The turn stays leased to us: it is found as a stray and begun again.
            log.error(Event.TURN_FAILED, turn=int(task.get_name()), code=type(failed).__name__)

    async def _fetch(self) -> None:
        asked = time.monotonic()
        claimed = await self._db(claim_fetches, self._id, FETCHES_AT_ONCE - len(self._fetching))
        for claim in claimed.claims:
            task = asyncio.create_task(self._fetches.fetch(claim, claimed.moment), name=str(claim.id))
            self._fetching.add(task)
            task.add_done_callback(self._fetched)
        if any(claim.tries > 1 for claim in claimed.claims):
            await asyncio.wait(self._fetching)
        elif len(self._fetching) >= FETCHES_AT_ONCE:
            await asyncio.wait(self._fetching, return_when=asyncio.FIRST_COMPLETED)
        elif not claimed.claims:
            await self._wakes.wait(Wake.FETCH, seconds_until(claimed.again_at, claimed.moment, asked))

    def _fetched(self, task: asyncio.Task[None]) -> None:
        self._fetching.discard(task)
        if not task.cancelled() and (failed := task.exception()):
            # The row stays leased to us: it is found as a stray and begun again.
            log.error(Event.FILE_NOT_FETCHED, code=type(failed).__name__)

    async def _list(self) -> None:
        claimed = await self._db(claim_business)
        if claimed:
            await self._listing.bring(claimed)
        else:
            await self._wakes.wait(Wake.TEMPLATES)

    async def _sweep(self) -> None:
        await self._apart(self._take_over())
        for look_round in (promote_all, settle_parked, apply_early_statuses, apply_early_changes):
            await self._apart(self._db(look_round))
        if self._is_time(FORGOTTEN_EVERY_S, "forgotten"):
            FORGOTTEN_HEADS.inc(await self._apart(self._db(promote_lost_heads)) or 0)
            await self._apart(self._db(pull_in, self._env.debounce_max_s, self._env.hold_s))
            buried: int | None = EXPIRED_AT_ONCE
            while buried == EXPIRED_AT_ONCE:
                buried = await self._apart(self._db(bury_expired))
            await self._find_strays()
        await asyncio.sleep(self._env.poll_s)

    async def _keep_house(self) -> None:
        """One worker for all, with a rest after every few rows: whoever sends or writes goes first."""
        await asyncio.sleep(HOUSEKEEPING_EVERY_S)
        if not await self._db(keeps_house, self._id):
            return
        env = self._env
        house = Housekeeping(Kept(env.keep_events_s, env.keep_attempts_s, env.keep_alarms_s, env.keep_audit_s))
        more = True
        while more:
            more = await self._db(house.some)
            await asyncio.sleep(HOUSEKEEPING_REST_S)

    async def _retain(self) -> None:
        """Apart from the other sweeps, which must not wait for a store of files."""
        await asyncio.sleep(RETENTION_EVERY_S)
        await self._retention.sweep()

    def _is_time(self, every: float, what: str) -> bool:
        due = time.monotonic() >= self._last.get(what, self._born) + every
        if due:
            self._last[what] = time.monotonic()
        return due

    async def _take_over(self) -> None:
        for worker_id in await self._db(find_ended, self._id, self._env.lease_s):
            freed = await self._apart(self._db(declare_dead, worker_id, self._env.lease_s, self._env.hold_s))
            if freed is not None:
                TAKEN_OVER.inc()
                log.warning(Event.WORKER_TOOK_OVER, worker=self._id, other=worker_id, count=freed)

    async def _apart(self, part: Awaitable[Part]) -> Part | None:
        """One of many: what it raises is told, and the others have their turn."""
        try:
            return await part
        except StoreUnavailable:
            raise
        except Exception as bug:  # noqa: BLE001 -- a hook or a worker's row that nobody foresaw
            log.error(Event.LOOP_FAILED, worker=self._id, error=type(bug).__name__, at=where(bug))
            return None

    async def _hook(self, hook_id: int) -> HookView:
        if hook_id not in self._hooks:
            self._hooks[hook_id] = await self._db(get_hook, hook_id)
        return self._hooks[hook_id]


def _understand(hook: HookView, body: bytes) -> Sequence[ProviderEvent]:
    swallow("webhook", body)
    return hook.receiver.parse(WebhookRequest(method="POST", query={}, headers={}, body=body))


def _tell(hook_id: int, ingested: Ingested) -> None:
    for kind, event in (("message", Event.MESSAGE_RECEIVED), ("status", Event.MESSAGE_STATUS)):
        if count := ingested.tally[kind]:
            INGESTED.labels(kind).inc(count)
            log.info(event, hook=hook_id, count=count)
    if ingested.buried:
        log.error(Event.WEBHOOK_BURIED, hook=hook_id, count=ingested.buried)


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    doomed = tuple(tasks)
    for task in doomed:
        task.cancel()
    await asyncio.gather(*doomed, return_exceptions=True)
