"""The composition root of everything that speaks HTTP, with or without a worker beside it.

Imports are made where they are used: Django's models can be loaded only once Django is ready.
"""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp

from hailgate.edge.background import report_end, report_what_nobody_awaits
from hailgate.edge.server import Server, listen
from hailgate.env import Environment, split_bind
from hailgate.telemetry import configure_logging

if TYPE_CHECKING:
    from hailgate.edge.hooks import Hooks
    from hailgate.edge.rejections import Rejections
    from hailgate.edge.spool import Arrived, Spool
    from hailgate.messaging.receiving import ReceivedWebhook
    from hailgate.messaging.sending import Accepted, NewMessage
    from hailgate.pipeline.bridge import Db, Gate, ThreadedDatabase
    from hailgate.pipeline.watch import Watch
    from hailgate.pipeline.worker import Worker
    from hailgate.providers.contract import AnyProviderSpec

# Threads that work in Python hold the interpreter for at most this long while the event loop wants it. Python's own
# 5 ms make four of them cost an edge request 25 ms.
SWITCH_INTERVAL_S: Final = 0.0005
# Garbage in cycles is rare here, and each look for it passes by all that is in flight: with Python's own 700 new
# objects between two looks, they took a quarter of the processor's time.
COLLECT_AFTER: Final = 50_000
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
    db = service.db
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application

    from hailgate.accounts.sessions import Limits
    from hailgate.edge.app import build_app, console, doors, pages
    from hailgate.edge.assets import Assets
    from hailgate.edge.export import Export
    from hailgate.edge.hooks import Hooks
    from hailgate.edge.keys import Keys
    from hailgate.edge.live import Live
    from hailgate.edge.management import Management
    from hailgate.edge.media import Media
    from hailgate.edge.rejections import Rejections
    from hailgate.edge.send import Sending
    from hailgate.edge.sessions import Sessions
    from hailgate.messaging.files import open_files
    from hailgate.messaging.writing import use_writer

    gates = _gates(env, db)
    rejections = Rejections(db)
    pulse = service.pulse
    asked = pulse.guard_db(db)
    spooling = _make_spool(env, asked)
    hooks = Hooks(asked, pulse.guard(gates.webhooks), rejections, spooling.spool)
    management = Management(get_wsgi_application(), threads=env.web_threads, wait=pulse.wait)
    sessions = Sessions(service.looking, Limits(env.session_idle_s, env.session_s), settings.SESSION_COOKIE_NAME)
    live = Live(service.looking, sessions)
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
            await asyncio.to_thread(management.close)
            use_writer(None)
            await service.stop()

    keys = Keys(asked)
    sending = Sending(asked, pulse.guard(gates.messages), keys, life_s=env.message_ttl_s)
    media = Media(asked, open_files(env.home, env.media_url), keys, sessions)
    routes = [
        *doors(hooks, sending, media, export),
        *service.watching(env.bind, spooling.spool),
        *console(live, media, export, Assets(ASSETS), settings.STATIC_URL),
        *pages(),
    ]
    return build_app(routes, rest=management, lifespan=lifespan)


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


class Service:
    """The store and the worker of one process.

    ``on_failure`` is called when the worker ends by itself, which only a bug makes it do.
    """

    def __init__(self, env: Environment, *, with_worker: bool, on_failure: OnFailure) -> None:
        prepare_django(env)
        from hailgate.pipeline.bridge import ThreadedDatabase
        from hailgate.pipeline.pulse import Pulse

        self._env, self._on_failure = env, on_failure
        self.db: ThreadedDatabase = ThreadedDatabase(1 if env.on_sqlite else env.database_threads)
        self.pulse: Pulse = Pulse(self.db)
        # For those who only look: on SQLite nobody may make the one writer wait.
        self.looking: ThreadedDatabase = ThreadedDatabase(1)
        self._worker: Worker | None = self._make_worker() if with_worker else None
        self._working: asyncio.Task[None] | None = None
        self._watch = self._make_watch(env)

    async def start(self) -> None:
        self._beating = asyncio.create_task(self.pulse.beat_for_ever(), name="pulse")
        self._watching = asyncio.create_task(self._watch.watch_for_ever(), name="watch")
        for task in (self._beating, self._watching):
            report_end(task)
        if self._worker is not None:
            self._working = asyncio.create_task(self._worker.run(), name="worker")
            report_end(self._working)
            self._working.add_done_callback(self._worker_ended)

    def tell_stop(self) -> None:
        """The worker claims nothing more, and finishes what it has."""
        if self._worker is not None:
            self._worker.stop()

    async def stop(self) -> None:
        self.tell_stop()
        if self._working is not None:
            with suppress(Exception):  # it was told when it happened
                await self._working
        self._beating.cancel()
        self._watching.cancel()
        await asyncio.gather(self._beating, self._watching, return_exceptions=True)
        await asyncio.to_thread(self.looking.close)
        self.db.close()

    def watching(self, bind: str, spool: "Spool | None" = None) -> list[BaseRoute]:
        """Probes and metrics, as they may be shown on ``bind``."""
        from hailgate.edge.app import watched
        from hailgate.edge.probes import Metrics, Probes

        worker = self._worker
        healthy = None if worker is None else lambda: worker.healthy
        asked = self.pulse.guard_db(self.db)
        probes: Probes = Probes(asked, version=VERSION, worker_healthy=healthy, spool=spool)
        metrics: Metrics = Metrics(self.pulse.guard_db(self.looking), token=self._env.metrics_token, bind=bind)
        return watched(probes, metrics)

    def _make_worker(self) -> "Worker":
        from hailgate.pipeline.worker import Worker

        return Worker(self._env, self.db)

    def _make_watch(self, env: Environment) -> "Watch":
        from hailgate.pipeline.watch import Watch, open_notifier

        worker = self._worker
        notifier = open_notifier(tuple(url.get_secret_value() for url in env.alarm_urls))
        return Watch(self.db, env.home, lambda: worker.id if worker else None, notifier, env.public_url)

    def _worker_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            self._on_failure()


class _Gates(NamedTuple):
    webhooks: "Gate[ReceivedWebhook, bool]"
    messages: "Gate[NewMessage, Accepted]"

    async def drain(self) -> None:
        for gate in self:
            await gate.drain()


def _gates(env: Environment, db: "ThreadedDatabase") -> _Gates:
    """Messages have one writer, so that those of one caller that wait together are stored in the order they came."""
    from hailgate.messaging.receiving import find_stored, store_webhooks
    from hailgate.messaging.sending import accept_messages, find_accepted
    from hailgate.pipeline.bridge import Gate
    from hailgate.telemetry import GATE_WAITING

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
    from hailgate.edge.segments import Segments
    from hailgate.edge.spool import Arrived, DiskThread, Spool, keep_all
    from hailgate.pipeline.bridge import Gate
    from hailgate.providers import list_providers

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
    ]
    if spool.wanted:
        tasks.append(asyncio.create_task(hooks.remember_for_ever(), name="hooks"))
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
    from hailgate.tracing import open_tracer, use_tracer

    tell, end = open_tracer(env.traces_url, VERSION)
    use_tracer(tell)
    return end


def _run(env: Environment, bind: str, make: Callable[[OnFailure, AtStop], ASGIApp]) -> int:
    configure_logging(env.log_level, env.log_format)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(COLLECT_AFTER)
    sockets = [listen(*split_bind(bind))] if bind else []
    failed = False

    def fail() -> None:
        nonlocal failed
        failed = True
        server.should_exit = True

    end_traces = _trace(env)
    ends: list[Callable[[], None]] = []
    server = Server(make(fail, ends.append), bind, VERSION, ends, patience=env.drain_s)
    server.run(sockets=sockets)
    end_traces()
    return 1 if failed else 0
