"""A Redis of a scenario's own, which is killed, emptied and filled up: it knows nothing that nobody else knows."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from shutil import which

import aiohttp

from .blueprint import person, place, run_commands
from .case import Case
from .load import Load
from .meta import text_webhook
from .processes import die_with_parent, take_port
from .registry import scenario

SERVER = "redis-server"
ANSWERS_WITHIN_S = 20.0
AWAY_S = (0.5, 2.5)
CALM_S = (0.5, 1.5)
RATE = 60.0
# More than is handed in, so that every call is counted and none is refused for it.
ACCEPT_RATE = "500"
REFUSED = 429
# What one process counts by itself after the shared count was not to be had.
LEFT_ALONE_S = 1.2

Trouble = Callable[["Case", "RedisNode"], Awaitable[None]]


class RedisNode:
    """Nothing of it is on disk: what was killed comes back empty."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.port = folder, take_port()
        self._running: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        with (self._folder / "redis.log").open("ab") as log:
            self._running = await asyncio.create_subprocess_exec(
                SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                "--dir", str(self._folder), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=die_with_parent,
            )  # fmt: skip
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            while await self.ask("PING") != b"+PONG":
                await asyncio.sleep(0.05)

    async def ask(self, *words: str) -> bytes:
        """The first line of its answer; nothing where there is none."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return b""
        quoted = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        writer.write(f"*{len(words)}\r\n{quoted}".encode())
        answer = (await reader.readline()).strip()
        writer.close()
        return answer

    async def kill(self) -> None:
        if self._running is not None and self._running.returncode is None:
            self._running.kill()
            await self._running.wait()


@scenario("R13")
async def redis_is_killed_emptied_and_full(case: Case) -> None:
    """Twenty times each: SIGKILL of Redis, FLUSHALL, and no memory left, while calls are counted in it.

    Nothing is lost or doubled and no caller is refused for it; webhooks are taken, and nobody signs in meanwhile.
    """
    if not which(SERVER):
        case.skip("Redis is not installed")
        return
    node = RedisNode(case.stand.folder)
    await node.start()
    try:
        await play(case, node)
    finally:
        await node.kill()


async def play(case: Case, node: RedisNode) -> None:
    case.stand.environment |= {"HAILGATE_REDIS_URL": node.url, "HAILGATE_SIGN_IN_RATE": "1000"}
    await run_commands(case.stand.environment, ["tenant", "set", "clinic", f"--accept-rate={ACCEPT_RATE}"])
    await case.stand.serve("--no-work")
    await case.stand.work("worker")
    troubles: dict[str, Trouble] = {"killed": kill, "emptied": empty, "full": fill}
    signed_in: Counter[str] = Counter()
    async with Load(case.client, case.dice, rate=RATE):
        for _ in range(case.times(20, at_least=2)):
            for name, trouble in troubles.items():
                await asyncio.sleep(case.dice.uniform(*CALM_S))
                case.expect(await signs_in(case), "nobody may sign in though Redis is well")
                await trouble(case, node)
                signed_in[name] += name != "emptied" and await signs_in(case)
                await heal(case, node)
    counted = await node.ask("DBSIZE")
    verdict = await case.conclude()
    refused = case.client.errors.get(REFUSED, 0)
    case.note(refused=refused, redis_keys=counted.decode())
    case.expect(not refused, f"{refused} callers were refused though they kept to their rate")
    case.expect(not signed_in.total(), f"somebody could sign in uncounted: {dict(signed_in)}")
    case.expect(not verdict.failed + verdict.unknown, "messages failed or are unknown, though nobody was killed")


async def kill(case: Case, node: RedisNode) -> None:
    await node.kill()
    await expect_webhooks(case)


async def empty(case: Case, node: RedisNode) -> None:
    case.expect(await node.ask("FLUSHALL") == b"+OK", "Redis could not be emptied")
    await expect_webhooks(case)


async def fill(case: Case, node: RedisNode) -> None:
    """It answers, and takes nothing more."""
    case.expect(await node.ask("CONFIG", "SET", "maxmemory", "1") == b"+OK", "Redis could not be filled")
    await expect_webhooks(case)


async def heal(case: Case, node: RedisNode) -> None:
    case.fault()
    await asyncio.sleep(case.dice.uniform(*AWAY_S))
    if not await node.ask("PING"):
        await node.start()
    await node.ask("CONFIG", "SET", "maxmemory", "0")
    await asyncio.sleep(LEFT_ALONE_S)


async def expect_webhooks(case: Case) -> None:
    """What a person writes is taken whatever Redis does."""
    here, number = place(1), len(case.ledger.promises)
    body = text_webhook(here, person(1), f"wamid.redis-{number}", "Hello?", time.time())
    status = await case.stand.post_webhook(body)
    case.expect(status == 200, f"a webhook was answered with {status}")


async def signs_in(case: Case) -> bool:
    """Whether an attempt to sign in is looked at: a wrong password, and no 429."""
    form = {"username": "nobody", "password": "wrong"}
    try:
        async with case.stand.session.post(f"{case.stand.web}/console/sign-in", data=form) as answer:
            return answer.status not in {REFUSED, 503}
    except aiohttp.ClientError:
        return False
