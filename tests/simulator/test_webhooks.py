import asyncio
import hashlib
import hmac
import json
from pathlib import Path

import pytest

from hailgate.simulator.model import Retries
from hailgate.simulator.outbox import GIVE_UP_AFTER
from hailgate.simulator.server import Settings, running
from simulator.business import Business
from simulator.conftest import QUICK
from simulator.driver import ANA, BEN, SECRET, Driver

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parents[1] / "fixtures" / "meta" / "webhooks"
OPTIONAL = {"context", "biz_opaque_callback_data", "pricing", "conversation"}


def shape(value):
    """Keys without values; which of several fixtures shows an optional key is chance."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items() if key not in OPTIONAL}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__


async def test_webhooks_have_the_shape_of_metas(sim: Driver, business: Business):
    await sim.write("Hi")
    await sim.send()
    await sim.expect("PUT", f"/_sim/phones/{BEN}", {"reachable": False})
    await sim.send(to=BEN)
    await business.wait_until(lambda b: len(b.calls) == 4)
    await sim.expect("POST", f"/_sim/phones/{ANA}/read", {"up_to": 99})
    await business.wait_until(lambda b: "read" in b.status_words)
    seen = [json.loads(body) for _, body in business.calls]
    names = {"sent": "sent", "delivered": "delivered", "read": "read", "failed": "failed_131026"}
    for body in seen:
        value = body["entry"][0]["changes"][0]["value"]
        name = f"status_{names[value['statuses'][0]['status']]}" if "statuses" in value else "message_text"
        assert shape(body) == shape(json.loads((FIXTURES / f"{name}.json").read_text())), name


async def test_a_signature_covers_the_raw_bytes(sim: Driver, business: Business):
    await sim.write("Olá 🙂\u2028")
    await business.wait_until(lambda b: b.calls)
    [(headers, body)] = business.calls
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["x-hub-signature-256"] == f"sha256={digest}"
    assert body.isascii(), "Meta escapes what is beyond ASCII"
    assert business.texts == ["Olá 🙂\u2028"]


async def test_a_quote_names_the_message_and_its_author(sim: Driver, business: Business):
    order = {"type": "text", "text": {"body": "that"}, "context": {"message_id": "wamid.X"}}
    await sim.expect("POST", f"/_sim/phones/{ANA}/send", {"to": "15550100000", "message": order})
    await business.wait_until(lambda b: b.messages)
    assert business.messages[0]["context"] == {"from": "15550100000", "id": "wamid.X"}


@pytest.mark.parametrize("refusal", [500, 404, 301, 199])
async def test_anything_but_2xx_is_repeated_byte_by_byte(sim: Driver, business: Business, refusal):
    business.answers = [refusal, refusal] if refusal != 199 else [403, 429]
    await sim.write("Hi")
    await business.wait_until(lambda b: b.calls)
    assert (business.refused, business.texts) == (2, ["Hi"])


async def test_a_persons_messages_arrive_in_order(sim: Driver, business: Business):
    texts = [str(i) for i in range(40)]
    for text in texts:
        await sim.write(text)
    await business.wait_until(lambda b: len(b.calls) == 40)
    assert business.texts == texts


async def test_a_message_waits_until_the_one_before_was_answered(sim: Driver, business: Business):
    business.gate = asyncio.Event()
    await sim.write("one")
    await sim.write("two")
    await sim.write("other chat", phone=BEN)
    business.answers = [200, 500, 200]  # the two heads, in whatever order, then "two"
    business.gate.set()
    await business.wait_until(lambda b: len(b.calls) == 3)
    assert business.refused == 1


async def test_one_failure_does_not_hold_the_next_message(sim: Driver, business: Business):
    business.answers = [500]
    await sim.write("one")
    await sim.write("two")
    await business.wait_until(lambda b: len(b.calls) == 2)
    assert business.texts == ["two", "one"]


async def test_webhooks_wait_for_a_receiver_that_is_down(sim: Driver, business: Business):
    closed = Business()
    async with closed:
        pass
    await sim.put_channels(closed.url)
    await sim.write("Hi")
    async with Business(closed.port) as reopened:
        await reopened.wait_until(lambda b: b.texts == ["Hi"])
        await sim.wait_for_statuses("delivered")


async def test_webhooks_survive_a_restart_of_the_simulator(tmp_path: Path, business: Business):
    settings = Settings(home=tmp_path, port=0, retries=QUICK)
    business.answers = [503] * 1000
    async with running(settings) as url, Driver(url) as sim:
        await sim.put_channels(business.url)
        await sim.write("Hi")
        await business.wait_until(lambda b: b.refused)
    business.answers = []
    async with running(settings):
        await business.wait_until(lambda b: b.texts == ["Hi"])


async def test_a_webhook_is_given_up_after_seven_days(sim: Driver, business: Business):
    business.answers = [500, 500]
    await sim.write("old")
    await business.wait_until(lambda b: b.refused == 1)
    await sim.expect("PUT", "/_sim/clock", {"offset_s": GIVE_UP_AFTER + 60})
    await business.wait_until(lambda b: b.refused == 2)
    await sim.write("new")
    await business.wait_until(lambda b: b.calls)
    assert business.texts == ["new"]


async def test_numbers_of_one_app_share_an_address(sim: Driver, business: Business):
    await sim.put_channels(business.url, business.url)
    await sim.write("first", to="15550100000")
    await sim.write("second", to="15550100001")
    await business.wait_until(lambda b: len(b.calls) == 2)
    ids = {value["messages"][0]["text"]["body"]: value["metadata"] for value in business.values}
    assert ids == {
        "first": {"display_phone_number": "15550100000", "phone_number_id": "106500000000001"},
        "second": {"display_phone_number": "15550100001", "phone_number_id": "106500000000002"},
    }


async def test_statuses_follow_the_answer(sim: Driver, business: Business):
    await sim.write("Hi")
    await sim.put_faults({"do": "drip", "value": 0.3})
    sending = asyncio.create_task(sim.send())
    await sim.write("first to arrive")
    await business.wait_until(lambda b: "first to arrive" in b.texts)
    assert not sending.done()
    assert business.statuses == []
    await sending
    await business.wait_until(lambda b: len(b.statuses) == 2)


@pytest.mark.parametrize(("failures", "pause"), [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (100_000, 60.0)])
def test_pauses_grow_to_their_cap(failures, pause):
    assert Retries().pause(failures) == pause
