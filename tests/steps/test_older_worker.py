"""A worker of an older version beside today's, on a database that it made: neither ends, and nothing is done twice.

The older version is taken from the history of this repository; where there is none (an unpacked archive), this is
skipped.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from faults.blueprint import Blueprint, person
from faults.older import NOT_THERE, OlderBlueprint, start_older, unpack
from faults.stand import Stand
from faults.stores import postgresql_answers
from hostile_files import JPEG

from .talk import Business, Phone, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]

WRITTEN, SENT, FILES = 6, 20, 3


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": words}}


class FewerPlaces(OlderBlueprint):
    places = Blueprint.places[:2]


async def test_a_worker_of_an_older_version_goes_on_beside_todays(pytestconfig, tmp_path: Path) -> None:
    kind = pytestconfig.getoption("--database")
    if kind == "postgresql" and not await postgresql_answers():
        pytest.skip("PostgreSQL does not answer")
    source = unpack(tmp_path / "older")
    if source is None:
        pytest.skip(NOT_THERE)
    blueprint = FewerPlaces(kind, tmp_path)
    blueprint.source = source
    try:
        await blueprint.draw()
        async with Stand(blueprint, tmp_path / "stand") as stand:
            older = await start_older(stand, source, "older", "work")
            migration = await stand.migrate()
            assert await migration.wait_for_end(120.0) == 0, migration.last_words()
            await stand.serve("--no-work", HAILGATE_DEBOUNCE_S="0")
            worker = await stand.work("worker")
            await all_goes_both_ways(stand)
            assert older.running, older.last_words()
            assert worker.running, worker.last_words()
            assert "traceback" not in stand.complaints(), f"{older.last_words()}\n{worker.last_words()}"
    finally:
        await blueprint.erase()


async def all_goes_both_ways(stand: Stand) -> None:
    for place in stand.blueprint.places:
        business, ana = Business(stand, place), Phone(stand.simulator, person(501), place)
        written = [await ana.write(text(f"Hello {number}")) for number in range(WRITTEN)]
        for each in written:
            await business.received(each)
        for number in range(FILES):
            file = await ana.put_file(JPEG, "image/jpeg", f"{number}.jpg")
            message = await business.received(await ana.write({"type": "image", "image": {"id": file}}))
            await stored(business, message["id"])
        sent = await asyncio.gather(*(business.send(ana.address, text(f"{place.name} {n}")) for n in range(SENT)))
        for uid in sent:
            await business.reaches(uid, "delivered")
        bodies = [each["text"]["body"] for each in await business.messages() if each["text"]]
        assert sorted(body for body in bodies if body.startswith("Hello")) == [f"Hello {n}" for n in range(WRITTEN)]
    told = [str(row["body"]) for row in await stand.simulator.ledger() if row["operation"] == "send"]
    assert len(told) == 2 * SENT


async def stored(business: Business, uid: str) -> None:
    async def look() -> dict[str, Any] | None:
        attachment: dict[str, Any] = (await business.message(uid))["attachment"]
        return attachment if attachment["state"] != "awaited" else None

    attachment = await wait_for(look, "a file", every=0.3)
    assert attachment["state"] == "stored", attachment
