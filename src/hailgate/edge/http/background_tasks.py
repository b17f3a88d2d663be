"""What runs beside the requests: nobody waits for it, so its errors are told here, without their words."""

import asyncio
from typing import Any

from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where


def report_end(task: "asyncio.Task[None]") -> None:
    """An error that ends what should run for ever is logged when it happens, by the name of the task."""

    def report(ended: "asyncio.Task[None]") -> None:
        if not ended.cancelled() and (failed := ended.exception()):
            _tell(failed, part=ended.get_name())

    task.add_done_callback(report)


def report_what_nobody_awaits() -> None:
    """Asyncio's own report quotes arguments, which may be anything."""

    def report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if failed := context.get("exception"):
            _tell(failed, part="loop")
        else:
            log.warning(Event.LOOP_FAILED, part="loop")

    asyncio.get_running_loop().set_exception_handler(report)


def _tell(failed: BaseException, *, part: str) -> None:
    log.error(Event.LOOP_FAILED, part=part, error=type(failed).__name__, at=where(failed))
