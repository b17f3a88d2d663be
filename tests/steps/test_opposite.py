"""The third provider as a process over HTTP: a worker is killed at every step, and nothing is lost or doubled."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from faults.blueprint import Place, person
from faults.processes import Process
from faults.stores import postgresql_answers
from hostile_files import JPEG
from opposite.installed import ACCOUNT, OppositeStand, installed, sha256

from .talk import Business, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]

NUMBER = "15550100401"
LARGE = 30 << 20
# What a worker did before it died shows at the server, or it does not.
UNSENT_POINTS = ("after_intent_commit",)
SILENT_POINTS = ("before_first_byte",)
PROVEN_POINTS = ("after_provider_answer", "before_outcome_commit")
LOST, MISSED = 3, 5


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": words}}


class Walk:
    def __init__(self, stand: OppositeStand, worker: Process) -> None:
        self.stand, self.worker = stand, worker
        self.channel = stand.blueprint.channel
        self.business = Business(stand, Place("opposite", NUMBER, ACCOUNT))
        self.ana, self.kills = person(401), 0
        self.steps: list[str] = []

    async def kill(self) -> None:
        """SIGKILL; another worker takes over what it had."""
        await self.stand.again(self.worker)
        self.kills += 1

    async def stands(self, **wanted: object) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            seen: dict[str, Any] = await self.stand.ask(f"/v1/channels/{self.channel}/session")
            return seen if wanted.items() <= seen.items() else None

        return await wait_for(look, f"a session with {wanted}", every=0.2)

    async def wish(self, wish: str) -> None:
        headers = {"Authorization": f"Bearer {self.stand.blueprint.key}"}
        path = f"{self.stand.web}/v1/channels/{self.channel}/session"
        async with self.stand.session.post(path, json={"wish": wish}, headers=headers) as answer:
            assert answer.status == 200, await answer.text()

    async def act(self, deed: str, **facts: Any) -> Any:
        return await self.stand.control("POST", f"{ACCOUNT}/{deed}", **facts)

    async def send(self, words: str, to: str = "") -> str:
        return await self.business.send(f"+{to or self.ana}", text(words))

    async def is_known(self, uid: str) -> dict[str, Any]:
        """Once somebody has proof that it was sent."""

        async def look() -> dict[str, Any] | None:
            message = await self.business.message(uid)
            return message if message["status"] in {"sent", "delivered"} and not message["unknown"] else None

        return await wait_for(look, "an outcome by evidence", every=0.3)

    async def was_unknown(self, uid: str) -> dict[str, Any]:
        """Once it has come to that, even if its evidence is there by now."""

        async def look() -> dict[str, Any] | None:
            message = await self.business.message(uid)
            return message if "unknown" in [step["event"] for step in message["timeline"]] else None

        return await wait_for(look, "an unknown outcome", every=0.1)

    async def times(self, words: str) -> int:
        """How often the server was given it."""
        return sum(one["text"] == words for one in await self.stand.ledger())


async def test_a_worker_is_killed_at_every_step_with_the_third_provider(pytestconfig, tmp_path: Path, capsys) -> None:
    kind = pytestconfig.getoption("--database")
    if kind == "postgresql" and not await postgresql_answers():
        pytest.skip("PostgreSQL does not answer")
    async with installed(kind, tmp_path) as stand:
        await stand.serve("--no-work")
        walk = Walk(stand, await stand.work("worker"))
        for step in (
            it_is_paired,
            it_sends_and_is_told,
            deliveries_are_killed_at_each_point,
            thirty_megabytes_come_in,
            unknown_outcomes_are_settled,
            a_gap_is_polled,
            what_is_refused_comes_with_its_advice,
        ):
            begun = time.monotonic()
            seen = await step(walk)
            walk.steps.append(f"{step.__name__.replace('_', ' ')}: {seen} ({time.monotonic() - begun:.0f} s)")
        counted = Counter(one["text"] for one in await stand.ledger())
        assert counted.most_common(1)[0][1] == 1, counted
    with capsys.disabled():
        print(f"\n{kind}, {walk.kills} kills", *walk.steps, sep="\n  ")


async def it_is_paired(walk: Walk) -> str:
    """Killed while a code is shown. The number is known once the phone is there."""
    early = await walk.send("early")
    await walk.wish("pair")
    await walk.stands(state="pairing", has_code=True)
    await walk.kill()
    await walk.stands(state="pairing", has_code=True)
    await walk.act("scan", number=NUMBER)
    await walk.stands(state="open", unconfirmed_number=None)
    await walk.business.reaches(early, "delivered")
    [channel] = [each async for each in walk.stand.pages("/v1/channels")]
    assert (channel["number"], channel["paused_reason"]) == (NUMBER, None), channel
    return "open, its number learnt"


async def it_sends_and_is_told(walk: Walk) -> str:
    stored = await walk.business.upload(JPEG, "door.jpg")
    picture = {"type": "image", "image": {"attachment": stored, "caption": "The door"}}
    for content in (text("Welcome"), picture):
        await walk.business.reaches(await walk.business.send(f"+{walk.ana}", content), "delivered")
    [file] = [one for one in await walk.stand.ledger() if one["size"]]
    assert (file["text"], file["sha256"]) == ("The door", sha256(JPEG))
    written = await walk.act("write", **{"from": walk.ana, "text": "Hello"})
    assert (await walk.business.received(written["id"]))["text"]["body"] == "Hello"
    return "a text and a file inline out, a text in"


async def deliveries_are_killed_at_each_point(walk: Walk) -> str:
    """What had surely not begun is sent; of what had just begun nobody can know; what left is found at the server."""
    sent: dict[str, str] = {}
    for number, point in enumerate((*UNSENT_POINTS, *SILENT_POINTS, *PROVEN_POINTS)):
        await walk.worker.stop()
        await walk.worker.start(HAILGATE_FAULTPOINTS=point)
        sent[point] = await walk.send(point, to=person(410 + number))
        assert await walk.worker.wait_for_death(30.0), point
        await walk.worker.start()
        await walk.worker.ready()
        walk.kills += 1
    for point in (*UNSENT_POINTS, *PROVEN_POINTS):
        await walk.is_known(sent[point])
    for point in SILENT_POINTS:
        assert (await walk.was_unknown(sent[point]))["unknown"]
    counted = {point: await walk.times(point) for point in sent}
    assert counted == dict.fromkeys(sent, 1) | dict.fromkeys(SILENT_POINTS, 0)
    return f"{len(UNSENT_POINTS)} sent, {len(PROVEN_POINTS)} found, {len(SILENT_POINTS)} unknown, none sent twice"


async def thirty_megabytes_come_in(walk: Walk) -> str:
    """In one webhook, stored while no worker lives; killed once it is understood and its file not yet taken out."""
    await walk.worker.stop()
    scan = {"from": walk.ana, "text": "The scan", "kind": "document", "name": "scan.bin", "size": LARGE}
    told = await walk.act("write", **scan)
    await walk.worker.start()
    await walk.worker.ready()
    message = await walk.business.received(told["id"])
    await walk.kill()

    async def stored() -> dict[str, Any] | None:
        attachment: dict[str, Any] = (await walk.business.message(message["id"]))["attachment"]
        return attachment if attachment["state"] != "awaited" else None

    attachment = await wait_for(stored, "the file")
    assert (attachment["state"], attachment["size"]) == ("stored", LARGE), attachment
    assert sha256((await walk.business.download(attachment["id"]))[1]) == told["sha256"]
    return "the same bytes"


async def unknown_outcomes_are_settled(walk: Walk) -> str:
    """The server takes them and its answers are lost; the worker that would look for them is killed."""
    await walk.stand.control("PUT", "faults", send="lose")
    sent = [await walk.send(f"lost {number}", to=person(420 + number)) for number in range(LOST)]
    for uid in sent:
        await walk.was_unknown(uid)
    await walk.kill()
    for uid in sent:
        await walk.is_known(uid)
    await walk.stand.control("PUT", "faults")
    assert [await walk.times(f"lost {number}") for number in range(LOST)] == [1] * LOST
    return f"{LOST} by evidence, none sent twice"


async def a_gap_is_polled(walk: Walk) -> str:
    """Webhooks get lost while the phone is away, and are never repeated. Killed when it is back."""
    await walk.stand.control("PUT", "faults", mute=True)
    for number in range(MISSED):
        await walk.act("write", **{"from": walk.ana, "text": f"missed {number}"})
    await walk.stand.control("PUT", "faults")
    await walk.act("drop")
    await walk.kill()

    async def look() -> list[str] | None:
        bodies = [each["text"]["body"] for each in await walk.business.messages() if each["text"]]
        missed = [body for body in bodies if body.startswith("missed ")]
        return missed if len(missed) >= MISSED else None

    missed = await wait_for(look, "what was missed", every=0.5)
    assert sorted(missed) == [f"missed {number}" for number in range(MISSED)]
    bodies = [each["text"]["body"] for each in await walk.business.messages() if each["text"]]
    assert bodies.count("Hello") == 1
    return f"{MISSED} of {MISSED}, once each"


async def what_is_refused_comes_with_its_advice(walk: Walk) -> str:
    await walk.stand.control("PUT", "faults", send="refuse")
    uid = await walk.send("no", to=person(430))
    await walk.business.reaches(uid, "failed")
    await walk.stand.control("PUT", "faults")
    [letter] = [each async for each in walk.stand.pages("/v1/dead-letters") if each["id"] == uid]
    assert letter["code"] == "opposite_refuses", letter
    return f"{letter['code']}"
