"""Webhooks that the database cannot take now, of providers that would not post them again: kept on disk meanwhile.

A caller is told 200 once its webhook is synced; all who gathered while the last sync ran share the next one. When the
database answers again, what waits is brought to it in the order in which it came, and whatever comes meanwhile goes
behind it, to the disk too: so one hook's webhooks are stored in the order in which they were answered.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from django.db import DataError, IntegrityError

from hailgate.core.errors import SpoolUnavailable, Unavailable
from hailgate.messaging.inbound.receive import ReceivedWebhook, SpooledWebhook, spool_webhook, store_spooled
from hailgate.messaging.store.ports import Db, Submits
from hailgate.providers.spec import AnyProviderSpec
from hailgate.spool.segments import Segment, Segments, name_of
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where
from hailgate.telemetry.metrics import SPOOL_BYTES, SPOOL_FAILING, SPOOL_WEBHOOKS, SPOOLED

Result = TypeVar("Result")

# A disk that hangs, as a network's may: whoever posts waits no longer than for a database that does.
PATIENCE_S: Final = 5.0
# The store is tried with one webhook, and with many once it has taken that.
AGAIN_S: Final = 0.5
BATCH: Final = 500
# These say something of a webhook; every other error is the store's, and passes.
REFUSALS: Final = (DataError, IntegrityError, ValueError, TypeError)
# How often a process looks for what others have left, and a disk that failed is tried.
LOOK_ROUND_S: Final = 10.0
# Others go first no longer than this while the store answers: one of them may hang.
OTHERS_S: Final = 60.0


class Arrived(NamedTuple):
    """``at``: when, by this machine's clock."""

    webhook: ReceivedWebhook
    at: float


class DiskThread:
    """``await disk(function, …)``: one at a time, beside the event loop."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="spool")

    async def __call__(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments))

    def close(self) -> None:
        self._executor.shutdown(wait=False)


class Spool:
    """``busy``: something is on disk, or on its way there; whatever comes goes behind it.

    ``gate`` writes to ``segments`` with ``keep_all``, on ``disk``.
    """

    def __init__(
        self,
        segments: Segments,
        disk: DiskThread,
        *,
        gate: Submits[Arrived, None],
        db: Db,
        serves: Callable[[AnyProviderSpec], bool],
        wanted: bool,
    ) -> None:
        """``serves`` says whose webhooks are kept; where it is ``wanted`` at all, its disk is tried beforehand."""
        self._segments, self._disk, self._gate, self._db = segments, disk, gate, db
        self.serves, self.wanted = serves, wanted
        self.busy = self.failing = self._keeping = False
        self._arriving = 0
        self._let_pass_s = 0.0
        self._told = asyncio.Event()
        self._begun: _Begun | None = None
        self._looked_at = float("-inf")
        SPOOL_WEBHOOKS.set_function(lambda: segments.records)
        SPOOL_BYTES.set_function(lambda: segments.size)

    async def submit(self, webhook: ReceivedWebhook) -> None:
        """Returns once it is on disk. Raises SpoolUnavailable or Overloaded."""
        self.busy = True
        self._arriving += 1
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._gate.submit(Arrived(webhook, time.time()))
        except TimeoutError:
            raise self._fail(SpoolUnavailable("The disk does not answer in time.")) from None
        except SpoolUnavailable as failed:
            raise self._fail(failed) from None
        finally:
            self._arriving -= 1
            self._told.set()
        self._recover()
        self._keep()
        SPOOLED.inc()

    async def run_for_ever(self) -> None:
        while True:
            try:
                await self.look_round()
                await self.bring()
            except Unavailable:
                await asyncio.sleep(AGAIN_S)
            except Exception as bug:  # noqa: BLE001 -- a disk that does not give back what it took, or a bug
                log.error(Event.LOOP_FAILED, part="spool", error=name_of(bug), at=where(bug))
                await asyncio.sleep(LOOK_ROUND_S)
            else:
                await self._be_told()

    async def look_round(self) -> None:
        """Now and then, and before anything is received: adopt what others have left, and try an untried disk."""
        if time.monotonic() < self._looked_at + LOOK_ROUND_S:
            return
        untried, self._looked_at = self._looked_at < 0, time.monotonic()
        try:
            found = await self._disk(self._segments.adopt)
            if self.wanted and (untried or self.failing):
                await self._disk(self._segments.check)
                self._recover()
        except SpoolUnavailable as failed:
            self._fail(failed)
            return
        if found:
            log.warning(Event.SPOOL_ADOPTED, count=found)
            self._keeping = True
        self.busy = self.busy or bool(found) or await self._disk(self._segments.others_first)

    async def bring(self) -> None:
        """To the store, until nothing waits. Raises Unavailable as soon as that is away."""
        await self._bring_first()
        while await self._others_go_first():
            await asyncio.sleep(AGAIN_S)
            await self.look_round()
            await self._bring_first()
        await self._bring_first()
        if self._arriving or self._segments.records:
            return
        self.busy = False
        if self._keeping:
            self._keeping = False
            log.info(Event.SPOOL_ENDED)

    async def close(self) -> None:
        """What waits on disk stays for the next process."""
        await self._disk(self._segments.close)
        self._disk.close()

    @property
    def waiting(self) -> int:
        return self._segments.records

    async def _bring_first(self) -> None:
        """What is in front; this process's own only where nobody else goes first."""
        while self._segments.records and (begun := await self._next()) is not None:
            await begun.go_on(self._db)
            if begun.refused:
                log.error(Event.SPOOL_KEPT, count=begun.refused)
            await self._disk(partial(self._segments.finish, begun.segment, refused=bool(begun.refused)))
            self._begun = None

    async def _others_go_first(self) -> bool:
        if not await self._disk(self._segments.others_first):
            return False
        await self._db(store_spooled, ())  # or nobody can go on
        self._let_pass_s += AGAIN_S
        if self._let_pass_s > OTHERS_S:
            await self._disk(self._segments.pass_others)
        return True

    async def _be_told(self) -> None:
        self._told.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_ROUND_S):
                await self._told.wait()

    async def _next(self) -> "_Begun | None":
        """The same again until it is through: how far it was is not forgotten."""
        if self._begun is None and (found := await self._disk(self._segments.first)):
            self._begun = _Begun(*found)
        return self._begun

    def _keep(self) -> None:
        if not self._keeping:
            self._keeping = True
            log.warning(Event.SPOOL_BEGAN)

    def _fail(self, failed: SpoolUnavailable) -> SpoolUnavailable:
        if not self.failing:
            log.error(Event.SPOOL_FAILED, error=name_of(failed.__cause__ or failed))
        self.failing = True
        SPOOL_FAILING.set(1)
        return failed

    def _recover(self) -> None:
        self.failing = False
        SPOOL_FAILING.set(0)


class _Begun:
    """A segment on its way to the store. ``refused``: how many the store does not take, now or ever."""

    def __init__(self, segment: Segment, records: Sequence[bytes]) -> None:
        self.segment = segment
        self.refused = 0
        self._left = [decode(record) for record in records]

    async def go_on(self, db: Db) -> None:
        """From where it was. What is stored a second time, since a commit went unanswered, is there once."""
        alone = 1  # while the store is away, that is all that is tried
        while some := self._left[: 1 if alone else BATCH]:
            try:
                await db(store_spooled, some)
            except REFUSALS as refusal:
                if len(some) > 1:  # one of them is at fault
                    alone = len(some)
                    continue
                log.error(Event.GATE_ROW_REFUSED, part="spool", error=type(refusal).__name__)
                self.refused += 1
            del self._left[: len(some)]
            alone = max(0, alone - 1)


def keep_all(segments: Segments, batch: Sequence[Arrived]) -> list[None]:
    """On disk when it returns, sealed as it would be in the database."""
    segments.append([encode(spool_webhook(*each)) for each in batch])
    return [None] * len(batch)


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(SpooledWebhook).decode
