"""The composition root of everything that speaks HTTP, with or without a worker beside it.

Imports are made where they are used: Django's models can be loaded only once Django is ready.
"""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp

from hailgate.edge.http.background_tasks import report_end, report_what_nobody_awaits
from hailgate.edge.http.server import Server, listen
from hailgate.env import Environment, split_bind
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import configure_logging, log

if TYPE_CHECKING:
    from hailgate.connectors.live_updates import LiveUpdates
    from hailgate.connectors.tenant_service import TenantService
    from hailgate.edge.doors.hooks import Hooks
    from hailgate.edge.doors.rejections import Rejections
    from hailgate.edge.http.counters import RedisCounters
    from hailgate.edge.http.keys import Keys
    from hailgate.messaging.inbound.receive import ReceivedWebhook
    from hailgate.messaging.outbound.accept import Accepted
    from hailgate.messaging.outbound.new_message import NewMessage
    from hailgate.messaging.store.ports import Db
    from hailgate.pipeline.alarm_checks import Watch
    from hailgate.pipeline.bridge import Gate, ThreadedDatabase
    from hailgate.pipeline.store_watchdog import StoreWatchdog
    from hailgate.pipeline.worker import WorkerProcess
    from hailgate.providers.spec import AnyProviderSpec
    from hailgate.spool.webhooks import Arrived, Spool

# Threads that work in Python hold the interpreter for at most this long while the event loop wants it. Python's own
# 5 ms make four of them cost an edge request 25 ms.
SWITCH_INTERVAL_S: Final = 0.0005
# Garbage in cycles is rare here, and each look for it passes by all that is in flight: with Python's own 700 new
# objects between two looks, they took a quarter of the processor's time.
COLLECT_AFTER: Final = 50_000
# Of those who sign in, so many may wait for the one thread; more are asked to come back.
SIGN_INS_WAITING: Final = 4
VERSION: Final = version("hailgate")
ASSETS: Final = (("hailgate.console", "static"), ("django.contrib.admin", "static"))

OnFailure = Callable[[], None]
# Takes what must be called when the server is told to stop, before it waits for requests that are under way.
AtStop = Callable[[Callable[[], None]], None]


def serve(env: Environment, *, with_worker: bool) -> int:
    """Run until SIGTERM or Ctrl-C; returns the exit code. Raises ConfigurationError where it cannot begin."""
    return _run(
        env,
        env.bind,
        lambda on_failure, at_stop: create_app(env, with_worker=with_worker, on_failure=on_failure, at_stop=at_stop),
    )


def serve_work(env: Environment) -> int:
    """A worker alone, with probes and metrics on ``work_bind`` where that is set."""
    return _run(env, env.work_bind, lambda on_failure, _: create_work_app(env, on_failure=on_failure))


def create_app(
    env: Environment,
    *,
    with_worker: bool,
    on_failure: OnFailure = lambda: None,
    at_stop: AtStop = lambda _: None,
) -> ASGIApp:
    """The whole program as an ASGI application; starting and stopping go through its lifespan."""
    service = Service(env, with_worker=with_worker, on_failure=on_failure)
    from django.conf import settings

    from hailgate.accounts.sessions import Limits
    from hailgate.edge.app import beside_doors, build_app, console, doors, pages
    from hailgate.edge.doors.export import Export
    from hailgate.edge.doors.hooks import Hooks
    from hailgate.edge.doors.live import Live
    from hailgate.edge.doors.media import Media
    from hailgate.edge.doors.rejections import Rejections
    from hailgate.edge.doors.send import Sending
    from hailgate.edge.doors.webhook_bodies import WebhookBodies
    from hailgate.edge.http.assets import Assets
    from hailgate.edge.http.keys import Keys
    from hailgate.edge.http.sessions import OperatorSessions
    from hailgate.messaging.files.storage import open_files
    from hailgate.messaging.store.sqlite_writer import use_writer

    db, pulse = service.db, service.pulse
    gates, rejections = service.open_gates(), Rejections(db)
    asked = pulse.guard_db(db)
    spooling = _make_spool(env, asked)
    keys, files = Keys(asked), open_files(env.home, env.media_url)
    gate, bodies = pulse.guard(gates.webhooks), WebhookBodies(files)
    where = {"url": env.reached_at, "public_url": env.public_url}
    hooks = Hooks(asked, gate, rejections, spooling.spool, bodies=bodies, elsewhere=service.tenants, **where)
    managed, shared = _manage(env, pulse, keys), _open_counters(env)
    sessions = OperatorSessions(
        service.looking, Limits(env.session_idle_s, env.session_s), settings.SESSION_COOKIE_NAME
    )
    live, media = Live(service.looking, sessions, service.hear), Media(asked, files, keys, sessions)
    export = Export(asked, pulse.guard_db(service.looking), sessions)
    at_stop(live.end)
    at_stop(service.tell_stop)  # sends end while requests do: whoever stops the process waits for them once

    @asynccontextmanager
    async def lifespan(_: Router) -> AsyncIterator[None]:
        """Requests have ended when it is left: then what they wrote, then the worker, then the store."""
        report_what_nobody_awaits()
        use_writer(db.run if env.on_sqlite else None)
        await service.start()
        try:
            async with _background(rejections, hooks, spooling):
                yield
        finally:
            await gates.drain()
            live.end()
            await asyncio.to_thread(managed.close)
            if shared is not None:
                await shared.close()
            use_writer(None)
            await service.stop()

    sending = Sending(asked, pulse.guard(gates.messages), keys, life_s=env.message_ttl_s, shared=shared)
    routes = [
        *doors(hooks, sending, media, export),
        *beside_doors(managed.api),
        *service.watching(env.bind, spooling.spool),
        *console(live, media, export, Assets(ASSETS), settings.STATIC_URL),
        *pages(),
    ]
    return build_app(
        routes,
        rest=managed.app,
        lifespan=lifespan,
        limited=_limit_sources(env, settings.STATIC_URL, shared),
        over_tls=env.over_tls,
    )


def create_work_app(env: Environment, *, on_failure: OnFailure = lambda: None) -> ASGIApp:
    service = Service(env, with_worker=True, on_failure=on_failure)
    from hailgate.edge.app import build_app

    @asynccontextmanager
    async def lifespan(_: Router) -> AsyncIterator[None]:
        report_what_nobody_awaits()
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    return build_app(service.watching(env.work_bind), lifespan=lifespan)


def prepare_django(env: Environment) -> None:
    """Django and the key ring, once per process."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hailgate.settings")
    import django
    from django.apps import apps

    if not apps.ready:
        django.setup()
    from hailgate.accounts.seal import Sealer, use_sealer

    use_sealer(Sealer(env.sealing_keys, content=env.seal_content))
    from hailgate.messaging.broker.outbox import use_outbox

    use_outbox(events=bool(env.rabbitmq and env.rabbitmq_exchange), dead_letters=bool(env.rabbitmq))


class Service:
    """The store and the worker of one process.

    ``on_failure`` is called when the worker ends by itself, which only a bug makes it do.
    """

    def __init__(self, env: Environment, *, with_worker: bool, on_failure: OnFailure) -> None:
        prepare_django(env)
        from hailgate.pipeline.bridge import ThreadedDatabase
        from hailgate.pipeline.store_watchdog import StoreWatchdog

        self._env, self._on_failure = env, on_failure
        self.db: ThreadedDatabase = ThreadedDatabase(1 if env.on_sqlite else env.database_threads)
        self.pulse: StoreWatchdog = StoreWatchdog(self.db)
        # For those who only look: on SQLite nobody may make the one writer wait.
        self.looking: ThreadedDatabase = ThreadedDatabase(1)
        self._gates: Sequence[Gate[Any, Any]] = ()
        self._tenants: TenantService | None = None
        self._worker: WorkerProcess | None = self._make_worker() if with_worker else None
        self._working: asyncio.Task[None] | None = None
        self._watch = self._make_watch(env)
        self._updates = _open_updates(env)

    async def start(self) -> None:
        self._beside = [
            asyncio.create_task(self.pulse.beat_for_ever(), name="pulse"),
            asyncio.create_task(self._watch.watch_for_ever(), name="watch"),
        ]
        if self._updates is not None:
            self._beside.append(asyncio.create_task(self._updates.tell_for_ever(), name="live updates"))
        for task in self._beside:
            report_end(task)
        if self._worker is not None:
            self._working = asyncio.create_task(self._worker.run(), name="worker")
            report_end(self._working)
            self._working.add_done_callback(self._worker_ended)

    async def hear(self, stir: Callable[[], None]) -> None:
        """Calls ``stir`` for what other processes commit, where there is Redis to tell it."""
        if self._updates is not None:
            await self._updates.hear_for_ever(stir)

    def tell_stop(self) -> None:
        """The worker claims nothing more, and finishes what it has."""
        if self._worker is not None:
            self._worker.stop()

    async def stop(self) -> None:
        self.tell_stop()
        if self._working is not None:
            with suppress(Exception):  # it was told when it happened
                await self._working
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        if self._updates is not None:
            await self._updates.close()
        if self._tenants is not None:
            await self._tenants.close()
        await asyncio.to_thread(self.looking.close)
        self.db.close()

    def open_gates(self) -> "_Gates":
        """What the doors of this process write through."""
        self._gates = gates = _gates(self._env, self.db)
        return gates

    def tenants(self) -> "TenantService | None":
        """The tenant service, as the doors ask it: opened in the loop that runs, once somebody does."""
        if self._tenants is None and self._env.tenant_service_url:
            from hailgate.workers import open_tenant_service

            self._tenants = open_tenant_service(self._env, self.db)
        return self._tenants

    def watching(self, bind: str, spool: "Spool | None" = None) -> list[BaseRoute]:
        """Probes and metrics, as they may be shown on ``bind``."""
        from hailgate.edge.app import watched
        from hailgate.edge.doors.probes import Metrics, Probes

        worker = self._worker
        healthy = None if worker is None else lambda: worker.healthy
        asked = self.pulse.guard_db(self.db)
        proxied = bind == self._env.bind and bool(self._env.public_url)
        probes: Probes = Probes(asked, version=VERSION, worker_healthy=healthy, spool=spool)
        looking = self.pulse.guard_db(self.looking)
        metrics: Metrics = Metrics(looking, token=self._env.metrics_token, bind=bind, proxied=proxied)
        return watched(probes, metrics)

    def _make_worker(self) -> "WorkerProcess":
        from hailgate.workers import make_worker

        return make_worker(self._env, self.db, lambda: any(gate.overloaded for gate in self._gates))

    def _make_watch(self, env: Environment) -> "Watch":
        from hailgate.pipeline.alarm_checks import Watch, open_notifier

        worker = self._worker
        notifier = open_notifier(tuple(url.get_secret_value() for url in env.alarm_urls))
        return Watch(self.db, env.home, lambda: worker.id if worker else None, notifier, env.public_url)

    def _worker_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            self._on_failure()


class _Managed(NamedTuple):
    """Django's part of the paths."""

    app: ASGIApp
    api: ASGIApp
    close: Callable[[], None]


def _manage(env: Environment, pulse: "StoreWatchdog", keys: "Keys") -> _Managed:
    """A password takes a processor for a while: those who sign in wait for each other, and nobody else for them."""
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application

    from hailgate.edge.app import apart
    from hailgate.edge.http.django_bridge import Management
    from hailgate.edge.http.keys import find_sharer
    from hailgate.edge.http.source_limits import SIGN_IN

    wsgi = get_wsgi_application()
    whose = partial(find_sharer, keys, settings.SESSION_COOKIE_NAME)
    management = Management(wsgi, threads=env.web_threads, wait=pulse.wait, whose=whose)
    sign_in = Management(wsgi, threads=1, waiting=SIGN_INS_WAITING, wait=pulse.wait)

    def close() -> None:
        management.close()
        sign_in.close()

    return _Managed(apart(SIGN_IN, sign_in, management), management, close)


def _open_counters(env: Environment) -> "RedisCounters | None":
    from hailgate.edge.http.counters import open_counters

    return open_counters(env.redis_url.get_secret_value()) if env.redis_url else None


def _open_updates(env: Environment) -> "LiveUpdates | None":
    if env.redis_url is None:
        return None
    from hailgate.connectors.live_updates import LiveUpdates
    from hailgate.connectors.secret_cache import open_redis

    return LiveUpdates(open_redis(env.redis_url.get_secret_value()))


def _limit_sources(env: Environment, assets: str, shared: "RedisCounters | None") -> Callable[[ASGIApp], ASGIApp]:
    from hailgate.edge.http.source import parse_networks
    from hailgate.edge.http.source_limits import SourceLimits

    return partial(
        SourceLimits,
        rate=env.source_rate,
        sign_in_rate=env.sign_in_rate,
        trusted=parse_networks(env.trusted_proxies),
        assets=assets,
        shared=shared,
    )


class _Gates(NamedTuple):
    webhooks: "Gate[ReceivedWebhook, bool]"
    messages: "Gate[NewMessage, Accepted]"

    async def drain(self) -> None:
        for gate in self:
            await gate.drain()


def _gates(env: Environment, db: "ThreadedDatabase") -> _Gates:
    """Messages have one writer, so that those of one caller that wait together are stored in the order they came."""
    from hailgate.messaging.inbound.receive import find_stored, store_webhooks
    from hailgate.messaging.outbound.accept import accept_messages, find_accepted
    from hailgate.pipeline.bridge import Gate
    from hailgate.telemetry.metrics import GATE_WAITING

    gates = _Gates(
        Gate(
            db,
            store_webhooks,
            read_back=find_stored,
            size=lambda webhook: len(webhook.body),
            writers=1 if env.on_sqlite else 2,
        ),
        Gate(db, accept_messages, read_back=find_accepted, size=lambda message: len(message.content)),
    )
    for name, gate in gates._asdict().items():
        GATE_WAITING.labels(gate=name).set_function(partial(getattr, gate, "waiting"))
    return gates


class _Spooling(NamedTuple):
    """The spool with its gate to the disk."""

    spool: "Spool"
    gate: "Gate[Arrived, None]"

    async def end(self) -> None:
        """What waits on disk stays there for the next process."""
        await self.gate.drain()
        await self.spool.close()


def _make_spool(env: Environment, db: "Db") -> _Spooling:
    from hailgate.pipeline.bridge import Gate
    from hailgate.providers import list_providers
    from hailgate.spool.segments import Segments
    from hailgate.spool.webhooks import Arrived, DiskThread, Spool, keep_all

    segments, disk = Segments(env.spool_path, env.spool_bytes), DiskThread()
    gate = Gate[Arrived, None](disk, partial(keep_all, segments), size=lambda arrived: len(arrived.webhook.body))

    def serves(spec: "AnyProviderSpec") -> bool:
        return env.spools(repeats=spec.capabilities.repeats_webhooks)

    wanted = any(map(serves, list_providers()))
    return _Spooling(Spool(segments, disk, gate=gate, db=db, serves=serves, wanted=wanted), gate)


@asynccontextmanager
async def _background(rejections: "Rejections", hooks: "Hooks", spooling: _Spooling) -> AsyncIterator[None]:
    spool = spooling.spool
    await spool.look_round()  # what waits there goes before whatever comes
    tasks = [
        asyncio.create_task(rejections.write_for_ever(), name="rejections"),
        asyncio.create_task(_warm_up(), name="management"),
        asyncio.create_task(spool.run_for_ever(), name="spool"),
        asyncio.create_task(hooks.remember_for_ever(), name="hooks"),
    ]
    for task in tasks:
        report_end(task)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await rejections.write()
        await spooling.end()


async def _warm_up() -> None:
    """The management API takes most of the imports; a thread does them while the edge already answers."""
    await asyncio.to_thread(import_module, "hailgate.urls")
    gc.freeze()  # what was imported lives as long as the process; nobody needs to look at it again


def _trace(env: Environment) -> Callable[[], None]:
    """Returns what tells the last spans at the end."""
    if not env.traces_url:
        return lambda: None
    from hailgate.telemetry.traces import open_tracer, use_tracer

    tell, end = open_tracer(env.traces_url, VERSION)
    use_tracer(tell)
    return end


def _run(env: Environment, bind: str, make: Callable[[OnFailure, AtStop], ASGIApp]) -> int:
    configure_logging(env.log_level, env.log_format)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(COLLECT_AFTER)
    if bind == env.bind and env.in_clear and not env.demo:
        log.warning(Event.SERVER_UNPROTECTED, bind=bind)
    sockets = [listen(*split_bind(bind))] if bind else []
    failed = False

    def fail() -> None:
        nonlocal failed
        failed = True
        server.should_exit = True

    end_traces = _trace(env)
    ends: list[Callable[[], None]] = []
    app = make(fail, ends.append)
    from hailgate.messaging.store.thread_connections import wait_less_for_connections

    ends.append(wait_less_for_connections)
    server = Server(app, bind, VERSION, ends, patience=env.drain_s)
    server.run(sockets=sockets)
    end_traces()
    return 1 if failed else 0
