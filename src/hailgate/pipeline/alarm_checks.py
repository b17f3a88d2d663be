"""Alarms: looks round for what an operator must know, and tells it. Whatever fails here harms nothing else."""

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from hailgate.accounts.alarms import Notice, claim_notices, raise_alarm, record_told, settle, tell_later
from hailgate.core.alarms import STORE_AWAY_S, Alarm, Cause, is_disk_low
from hailgate.core.errors import ConfigurationError, StoreUnavailable
from hailgate.messaging.store.ports import Db
from hailgate.messaging.upkeep.alarm_checks import AlarmChecks, keeps_house
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where
from hailgate.telemetry.metrics import ALARMS

EVERY_S: Final = 30.0
# A mail server that hangs is given up; its thread ends with the process at the latest.
TELLING_S: Final = 60.0
TITLE: Final = "Hailgate"


class Notifier(Protocol):
    """Takes a title and a text, and says whether all who are to know were told. May block."""

    def __call__(self, title: str, text: str) -> bool: ...


class Watch:
    """``worker_id`` is that of the worker in this process at this moment; None while there is none."""

    def __init__(
        self, db: Db, home: Path, worker_id: Callable[[], int | None], notifier: Notifier | None, public_url: str
    ) -> None:
        self._db, self._home, self._worker_id = db, home, worker_id
        self._notifier, self._public_url = notifier, public_url
        self._watchman = AlarmChecks()
        self._away_since: float | None = None
        self._away_told = False

    async def watch_for_ever(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as bug:  # noqa: BLE001 -- the watch goes on
                log.error(Event.LOOP_FAILED, part="watch", error=type(bug).__name__, at=where(bug))
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Once."""
        try:
            await self._look_at_store()
        except StoreUnavailable:
            await self._miss_store()
            return
        if self._away_told:
            await self._db(raise_alarm, Cause(Alarm.STORE_AWAY))
            await self._db(settle, (), (Alarm.STORE_AWAY,))
        self._away_since, self._away_told = None, False

    async def _look_at_store(self) -> None:
        await self._db(settle, self._disk(), (Alarm.DISK_LOW,), self._host)
        worker_id = self._worker_id()
        if worker_id is not None and await self._db(keeps_house, worker_id):
            await self._db(self._watchman.look_round)
        if self._notifier is not None and (notices := await self._db(claim_notices)):
            told = await self._tell("\n\n".join(self._text(notice) for notice in notices))
            await self._db(record_told if told else tell_later, notices)

    async def _miss_store(self) -> None:
        """No row can be written: it is told from here, once for each time that the store is away."""
        self._away_since = self._away_since or time.monotonic()
        if self._away_told or time.monotonic() < self._away_since + STORE_AWAY_S:
            return
        self._away_told = True
        ALARMS.labels(code=Alarm.STORE_AWAY.value).inc()
        log.error(Event.ALARM_RAISED, code=Alarm.STORE_AWAY.value)
        if self._notifier is not None:
            await self._tell(self._text(Notice(0, Alarm.STORE_AWAY, "", time.time(), 0)))

    @property
    def _host(self) -> str:
        return f"host:{socket.gethostname()}"

    def _disk(self) -> list[Cause]:
        usage = shutil.disk_usage(self._home)
        return [Cause(Alarm.DISK_LOW, self._host)] if is_disk_low(usage.total, usage.free) else []

    def _text(self, notice: Notice) -> str:
        at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(notice.raised_at))
        lines = [notice.alarm.sentence, notice.alarm.advice, f"{notice.alarm.value} {notice.subject}".strip(), at]
        return "\n".join([*lines, f"{self._public_url}/console/alarms"] if self._public_url else lines)

    async def _tell(self, text: str) -> bool:
        """Whether it was told."""
        if self._notifier is None:
            return False
        try:
            async with asyncio.timeout(TELLING_S):
                told = await _in_thread(self._notifier, text)
        except TimeoutError:
            told = False
        if not told:
            log.error(Event.ALARM_NOT_TOLD, part="notifier")
        return told


def _in_thread(notifier: Notifier, text: str) -> asyncio.Future[bool]:
    """A thread of its own, that nobody waits for at the end of the process."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[bool] = loop.create_future()

    def settle_with(outcome: bool) -> None:
        if not told.done():
            told.set_result(outcome)

    def run() -> None:
        try:
            outcome = notifier(TITLE, text)
        except Exception as failed:  # noqa: BLE001 -- a plug-in's own; its words may hold an address or a token
            log.error(Event.ALARM_NOT_TOLD, error=type(failed).__name__)
            outcome = False
        with suppress(RuntimeError):  # the loop is closed: the process is ending
            loop.call_soon_threadsafe(settle_with, outcome)

    threading.Thread(target=run, name="notifier", daemon=True).start()
    return told


def open_notifier(urls: tuple[str, ...]) -> Notifier | None:
    """Through apprise, where anybody is to be told. Raises ConfigurationError."""
    if not urls:
        return None
    try:
        import apprise
    except ImportError:
        raise ConfigurationError(
            ["HAILGATE_ALARM_URLS needs apprise, the extra `alarms`: `make install` brings it"]
        ) from None
    told = apprise.Apprise()
    bad = [str(place) for place, url in enumerate(urls, 1) if not told.add(url)]
    if bad:
        raise ConfigurationError(
            [
                f"HAILGATE_ALARM_URLS: entry {', '.join(bad)} is not a URL that apprise knows, such as mailtos://… or slack://…"
            ]
        )
    return lambda title, text: bool(told.notify(body=text, title=title))
