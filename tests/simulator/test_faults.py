import asyncio
import time
from collections.abc import Mapping
from email.utils import formatdate

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.simulator.faults import Call, Do, Fault, Faults, Match, StatusPlan
from hailgate.simulator.problems import Problem
from simulator.business import Business
from simulator.driver import ANA, BEN, MESSAGES, NUMBER, Driver, bearer, message

pytestmark = pytest.mark.anyio

SEND = Call("cloud", "send", NUMBER, ANA)


async def send_raw(sim: Driver) -> tuple[int, Mapping[str, str], bytes]:
    async with sim.session.post(MESSAGES, json=message(), headers=bearer()) as answer:
        return answer.status, answer.headers, await answer.read()


@pytest.mark.parametrize(
    ("value", "header"),
    [
        (None, None),
        ({"retry_after": None}, None),
        ({"retry_after": "5"}, "5"),
        ({"retry_after": 5}, "5"),
        ({"retry_after": formatdate(2e9, usegmt=True)}, formatdate(2e9, usegmt=True)),
        ({"retry_after": "315360000000"}, "315360000000"),
        ({"retry_after": "-1"}, "-1"),
        ({"retry_after": "soon"}, "soon"),
    ],
)
async def test_throttle(sim: Driver, value, header):
    await sim.put_faults({"match": {"operation": "send"}, "do": "throttle", "value": value})
    status, headers, body = await send_raw(sim)
    assert (status, headers.get("retry-after")) == (429, header)
    assert b'"code":130429' in body
    assert await sim.ledger() == []


@pytest.mark.parametrize(
    ("value", "status", "body"),
    [
        (None, 503, b'"code":131016'),
        ({"status": 500, "code": 131000}, 500, b'"code":131000'),
        ({"status": 503, "code": 2}, 503, b'"is_transient":true'),
        ({"status": 503, "body": False}, 503, b""),
        ({"status": 502, "body": "<html>no</html>"}, 502, b"<html>no</html>"),
        ({"status": 500, "body": {"odd": 1}}, 500, b'{"odd":1}'),
    ],
)
async def test_error(sim: Driver, value, status, body):
    await sim.put_faults({"do": "error", "value": value})
    given_status, _, given_body = await send_raw(sim)
    assert given_status == status
    assert (body in given_body) if body else (given_body == b"")
    assert await sim.ledger() == []


async def test_revoke_token(sim: Driver):
    await sim.put_faults({"do": "revoke_token"})
    status, answer = await sim.send()
    assert (status, answer["error"]["code"], answer["error"]["error_subcode"]) == (401, 190, 463)
    assert (await sim.call("GET", "/v23.0/106500000000001", headers=bearer()))[0] == 401


@pytest.mark.parametrize(("do", "accepted"), [("reset_before_read", 0), ("accept_then_reset", 1)])
async def test_a_reset_breaks_the_connection(sim: Driver, business: Business, do, accepted):
    await sim.write("Hi")
    await sim.put_faults({"match": {"operation": "send"}, "do": do})
    with pytest.raises(aiohttp.ClientOSError, match="reset by peer"):
        await sim.send()
    assert len(await sim.ledger()) == accepted
    assert len(await sim.messages()) == 1 + accepted
    await business.wait_until(lambda b: len(b.statuses) == 2 * accepted)


async def test_who_gave_up_before_the_reset_breaks_nothing(sim: Driver, caplog):
    await sim.put_faults({"do": "delay", "value": 0.4}, {"do": "accept_then_reset", "match": {"operation": "send"}})
    hasty = aiohttp.ClientTimeout(total=0.1)
    with pytest.raises(TimeoutError):
        await sim.session.post(MESSAGES, json=message(), headers=bearer(), timeout=hasty)

    async def is_accepted() -> None:
        while not await sim.ledger():
            await asyncio.sleep(0.05)

    await asyncio.wait_for(is_accepted(), 5)
    await asyncio.sleep(0.1)
    assert "Exception in ASGI application" not in caplog.text


async def test_accept_then_garbage(sim: Driver, business: Business):
    await sim.write("Hi")
    await sim.put_faults({"do": "accept_then_garbage"})
    status, headers, body = await send_raw(sim)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert body.startswith(b'{"messaging_product"')
    assert not body.endswith(b"}")
    assert len(await sim.ledger()) == 1
    await business.wait_until(lambda b: len(b.statuses) == 2)


async def test_drip_spreads_a_right_answer(sim: Driver):
    await sim.put_faults({"do": "drip", "value": 0.2})
    started = time.monotonic()
    status, answer = await sim.send()
    assert (status, len(answer["messages"])) == (200, 1)
    assert time.monotonic() - started >= 0.2


async def test_delay(sim: Driver):
    await sim.put_faults({"match": {"operation": "send"}, "do": "delay", "value": 0.2})
    started = time.monotonic()
    assert (await sim.send())[0] == 200
    assert time.monotonic() - started >= 0.2


async def test_status_before_answer(sim: Driver, business: Business):
    await sim.write("Hi")
    await sim.put_faults({"do": "status_before_answer"})
    _, answer = await sim.send()
    assert [s["id"] for s in business.statuses] == [answer["messages"][0]["id"]] * 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"do": "withhold_status", "value": ["sent"]}, ["delivered"]),
        ({"do": "duplicate_status"}, ["sent", "sent", "delivered", "delivered"]),
        ({"do": "duplicate_status", "value": 3, "match": {"to": ANA}}, ["sent"] * 3 + ["delivered"] * 3),
        ({"do": "shuffle_status"}, ["delivered", "sent"]),
        ({"do": "shuffle_status", "match": {"operation": "status"}}, ["delivered", "sent"]),
        ({"do": "shuffle_status", "match": {"operation": "read"}}, ["sent", "delivered"]),
        ({"do": "statuses", "value": ["delivered"], "match": {"operation": "send"}}, ["delivered"]),
        ({"do": "statuses", "value": ["sent", "delivered", "read"]}, ["sent", "delivered"]),
    ],
)
async def test_faults_of_statuses(sim: Driver, business: Business, fault, words):
    await sim.write("Hi")
    await sim.put_faults(fault)
    await sim.send()
    await business.wait_until(lambda b: len(b.statuses) == len(words))
    assert business.status_words == words


@pytest.mark.parametrize("fault", [{"do": "withhold_status"}, {"do": "statuses", "value": []}])
async def test_no_status_at_all(sim: Driver, business: Business, fault):
    await sim.write("Hi")
    await sim.put_faults(fault)
    await sim.send()
    await sim.expect("POST", f"/_sim/phones/{ANA}/read", {"up_to": 99})
    await sim.put_faults()
    await sim.write("last")
    await business.wait_until(lambda b: "last" in b.texts)
    assert business.statuses == []
    assert [m["status"] for m in await sim.messages()][1] == "read"


async def test_a_fault_ends_when_it_is_deleted(sim: Driver):
    await sim.put_faults({"do": "error"})
    assert [fault["do"] for fault in await sim.expect("GET", "/_sim/faults")] == ["error"]
    await sim.expect("DELETE", "/_sim/faults")
    assert (await sim.send())[0] == 200


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"do": "explode"},
        {"do": "delay", "value": "long"},
        {"do": "delay", "value": -1},
        {"do": "error", "value": {"status": 200}},
        {"do": "error", "value": {"colour": 1}},
        {"do": "reset_before_read", "value": 1},
        {"do": "duplicate_status", "value": 1},
        {"do": "delay", "match": {"share": 2}},
        {"do": "delay", "match": {"nth": 0}},
        {"do": "delay", "match": {"share": 0.5, "nth": 2}},
        {"do": "delay", "match": {"moon": "full"}},
    ],
)
async def test_a_wrong_fault_is_a_problem_and_changes_nothing(sim: Driver, fault):
    await sim.put_faults({"do": "drop_session"})
    status, problem = await sim.call("PUT", "/_sim/faults", [fault])
    assert (status, problem["status"]) == (422, 422)
    assert problem["detail"]
    assert [fault["do"] for fault in await sim.expect("GET", "/_sim/faults")] == ["drop_session"]


@pytest.mark.parametrize(
    ("match", "call", "applies"),
    [
        ({}, SEND, True),
        ({"provider": "cloud", "operation": "send", "channel": NUMBER, "to": ANA}, SEND, True),
        ({"provider": "twilio"}, SEND, False),
        ({"operation": "read"}, SEND, False),
        ({"channel": "15550100001"}, SEND, False),
        ({"to": BEN}, SEND, False),
        ({"to": ANA}, Call("cloud", "check", NUMBER), False),
        ({"share": 0.0}, SEND, False),
        ({"share": 1.0}, SEND, True),
        ({"nth": 2}, SEND, False),
        ({"from_s": 100}, SEND, False),
        ({"to_s": 0}, SEND, False),
        ({"from_s": 0, "to_s": 100}, SEND, True),
    ],
)
def test_a_fault_concerns_what_it_matches(match, call, applies):
    faults = Faults()
    faults.put([Fault(Do.ERROR, Match(**match))])
    assert bool(faults.plan(call).refusal) is applies


def test_nth_counts_its_own_calls():
    faults = Faults()
    faults.put([Fault(Do.ERROR, Match(nth=3, to=ANA))])
    others = [faults.plan(Call("cloud", "send", NUMBER, BEN)).refusal for _ in range(5)]
    hits = [bool(faults.plan(SEND).refusal) for _ in range(7)]
    assert (any(others), hits) == (False, [False, False, True, False, False, True, False])


def test_a_share_is_repeatable_by_its_seed():
    def rolls(seed: int) -> list[bool]:
        faults = Faults()
        faults.put([Fault(Do.ERROR, Match(share=0.3), seed=seed)])
        return [bool(faults.plan(SEND).refusal) for _ in range(1000)]

    assert rolls(1) == rolls(1) != rolls(2)
    assert 250 < sum(rolls(1)) < 350


def test_of_several_faults_delays_add_and_the_first_refusal_wins():
    faults = Faults()
    faults.put([Fault(Do.DELAY, value=1), Fault(Do.THROTTLE), Fault(Do.DELAY, value=2), Fault(Do.ERROR)])
    plan = faults.plan(SEND)
    assert (plan.delay, plan.refusal and plan.refusal.do) == (3, Do.THROTTLE)


def test_a_value_of_the_wrong_type_is_a_problem():
    with pytest.raises(Problem, match="delay"):
        Faults().put([Fault(Do.DELAY, value=[])])


STATUSES = st.lists(st.sampled_from(["sent", "delivered", "read"]), unique=True)


@given(STATUSES, STATUSES, st.integers(1, 4), st.booleans(), st.integers(0, 2**32))
def test_an_arrangement_loses_and_adds_nothing_of_its_own(statuses, withheld, copies, shuffled, seed):
    plan = StatusPlan(withheld=frozenset(withheld), copies=copies, shuffled=shuffled, pause=1.0, seed=seed)
    arranged = plan.arrange(statuses)
    kept = [status for status in statuses if status not in withheld]
    assert sorted(status for status, _ in arranged) == sorted(kept * copies)
    assert all(0 <= pause <= 1 for _, pause in arranged)
    if shuffled and len(kept) > 1:
        assert list(dict.fromkeys(status for status, _ in arranged)) != kept or copies > 1


async def test_sends_at_once_are_all_accepted(sim: Driver):
    answers = await asyncio.gather(*(sim.send(str(i)) for i in range(200)))
    ids = [answer["messages"][0]["id"] for _, answer in answers]
    assert len(set(ids)) == 200
    assert sorted(row["provider_id"] for row in await sim.ledger()) == sorted(ids)
