"""What those ask who watch the process: is it alive, is it ready, how is it, and what are its figures."""

import asyncio
import hmac
import time
from collections.abc import Callable
from typing import Final, Protocol

from prometheus_client import Gauge
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from hailgate.core.alarms import Alarm
from hailgate.core.errors import NotFound, Unauthenticated
from hailgate.core.urls import is_loopback
from hailgate.edge.doors.store_health import find_store_fault
from hailgate.edge.http.middleware import answer
from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.store.faults import explain_fault
from hailgate.messaging.store.ports import Db
from hailgate.messaging.upkeep.queue_stats import Figures, count_figures, oldest_undone
from hailgate.telemetry.metrics import (
    BREAKER,
    OLDEST_READY,
    OLDEST_WEBHOOK,
    OUTBOX,
    PAUSED,
    PENDING_WEBHOOKS,
    QUEUE_DEPTH,
    QUEUE_OLDEST,
    STANDING_ALARMS,
    STORE_UP,
    WORK_ROWS,
    of_channel,
    render_metrics,
)

STORE_PATIENCE_S: Final = 2.0
# Several scrapers ask the store once; and whatever the count takes, it is a twentieth of the time at most.
COUNTED_FOR_S: Final = 5.0
REST: Final = 20.0
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Spooled(Protocol):
    """What is told of the spool: whether anybody's webhooks may go there, how many wait, whether its disk fails."""

    wanted: bool
    failing: bool

    @property
    def waiting(self) -> int: ...


class Probes:
    """``worker_healthy`` is None where no worker runs in this process, ``spool`` where it has no doors.

    A spool that fails is told, but the process is ready: what it may never need keeps nobody from working.
    """

    def __init__(
        self,
        db: Db,
        *,
        version: str,
        worker_healthy: Callable[[], bool] | None = None,
        spool: Spooled | None = None,
    ) -> None:
        self._db, self._version, self._worker_healthy, self._spool = db, version, worker_healthy, spool

    async def live(self, _: Request) -> Response:
        """The event loop turns: that is all this says, and all a restart can mend."""
        return answer({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        faults = await self._faults()
        reasons = [f"{part}: {fault}" for part, fault in faults.items() if fault]
        content = {"status": "unavailable" if reasons else "ok", "reasons": reasons}
        spool = self._describe_spool()
        return answer(content | {"spool": spool} if spool else content, 503 if reasons else 200)

    async def ready_for_hooks(self, _: Request) -> Response:
        """Whether webhooks can be kept, by the store or by the spool: for a balancer that routes `/hooks`."""
        fault = await self._store_fault()
        kept = not fault or (self._spool is not None and self._spool.wanted and not self._spool.failing)
        reasons = [] if kept else [f"store: {fault}"]
        return answer({"status": "ok" if kept else "unavailable", "reasons": reasons}, 200 if kept else 503)

    async def health(self, _: Request) -> Response:
        faults = await self._faults()
        components: dict[str, dict[str, str | int]] = {
            part: {"status": "unavailable", "reason": fault} if fault else {"status": "ok"}
            for part, fault in faults.items()
        }
        if spool := self._describe_spool():
            components["spool"] = spool
        well = not any(faults.values())
        content = {"status": "ok" if well else "unavailable", "version": self._version, "components": components}
        return answer(content, 200 if well else 503)

    def _describe_spool(self) -> dict[str, str | int]:
        """Nothing where nobody needs it and nothing waits."""
        spool = self._spool
        if spool is None or not (spool.wanted or spool.waiting):
            return {}
        state = {"status": "unavailable", "reason": "its disk takes no webhooks"} if spool.failing else {"status": "ok"}
        return {**state, "waiting": spool.waiting}

    async def _faults(self) -> dict[str, str]:
        """Each part with its fault, in words without any secret; empty where it is well."""
        faults = {"store": await self._store_fault()}
        if self._worker_healthy is not None:
            faults["worker"] = "" if self._worker_healthy() else "it does not run or has lost its lease"
        return faults

    async def _store_fault(self) -> str:
        try:
            async with asyncio.timeout(STORE_PATIENCE_S):
                return await self._db(find_store_fault)
        except TimeoutError:
            return "the database does not answer in time"
        except Exception as failed:  # noqa: BLE001 -- whatever is wrong with the store is what was asked
            return explain_fault(failed)


FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


class Metrics:
    """With a token, for whoever shows it; without one, only where nobody but this machine can ask.

    A proxy on this machine asks for others: where there may be one (``proxied``), or it says so, a token is needed.
    """

    def __init__(self, db: Db, *, token: SecretStr | None, bind: str, proxied: bool = False) -> None:
        self._db, self._token, self._open = db, token, is_loopback(bind) and not proxied
        self._count_at = float("-inf")

    async def show(self, request: Request) -> Response:
        if self._token is not None:
            _check_token(request, self._token.get_secret_value())
        elif not self._open or any(name in request.headers for name in FORWARDED):
            raise NotFound
        await self._count()
        return Response(render_metrics(), media_type=METRICS_TYPE)

    async def _count(self) -> None:
        """Figures of the store are read here and nowhere else. While it is away, those of the process still show."""
        begun = time.monotonic()
        if begun < self._count_at:
            return
        self._count_at = begun + COUNTED_FOR_S
        try:
            async with asyncio.timeout(STORE_PATIENCE_S):
                figures = await self._db(count_figures)
        except Exception:  # noqa: BLE001 -- the readiness probe tells of it
            STORE_UP.set(0)
            return
        finally:
            self._count_at = begun + max(COUNTED_FOR_S, (time.monotonic() - begun) * REST)
        STORE_UP.set(1)
        _show(figures)


def _show(figures: Figures) -> None:
    """In one go, so that nobody reads half of it: what is not there any more goes."""
    for gauge in (WORK_ROWS, QUEUE_DEPTH, QUEUE_OLDEST, BREAKER, PAUSED, STANDING_ALARMS):
        gauge.clear()
    for kind in WorkKind:
        for state in WorkState:
            WORK_ROWS.labels(kind.name.lower(), state.name.lower())
    for row in figures.rows:
        stands = row.state.name.lower()
        WORK_ROWS.labels(row.kind.name.lower(), stands).inc(row.number)
        if row.kind is WorkKind.DELIVERY:
            QUEUE_DEPTH.labels(**of_channel(row.tenant_id, row.channel_id), state=stands).inc(row.number)
    for place, oldest_s in oldest_undone(figures.rows).items():
        _raise(QUEUE_OLDEST, place, oldest_s)
    for channel in figures.channels:
        place = (channel.tenant_id, channel.channel_id)
        _raise(BREAKER, place, channel.breaker)
        _raise(PAUSED, place, channel.paused)
    for alarm in Alarm:
        STANDING_ALARMS.labels(code=alarm.value)
    for code, number in figures.alarms:
        STANDING_ALARMS.labels(code=code).set(number)
    OLDEST_READY.set(figures.oldest_ready_s)
    PENDING_WEBHOOKS.set(figures.pending_webhooks)
    OLDEST_WEBHOOK.set(figures.oldest_webhook_s)
    OUTBOX.labels("waiting").set(figures.publications[0])
    OUTBOX.labels("unrouted").set(figures.publications[1])


def _raise(gauge: Gauge, place: tuple[int, int], value: float) -> None:
    """Of several channels that share their labels the worst is shown."""
    labelled = gauge.labels(**of_channel(*place))
    labelled.set(max(value, labelled._value.get()))  # noqa: SLF001 -- the client gives no way to read what it shows


def _check_token(request: Request, token: str) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise Unauthenticated("The metrics token is needed: send `Authorization: Bearer <token>`.")
