"""While the store is away: 503 with Retry-After, signatures still checked, nothing half written, no 500."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.db import OperationalError

import given
from hailgate.messaging.models import Message, WebhookEvent
from hailgate.pipeline.bridge import ThreadedDatabase

pytestmark = pytest.mark.anyio

MESSAGE = {"channel": "front desk", "to": f"+{given.PERSON}", "type": "text", "text": {"body": "x"}}


class Outage:
    """Stands before the database functions of a running site and lets none through while it lasts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lasts = False
        from hailgate.pipeline import bridge

        run = bridge.run_in_database

        def cut(function: Callable[..., Any], *arguments: Any) -> Any:
            return run(self._fail if self.lasts else function, *arguments)

        monkeypatch.setattr(bridge, "run_in_database", cut)

    def _fail(self, *_: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Outage:
    return Outage(monkeypatch)


@pytest.fixture
async def warm_site(outage: Outage, site, key, hook, channel) -> AsyncIterator[Any]:
    """It has seen its key, hook and channel before the outage."""
    body = given.text_webhook()
    assert (await site.post(hook.path, body, headers=given.signed(body))).status == 200
    assert (await site.post("/v1/messages", MESSAGE, key=key)).status == 202
    outage.lasts = True
    yield site
    outage.lasts = False


async def test_a_webhook_is_answered_503_and_not_stored(warm_site, outage, hook, tenant, db) -> None:
    body = given.text_webhook(message_id="wamid.2")
    answer = await warm_site.post(hook.path, body, headers=given.signed(body))
    assert (answer.status, answer.code, answer.json["retryable"]) == (503, "store_unavailable", True)
    assert int(answer.headers["Retry-After"]) >= 1
    outage.lasts = False
    assert await db(WebhookEvent.objects.filter(tenant_id=tenant.id).count) == 1


async def test_a_forged_webhook_is_still_refused(warm_site, hook) -> None:
    assert (await warm_site.post(hook.path, b"{}")).code == "signature_invalid"


async def test_a_message_is_answered_503_and_not_stored(warm_site, outage, key, tenant, db) -> None:
    assert (await warm_site.post("/v1/messages", MESSAGE, key=key)).code == "store_unavailable"
    outage.lasts = False
    assert await db(Message.objects.filter(tenant_id=tenant.id).count) == 1


async def test_a_batch_is_answered_503_as_a_whole(warm_site, key) -> None:
    assert (
        await warm_site.post("/v1/messages/batch", {"messages": [MESSAGE] * 3}, key=key)
    ).code == "store_unavailable"


async def test_who_is_not_known_yet_cannot_be_judged(site, outage, hook) -> None:
    outage.lasts = True
    for answer in [
        await site.post(hook.path, b"{}"),
        await site.post("/v1/messages", MESSAGE, key="hg_000000000000_" + "x" * 43),
    ]:
        assert answer.code == "store_unavailable"


async def test_it_goes_on_when_the_store_is_back(warm_site, outage, key, hook) -> None:
    body = given.text_webhook(message_id="wamid.2")
    assert (await warm_site.post(hook.path, body, headers=given.signed(body))).status == 503
    outage.lasts = False
    assert (await warm_site.post(hook.path, body, headers=given.signed(body))).status == 200
    assert (await warm_site.post("/v1/messages", MESSAGE, key=key)).status == 202


async def test_it_is_alive_but_not_ready(warm_site) -> None:
    assert (await warm_site.get("/livez")).status == 200
    ready = await warm_site.get("/readyz")
    assert (ready.status, ready.json["status"]) == (503, "unavailable")
    assert ready.json["reasons"][0].startswith("store: ")
    health = await warm_site.get("/health")
    assert (health.status, health.json["components"]["store"]["status"]) == (503, "unavailable")
    assert (await warm_site.get("/metrics")).status == 200


async def test_a_full_gate_answers_503(site, key, channel, monkeypatch) -> None:
    from hailgate.core.errors import Overloaded
    from hailgate.pipeline.bridge import Gate

    async def full(*_: object) -> None:
        raise Overloaded("too much is waiting to be written", retry_after=2.0)

    monkeypatch.setattr(Gate, "submit", full)
    answer = await site.post("/v1/messages", MESSAGE, key=key)
    assert (answer.code, answer.headers["Retry-After"]) == ("overloaded", "2")


async def test_reads_of_the_management_api_answer_503_too(site, key, monkeypatch) -> None:
    from hailgate.api import access

    def away(_: str) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(access, "find_key", away)
    assert (await site.get("/v1/channels", key=key)).code == "store_unavailable"


def test_the_bridge_that_is_cut_is_the_one_in_use() -> None:
    assert ThreadedDatabase.__call__.__globals__["run_in_database"].__name__ == "run_in_database"
