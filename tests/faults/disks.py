"""SQLite's file under many writers, on a full disk, and on one whose fsync fails."""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from .case import Case
from .kills import LEASE_OF_LIFE
from .load import Load
from .nemesis import Strace, judge_syncs, may_trace, read_trace
from .processes import Process
from .registry import SQLITE, scenario
from .stand import gather_all
from .stores import SqliteStore

WRITERS = 8
WRITE_RATE = 120.0
# What the product lets it keep; 64 MB are promised.
LOG_KEPT = 32 * 1024 * 1024
# With the reader gone, the log is copied back and cut at one of the next writes.
CUT_WITHIN_S = 15.0

VOLUME_BYTES = 96 * 1024 * 1024
FULL_S = 3.0
WRITING_AGAIN_S = 10.0

BAD_SYNCS_S = 3.0
# The second sync fails and then every fourth: enough of them are good for the process to come to its next commit.
EIO = "inject=fsync,fdatasync:error=EIO:when=2+4"
TRACED = "trace=fsync,fdatasync,pwrite64,close"
ENOSPC = ("-e", "trace=pwrite64", "-e", "inject=pwrite64:error=ENOSPC")


@scenario("R14", SQLITE)
async def many_write_and_one_reads_for_long(case: Case) -> None:
    """Eight processes write to one file while one reader keeps its snapshot open: no checkpoint can finish.

    Nobody is told that the database is busy, and once the reader is gone the log is cut back.
    """
    web = await case.stand.serve("--no-work")
    await gather_all(*(case.stand.work(f"worker-{number}", **LEASE_OF_LIFE) for number in range(1, WRITERS)))
    log = wal_of(case.stand.store)
    async with Load(case.client, case.dice, rate=WRITE_RATE) as load:
        with closing(sqlite3.connect(path_of(case.stand.store))) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM messaging_message").fetchone()
            await load.reaches(case.times(10_000, at_least=2_500))
            case.fault()
            largest = log.stat().st_size
        cut_after = await wait_for_cut(log)
    await case.conclude()
    busy = case.client.errors.get(503, 0)
    case.note(wal_mb=round(largest / 2**20, 1), wal_after_mb=round(log.stat().st_size / 2**20, 1), busy=busy)
    case.note(cut_after_s=cut_after, web_up=web.running)
    case.expect(largest > LOG_KEPT, f"the log grew to {largest} bytes: nothing was shown")
    case.expect(not busy, f"{busy} callers were told that the database was busy")
    case.expect(cut_after is not None, f"the log is still {log.stat().st_size} bytes long without its reader")
    await case.expect_evidence()


@scenario("R15", SQLITE)
async def the_disk_is_full(case: Case) -> None:
    """Not a byte is left on the volume of the database, while messages flow; then there is room again.

    While it is full callers hear 503, unless a message still fits into what the log has kept, and then it is stored:
    none of those is lost. The process stays, and it writes again within ten seconds by itself.
    """
    async with small_volume(case) as volume:
        if volume is None and not await may_trace(case):
            return
        web = await case.stand.serve()
        again = []
        async with Load(case.client, case.dice) as load:
            for _ in range(case.times(10, at_least=2)):
                await load.reaches(load.sent + 50)
                again.append(await fill_for_a_while(case, web, volume))
        await case.conclude()
        await case.expect_evidence()
        case.note(writing_again_s=again, refused=case.client.errors.get(503, 0), by="volume" if volume else "strace")
        await web.stop()
        expect_whole(case)


@scenario("R16", SQLITE)
async def fsync_fails(case: Case) -> None:
    """EIO from fsync in the middle of the work, and a kill while it lasts.

    A connection whose commit could not be made durable is closed and never used again; what was accepted is stored.
    """
    if not await may_trace(case):
        return
    web = await case.stand.serve()
    injected = failed = went_on = 0
    async with Load(case.client, case.dice):
        for turn in range(case.times(20, at_least=3)):
            await asyncio.sleep(case.dice.uniform(0.3, 1.0))
            async with Strace(web, case.stand.folder / f"trace-{turn}", "-e", TRACED, "-e", EIO) as strace:
                await asyncio.sleep(BAD_SYNCS_S)
                if turn % 3 == 1:
                    await case.kill(web)
            lines = strace.lines()
            syncs = judge_syncs(read_trace(lines))
            injected += sum("(INJECTED)" in line for line in lines)
            failed, went_on = failed + syncs.failed, went_on + syncs.went_on
            strace.trace.unlink()
            if not web.running:
                await web.start()
            await web.ready()
    case.fault(injected)
    await case.conclude()
    await case.expect_evidence()
    case.note(injected=injected, failed_commits=failed, went_on=went_on)
    case.expect(failed > 0, "no commit met a failing fsync: nothing was shown")
    case.expect(not went_on, f"{went_on} calls used a log after its fsync had failed")
    await web.stop()
    expect_whole(case)


# --- one file ---------------------------------------------------------------------------------------------------------


def path_of(store: object) -> Path:
    assert isinstance(store, SqliteStore)
    return store.path


def wal_of(store: object) -> Path:
    path = path_of(store)
    return path.with_name(f"{path.name}-wal")


async def wait_for_cut(log: Path) -> float | None:
    """Seconds until it is short enough; None if it does not become so."""
    begun = time.monotonic()
    while log.stat().st_size > LOG_KEPT:
        if time.monotonic() > begun + CUT_WITHIN_S:
            return None
        await asyncio.sleep(0.2)
    return round(time.monotonic() - begun, 1)


def expect_whole(case: Case) -> None:
    path = case.stand.environment["HAILGATE_DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as database:
        whole = database.execute("PRAGMA integrity_check").fetchone()[0]
    case.expect(whole == "ok", f"the integrity check says: {whole[:100]}")


# --- a full disk ------------------------------------------------------------------------------------------------------


class Volume:
    """A small file system, and as much ballast as it takes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._ballast = folder, folder / "ballast"

    def fill(self) -> None:
        """To the last byte."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                with suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass

    def free(self) -> None:
        self._ballast.unlink()


class DatabaseVolume(Volume):
    def fill(self) -> None:
        """The log is emptied before: room that it has already could be written over."""
        with closing(sqlite3.connect(self.folder / "hailgate.db", timeout=5)) as database:
            while database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                time.sleep(0.01)
        super().fill()


@asynccontextmanager
async def small_volume(case: Case) -> AsyncIterator[DatabaseVolume | None]:
    """The stand's database moves onto it. None where we may not mount; then strace has to do."""
    async with mounted(case, "volume") as folder:
        if folder is None:
            yield None
            return
        copy = await case.stand.store.clone(folder)
        case.stand.environment["HAILGATE_DATABASE_URL"] = copy.url
        yield DatabaseVolume(folder)


@asynccontextmanager
async def mounted(case: Case, name: str) -> AsyncIterator[Path | None]:
    """A small file system in the stand's folder. None where we may not mount."""
    folder = case.stand.folder / name
    folder.mkdir()
    if os.geteuid() != 0 or not await run("mount", "-t", "tmpfs", "-o", f"size={VOLUME_BYTES}", "tmpfs", str(folder)):
        case.note(volume="may not be mounted")
        yield None
        return
    try:
        yield folder
    finally:
        for process in case.stand.processes:
            if process.name == "whole" and process.running:
                await process.kill()
        await run("umount", "-l", str(folder))


async def run(*command: str) -> bool:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait() == 0


async def fill_for_a_while(case: Case, web: Process, volume: DatabaseVolume | None) -> float | None:
    """Seconds from when there was room again to the first message that was accepted."""
    if volume is None:
        async with Strace(web, case.stand.folder / "trace", *ENOSPC):
            await stay_full(case, web)
    else:
        await asyncio.to_thread(volume.fill)
        await stay_full(case, web)
        volume.free()
    case.fault()
    return await wait_for_accept(case, time.time())


async def stay_full(case: Case, web: Process) -> None:
    refused = case.client.errors.get(503, 0)
    await asyncio.sleep(FULL_S)
    case.expect(case.client.errors.get(503, 0) > refused, "nobody was refused while the disk was full")
    case.expect(web.running, "the process ended because the disk was full")


async def wait_for_accept(case: Case, since: float) -> float | None:
    while time.time() < since + WRITING_AGAIN_S:
        answered = [p.answered_at for p in case.ledger.accepted if (p.answered_at or 0) > since]
        if answered:
            return round(min(at for at in answered if at) - since, 2)
        await asyncio.sleep(0.1)
    case.expect(holds=False, rule=f"nothing was accepted within {WRITING_AGAIN_S:.0f} s after there was room again")
    return None
