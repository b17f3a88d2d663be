"""What those ask who watch the process: is it alive, is it ready, how is it, and what are its figures."""

import asyncio
import hmac
import ipaddress
import time
from collections.abc import Callable
from typing import Final

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from hailgate.core.errors import NotFound, Unauthenticated
from hailgate.edge.frame import answer
from hailgate.edge.ports import Db
from hailgate.edge.storehealth import WorkCount, count_work, find_store_fault
from hailgate.telemetry import OLDEST_READY, WORK_ROWS, render_metrics

STORE_PATIENCE_S: Final = 2.0
# Several scrapers ask the store once.
COUNTED_FOR_S: Final = 5.0
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Probes:
    """``worker_healthy`` is None where no worker runs in this process."""

    def __init__(self, db: Db, *, version: str, worker_healthy: Callable[[], bool] | None = None) -> None:
        self._db, self._version, self._worker_healthy = db, version, worker_healthy

    async def live(self, _: Request) -> Response:
        """The event loop turns: that is all this says, and all a restart can mend."""
        return answer({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        faults = await self._faults()
        reasons = [f"{part}: {fault}" for part, fault in faults.items() if fault]
        return answer({"status": "unavailable" if reasons else "ok", "reasons": reasons}, 503 if reasons else 200)

    async def health(self, _: Request) -> Response:
        faults = await self._faults()
        components = {
            part: {"status": "unavailable", "reason": fault} if fault else {"status": "ok"}
            for part, fault in faults.items()
        }
        well = not any(faults.values())
        content = {"status": "ok" if well else "unavailable", "version": self._version, "components": components}
        return answer(content, 200 if well else 503)

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
            return f"the database does not answer ({type(failed).__name__})"


class Metrics:
    """With a token, for whoever shows it; without one, only where nobody but this machine can ask."""

    def __init__(self, db: Db, *, token: SecretStr | None, bind: str) -> None:
        self._db, self._token, self._open = db, token, is_loopback(bind)
        self._counted_at = float("-inf")

    async def show(self, request: Request) -> Response:
        if self._token is not None:
            _check_token(request, self._token.get_secret_value())
        elif not self._open:
            raise NotFound
        await self._count()
        return Response(render_metrics(), media_type=METRICS_TYPE)

    async def _count(self) -> None:
        """Figures of the store are read here and nowhere else. While it is away, those of the process still show."""
        if time.monotonic() < self._counted_at + COUNTED_FOR_S:
            return
        self._counted_at = time.monotonic()
        try:
            async with asyncio.timeout(STORE_PATIENCE_S):
                counted: WorkCount = await self._db(count_work)
        except Exception:  # noqa: BLE001 -- the readiness probe tells of it
            return
        for state, rows in counted.rows.items():
            WORK_ROWS.labels(state=state).set(rows)
        OLDEST_READY.set(counted.oldest_ready_s)


def is_loopback(bind: str) -> bool:
    host = bind.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_token(request: Request, token: str) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise Unauthenticated("The metrics token is needed: send `Authorization: Bearer <token>`.")
