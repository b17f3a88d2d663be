"""A phone is paired, talks, is lost and found again, at both providers that pair phones; seen at both ends."""

from pathlib import Path
from typing import Any

import pytest

from faults.blueprint import Blueprint, Place, person, run_commands
from faults.stand import Stand
from faults.stores import postgresql_answers
from hostile_files import JPEG

from .talk import Business, Phone, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

JWT_KEY = "a webhook key of some length"
PLACE = {"latitude": 52.5, "longitude": 13.25, "name": "Clinic", "address": "Main Street 1"}
CARD = [{"name": {"formatted_name": "Dr. Ada", "first_name": "Ada"}, "phones": [{"phone": "+15550100001"}]}]
LIST = {
    "type": "list", "body": {"text": "When?"},
    "action": {"button": "Choose", "sections": [{"rows": [{"id": "9", "title": "9:00", "description": "early"}]}]},
}  # fmt: skip
LOST, MISSED = 5, 10


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": words}}


class Paired:
    """One channel of a provider that pairs phones, its business's phone, and a person."""

    def __init__(
        self,
        stand: Stand,
        provider: str,
        number: str,
        hook: dict[str, str],
        settings: dict[str, str],
        *,
        rate: int = 20,
    ) -> None:
        self.rate = rate
        self.stand, self.provider, self.hook, self.settings = stand, provider, hook, settings
        self.place = Place(provider, number, "")
        self.business = Business(stand, self.place)
        self.ana = Phone(stand.simulator, person(int(number) % 1000), self.place)
        self.uid = ""

    async def add(self) -> dict[str, Any]:
        """By the product's own commands; how the simulator has to know it."""
        address = f"{self.stand.simulator.url}/{self.provider}"
        given = [f"--set={name}={value}" for name, value in self.hook.items()]
        [hook] = await run_commands(self.stand.environment, ["hook", "add", f"--provider={self.provider}", *given])
        given = [f"--set={name}={value}" for name, value in {**self.settings, "api_url": address}.items()]
        [channel] = await run_commands(
            self.stand.environment,
            ["channel", "add", f"--provider={self.provider}", f"--hook={hook['id']}", f"--name={self.provider}",
             f"--number={self.place.number}", f"--rate={self.rate}", *given],
        )  # fmt: skip
        self.uid = channel["id"]
        credentials = {k: v for k, v in self.settings.items() if k != "jwt_key"} | {"starts": "unpaired"}
        url = f"{self.stand.web}{hook['path']}"
        return {
            "provider": self.provider, "number": self.place.number, "webhook_url": url, "credentials": credentials
        }  # fmt: skip

    async def session(self) -> dict[str, Any]:
        return await self.stand.ask(f"/v1/channels/{self.uid}/session")

    async def wish(self, wish: str) -> None:
        headers = {"Authorization": f"Bearer {self.stand.blueprint.key}"}
        path = f"{self.stand.web}/v1/channels/{self.uid}/session"
        async with self.stand.session.post(path, json={"wish": wish}, headers=headers) as answer:
            assert answer.status == 200, await answer.text()

    async def pair(self) -> None:
        await self.wish("pair")
        await self.stands(state="pairing", has_code=True)
        await self.act("scan")
        await self.stands(state="open", unconfirmed_number=None)

    async def stands(self, **wanted: object) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            seen = await self.session()
            return seen if wanted.items() <= seen.items() else None

        return await wait_for(look, f"a session with {wanted}", every=0.2)

    async def act(self, deed: str, **facts: object) -> Any:
        return await self.stand.simulator.call("POST", f"/_sim/channels/{self.place.number}/{deed}", facts)

    async def paused(self) -> str | None:
        channels = [each async for each in self.stand.pages("/v1/channels")]
        return next(each["paused_reason"] for each in channels if each["id"] == self.uid)


async def test_a_phone_is_paired_talks_is_lost_and_found_again(pytestconfig, tmp_path: Path) -> None:
    kind = pytestconfig.getoption("--database")
    if kind == "postgresql" and not await postgresql_answers():
        pytest.skip("PostgreSQL does not answer")
    blueprint = Blueprint(kind, tmp_path)
    try:
        await blueprint.draw()
        async with Stand(blueprint, tmp_path / "stand") as stand:
            pairs = [
                Paired(stand, "wppconnect", "15550100301", {"session": "desk"},
                       {"session": "desk", "secret_key": "a-secret-of-the-server"}),
                Paired(stand, "evolution", "15550100302", {"instance": "desk", "jwt_key": JWT_KEY},
                       {"instance": "desk", "jwt_key": JWT_KEY, "api_key": "a-key-of-the-server"}),
            ]  # fmt: skip
            await stand.simulator.put_channels([await each.add() for each in pairs])
            await stand.serve(HAILGATE_DEBOUNCE_S="0", HAILGATE_PUBLIC_URL=stand.web)
            for each in pairs:
                await it_sends_nothing_before_it_is_paired(each)
                await it_talks_in_both_directions(each)
                await it_loses_no_answer_that_broke_off(each)
                await what_is_typed_on_the_phone_is_no_answer_of_ours(each)
                await what_came_in_while_it_was_away_is_there_once(each)
                await a_phone_that_is_unlinked_stops_the_channel(each)
            await an_instance_is_deleted_and_made_anew(pairs[1])
            complaints = stand.complaints()
            assert "traceback" not in complaints, complaints
    finally:
        await blueprint.erase()


async def it_sends_nothing_before_it_is_paired(one: Paired) -> None:
    assert await one.paused() == "not_paired"
    early = await one.business.send(one.ana.address, text("early"))
    await one.wish("pair")
    await one.stands(state="pairing", has_code=True)
    code = await one.stand.ask(f"/v1/channels/{one.uid}/session/code")
    assert (code["kind"], bool(code["code"])) == ("qr", True)
    assert (await one.business.message(early))["status"] == "queued"
    await one.act("scan")
    await one.stands(state="open", unconfirmed_number=None)
    await one.business.reaches(early, "delivered")


async def it_talks_in_both_directions(one: Paired) -> None:
    written = await one.ana.write(text("Hello"))
    assert (await one.business.received(written))["text"]["body"] == "Hello"
    picture = await one.ana.put_file(JPEG, "image/jpeg", "door.jpg")
    shown = await one.business.received(
        await one.ana.write({"type": "image", "image": {"id": picture, "caption": "The door"}})
    )

    async def stored() -> dict[str, Any] | None:
        attachment = (await one.business.message(shown["id"]))["attachment"]
        return attachment if attachment and attachment["state"] != "awaited" else None

    attachment = await wait_for(stored, "the file of a message")
    assert (attachment["state"], attachment["type"]) == ("stored", "image/jpeg")
    assert (await one.business.download(attachment["id"]))[1] == JPEG
    upload = await one.business.upload(JPEG, "door.jpg")
    for content in (
        text("Welcome"),
        {"type": "image", "image": {"attachment": upload, "caption": "Ours"}},
        {"type": "location", "location": PLACE},
        {"type": "contacts", "contacts": CARD},
        {"type": "interactive", "interactive": LIST},
        {**text("Quoted"), "context": {"message_id": (await one.business.received(written))["id"]}},
    ):
        await one.business.reaches(await one.business.send(one.ana.address, content), "delivered")


async def it_loses_no_answer_that_broke_off(one: Paired) -> None:
    """The server took them, and its answers were lost: each is settled by evidence, and none sent again."""
    fault = {"match": {"provider": one.provider, "operation": "send"}, "do": "accept_then_reset"}
    await one.stand.simulator.call("PUT", "/_sim/faults", [fault])
    sent = [
        await one.business.send(f"+{person(700 + number)}", text(f"lost {one.provider} {number}"))
        for number in range(LOST)
    ]
    for uid in sent:
        await one.business.reaches(uid, "delivered")
    await one.stand.simulator.call("DELETE", "/_sim/faults")
    ledger = await one.stand.simulator.ledger()
    assert sum(f"lost {one.provider} " in str(row["body"]) for row in ledger) == LOST


async def what_is_typed_on_the_phone_is_no_answer_of_ours(one: Paired) -> None:
    await one.act("send", to=one.ana.number, message=text("typed by hand"))

    async def look() -> list[dict[str, Any]] | None:
        return [each for each in await one.business.messages() if each.get("sender") == "telephone"] or None

    [typed] = await wait_for(look, "what was typed on the phone")
    assert typed["text"]["body"] == "typed by hand"


async def what_came_in_while_it_was_away_is_there_once(one: Paired) -> None:
    await one.act("drop", seconds=3)
    for number in range(MISSED):
        await one.ana.write(text(f"missed {number}"))

    async def look() -> list[str] | None:
        bodies = [each["text"]["body"] for each in await one.business.messages() if each["text"]]
        missed = [body for body in bodies if body.startswith("missed ")]
        return missed if len(missed) >= MISSED else None

    missed = await wait_for(look, "what was missed", every=0.5)
    assert sorted(missed) == sorted(f"missed {number}" for number in range(MISSED))


async def a_phone_that_is_unlinked_stops_the_channel(one: Paired) -> None:
    await one.stands(state="open")
    await one.act("unlink")
    await one.stands(state="unpaired")
    assert await one.paused() == "channel_disconnected"


async def an_instance_is_deleted_and_made_anew(one: Paired) -> None:
    async def is_gone() -> bool:
        url, headers = (
            f"{one.stand.simulator.url}/evolution/instance/fetchInstances",
            {"apikey": one.settings["api_key"]},
        )
        async with one.stand.session.get(url, headers=headers, params={"instanceName": "desk"}) as answer:
            return answer.status == 404 or await answer.json() == []

    assert not await is_gone()
    await one.wish("delete")
    await wait_for(is_gone, "that the instance is gone", every=0.2)
    await one.stands(state="unpaired", wish="delete")
    await one.pair()
    assert not await is_gone()
