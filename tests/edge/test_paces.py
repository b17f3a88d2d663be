"""Who hands in too much is told so at once, before anything is stored, and when to come back."""

import math

import pytest

import given
from hailgate.accounts.keys import add_key
from hailgate.core.errors import RateLimited
from hailgate.core.limits import Limit
from hailgate.edge.http.rate_limit import RateLimits
from hailgate.messaging.models import Allowed, Message
from hailgate.messaging.outbound.quotas import RateLimit, allow_key, allow_tenant
from hailgate.telemetry.metrics import REGISTRY

ONE, OTHER = RateLimit(1, "tenant", Limit(1.0, 3), 7), RateLimit(2, "key", Limit(10.0, 1), 7)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def paces(clock):
    return RateLimits(clock)


async def refused(paces, *chosen, count=1):
    with pytest.raises(RateLimited) as told:
        await paces.spend(chosen, count)
    return math.ceil(told.value.retry_after)


async def test_without_a_limit_nothing_is_said(paces):
    assert await paces.spend([], 1000) == {}


async def test_a_burst_passes_and_the_next_waits_for_its_second(paces, clock):
    for _ in range(3):
        await paces.spend([ONE])
    assert await refused(paces, ONE) == 1
    clock.now += 1.0
    await paces.spend([ONE])
    assert await refused(paces, ONE) == 1


async def test_an_answer_says_how_much_is_left_and_when_all_will_be(paces):
    assert await paces.spend([ONE]) == {
        "RateLimit-Policy": '"tenant";q=3;w=3', "RateLimit": '"tenant";r=2;t=1',
        "X-RateLimit-Limit": "3", "X-RateLimit-Remaining": "2", "X-RateLimit-Reset": "1",
    }  # fmt: skip
    assert (await paces.spend([ONE, OTHER]))["RateLimit"] == '"key";r=0;t=10'


async def test_a_refusal_spends_nothing_of_the_other_limit(paces, clock):
    await paces.spend([ONE, OTHER])
    assert await refused(paces, ONE, OTHER) == 10
    clock.now += 0.1
    assert (await paces.spend([ONE]))["RateLimit"] == '"tenant";r=1;t=2'


async def test_a_batch_is_taken_whole_and_those_after_it_wait_for_it(paces, clock):
    await paces.spend([ONE], 10)
    assert await refused(paces, ONE) == 8
    clock.now += 7.9
    assert await refused(paces, ONE) == 1
    clock.now += 0.2
    await paces.spend([ONE])


async def test_after_the_wait_that_was_named_a_message_passes(paces, clock):
    for count in (1, 2, 50, 7):
        await paces.spend([ONE, OTHER], count)
        clock.now += await refused(paces, ONE, OTHER)


async def test_a_refusal_is_counted_by_tenant_and_whose_limit_it_was(paces):
    told = ("hailgate_callers_refused_total", {"tenant": "7", "by": "key"})
    before = REGISTRY.get_sample_value(*told) or 0
    await paces.spend([ONE, OTHER])
    await refused(paces, ONE, OTHER)
    assert REGISTRY.get_sample_value(*told) == before + 1


# --- at the door ------------------------------------------------------------------------------------------------------


def message(place=0):
    return {"channel": "front desk", "to": f"+1555010{place:04}", "type": "text", "text": {"body": "We open at nine."}}


def stored(tenant_id):
    return Message.objects.filter(tenant_id=tenant_id).count()


@pytest.mark.anyio
async def test_a_tenant_that_hands_in_too_much_gets_429_and_nothing_of_it_is_stored(site, key, channel, db):
    await db(allow_tenant, channel.tenant_id, Allowed.ACCEPT, 0.01)
    first = await site.post("/v1/messages", message(1), key=key)
    assert (first.status, first.headers["RateLimit"]) == (202, '"tenant";r=0;t=100')
    second = await site.post("/v1/messages", message(2), key=key)
    assert (second.status, second.code) == (429, "rate_limited")
    assert 1 < int(second.headers["Retry-After"]) <= 100
    batch = await site.post("/v1/messages/batch", {"messages": [message(3)]}, key=key)
    assert batch.status == 429
    assert await db(stored, channel.tenant_id) == 1


@pytest.mark.anyio
async def test_what_is_refused_after_it_was_counted_says_how_it_stands_too(site, key, channel, db):
    await db(allow_tenant, channel.tenant_id, Allowed.ACCEPT, 0.01)
    faulty = await site.post("/v1/messages", message(1) | {"to": "nobody"}, key=key)
    assert (faulty.status, faulty.headers["RateLimit"]) == (422, '"tenant";r=0;t=100')
    beyond = await site.post("/v1/messages", message(1), key=key)
    assert (beyond.status, beyond.headers["X-RateLimit-Remaining"]) == (429, "0")


@pytest.mark.anyio
async def test_the_limit_of_a_key_is_not_that_of_another(site, key, channel, db):
    other = (await db(add_key, channel.tenant_id)).key
    await db(allow_key, channel.tenant_id, other.split("_")[1], 0.01)
    answers = [(await site.post("/v1/messages", message(place), key=other)).status for place in range(2)]
    assert answers == [202, 429]
    free = await site.post("/v1/messages", message(5), key=key)
    assert (free.status, "RateLimit" in free.headers) == (202, False)


@pytest.mark.anyio
async def test_webhooks_know_no_such_limit(site, key, channel, hook, db):
    await db(allow_tenant, channel.tenant_id, Allowed.ACCEPT, 0.01)
    for place in range(3):
        body = given.text_webhook(message_id=f"wamid.{place}")
        answer = await site.post(f"/hooks/{hook.token}", body, headers=given.signed(body))
        assert answer.status == 200
