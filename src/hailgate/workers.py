"""The composition root of a worker: what it consists of, made from the settings that each part needs."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from hailgate.assistant.model_processes import ModelProcesses
from hailgate.connectors.secret_cache import ProcessCache, RedisCache, open_redis
from hailgate.connectors.tenant_service import TenantService
from hailgate.connectors.tenants import StoredTenants
from hailgate.connectors.understanding import Understanding
from hailgate.core.delivery import ProviderWaits, RetryPolicy
from hailgate.core.errors import ConfigurationError
from hailgate.core.slots import Slots
from hailgate.env import Environment
from hailgate.messaging.channels.checks import ChannelCheck, claim_checks
from hailgate.messaging.channels.session_watch import SessionClaim, claim_sessions
from hailgate.messaging.files.fetch import FetchClaim, claim_fetches
from hailgate.messaging.files.storage import Files, open_files
from hailgate.messaging.inbound.call_turns import Debounce
from hailgate.messaging.inbound.polls import PollClaim, begin_polls, claim_polls
from hailgate.messaging.inbound.turns import Turn, claim_turns, finish_turns
from hailgate.messaging.outbound.outcomes import record_outcomes
from hailgate.messaging.outbound.search import SearchClaim, begin_searches, claim_searches
from hailgate.messaging.store.notify import Wake
from hailgate.messaging.store.ports import Db
from hailgate.messaging.upkeep.purge import RetentionPeriods
from hailgate.pipeline.assistants import Assistants
from hailgate.pipeline.bridge import Gate
from hailgate.pipeline.channel_checks import ChannelChecks
from hailgate.pipeline.connections import Connections
from hailgate.pipeline.deliveries import Deliveries
from hailgate.pipeline.fetches import ATTEMPTS as FETCH_ATTEMPTS
from hailgate.pipeline.fetches import Fetches
from hailgate.pipeline.inbound import Inbound
from hailgate.pipeline.ingesting import Ingesting
from hailgate.pipeline.loop import WorkLoop
from hailgate.pipeline.outbound import Outbound
from hailgate.pipeline.polls import Polls
from hailgate.pipeline.retention import Retention
from hailgate.pipeline.searches import Searches
from hailgate.pipeline.sessions import Sessions
from hailgate.pipeline.sweeps import Patience, Sweeps, TemplateSync, Upkeep
from hailgate.pipeline.template_sync import TemplateLister
from hailgate.pipeline.tools import Tools
from hailgate.pipeline.turn_files import TurnFiles
from hailgate.pipeline.turns import Turns
from hailgate.pipeline.uploads import Uploads
from hailgate.pipeline.worker import WorkerProcess
from hailgate.pipeline.worker_run import Given, Step, Terms, WorkerParts, WorkerRun
from hailgate.providers import list_providers
from hailgate.providers.transport import Transport
from hailgate.telemetry.events import Event

# What usually takes longer than this is slow, and leaves others most of the slots.
SLOW_SEND_S = 0.5
SLOW_TURN_S = 10.0
SLOW_CALL_S = 5.0
# A quick channel may have half of them.
TURNS_AT_ONCE = 200
# Each may hold parts of a large file in memory, and none of them is urgent.
FETCHES_AT_ONCE = 16
# Each waits for somebody else's server, and none of them is many.
SESSIONS_AT_ONCE = 32
SEARCHES_AT_ONCE = 16
POLLS_AT_ONCE = 8
# Nobody but the tenant's own messages waits for a tenant service.
TENANT_CONNECT_S = 3.0
TENANT_ANSWER_S = 5.0
CHECKS_AT_ONCE = 16
# The loops by which nothing leaves, and how often the others look whether they may go on.
STAYS_INSIDE = frozenset({"ingest", "sweep", "house", "retain"})
HELD_LOOK_S = 0.5


def make_worker(env: Environment, db: Db, overloaded: Callable[[], bool] = lambda: False) -> WorkerProcess:
    """``overloaded``: whether the doors of this process have more to write than they should."""
    terms = Terms(env.lease_s, env.renew_s, env.poll_s, env.hold_s, env.drain_s, env.home / "workers")
    return WorkerProcess(lambda: WorkerRun(db, terms, partial(_build, env, db, overloaded)))


def _build(env: Environment, db: Db, overloaded: Callable[[], bool], run: Given) -> WorkerParts:
    shared = _open_shared(env, db)
    deliveries = Deliveries(db, run.worker_id, _build_outbound(env, db, run, shared), run.wakes)
    turns, turn_loop = _build_turns(env, db, run, shared)
    loops: dict[str, WorkLoop[Any]] = {
        "fetch": _build_fetches(env, db, run, shared),
        "watch": _build_sessions(db, run, shared.connections),
        "search": _build_searches(db, run, shared.connections),
        "poll": _build_polls(db, run, shared.connections),
        "check": _build_checks(db, run, shared.connections),
    }

    async def close() -> None:
        await turns.close()
        await shared.close()

    steps = {
        **_build_broker(env, db, run, shared.service, overloaded),
        "deliver": deliveries.step,
        "ingest": _build_ingesting(env, db, run, shared.files).step,
        "answer": turn_loop.step,
        **{name: loop.step for name, loop in loops.items()},
        **_build_upkeep(env, db, run, shared),
    }
    return WorkerParts(
        steps={name: _unless_held(run.is_held, name, step) for name, step in steps.items()},
        finished=[deliveries, turn_loop],
        repeated=list(loops.values()),
        leave=deliveries.leave,
        close=close,
    )


class _Shared(NamedTuple):
    """What several parts of a worker use, closed after them."""

    service: TenantService | None
    connections: Connections
    files: Files
    models: ModelProcesses

    async def close(self) -> None:
        await self.models.close()
        await self.connections.close()
        if self.service is not None:
            await self.service.close()


def _open_shared(env: Environment, db: Db) -> _Shared:
    service = open_tenant_service(env, db)
    connections = Connections(
        db,
        per_host=env.send_concurrency,
        connect=env.connect_timeout_s,
        total=env.send_timeout_s,
        public_url=env.public_url,
        elsewhere=service,
    )
    return _Shared(service, connections, open_files(env.home, env.media_url), ModelProcesses())


def _unless_held(is_held: Callable[[], bool], name: str, step: Step) -> Step:
    """While the installation is held, only what keeps and understands what comes in goes on."""
    if name in STAYS_INSIDE:
        return step

    async def held_back() -> None:
        if is_held():
            await asyncio.sleep(HELD_LOOK_S)
        else:
            await step()

    return held_back


def _build_ingesting(env: Environment, db: Db, run: Given, files: Files) -> Ingesting:
    debounce = Debounce(env.debounce_s, env.debounce_max_s)
    inbound = Inbound(db, run.worker_id, files=files, debounce=debounce, url=env.reached_at)
    return Ingesting(db, run.worker_id, run.wakes, inbound)


def _build_outbound(env: Environment, db: Db, run: Given, shared: _Shared) -> Outbound:
    return Outbound(
        db,
        run.worker_id,
        outcomes=Gate(db, partial(record_outcomes, run.worker_id, env.hold_s)),
        connections=shared.connections,
        policy=RetryPolicy(max_attempts=env.max_attempts, base=env.retry_base_s),
        uploads=Uploads(db, files=shared.files, public_url=env.public_url),
        slots=Slots(env.send_concurrency, SLOW_SEND_S),
        check_lease=run.check_lease,
        marks=run.marks,
    )


def _longest_rest() -> float:
    return max(spec.capabilities.waits.longest for spec in list_providers())


def _build_turns(env: Environment, db: Db, run: Given, shared: _Shared) -> tuple[Turns, WorkLoop[Turn]]:
    turns = Turns(
        db,
        run.worker_id,
        ends=Gate(db, partial(finish_turns, run.worker_id)),
        connections=shared.connections,
        assistants=Assistants(shared.models, env.private_targets),
        tools=Tools(db, env.private_targets),
        files=TurnFiles(db, shared.files),
        life_s=env.message_ttl_s,
        within_s=env.answer_within_s,
    )
    turns.prepare()
    loop = WorkLoop(
        db,
        run.worker_id,
        claim=claim_turns,
        run=turns.answer,
        slots=Slots(TURNS_AT_ONCE, SLOW_TURN_S),
        wakes=run.wakes,
        wake=Wake.ANSWER,
        failed=Event.TURN_FAILED,
    )
    return turns, loop


def _build_fetches(env: Environment, db: Db, run: Given, shared: _Shared) -> WorkLoop[FetchClaim]:
    waits = ProviderWaits(longest=_longest_rest())
    policy = RetryPolicy(max_attempts=FETCH_ATTEMPTS, base=env.retry_base_s, waits=waits)
    fetches = Fetches(db, run.worker_id, files=shared.files, connections=shared.connections, policy=policy)
    return WorkLoop(
        db,
        run.worker_id,
        claim=claim_fetches,
        run=fetches.fetch,
        slots=Slots(FETCHES_AT_ONCE, SLOW_CALL_S),
        wakes=run.wakes,
        wake=Wake.FETCH,
        failed=Event.FILE_NOT_FETCHED,
    )


def _build_sessions(db: Db, run: Given, connections: Connections) -> WorkLoop[SessionClaim]:
    return WorkLoop(
        db,
        run.worker_id,
        claim=claim_sessions,
        run=Sessions(db, run.worker_id, connections=connections).watch,
        slots=Slots(SESSIONS_AT_ONCE, SLOW_CALL_S),
        wakes=run.wakes,
        wake=Wake.SESSION,
        failed=Event.SESSION_UNKNOWN,
    )


def _build_searches(db: Db, run: Given, connections: Connections) -> WorkLoop[SearchClaim]:
    return WorkLoop(
        db,
        run.worker_id,
        claim=claim_searches,
        run=Searches(db, run.worker_id, connections=connections).look,
        slots=Slots(SEARCHES_AT_ONCE, SLOW_CALL_S),
        wakes=run.wakes,
        wake=Wake.LOOK,
        failed=Event.LOOP_FAILED,
    )


def open_tenant_service(env: Environment, db: Db) -> TenantService | None:
    if not env.tenant_service_url:
        return None
    token = env.tenant_service_token.get_secret_value() if env.tenant_service_token else ""
    cache = RedisCache(open_redis(env.redis_url.get_secret_value())) if env.redis_url else ProcessCache()
    url = env.tenant_service_url + env.tenant_service_path
    transport = Transport(connect=TENANT_CONNECT_S, total=TENANT_ANSWER_S)
    return TenantService(db, transport, cache, url=url, token=token)


def _build_broker(
    env: Environment, db: Db, run: Given, service: TenantService | None, overloaded: Callable[[], bool]
) -> dict[str, Step]:
    """What reads the broker's queue and what writes to it. Raises ConfigurationError where aio-pika is missing."""
    if env.rabbitmq is None:
        return {}
    try:
        from hailgate.connectors.rabbitmq.connection import Broker
        from hailgate.connectors.rabbitmq.consumer import Consumer
        from hailgate.connectors.rabbitmq.publisher import Publisher
    except ImportError:
        raise ConfigurationError(
            ["HAILGATE_RABBITMQ_URL needs aio-pika, the extra `rabbitmq`: `make install` brings it"]
        ) from None
    broker = Broker(env.rabbitmq, env.rabbitmq_queue, env.rabbitmq_exchange, env.rabbitmq_prefetch)
    tenants = service or StoredTenants(db)
    understanding = Understanding(db, tenants, life_s=env.message_ttl_s)
    wait = partial(run.wakes.wait, Wake.PUBLISH)
    drops = env.rabbitmq_unrouted == "drop"
    consumer = Consumer(
        broker,
        db,
        run.worker_id,
        tenants=tenants,
        understanding=understanding,
        queue_limit=env.queue_limit,
        overloaded=overloaded,
    )
    publisher = Publisher(broker, db, run.worker_id, wait, drops_unrouted=drops)
    return {"consume": consumer.run_for_ever, "publish": publisher.run_for_ever}


def _build_polls(db: Db, run: Given, connections: Connections) -> WorkLoop[PollClaim]:
    return WorkLoop(
        db,
        run.worker_id,
        claim=claim_polls,
        run=Polls(db, run.worker_id, connections=connections).poll,
        slots=Slots(POLLS_AT_ONCE, SLOW_CALL_S),
        wakes=run.wakes,
        wake=Wake.POLL,
        failed=Event.POLL_FAILED,
    )


def _begin_duties() -> list[Callable[[], int]]:
    able = [(spec.name, spec.capabilities) for spec in list_providers()]
    return [
        partial(begin_searches, [name for name, can in able if can.finds_sent]),
        partial(begin_polls, [name for name, can in able if can.polls_inbound]),
    ]


def _build_checks(db: Db, run: Given, connections: Connections) -> WorkLoop[ChannelCheck]:
    checks = ChannelChecks(db, run.worker_id, connections)
    return WorkLoop(
        db,
        run.worker_id,
        claim=claim_checks,
        run=lambda check, _claimed_at: checks.check(check),
        slots=Slots(CHECKS_AT_ONCE, SLOW_CALL_S),
        wakes=run.wakes,
        wake=Wake.CHECK,
        failed=Event.PROVIDER_ERROR,
    )


def _build_upkeep(env: Environment, db: Db, run: Given, shared: _Shared) -> dict[str, Step]:
    patience = Patience(env.poll_s, env.lease_s, env.hold_s, env.debounce_max_s, _longest_rest())
    kept = RetentionPeriods(env.keep_events_s, env.keep_attempts_s, env.keep_alarms_s, env.keep_audit_s)
    retention = Retention(db, run.worker_id, files=shared.files, kept_days=env.media_kept_days)
    upkeep = Upkeep(db, run.worker_id, kept, retention)
    return {
        "list": TemplateSync(db, TemplateLister(db, shared.connections), run.wakes).step,
        "sweep": Sweeps(db, run.worker_id, patience, run.find_strays, _begin_duties()).step,
        "house": upkeep.keep_house,
        "retain": upkeep.retain,
    }
