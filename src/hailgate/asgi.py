"""The composition root of everything that speaks HTTP, with or without a worker beside it.

Imports are made where they are used: Django's models can be loaded only once Django is ready.
"""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Lifespan

from hailgate.edge.http.background_tasks import report_end, report_what_nobody_awaits
from hailgate.edge.http.server import Server, listen
from hailgate.env import Environment, split_bind
from hailgate.service import VERSION, DoorGates, OnFailure, Service
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import configure_logging, log

if TYPE_CHECKING:
    from hailgate.edge.doors.export import Export
    from hailgate.edge.doors.hooks import Hooks
    from hailgate.edge.doors.live import Live
    from hailgate.edge.doors.media import Media
    from hailgate.edge.doors.rejections import Rejections
    from hailgate.edge.doors.send import Sending
    from hailgate.edge.http.counters import RedisCounters
    from hailgate.edge.http.keys import Keys
    from hailgate.messaging.store.ports import Db
    from hailgate.pipeline.bridge import Gate
    from hailgate.pipeline.store_watchdog import StoreWatchdog
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
ASSETS: Final = (("hailgate.console", "static"), ("django.contrib.admin", "static"))

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

    from hailgate.edge.app import build_app

    doors = _open_doors(env, service)
    at_stop(doors.live.end)
    at_stop(service.tell_stop)  # sends end while requests do: whoever stops the process waits for them once
    return build_app(
        _routes(env, service, doors),
        rest=doors.managed.app,
        lifespan=_lifespan(env, service, doors),
        limited=_limit_sources(env, settings.STATIC_URL, doors.shared),
        over_tls=env.over_tls,
    )


class _Doors(NamedTuple):
    """Whatever a call of HTTP ends at, with what has to be closed after it."""

    hooks: "Hooks"
    sending: "Sending"
    media: "Media"
    export: "Export"
    live: "Live"
    rejections: "Rejections"
    gates: DoorGates
    spooling: "_Spooling"
    managed: "_Managed"
    shared: "RedisCounters | None"


def _open_doors(env: Environment, service: Service) -> _Doors:
    from django.conf import settings

    from hailgate.accounts.sessions import Limits
    from hailgate.edge.doors.export import Export
    from hailgate.edge.doors.hooks import Hooks
    from hailgate.edge.doors.live import Live
    from hailgate.edge.doors.media import Media
    from hailgate.edge.doors.rejections import Rejections
    from hailgate.edge.doors.send import Sending
    from hailgate.edge.doors.webhook_bodies import WebhookBodies
    from hailgate.edge.http.keys import Keys
    from hailgate.edge.http.sessions import OperatorSessions
    from hailgate.messaging.files.storage import open_files

    db, pulse, looking = service.db, service.pulse, service.looking
    gates, rejections, shared = service.open_gates(), Rejections(db), _open_counters(env)
    asked = pulse.guard_db(db)
    spooling = _make_spool(env, asked)
    keys, files = Keys(asked), open_files(env.home, env.media_url)
    gate, bodies = pulse.guard(gates.webhooks), WebhookBodies(files)
    where = {"url": env.reached_at, "public_url": env.public_url}
    limits = Limits(env.session_idle_s, env.session_s)
    sessions = OperatorSessions(looking, limits, settings.SESSION_COOKIE_NAME)
    return _Doors(
        hooks=Hooks(asked, gate, rejections, spooling.spool, bodies=bodies, elsewhere=service.tenants, **where),
        sending=Sending(asked, pulse.guard(gates.messages), keys, life_s=env.message_ttl_s, shared=shared),
        media=Media(asked, files, keys, sessions),
        export=Export(asked, pulse.guard_db(looking), sessions),
        live=Live(looking, sessions, service.hear),
        rejections=rejections,
        gates=gates,
        spooling=spooling,
        managed=_manage(env, pulse, keys),
        shared=shared,
    )


def _routes(env: Environment, service: Service, doors: _Doors) -> list[BaseRoute]:
    from django.conf import settings

    from hailgate.edge import app
    from hailgate.edge.http.assets import Assets

    return [
        *app.doors(doors.hooks, doors.sending, doors.media, doors.export),
        *app.beside_doors(doors.managed.api),
        *service.watching(env.bind, doors.spooling.spool),
        *app.console(doors.live, doors.media, doors.export, Assets(ASSETS), settings.STATIC_URL),
        *app.pages(),
    ]


def _lifespan(env: Environment, service: Service, doors: _Doors) -> Lifespan[Router]:
    from hailgate.messaging.store.sqlite_writer import use_writer

    @asynccontextmanager
    async def lifespan(_: Router) -> AsyncIterator[None]:
        """Requests have ended when it is left: then what they wrote, then the worker, then the store."""
        report_what_nobody_awaits()
        use_writer(service.db.run if env.on_sqlite else None)
        await service.start()
        try:
            async with _background(doors):
                yield
        finally:
            await doors.gates.drain()
            doors.live.end()
            await asyncio.to_thread(doors.managed.close)
            if doors.shared is not None:
                await doors.shared.close()
            use_writer(None)
            await service.stop()

    return lifespan


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
async def _background(doors: _Doors) -> AsyncIterator[None]:
    spool = doors.spooling.spool
    await spool.look_round()  # what waits there goes before whatever comes
    tasks = [
        asyncio.create_task(doors.rejections.write_for_ever(), name="rejections"),
        asyncio.create_task(_warm_up(), name="management"),
        asyncio.create_task(spool.run_for_ever(), name="spool"),
        asyncio.create_task(doors.hooks.remember_for_ever(), name="hooks"),
    ]
    for task in tasks:
        report_end(task)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await doors.rejections.write()
        await doors.spooling.end()


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
