"""Retention: what has been kept for its days is removed, in batches, by one worker at a time."""

import time

from hailgate.messaging.files.storage import FOLDERS, Files
from hailgate.messaging.store.ports import Db
from hailgate.messaging.upkeep.alarm_checks import keeps_house
from hailgate.messaging.upkeep.purge import DAY_S
from hailgate.messaging.upkeep.retention import (
    BATCH,
    find_orphans,
    list_outlived_bodies,
    list_undropped,
    prune_amendments,
    record_bodies_dropped,
    record_dropped,
    remove_outlived,
)
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log
from hailgate.telemetry.metrics import MEDIA_BYTES

# One folder of files in each look round: all 256 in a day, whatever their number.
EVERY_S = DAY_S / len(FOLDERS)
# A file that no row knows may be about to be recorded: an upload takes ten minutes at most.
ORPHANS_AFTER_S = DAY_S


class Retention:
    """For one worker. ``kept_days`` 0 keeps files and what was corrected for ever."""

    def __init__(self, db: Db, worker_id: int, *, files: Files, kept_days: int) -> None:
        self._db, self._worker_id, self._files, self._kept_s = db, worker_id, files, kept_days * DAY_S

    async def sweep(self) -> None:
        """Until nothing is left that is due."""
        while await self._db(keeps_house, self._worker_id) and await self._swept_full_batch():
            pass
        if await self._db(keeps_house, self._worker_id):
            await self._drop_orphans(FOLDERS[int(time.time() / EVERY_S) % len(FOLDERS)])

    async def _swept_full_batch(self) -> bool:
        full = False
        if self._kept_s:
            full = await self._db(remove_outlived, self._kept_s) == BATCH
            full |= await self._db(prune_amendments, self._kept_s) == BATCH
        full |= await self._drop_bodies()
        return await self._drop_removed() or full

    async def _drop_bodies(self) -> bool:
        """The file goes before its row says so: what is dropped twice was dropped."""
        outlived = await self._db(list_outlived_bodies)
        for each in outlived:
            await self._files.drop(each.file)
        if outlived:
            await self._db(record_bodies_dropped, [each.id for each in outlived])
        return len(outlived) == BATCH

    async def _drop_removed(self) -> bool:
        removed = await self._db(list_undropped)
        if not removed:
            return False
        for each in removed:
            await self._files.drop(each.file)
        await self._db(record_dropped, [each.id for each in removed])
        MEDIA_BYTES.labels("removed").inc(sum(each.size for each in removed))
        log.info(Event.FILES_REMOVED, count=len(removed))
        return len(removed) == BATCH

    async def _drop_orphans(self, folder: str) -> None:
        old = await self._files.list_before(folder, time.time() - ORPHANS_AFTER_S)
        orphans = await self._db(find_orphans, old) if old else []
        for file in orphans:
            await self._files.drop(file)
        if orphans:
            log.warning(Event.ORPHANS_REMOVED, count=len(orphans))
