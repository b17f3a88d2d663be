"""Webhooks of a provider that posts each of them once, while the database is away: they wait on disk."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Sequence

import aiohttp

from .blueprint import Blueprint, person
from .case import Case
from .databases import ANSWERS_WITHIN_S, WAYS, heal, own_server
from .disks import WRITING_AGAIN_S, Volume, mounted, small_volume
from .meta import text_webhook
from .nemesis import Strace, may_trace
from .processes import Process
from .registry import POSTGRESQL, SQLITE, scenario
from .silences import AWAY_S, LEAST_AWAY_S, NOISE_S, PATIENCE_S, write_all
from .stand import gather_all

ALWAYS = {"HAILGATE_SPOOL": "always"}
TALKERS = 8
PAUSE_S = 0.05
FULL_S = 3.0
LOOK_S = 0.1
# A file whose last block has room left takes a few more webhooks on a disk without a free block, and keeps them.
LAST_BLOCK = 40
EIO = ("-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO")
SAID = re.compile(r"(\d+) says (\d+)")


class Talker:
    """Writes one message after the other, each once it has been answered, and never repeats one."""

    def __init__(self, number: int, web: str) -> None:
        self.phone, self.web = person(number), web
        self.accepted: list[int] = []
        self.unclear: set[int] = set()
        self._said = 0

    async def say(self, case: Case) -> int:
        """The status of the answer; 0 where there was none."""
        self._said += 1
        number, text = self._said, f"{self.phone} says {self._said}"
        body = text_webhook(Blueprint.places[0], self.phone, f"wamid.{self.phone}-{number}", text, time.time())
        try:
            status = await case.stand.post_webhook(body, self.web)
        except (aiohttp.ClientError, OSError, TimeoutError):
            self.unclear.add(number)
            return 0
        if status == 200:
            self.accepted.append(number)
        else:
            self.unclear.add(number)  # refused, and perhaps stored all the same: that is allowed
        return status


class Answers:
    def __init__(self) -> None:
        self.counted: Counter[int] = Counter()
        self.slowest = 0.0

    async def to(self, case: Case, talkers: Sequence[Talker], until: float) -> None:
        await gather_all(*(self._to(case, talker, until) for talker in talkers))

    async def _to(self, case: Case, talker: Talker, until: float) -> None:
        while time.monotonic() < until:
            begun = time.monotonic()
            self.counted[await talker.say(case)] += 1
            self.slowest = max(self.slowest, time.monotonic() - begun)
            await asyncio.sleep(PAUSE_S)


@scenario("SPOOL", POSTGRESQL)
async def webhooks_wait_on_disk_while_postgresql_is_down(case: Case) -> None:
    """With `HAILGATE_SPOOL=always`: PostgreSQL is killed and comes back a minute later; people write all the time.

    Every webhook is answered with 200 although the database is away. Of two web processes one is killed meanwhile, the
    other just before the end. Afterwards each message is there once, in the order of its conversation.
    """
    async with own_server(case) as server:
        if server is None:
            return
        web = await case.stand.serve("--no-work", **ALWAYS)
        second = await case.stand.serve_beside("second", **ALWAYS)
        worker = await case.stand.work("worker")
        people = [person(3000 + number) for number in range(case.times(5_000, at_least=100))]
        here = [Talker(7000 + number, "") for number in range(TALKERS)]
        there = [Talker(7100 + number, second.probe.removesuffix("/readyz")) for number in range(TALKERS)]
        third = len(people) // 3
        await write_all(case, people[:third])
        await gather_all(*(talker.say(case) for talker in [*here, *there]))
        await server.end(WAYS["killed"])
        case.fault()
        case.result.kills += 1
        away_s = max(LEAST_AWAY_S, AWAY_S * case.result.scale)
        until = time.monotonic() + away_s
        answers = Answers()
        written = asyncio.create_task(write_all(case, people[third:]))
        staying = asyncio.create_task(answers.to(case, here, until))
        await answers.to(case, there, until - away_s / 3)
        spooled = await case.stand.metric(second, "hailgate_webhooks_spooled_total")
        await case.kill(second)
        await asyncio.gather(staying, written)
        spooled += await case.stand.metric(web, "hailgate_webhooks_spooled_total")
        await case.kill(web)
        await server.start()
        await gather_all(web.start(), second.start())
        await gather_all(web.ready(), second.ready())
        await gather_all(*(talker.say(case) for talker in here))
        await brought(case, [web, second])
        await gather_all(*(talker.say(case) for talker in there))
        healed = await heal(case, [web, second, worker])
        missing = await case.wait_for([each.token for each in case.ledger.accepted], PATIENCE_S)
        await expect_heard(case, [*here, *there])
        verdict = await case.conclude()
    case.note(people=len(people), while_away=dict(answers.counted), spooled=spooled, healed_s=healed)
    case.note(slowest_answer_s=round(answers.slowest, 1))
    case.expect(answers.counted.keys() == {200}, f"webhooks were answered {dict(answers.counted)} while it was away")
    case.expect(answers.slowest <= ANSWERS_WITHIN_S + NOISE_S, f"an answer took {answers.slowest:.1f} s")
    case.expect(spooled >= answers.counted[200], f"only {spooled:.0f} webhooks went to the disk")
    case.expect(not missing, f"{len(missing)} people were not answered")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")


@scenario("SPILL", SQLITE)
async def the_disk_of_the_database_is_full_and_then_that_of_the_spool(case: Case) -> None:
    """With `HAILGATE_SPOOL=always` on a disk of its own: the database's disk is full, then the spool's too.

    Webhooks are answered with 200 while one of them takes something in, and with 503 while neither does; within ten
    seconds of room on the spool's it takes them again. Afterwards each is there once, in order.
    """
    async with small_volume(case) as database, mounted(case, "spool") as folder:
        if database is None or folder is None:
            case.skip("a volume may not be mounted here")
            return
        spool = Volume(folder)
        web = await case.stand.serve(**ALWAYS, HAILGATE_SPOOL_FOLDER=str(folder / "spool"))
        talkers = [Talker(7000 + number, "") for number in range(TALKERS)]
        kept, refused = Answers(), Answers()
        again = []
        for turn in range(case.times(10, at_least=2)):
            await write_all(case, [person(3000 + 20 * turn + number) for number in range(20)])
            await asyncio.to_thread(database.fill)
            case.fault()
            await kept.to(case, talkers, time.monotonic() + FULL_S)
            await asyncio.to_thread(spool.fill)
            case.fault()
            await until_refused(case, talkers)
            await refused.to(case, talkers, time.monotonic() + FULL_S)
            spool.free()
            again.append(await until_kept(case, talkers))
            await kept.to(case, talkers, time.monotonic() + 1.0)
            database.free()
            await brought(case, [web])
        case.expect(web.running, "the process ended because a disk was full")
        await expect_heard(case, talkers)
        await case.conclude()
        await case.expect_evidence()
    case.note(one_disk_full=dict(kept.counted), both_full=dict(refused.counted), keeping_again_s=again)
    case.expect(kept.counted.keys() == {200}, f"{dict(kept.counted)} while the spool had room")
    case.expect(refused.counted.keys() == {503}, f"{dict(refused.counted)} while no disk had any")


@scenario("SPOIL", POSTGRESQL)
async def the_disk_of_the_spool_fails_to_sync(case: Case) -> None:
    """With `HAILGATE_SPOOL=always`: PostgreSQL is away, and every fdatasync of the spool fails with EIO for a while.

    Nothing is answered with 200 while it fails, though the bytes are written; it goes on by itself, and what was
    answered before and after is there once, in order.
    """
    if not await may_trace(case):
        return
    async with own_server(case) as server:
        if server is None:
            return
        web = await case.stand.serve("--no-work", **ALWAYS)
        worker = await case.stand.work("worker")
        talkers = [Talker(7000 + number, "") for number in range(TALKERS)]
        kept, refused = Answers(), Answers()
        injected, again = 0, []
        await kept.to(case, talkers, time.monotonic() + 1.0)
        await server.end(WAYS["killed"])
        case.result.kills += 1
        await kept.to(case, talkers, time.monotonic() + FULL_S)
        for turn in range(case.times(10, at_least=2)):
            async with Strace(web, case.stand.folder / f"trace-{turn}", *EIO) as strace:
                await refused.to(case, talkers, time.monotonic() + FULL_S)
            injected += sum("(INJECTED)" in line for line in strace.lines())
            again.append(await until_kept(case, talkers))
            await kept.to(case, talkers, time.monotonic() + 1.0)
        case.fault(injected)
        await server.start()
        await gather_all(web.ready(), worker.ready())
        await brought(case, [web])
        await gather_all(*(talker.say(case) for talker in talkers))
        await expect_heard(case, talkers)
        await case.conclude()
    case.note(well=dict(kept.counted), failing=dict(refused.counted), keeping_again_s=again, injected=injected)
    case.expect(injected > 0, "no sync failed: nothing was shown")
    case.expect(kept.counted.keys() == {200}, f"{dict(kept.counted)} while the spool was well")
    case.expect(refused.counted.keys() == {503}, f"{dict(refused.counted)} while no sync succeeded")


async def until_refused(case: Case, talkers: Sequence[Talker]) -> None:
    for _ in range(LAST_BLOCK):
        if 503 in await gather_all(*(talker.say(case) for talker in talkers)):
            return
    case.expect(holds=False, rule="a full disk goes on to take webhooks")


async def until_kept(case: Case, talkers: Sequence[Talker]) -> float | None:
    """Seconds until everybody is answered with 200."""
    begun = time.monotonic()
    while time.monotonic() < begun + WRITING_AGAIN_S:
        if {200} == set(await gather_all(*(talker.say(case) for talker in talkers))):
            return round(time.monotonic() - begun, 2)
        await asyncio.sleep(LOOK_S)
    case.expect(holds=False, rule=f"nothing was kept within {WRITING_AGAIN_S:.0f} s after there was room again")
    return None


async def brought(case: Case, processes: Sequence[Process]) -> None:
    """Until nothing waits on disk any more."""
    deadline = time.monotonic() + PATIENCE_S
    while await waiting(case, processes):
        if time.monotonic() > deadline:
            case.expect(holds=False, rule=f"{await waiting(case, processes):.0f} webhooks still wait on disk")
            return
        await asyncio.sleep(LOOK_S)


async def waiting(case: Case, processes: Sequence[Process]) -> float:
    return sum([await case.stand.metric(process, "hailgate_spool_webhooks") for process in processes])


async def expect_heard(case: Case, talkers: Sequence[Talker]) -> None:
    """As the API shows it: what was answered with 200 is there once, in order; what was not may be."""
    deadline = time.monotonic() + PATIENCE_S
    while (wrong := await misheard(case, talkers)) and time.monotonic() < deadline:
        await asyncio.sleep(1.0)
    case.note(said=sum(len(talker.accepted) for talker in talkers), unclear=sum(len(t.unclear) for t in talkers))
    case.expect(not wrong, f"{wrong} conversations are not what was answered with 200")


async def misheard(case: Case, talkers: Sequence[Talker]) -> int:
    heard: dict[str, list[int]] = {talker.phone: [] for talker in talkers}
    async for conversation in case.stand.pages("/v1/conversations"):
        path = f"/v1/conversations/{conversation['id']}/messages"
        texts = [(message.get("text") or {}).get("body", "") async for message in case.stand.pages(path)]
        for found in filter(None, map(SAID.fullmatch, reversed(texts))):  # the newest come first
            heard[found[1]].append(int(found[2]))
    return sum(
        [number for number in heard[talker.phone] if number not in talker.unclear] != talker.accepted
        or heard[talker.phone] != sorted(set(heard[talker.phone]))
        for talker in talkers
    )
