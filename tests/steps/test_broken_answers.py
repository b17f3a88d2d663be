"""Answers that break off: what a provider took and could not say ends by evidence alone, once and in order.

Every third answer to a send is reset, and no status comes: the provider's own list is all there is. `BROKEN_ANSWERS`
says how many are lost on each; a full run takes 500.
"""

import asyncio
import os
import time
from typing import Any

import pytest

from faults.blueprint import Blueprint, person
from faults.stand import Stand

from .talk import Business, Phone, wait_for
from .test_every_kind import text
from .test_sessions import JWT_KEY, Paired
from .test_twilio import talking

LOST = int(os.environ.get("BROKEN_ANSWERS", "6"))
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240 + 3 * LOST)]

EVERY = 3
AT_ONCE = 20
WITHIN_S = 600.0  # every unknown outcome has ended by then
PAIRED = {
    "wppconnect": ("15550100301", {"session": "desk"}, {"session": "desk", "secret_key": "a-secret-of-the-server"}),
    "evolution": (
        "15550100302",
        {"instance": "desk", "jwt_key": JWT_KEY},
        {"instance": "desk", "jwt_key": JWT_KEY, "api_key": "a-key-of-the-server"},
    ),
}


async def test_through_twilio_without_callbacks(pytestconfig, tmp_path, capsys) -> None:
    async with talking(pytestconfig, tmp_path) as talk:
        businesses = [Business(talk.stand, place) for place in talk.stand.blueprint.places]
        told = await break_answers_off(talk.stand, "twilio", businesses)
    with capsys.disabled():
        print(f"\n{told}")


@pytest.mark.parametrize("provider", PAIRED)
async def test_through_a_paired_phone(pytestconfig, tmp_path, capsys, provider) -> None:
    number, hook, settings = PAIRED[provider]
    blueprint = Blueprint(pytestconfig.getoption("--database"), tmp_path)
    try:
        await blueprint.draw()
        async with Stand(blueprint, tmp_path / "stand") as stand:
            desk = Paired(stand, provider, number, hook, settings, rate=100)
            await stand.simulator.put_channels([await desk.add()])
            await stand.serve(HAILGATE_DEBOUNCE_S="0", HAILGATE_PUBLIC_URL=stand.web)
            await desk.pair()
            told = await break_answers_off(stand, provider, [desk.business])
    finally:
        await blueprint.erase()
    with capsys.disabled():
        print(f"\n{told}")


async def break_answers_off(stand: Stand, provider: str, businesses: list[Business]) -> dict[str, Any]:
    """What was lost, how the unknown ended and within what time; raises AssertionError for one twice or astray."""
    people = [person(600 + number) for number in range(max(4, LOST // 5))]
    await everybody_writes(stand, businesses, people)
    await stand.simulator.put_faults(
        {"match": {"provider": provider, "operation": "send", "nth": EVERY}, "do": "accept_then_reset"},
        {"do": "withhold_status"},
    )
    plan = [
        (people[number % len(people)], businesses[number % len(people) % len(businesses)], f"said {number:05}")
        for number in range(LOST * EVERY)
    ]
    begun = time.monotonic()
    uids = [await business.send(f"+{whom}", text(words)) for whom, business, words in plan]
    ends = await until_known(businesses[0], uids)
    took = time.monotonic() - begun
    were_unknown = sum("unknown" in [step["event"] for step in message["timeline"]] for message in ends)
    assert {message["status"] for message in ends} <= {"sent", "delivered"}
    assert were_unknown >= LOST
    assert took < WITHIN_S + LOST
    await stand.simulator.call("DELETE", "/_sim/faults")
    assert len(await stand.simulator.ledger()) == len(plan)
    for whom in people:
        words = [words for to, _, words in plan if to == whom]
        shown = [str(entry["message"]) for entry in await Phone(stand.simulator, whom, businesses[0].place).chat()]
        found = [word for entry in shown for word in words if word in entry]
        assert found == words, f"lost, twice or out of order at {whom}"
    return {"provider": provider, "sent": len(plan), "unknown, and settled": were_unknown, "within_s": round(took)}


async def everybody_writes(stand: Stand, businesses: list[Business], people: list[str]) -> None:
    """So that the window is open where there is one."""
    for place, whom in enumerate(people):
        business = businesses[place % len(businesses)]
        phone = Phone(stand.simulator, whom, business.place)
        await business.received(await phone.write(text("Hello")))


async def until_known(business: Business, uids: list[str]) -> list[dict[str, Any]]:
    """Each message, once its outcome is known."""
    free = asyncio.Semaphore(AT_ONCE)

    async def end_of(uid: str) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            async with free:
                message = await business.message(uid)
            return None if message["status"] == "queued" or message["unknown"] else message

        return await wait_for(look, "an outcome", every=1.0, patience=WITHIN_S + LOST)

    return await asyncio.gather(*map(end_of, uids))
