"""SIGKILL at chosen instants: at every fsync of a script, and at the named points of a delivery."""

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from .blueprint import INSIDE, environment_of
from .case import Case, batches
from .checker import Fate
from .ledgers import Promise
from .load import Conversation, conversations
from .registry import SQLITE, scenario
from .stand import gather_all
from .stores import SqliteStore

SCRIPT_LENGTH = 200
SYNCS = "fsync,fdatasync"
AT_ONCE = 2
# How strace ends when what it traces was killed: by the same signal, or with a shell's way of telling it.
KILLED = frozenset({-signal.SIGKILL, 128 + signal.SIGKILL})

# A mark proves that an intent never left. From the first byte on nobody else can know of the message; after the answer
# a status proves that it was sent.
UNSENT_POINTS = ("after_intent_commit",)
SILENT_POINTS = ("before_first_byte",)
PROVEN_POINTS = ("after_provider_answer", "before_outcome_commit")


@scenario("R03", SQLITE)
async def the_process_is_killed_at_every_fsync(case: Case) -> None:
    """SIGKILL at the n-th fsync of a script that accepts messages and stores webhooks, for every n.

    The database is whole, everything that was acknowledged is in it, and every message has its delivery.
    """
    if shutil.which("strace") is None:
        case.skip("strace is not installed")
        return
    total = await count_syncs(case)
    points = sorted(case.dice.sample(range(1, total + 1), case.times(total)))
    for batch in batches(points, AT_ONCE):
        await gather_all(*(kill_at_sync(case, point) for point in batch))
    case.note(syncs=total, points=len(points))


@scenario("R04")
async def a_delivery_is_killed_at_each_of_its_points(case: Case) -> None:
    """SIGKILL after the intent is committed, before the first byte, after the provider's answer, before the outcome.

    After the intent: delivered once, by whoever takes over. At the first byte: not delivered, and listed as unknown.
    After the answer: delivered once, and proven by its status.
    """
    await case.stand.serve("--no-work")
    worker = await case.stand.work("worker")
    await worker.stop()
    free = conversations()
    case.dice.shuffle(free)
    # The next worker sends at once what had not begun, and may die of that: it comes last.
    killed: dict[str, list[Promise]] = {point: [] for point in (*SILENT_POINTS, *PROVEN_POINTS, *UNSENT_POINTS)}
    for point, promises in killed.items():
        for _ in range(case.times(25, at_least=2)):
            promises.append(await kill_at_point(case, point, free.pop()))
    await worker.start()
    await worker.ready()
    verdict = await case.conclude()
    await case.expect_evidence()
    await expect_landing(case, killed)
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")


# --- at every fsync ---------------------------------------------------------------------------------------------------


async def count_syncs(case: Case) -> int:
    """How many there are in a script that nobody kills."""
    folder = await prepare_copy(case, "whole")
    trace = folder / "trace"
    await run_script(folder, "-o", str(trace), "-e", f"trace={SYNCS}")
    return trace.read_text(encoding="utf-8").count("sync(")


async def kill_at_sync(case: Case, point: int) -> None:
    folder = await prepare_copy(case, f"sync-{point}")
    acknowledged, killed = await run_script(
        folder, "-o", os.devnull, "-e", f"trace={SYNCS}", "-e", f"inject={SYNCS}:signal=SIGKILL:when={point}"
    )
    case.fault()
    case.result.kills += killed
    case.expect(killed, f"nothing was killed at fsync {point}")
    examine(case, SqliteStore(folder), acknowledged, point)
    shutil.rmtree(folder)


async def prepare_copy(case: Case, name: str) -> Path:
    folder = case.stand.folder / name
    folder.mkdir()
    await case.stand.store.clone(folder)
    return folder


async def run_script(folder: Path, *tracing: str) -> tuple[set[str], bool]:
    """The ids that it acknowledged, and whether it was killed."""
    process = await asyncio.create_subprocess_exec(
        "strace", "-f", "-qq", *tracing, sys.executable, str(INSIDE), "accept", str(SCRIPT_LENGTH),
        env=environment_of(folder, SqliteStore(folder).url), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    if process.returncode not in {0, *KILLED}:
        raise RuntimeError(errors.decode()[-2000:])
    acknowledged = {line.split()[1] for line in output.decode().splitlines() if line.startswith("made ")}
    return acknowledged, process.returncode in KILLED


def examine(case: Case, store: SqliteStore, acknowledged: set[str], point: int) -> None:
    """The one place where the harness reads the product's database: what it holds is the question here."""
    with closing(sqlite3.connect(store.path)) as database:
        whole = database.execute("PRAGMA integrity_check").fetchone()[0]
        messages = {uid for (uid,) in database.execute("SELECT uid FROM messaging_message WHERE direction = 2")}
        webhooks = {uid for (uid,) in database.execute("SELECT uid FROM messaging_webhookevent")}
        without = database.execute(
            "SELECT count(*) FROM messaging_message WHERE direction = 2 AND id NOT IN "
            "(SELECT message_id FROM messaging_work WHERE message_id IS NOT NULL)"
        ).fetchone()[0]
    stored = messages | webhooks
    case.result.accepted += len(acknowledged)
    case.result.delivered += len(acknowledged & stored)
    case.result.lost += len(acknowledged - stored)
    case.expect(whole == "ok", f"after a kill at fsync {point} the integrity check says: {whole[:100]}")
    case.expect(not without, f"after a kill at fsync {point} {without} messages have no delivery")


# --- at the points of a delivery --------------------------------------------------------------------------------------


async def kill_at_point(case: Case, point: str, conversation: Conversation) -> Promise:
    """One message to a worker that dies at `point` of its delivery."""
    worker = case.stand.processes[-1]
    await worker.start(HAILGATE_FAULTPOINTS=point)
    promise = await case.client.send(conversation)
    died = await worker.wait_for_death(20.0)
    case.fault()
    case.result.kills += died
    case.expect(died, f"a worker did not come to {point}")
    if not died:
        await worker.stop()
    return promise


async def expect_landing(case: Case, killed: Mapping[str, Sequence[Promise]]) -> None:
    fates = await case.settle()
    for point, promises in killed.items():
        unknown = sum(fates.get(promise.token) is Fate.UNKNOWN for promise in promises)
        expected = len(promises) if point in SILENT_POINTS else 0
        case.note(**{point: {"killed": len(promises), "unknown": unknown}})
        case.expect(unknown == expected, f"{point}: {unknown} of {len(promises)} are unknown, not {expected}")
