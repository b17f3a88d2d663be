"""Assistants in worker processes of their own: four of them overspend nothing, and a Redis that was killed changes none
of their answers.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from shutil import which

import pytest

import given
from assistant.ai_server import run_ai_server
from faults.processes import die_with_parent
from faults.redises import RedisNode
from hailgate.messaging.assistants.budgets import BudgetKey, list_standing_budgets, set_budget
from hailgate.messaging.assistants.registry import add_assistant
from hailgate.messaging.models import TurnAnswer, Worker
from pipeline.stage import take, until
from pipeline.test_worker import QUICK, make_house
from providers.loopback import Loopback

pytest.importorskip("pydantic_ai", reason="needs the extra `ai`")

PROCESSES = 4
PEOPLE = 40
# What one call takes here: little less than is reserved for it. The budget has room for half of the people.
READ, WRITTEN = 400, 30
TOKENS = READ + WRITTEN
MOST = 9_000
WARMING = 8
PATIENCE_S = 240.0


@pytest.fixture
async def clinic(db, tenant, env, tmp_path):
    """A house answered by an assistant whose model is played; workers are started by the tests."""
    async with run_ai_server() as ai, Loopback(take) as server:
        given_ = {"vendor": "openai", "model": "m", "api_key": "k", "base_url": f"http://{ai.target}/v1"}
        await db(add_assistant, tenant.pk, "clinic", given_ | {"messages_per_contact": "0", "max_tokens": "32"})
        house = await make_house(db, tenant, env.model_copy(update=QUICK), server, answered_by="clinic")
        house.ai, house.folder = ai, tmp_path
        ai.took = (READ, WRITTEN)
        yield house


@asynccontextmanager
async def work(house, number: int, **more: str):
    """`hailgate work` in a process of its own."""
    home = house.folder / f"worker-{number}"
    home.mkdir(mode=0o700)
    surroundings = {
        **os.environ, "HAILGATE_HOME": str(home), "HAILGATE_PRIVATE_TARGETS": house.ai.target, **more,
    }  # fmt: skip
    log = (home / "log").open("wb")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hailgate", "work", env=surroundings, stdin=asyncio.subprocess.DEVNULL, stdout=log,
        stderr=log, start_new_session=True, preexec_fn=die_with_parent,
    )  # fmt: skip
    try:
        yield process
    finally:
        log.close()
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def alive(house, count: int) -> bool:
    return await house.db(lambda: Worker.objects.filter(alive=True).count() >= count)


async def say(house, numbers, body="Are you open?") -> None:
    facts = [{"at": int(time.time()), "sender": f"1555{each:07}", "message_id": f"in.{each}"} for each in numbers]
    await house.post(*(given.text_webhook(body, **each) for each in facts))


async def ended(house, count: int) -> bool:
    return await house.db(lambda: TurnAnswer.objects.filter(tenant_id=house.channel.tenant_id).count() >= count)


async def warm_up(house) -> None:
    """Until a few are all answered by the model: on a busy machine its processes take longer to start than a turn."""
    for begin in range(1_000, 2_000, WARMING):
        await say(house, range(begin, begin + WARMING))
        await until(lambda: ended(house, WARMING), seconds=PATIENCE_S)
        answers = TurnAnswer.objects.filter(tenant_id=house.channel.tenant_id)
        warm = await house.db(lambda: {each.outcome for each in answers} == {"answered"})  # noqa: B023 -- at once
        await house.db(answers.delete)
        if warm:
            break
    house.ai.asked.clear()


@pytest.mark.timeout(PATIENCE_S * 2)
async def test_four_worker_processes_overspend_no_more_than_a_call(clinic, tenant, postgresql):
    async with AsyncExitStack() as stack:
        for number in range(PROCESSES):
            await stack.enter_async_context(work(clinic, number))
        await until(lambda: alive(clinic, PROCESSES), seconds=PATIENCE_S)
        await warm_up(clinic)
        await clinic.db(set_budget, tenant.pk, BudgetKey("tenant", "day", "tokens"), str(MOST))
        await say(clinic, range(PEOPLE))
        await until(lambda: ended(clinic, PEOPLE), seconds=PATIENCE_S)
    kept = await clinic.db(lambda: list(TurnAnswer.objects.filter(tenant_id=tenant.pk)))
    (standing,) = await clinic.db(list_standing_budgets, tenant.pk)
    took, ends = TOKENS * len(clinic.ai.asked), Counter(each.note or each.outcome for each in kept)
    print(
        f"{PROCESSES} processes, {PEOPLE} people: {took} of {MOST} tokens taken, {standing.spent} counted, {dict(ends)}"
    )
    assert 0 < took <= standing.spent <= MOST + TOKENS
    assert ends["tokens_per_tenant_day"] > 0
    assert len({each.conversation_id for each in kept}) == len(kept) == PEOPLE


@pytest.mark.timeout(PATIENCE_S * 2)
async def test_a_redis_that_was_killed_changes_no_answer(clinic, tenant, tmp_path, postgresql):
    if which("redis-server") is None:
        pytest.skip("needs Redis: `make services` brings it")
    redis = RedisNode(tmp_path)
    await redis.start()
    async with work(clinic, 0, HAILGATE_REDIS_URL=redis.url):
        await until(lambda: alive(clinic, 1), seconds=PATIENCE_S)
        await warm_up(clinic)
        await say(clinic, [1])
        await until(lambda: ended(clinic, 1), seconds=PATIENCE_S)
        await redis.kill()
        await say(clinic, [2])
        await until(lambda: ended(clinic, 2), seconds=PATIENCE_S)
    with_redis, without = [row.content for row in (await clinic.rows(direction=2))[-2:]]
    assert with_redis == without
    assert "We are open." in without
    asked = [each["messages"] for each in clinic.ai.asked]
    assert asked[0] == asked[1]
    assert not await clinic.db(lambda: TurnAnswer.objects.filter(tenant_id=tenant.pk, outcome="failed").exists())
