"""Connections to PostgreSQL that end at any moment, also while a COMMIT is being answered."""

import asyncio
from random import Random

import psycopg
from psycopg import sql

from .case import Case
from .load import Load
from .registry import POSTGRESQL, scenario
from .stores import SERVER, PostgresqlStore

# Every COMMIT takes this long, so that many of the ends fall into one.
COMMIT_DELAY_US = 5_000
OTHERS = "datname = %s AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
COMMITTING = f"SELECT pid FROM pg_stat_activity WHERE {OTHERS} AND state = 'active' AND query ILIKE 'COMMIT%%'"
ANY = f"SELECT pid FROM pg_stat_activity WHERE {OTHERS}"
LOOKS_FOR_A_COMMIT = 50


@scenario("R10", POSTGRESQL)
async def connections_are_terminated(case: Case) -> None:
    """`pg_terminate_backend` on random connections of the product, every other one in the middle of a COMMIT.

    A COMMIT without an answer is looked up, not repeated: no message is doubled and none is lost.
    """
    store = case.stand.store
    assert isinstance(store, PostgresqlStore)
    server = await psycopg.AsyncConnection.connect(SERVER, autocommit=True)
    async with server:
        await slow_down_commits(server, store.name)
        await case.stand.serve("--no-work")
        for number in (1, 2):
            await case.stand.work(f"worker-{number}")
        committing = 0
        async with Load(case.client, case.dice):
            for number in range(case.times(500)):
                await asyncio.sleep(case.dice.uniform(0.02, 0.25))
                committing += await terminate_one(server, store.name, case.dice, in_commit=number % 2 == 0)
                case.fault()
    verdict = await case.conclude()
    case.note(during_commit=committing)
    case.expect(committing > 0, "no connection was ended during a COMMIT")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")
    await case.expect_evidence()


async def slow_down_commits(server: psycopg.AsyncConnection[object], database: str) -> None:
    for setting, value in (("commit_delay", COMMIT_DELAY_US), ("commit_siblings", 0)):
        statement = sql.SQL("ALTER DATABASE {} SET {} = {}")
        await server.execute(statement.format(sql.Identifier(database), sql.Identifier(setting), sql.Literal(value)))


async def terminate_one(
    server: psycopg.AsyncConnection[tuple[int]], database: str, dice: Random, *, in_commit: bool
) -> bool:
    """Whether it was ended during a COMMIT."""
    for _ in range(LOOKS_FOR_A_COMMIT if in_commit else 0):
        found = await (await server.execute(COMMITTING, [database])).fetchall()
        if found:
            await server.execute("SELECT pg_terminate_backend(%s)", [dice.choice(found)[0]])
            return True
    if found := await (await server.execute(ANY, [database])).fetchall():
        await server.execute("SELECT pg_terminate_backend(%s)", [dice.choice(found)[0]])
    return False
