"""Everything is destroyed, and brought back from a backup that was made while messages flowed."""

import asyncio
import json
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from .blueprint import Blueprint, person, run_commands, run_inside
from .case import Case, batches
from .files import Sent, received, send_file, wait_for_files
from .ledgers import Promise
from .load import Conversation, Load
from .processes import Process
from .registry import scenario
from .stand import gather_all
from .stores import PostgresqlStore, SqliteStore, Store, postgresql_answers

DRILLS = 5
PAST = 100_000
RECENT = 2_000
RESTORED_WITHIN_S = 300.0
FILES = 24
ASK_AT_ONCE = 20
HELD_S = 2.0
# Sends take their time, so that there is always a backlog: what a backup finds waiting has gone out when it is needed.
SLOW_SENDS = {"match": {"operation": "send"}, "do": "delay", "value": 0.5}
# What a restore itself changes: what waited is unknown, what was held is nobody's.
SETTLED = frozenset({
    "accounts_installation", "messaging_attempt", "messaging_conversation", "messaging_hook", "messaging_message",
    "messaging_queuelease", "messaging_receipt", "messaging_work", "messaging_worker",
})  # fmt: skip


class Owner(NamedTuple):
    """Who alone can open a backup."""

    recipient: str
    identity: Path


class Backup(NamedTuple):
    file: Path
    begun_at: float
    manifest: dict[str, Any]


@scenario("R45", limit_s=9000.0)
async def everything_is_destroyed_and_restored(case: Case) -> None:
    """Traffic, a backup, more traffic, everything destroyed, restored: five times, the last onto the other database.

    Nothing that was accepted before the backup is lost, nothing is sent again, hashes are equal, within five minutes
    for a hundred thousand messages.
    """
    whole = await case.stand.serve()
    files = [await send_file(case, number) for number in range(FILES)]
    kept = await attachments(case, files)
    async with Load(case.client, case.dice, rate=100) as load:
        await load.reaches(case.times(RECENT))
    await case.settle()
    await whole.stop()
    await run_inside(case.stand.environment, "grow", str(case.times(PAST)))
    owner, seconds, unknown = await make_owner(case), [], []
    whole = await case.stand.serve()
    for drill in range(drills := case.times(DRILLS, at_least=2)):
        backup = await back_up_under_load(case, owner, drill)
        await destroy(case, whole)
        store = await new_store(case, drill, other=drill + 1 == drills)
        told = await bring_back(case, backup, owner, store)
        seconds.append(told["seconds"])
        unknown.append(told["unknown"])
        whole = await come_back(case, backup)
        await expect_files(case, kept)
    await case.conclude()
    case.note(restored_s=seconds, messages=told["messages"], unknown_after_restore=unknown, ends_on=store.kind)
    case.expect(max(seconds) <= RESTORED_WITHIN_S, f"a restore took {max(seconds):.0f} s")
    case.expect(sum(unknown) > 0, "nothing waited in any backup: nothing was shown")


async def make_owner(case: Case) -> Owner:
    (key,) = await run_commands(case.stand.environment, ["backup", "key"])
    identity = case.stand.folder / "identity.txt"
    identity.write_text(key["identity"], encoding="ascii")
    return Owner(key["recipient"], identity)


async def back_up_under_load(case: Case, owner: Owner, drill: int) -> Backup:
    """Messages flow before, meanwhile and after; people write to the assistant, too."""
    file = case.stand.folder / f"backup-{drill}.age"
    await case.stand.simulator.put_faults(SLOW_SENDS)
    async with Load(case.client, case.dice, rate=100) as load:
        await load.reaches(200)
        await gather_all(*(ask_assistant(case, 100 * drill + number) for number in range(20)))
        begun = time.time()
        command = ["backup", f"--to={file}", f"--recipient={owner.recipient}"]
        await run_commands(case.stand.environment, command)
        await load.reaches(load.sent + 200)
    verified = ["backup", "verify", str(file), f"--identity={owner.identity}"]
    await run_commands(case.stand.environment, verified)
    manifest = json.loads(file.with_name(f"{file.name}.manifest.json").read_bytes())
    return Backup(file, begun, manifest)


async def ask_assistant(case: Case, number: int) -> None:
    """Not a promise: who asked before a restore is answered by a person. Answered twice, it would be a duplicate."""
    phone = person(8000 + number)
    promise = case.ledger.ask(Conversation(Blueprint.assistant, phone).key)
    await case.stand.simulator.write(phone, Blueprint.assistant.number, f"{promise.token} is my question")


async def destroy(case: Case, whole: Process) -> None:
    """The process, its database, its files, its keys. The sends that were under way have reached the provider."""
    await case.kill(whole)
    await case.stand.store.drop()
    if isinstance(case.stand.store, SqliteStore):
        for file in case.stand.store.path.parent.glob("hailgate.db*"):
            file.unlink()
    shutil.rmtree(case.stand.folder / "home")
    case.stand.environment.pop("HAILGATE_SECRET_KEYS", None)
    await case.stand.simulator.put_faults()


async def new_store(case: Case, drill: int, *, other: bool) -> Store:
    """Empty. `other` is PostgreSQL in place of SQLite, where it answers, and the other way round."""
    on_postgresql = case.on_postgresql != other
    if on_postgresql and not await postgresql_answers():
        case.skip("no restore onto PostgreSQL: it does not answer")
        on_postgresql = False
    folder = case.stand.folder / f"restored-{drill}"
    folder.mkdir()
    store: Store = PostgresqlStore() if on_postgresql else SqliteStore(folder)
    await store.create()
    return store


async def bring_back(case: Case, backup: Backup, owner: Owner, store: Store) -> dict[str, Any]:
    """What `restore` said; what another backup says of the store then, is what the first one said."""
    case.stand.store, case.stand.environment["HAILGATE_DATABASE_URL"] = store, store.url
    restored = ["restore", str(backup.file), f"--identity={owner.identity}"]
    again = backup.file.with_suffix(".again")
    begun = time.monotonic()
    (told,) = await run_commands(case.stand.environment, restored)
    told["seconds"] = round(time.monotonic() - begun, 1)
    await run_commands(case.stand.environment, ["backup", f"--to={again}", f"--recipient={owner.recipient}"])
    tables = json.loads(again.with_name(f"{again.name}.manifest.json").read_bytes())["tables"]
    differ = {name for name, content in backup.manifest["tables"].items() if tables[name] != content}
    case.expect(differ <= SETTLED, f"other than in the backup: {', '.join(sorted(differ - SETTLED))}")
    case.note(tables=len(tables), settled_tables=len(differ))
    return dict(told)


async def come_back(case: Case, backup: Backup) -> Process:
    """Held first: it accepts, and nothing leaves. Then it is released."""
    sent_before = len(await case.stand.simulator.deliveries())
    whole = await case.stand.serve()
    await expect_known(case, backup)
    async with Load(case.client, case.dice, rate=50) as load:
        await load.reaches(50)
        await asyncio.sleep(HELD_S)
        sent = len(await case.stand.simulator.deliveries()) - sent_before
        case.expect(not sent, f"{sent} messages left while it was held")
        await run_commands(case.stand.environment, ["release"])
        await load.reaches(load.sent + 100)
    await case.settle()
    return whole


async def expect_known(case: Case, backup: Backup) -> None:
    """What was accepted before the backup is there. What was accepted since is lost, and nobody promises otherwise."""
    before = [p for p in case.ledger.accepted if (p.answered_at or 0.0) < backup.begun_at]
    for promise in case.ledger.accepted:
        if promise not in before:
            promise.message_id = None
    missing = 0
    for few in batches(before, ASK_AT_ONCE):
        missing += sum(await gather_all(*(is_missing(case, promise) for promise in few)))
    case.expect(not missing, f"{missing} messages that were accepted before the backup are not in it")


async def is_missing(case: Case, promise: Promise) -> bool:
    try:
        await case.stand.ask(f"/v1/messages/{promise.message_id}")
    except aiohttp.ClientResponseError as answer:
        return answer.status == 404
    return False


async def attachments(case: Case, files: list[Sent]) -> dict[str, bytes]:
    """The content of each file, by the id of its attachment."""
    await wait_for_files(case, len(files))
    ids = {message["provider_id"]: message["attachment"]["id"] for message in await received(case)}
    return {ids[each.message_id]: each.content for each in files}


async def expect_files(case: Case, kept: dict[str, bytes]) -> None:
    found = await gather_all(*map(case.stand.download, kept))
    spoilt = sum(now != then for now, then in zip(found, kept.values(), strict=True))
    case.expect(not spoilt, f"{spoilt} files are not what they were")
