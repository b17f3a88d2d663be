"""Through Twilio: outcomes that nobody saw, and whom its numbers post to."""

from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import encode_basic_auth

from faults.blueprint import Blueprint, place, run_commands
from faults.stand import Stand, gather_all
from faults.stores import postgresql_answers

from .talk import Business, Phone, Talk, wait_for
from .test_every_kind import LIST, text

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

LOST = 4


@asynccontextmanager
async def talking(pytestconfig, folder):
    kind = pytestconfig.getoption("--database")
    if kind == "postgresql" and not await postgresql_answers():
        pytest.skip("PostgreSQL does not answer")
    blueprint = Blueprint(kind, folder, "twilio")
    try:
        await blueprint.draw()
        async with Stand(blueprint, folder / "stand") as stand:
            await stand.serve(HAILGATE_DEBOUNCE_S="0")
            yield Talk(stand)
            complaints = stand.complaints()
            assert "traceback" not in complaints, complaints
    finally:
        await blueprint.erase()


@pytest.mark.parametrize("callbacks", [True, False], ids=["callbacks", "look-ups alone"])
async def test_outcomes_that_nobody_saw_end_by_evidence(pytestconfig, tmp_path, callbacks) -> None:
    """Fewer in a row than open a channel's breaker, over all channels at once."""
    async with talking(pytestconfig, tmp_path) as talk:
        businesses = [Business(talk.stand, place) for place in talk.stand.blueprint.places]
        for business in businesses:
            phone = Phone(talk.stand.simulator, talk.ana.number, business.place)
            await business.received(await phone.write(text("Hello")))
        faults = [{"match": {"operation": "send"}, "do": "accept_then_reset"}]
        if not callbacks:
            faults.append({"do": "withhold_status"})
        await talk.stand.simulator.put_faults(*faults)
        sent = [
            await business.send(talk.ana.address, text(f"Number {number} of {business.place.name}"))
            for number in range(LOST)
            for business in businesses
        ]

        async def known() -> list[dict[str, Any]] | None:
            messages = [await talk.business.message(uid) for uid in sent]
            over = all(each["status"] != "queued" and not each["unknown"] for each in messages)
            return messages if over else None

        messages = await wait_for(known, "outcomes", every=0.5)
        assert {message["status"] for message in messages} <= {"sent", "delivered"}
        assert all("unknown" in [step["event"] for step in message["timeline"]] for message in messages)
        shown = [each["message"]["text"]["body"] for each in await talk.ana.chat() if "Number" in str(each["message"])]
        for business in businesses:
            here = [words for words in shown if words.endswith(business.place.name)]
            assert here == [f"Number {number} of {business.place.name}" for number in range(LOST)]


async def test_all_numbers_share_a_content_and_who_deletes_it_costs_no_message(pytestconfig, tmp_path) -> None:
    """Two workers, and several numbers of one account, ask the same kind of question at the same moment."""
    async with talking(pytestconfig, tmp_path) as talk:
        stand = talk.stand
        await stand.work("second")
        businesses = [Business(stand, place) for place in stand.blueprint.places]
        for business in businesses:
            phone = Phone(stand.simulator, talk.ana.number, business.place)
            await business.received(await phone.write(text("Hello")))

        async def all_ask() -> None:
            question = {"type": "interactive", "interactive": LIST}
            asked = await gather_all(*(business.send(talk.ana.address, question) for business in businesses))
            for uid in asked:
                await talk.business.reaches(uid, "delivered")

        await all_ask()
        [made] = await list_shapes(stand)
        await content_api(stand, "DELETE", f"/v1/Content/{made}")
        await all_ask()
        [anew] = await list_shapes(stand)
        assert anew != made


async def list_shapes(stand: Stand) -> list[str]:
    contents = (await content_api(stand, "GET", "/v1/Content?PageSize=50"))["contents"]
    return [each["sid"] for each in contents if each["friendly_name"].startswith("hailgate_")]


async def content_api(stand: Stand, method: str, path: str) -> Any:
    credentials = stand.blueprint.setup.credentials(stand.blueprint.places[0])
    login = encode_basic_auth(credentials["account_sid"], credentials["auth_token"])
    url = f"{stand.simulator.url}{path}"
    async with stand.session.request(method, url, headers={"Authorization": login}) as answer:
        assert answer.status in {200, 204}
        return await answer.json() if answer.status == 200 else None


async def test_a_number_that_posted_elsewhere_is_taken_over_by_the_command(pytestconfig, tmp_path) -> None:
    async with talking(pytestconfig, tmp_path) as talk:
        stand, there = talk.stand, place(50)
        elsewhere = {**stand.blueprint.terms(there, stand.web), "webhook_url": "http://127.0.0.1:1/elsewhere"}
        others = [stand.blueprint.terms(each, stand.web) for each in stand.blueprint.places]
        await stand.simulator.put_channels([*others, elsewhere])
        left = stand.blueprint.render_channel(there, stand.blueprint.hook_id)
        [made] = await run_commands(stand.environment, left)
        assert made["webhooks"] == "anothers"
        await run_commands(stand.environment, ["channel", "remove", there.name, "--yes"])
        [made] = await run_commands(stand.environment, [*left, "--take-over"])
        assert made["webhooks"] == "ours"
        phone = Phone(stand.simulator, talk.ana.number, there)
        await Business(stand, there).received(await phone.write(text("Hello")))
