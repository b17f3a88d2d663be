"""People write while the database or the provider is away: each is answered or apologised to once, soon afterwards.

Three seconds away in the suite; `make test ONLY=tests/pipeline/test_outages.py SCALE=20` makes them sixty.
"""

import asyncio
import os
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

import given
from aimock import run_aimock
from hailgate.core.errors import StoreUnavailable
from hailgate.messaging.assistants.registry import add_assistant
from hailgate.messaging.outbound import channel_health, channel_limits
from pipeline.stage import take, until
from pipeline.test_ai_turns import settings
from pipeline.test_worker import QUICK, make_house
from providers.loopback import Loopback, render_answer

pytest.importorskip("pydantic_ai", reason="needs the extra `ai`")

SCALE = int(os.environ.get("SCALE", "1"))
PEOPLE = 20
AWAY_S = 3.0 * SCALE
# Of them within which each is to be answered.
SOON_S = 30.0


class Away:
    """A bridge to a store that is away at times."""

    def __init__(self, db) -> None:
        self.db, self.away = db, False

    async def __call__(self, function, *arguments):
        if self.away:
            await asyncio.sleep(0.01)
            raise StoreUnavailable("The store is away.")
        return await self.db(function, *arguments)


# Meta's own words for it, so that nothing was taken: a 503 without them would leave open what became of a message.
AWAY = b'{"error":{"message":"Service temporarily unavailable","type":"OAuthException","code":2}}'


class Provider:
    """Meta's, which answers 503 while it is away."""

    def __init__(self) -> None:
        self.away = False

    async def answer(self, connection) -> None:
        await connection.peek()  # what counts is whether it is away when it is asked
        if not self.away:
            await take(connection)
            return
        await connection.request()
        await connection.write(render_answer(503, AWAY))


@asynccontextmanager
async def clinic(db, tenant, env, folder, provider):
    async with run_aimock() as target, Loopback(provider.answer) as server:
        quick = env.model_copy(update=QUICK | {"home": folder, "private_targets": (target,)})
        await db(add_assistant, tenant.pk, "clinic", settings("openai", target))
        yield await make_house(db, tenant, quick, server, answered_by="clinic")


async def write(house, numbers) -> None:
    """Every few moments somebody new, for as long as it is away."""
    for number in numbers:
        facts = {"at": int(time.time()), "sender": f"1555{number:07}", "message_id": f"in.{number}"}
        await house.post(given.text_webhook(f"{number} Are you open?", **facts))
        await asyncio.sleep(AWAY_S / PEOPLE)


async def outlast(house, thing, people) -> float:
    """Seconds from its return until everybody has been answered."""
    thing.away = True
    await write(house, people)
    thing.away = False
    back = time.monotonic()
    await until(lambda: all_sent(house, people), seconds=SOON_S + 60.0)
    return time.monotonic() - back


async def all_sent(house, people) -> bool:
    rows = await house.rows(direction=2)
    return len({row.conversation_id for row in rows if row.provider_id}) >= len(people)


async def check(house, thing, what) -> None:
    people = range(1, PEOPLE + 1)
    longest = await outlast(house, thing, people)
    rows = await house.rows(direction=2)
    print(f"{what} away for {AWAY_S:g} s: {len(rows)} answers for {PEOPLE} people, the last {longest:.1f} s later")
    assert Counter(row.conversation_id for row in rows).most_common(1)[0][1] == 1
    assert len(rows) == PEOPLE
    assert longest <= SOON_S


@pytest.mark.timeout(240)
async def test_who_writes_while_the_database_is_away_is_answered_once_soon_after(db, tenant, env, tmp_path):
    away = Away(db)
    async with clinic(db, tenant, env, tmp_path, Provider()) as house, house.worker(away):
        await check(house, away, "the database")


@pytest.mark.timeout(240)
async def test_who_writes_while_the_provider_is_away_is_answered_once_soon_after(
    db, tenant, env, tmp_path, monkeypatch
):
    """The breaker rests for as long as the outage lasts, as it does in an outage of a minute."""
    policy = channel_limits.BREAKER
    for module in (channel_limits, channel_health):
        monkeypatch.setattr(module, "BREAKER", replace(policy, cooldown=min(policy.cooldown, AWAY_S)))
    provider = Provider()
    async with clinic(db, tenant, env, tmp_path, provider) as house, house.worker():
        await check(house, provider, "the provider")
