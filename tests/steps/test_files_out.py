"""A file of ours reaches the phone over HTTP, whatever happens between its upload and its message."""

import hashlib
import random
from typing import Any

import pytest

from faults.stores import postgresql_answers

from .talk import Talk, talking

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

# More than one part of a store's upload, and many of its pieces.
PDF = b"%PDF-1.4\n" + random.Random(7).randbytes(6 << 20)
QUICK = {"HAILGATE_RETRY_BASE_S": "0.05"}


async def test_a_file_reaches_the_phone_whatever_happens_on_its_way(pytestconfig, tmp_path) -> None:
    kind = pytestconfig.getoption("--database")
    if kind == "postgresql" and not await postgresql_answers():
        pytest.skip("PostgreSQL does not answer")
    async with talking(kind, tmp_path) as talk:
        await talk.ana.sees_ticks(await talk.ana.write({"type": "text", "text": {"body": "Hello"}}))
        await talk.stand.processes[-1].stop()
        await talk.stand.serve("--no-work")
        stored = await talk.business.upload(PDF, "plan.pdf")
        worker = await talk.stand.work("worker", ready=False, **QUICK)
        await worker.kill()

        file_id = await it_is_killed_between_upload_and_send(talk, worker, stored)
        await the_provider_forgets_it(talk, stored, file_id)
        await the_first_upload_fails(talk)


async def it_is_killed_between_upload_and_send(talk: Talk, worker: Any, stored: str) -> str:
    """Its id at the provider."""
    await worker.start(HAILGATE_FAULTPOINTS="after_upload")
    uid = await talk.business.send(talk.ana.address, document(stored))
    assert await worker.wait_for_death(30.0)
    await worker.start()
    await worker.ready()
    shown = (await talk.ana.shows(uid))["message"]["document"]
    assert (shown["sha256"], shown["filename"]) == (hashlib.sha256(PDF).hexdigest(), "plan.pdf")
    message = await talk.business.reaches(uid, "delivered")
    assert (message["unknown"], attempts(message)) == (False, [("sending", None), ("sent", None)])
    assert len([entry for entry in await talk.ana.chat() if entry["direction"] == "to_phone"]) == 1
    return shown["id"]


async def the_provider_forgets_it(talk: Talk, stored: str, file_id: str) -> None:
    address = f"{talk.stand.simulator.url}/v23.0/{file_id}"
    headers = {"Authorization": f"Bearer {talk.place.access_token}"}
    async with talk.stand.session.delete(address, headers=headers, raise_for_status=True):
        pass
    uid = await talk.business.send(talk.ana.address, document(stored))
    assert (await talk.ana.shows(uid))["message"]["document"]["id"] != file_id
    message = await talk.business.reaches(uid, "delivered")
    again = [("sending", None), ("retried", "file_forgotten"), ("sending", None), ("sent", None)]
    assert attempts(message) == again


async def the_first_upload_fails(talk: Talk) -> None:
    await talk.stand.simulator.put_faults({"match": {"operation": "upload"}, "do": "error"})
    uid = await talk.business.send(talk.ana.address, document(await talk.business.upload(b"%PDF-1.4\n", "b.pdf")))
    await talk.until(uid, lambda message: len(attempts(message)) > 1)
    await talk.stand.simulator.put_faults()
    message = await talk.business.reaches(uid, "delivered")
    told = attempts(message)
    assert (told[0], told[1][0], told[-1]) == (("sending", None), "retried", ("sent", None))


def document(stored: str) -> dict[str, Any]:
    return {"type": "document", "document": {"attachment": stored}}


def attempts(message: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(each["event"], each["code"]) for each in message["timeline"] if each["attempt"]]
