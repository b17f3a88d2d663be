"""The store and the worker of one process, and what tells of them; with HTTP beside it or without.

Imports are made where they are used: Django's models can be loaded only once Django is ready.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from starlette.routing import BaseRoute

from hailgate.edge.http.background_tasks import report_end
from hailgate.env import Environment

if TYPE_CHECKING:
    from hailgate.connectors.live_updates import LiveUpdates
    from hailgate.connectors.tenant_service import TenantService
    from hailgate.messaging.inbound.receive import ReceivedWebhook
    from hailgate.messaging.outbound.accept import Accepted
    from hailgate.messaging.outbound.new_message import NewMessage
    from hailgate.pipeline.alarm_checks import Watch
    from hailgate.pipeline.bridge import Gate, ThreadedDatabase
    from hailgate.pipeline.worker import WorkerProcess
    from hailgate.spool.webhooks import Spool


VERSION: Final = version("hailgate")

OnFailure = Callable[[], None]


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

    def open_gates(self) -> "DoorGates":
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


class DoorGates(NamedTuple):
    webhooks: "Gate[ReceivedWebhook, bool]"
    messages: "Gate[NewMessage, Accepted]"

    async def drain(self) -> None:
        for gate in self:
            await gate.drain()


def _gates(env: Environment, db: "ThreadedDatabase") -> DoorGates:
    """Messages have one writer, so that those of one caller that wait together are stored in the order they came."""
    from hailgate.messaging.inbound.receive import find_stored, store_webhooks
    from hailgate.messaging.outbound.accept import accept_messages, find_accepted
    from hailgate.pipeline.bridge import Gate
    from hailgate.telemetry.metrics import GATE_WAITING

    gates = DoorGates(
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


def _open_updates(env: Environment) -> "LiveUpdates | None":
    if env.redis_url is None:
        return None
    from hailgate.connectors.live_updates import LiveUpdates
    from hailgate.connectors.secret_cache import open_redis

    return LiveUpdates(open_redis(env.redis_url.get_secret_value()))
