"""A tenant service is asked once for many, is believed for a quarter of an hour, and harms nobody when it hangs."""

import asyncio
import json
import os
import secrets
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from examples.tenant_service import make_server

import given
from connectors.post import envelope, running, until
from hailgate.accounts.models import RaisedAlarm, Tenant
from hailgate.connectors import tenant_service as service_module
from hailgate.connectors.secret_cache import ProcessCache, RedisCache, open_redis
from hailgate.connectors.tenant_service import TenantService
from hailgate.connectors.tenants import TenantPending
from hailgate.core.breaker import BreakerPolicy
from hailgate.core.content import content_as_json
from hailgate.core.errors import InputError, ProviderUnavailable
from hailgate.core.slots import open_room
from hailgate.messaging.channels.checks import claim_checks, enqueue_checks
from hailgate.messaging.channels.credentials import get_credentials
from hailgate.messaging.channels.hooks import add_hook
from hailgate.messaging.models import Channel, Message, Publication, Work, WorkKind
from hailgate.messaging.store.sql import atomic_cursor, now
from hailgate.pipeline.channel_checks import ChannelChecks
from hailgate.pipeline.connections import Connections
from hailgate.providers.transport import Transport
from providers.loopback import Loopback, render_answer

NUMBER = "15550100000"
REDIS = os.environ.get("HAILGATE_TEST_REDIS", "redis://127.0.0.1:6379/0")


def told(token="first", **more) -> dict:
    settings = {"phone_number_id": "106500000000001", "access_token": token, "api_url": "http://127.0.0.1:9"}
    channel = {"provider": "cloud", "number": f"+{NUMBER}", "settings": settings}
    return {"id": "acme", "active": True, "channels": [channel]} | more


class Service:
    """What stands behind the URL: an answer for each tenant, which tests exchange."""

    def __init__(self) -> None:
        self.answers = {"acme": (200, told())}
        self.asked: list[str] = []
        self.hanging: set[str] = set()

    async def answer(self, connection) -> None:
        head, _ = await connection.peek()
        if not head.split(b" ")[1].startswith(b"/tenants/"):
            await self._answer_as_meta(connection, known=b"Bearer second" in head)
            return
        name = head.split(b" ")[1].decode().removeprefix("/tenants/")
        self.asked.append(name)
        if name in self.hanging:
            await connection.hang()
            return
        await connection.request()
        status, content = self.answers.get(name, (404, {}))
        await connection.write(render_answer(status, json.dumps(content).encode()))

    async def _answer_as_meta(self, connection, *, known: bool) -> None:
        await connection.request()
        refusal = {"error": {"code": 190, "message": "The token has expired."}}
        answer = (200, {"id": "106500000000001"}) if known else (401, refusal)
        await connection.write(render_answer(answer[0], json.dumps(answer[1]).encode()))


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def far():
    service = Service()
    async with Loopback(service.answer) as server:
        service.url = server.url
        yield service


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(service_module, "AGAIN_S", 0.01)
    monkeypatch.setattr(service_module, "AGAIN_MOST_S", 0.05)
    monkeypatch.setattr(service_module, "POLICY", BreakerPolicy(failures=5, cooldown=0.1))


@asynccontextmanager
async def asking(db, far, *, cache=None, clock=None, total=1.0):
    transport = Transport(connect=1.0, total=total)
    service = TenantService(
        db, transport, cache or ProcessCache(), url=f"{far.url}/tenants/{{id}}", token="a token",
        **({"clock": clock} if clock else {}),
    )  # fmt: skip
    try:
        yield service
    finally:
        await service.close()


async def known(service, name="acme") -> int:
    async with asyncio.timeout(20):
        await service.wait_for(name)
    return await service.get(name)


async def test_many_who_ask_at_once_cause_one_call_and_rows_without_secrets(db, far):
    async with asking(db, far) as service:
        for _ in range(50):
            with pytest.raises(TenantPending):
                await service.get("acme")
        ids = await asyncio.gather(*(known(service) for _ in range(50)))
        tenant = await db(lambda: Tenant.objects.get(name="acme"))
        channel = await db(lambda: Channel.objects.get(tenant_id=tenant.pk))
        credentials = await db(get_credentials, channel.pk)
    assert set(ids) == {tenant.pk}
    assert far.asked == ["acme"]
    assert (tenant.source, channel.source, channel.number) == ("tenant_service", "acme", NUMBER)
    assert credentials.config.__struct_fields__ == ()
    assert credentials.configured(told()["channels"][0]["settings"]).config.access_token.reveal() == "first"


async def test_what_it_said_is_believed_for_a_quarter_of_an_hour_and_renewed_before(db, far):
    clock = Time()
    async with asking(db, far, clock=clock, cache=ProcessCache(clock)) as service:
        await known(service)
        for _ in range(100):
            clock.now += 7.1  # 710 s in all
            await service.get("acme")
        assert far.asked == ["acme"]
        clock.now += 120.0  # the last fifth of its time
        await service.get("acme")
        await until(lambda: len(far.asked) == 2)


async def test_a_rate_that_changes_is_kept_to_from_then_on(db, far):
    clock, rates = Time(), []
    async with asking(db, far, clock=clock, cache=ProcessCache(clock)) as service:
        for asked, rate in enumerate(({"rate": 20.0}, {"rate": 5.0}, {}), start=1):
            far.answers["acme"] = 200, told(channels=[told()["channels"][0] | rate])
            await known(service)
            await until(lambda asked=asked: len(far.asked) == asked and not service._fetching)
            rates.append(await db(rate_of, await service.get("acme")))
            clock.now += 899.0
    assert rates == [(20, 2), (5, 1), (5, 1)]


def rate_of(tenant_id: int) -> tuple[int, int]:
    channel = Channel.objects.get(tenant_id=tenant_id)
    return round(1 / channel.rate_interval), channel.rate_burst


async def test_a_failing_service_is_ridden_out_for_an_hour_and_no_longer(db, far):
    clock = Time()
    async with asking(db, far, clock=clock, cache=ProcessCache(clock)) as service:
        first = await known(service)
        far.answers["acme"] = (500, {})
        clock.now += 3500
        assert await service.get("acme") == first
        clock.now += 200
        with pytest.raises(TenantPending):
            await service.get("acme")


async def test_nothing_is_believed_beyond_the_end_that_an_answer_names(db, far):
    clock = Time()
    far.answers["acme"] = 200, told(expires_at=(datetime.now(UTC) + timedelta(seconds=600)).isoformat())
    async with asking(db, far, clock=clock, cache=ProcessCache(clock)) as service:
        first = await known(service)
        far.answers["acme"] = (500, {})
        clock.now += 500
        assert await service.get("acme") == first
        clock.now += 101
        with pytest.raises(TenantPending):
            await service.get("acme")


async def test_a_service_that_fails_for_everybody_is_left_alone_with_an_alarm_until_it_answers(db, far):
    clock = Time()
    far.answers |= {f"t{number}": (500, {}) for number in range(9)}
    async with asking(db, far, clock=clock, cache=ProcessCache(clock)) as service:
        for number in range(9):
            with pytest.raises(TenantPending):
                await service.get(f"t{number}")
            await until(lambda: not service._fetching)
        assert far.asked == [f"t{number}" for number in range(5)]
        assert await db(standing) == 1
        far.answers["t8"] = 200, told(id="t8")
        clock.now += service_module.POLICY.cooldown
        await known(service, "t8")
    assert await db(standing) == 0


def standing() -> int:
    return RaisedAlarm.objects.filter(code="tenant_service_down", cleared_at=None).count()


async def test_404_means_unknown_and_an_inactive_one_is_refused(db, far):
    far.answers["asleep"] = (200, told(id="asleep", active=False))
    async with asking(db, far) as service:
        await service.wait_for("nobody")
        with pytest.raises(InputError) as unknown:
            await service.get("nobody")
        await service.wait_for("asleep")
        with pytest.raises(InputError) as inactive:
            await service.get("asleep")
    assert (unknown.value.code, inactive.value.code) == ("unknown_tenant", "tenant_inactive")


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}),
        (200, {"no": "id"}),
        (200, told(id="another")),
        (200, told(expires_at="2001-01-01T00:00:00Z")),
        (200, {"id": "acme", "channels": [{}]}),
        (302, {}),
    ],
)
async def test_whatever_is_no_answer_never_means_unknown(db, far, answer):
    far.answers["acme"] = answer
    async with asking(db, far) as service:
        with pytest.raises(TenantPending):
            await service.get("acme")
        await until(lambda: far.asked)
        with pytest.raises(TenantPending):
            await service.get("acme")
        with pytest.raises(ProviderUnavailable):
            await service.settings_of("acme", NUMBER, 1)


async def test_a_refused_token_is_asked_for_once_and_used_at_once(db, far):
    async with asking(db, far) as service:
        await known(service)
        channel = await db(lambda: Channel.objects.get(source="acme", tenant_id__gt=0).pk)
        connections = Connections(db, per_host=1, connect=1, total=1, elsewhere=service)
        before = await connections.get(channel)
        assert await connections.get(channel) is before
        assert not await connections.renew(channel, before)  # the same as before: the channel is to pause
        far.answers["acme"] = (200, told("second"))
        renewed = await asyncio.gather(*(connections.renew(channel, before) for _ in range(10)))
        after = await connections.get(channel)
        await connections.close()
    assert renewed == [True] * 10
    assert far.asked == ["acme"] * 3
    assert after.settings["access_token"] == "second"


async def test_a_channel_that_a_refused_token_paused_goes_on_once_the_service_has_another(db, far, worker):
    settings = told()["channels"][0]["settings"] | {"api_url": far.url}
    far.answers["acme"] = 200, told(channels=[told()["channels"][0] | {"settings": settings}])
    async with asking(db, far) as service:
        await known(service)
        connections = Connections(db, per_host=1, connect=1, total=1, elsewhere=service)
        checks = ChannelChecks(db, worker, connections)
        await db(pause_refused)
        await checks.check(await db(claim_check, worker))
        still = await db(lambda: Channel.objects.get(source="acme", tenant_id__gt=0).paused_reason)
        renewed = told()["channels"][0] | {"settings": settings | {"access_token": "second"}}
        far.answers["acme"] = 200, told(channels=[renewed])
        await checks.check(await db(claim_check, worker))
        after = await db(lambda: Channel.objects.get(source="acme", tenant_id__gt=0).paused_reason)
        await connections.close()
    assert (still, after) == ("channel_unauthorized", "")
    assert far.asked == ["acme"] * 3  # once for each check that was in vain with what was known


def pause_refused() -> None:
    channel = Channel.objects.get(source="acme", tenant_id__gt=0)
    Channel.objects.filter(pk=channel.pk, tenant_id=channel.tenant_id).update(
        paused_at=1.0, paused_reason="channel_unauthorized"
    )
    with atomic_cursor() as cursor:
        enqueue_checks(cursor, [(channel.tenant_id, channel.pk)], now(cursor))


def claim_check(worker):
    Work.objects.filter(kind=WorkKind.CHECK, tenant_id__gt=0).update(due_at=0.0)
    (one,) = claim_checks(worker, open_room(10)).claims
    return one


async def test_an_answer_that_cannot_be_kept_is_asked_for_again_later_and_not_for_each_message(db, far, monkeypatch):
    async def refuse(*_):
        raise ValueError

    async with asking(db, far) as service:
        monkeypatch.setattr(service, "_believe", refuse)
        for _ in range(20):
            with pytest.raises(TenantPending):
                await service.get("acme")
            await until(lambda: not service._fetching)
    assert far.asked == ["acme"]


async def test_while_a_refused_token_is_asked_for_nobody_is_given_the_old_one(db, far):
    async with asking(db, far) as service:
        await known(service)
        refused = await service.settings_of("acme", NUMBER, 1)
        far.answers["acme"] = (200, told("second"))
        renewing = asyncio.create_task(service.renew("acme", NUMBER, refused))
        await asyncio.sleep(0)
        given = await asyncio.gather(*(service.settings_of("acme", NUMBER, 1) for _ in range(10)))
        assert await renewing
    assert {each["access_token"] for each in given} == {"second"}
    assert far.asked == ["acme"] * 2


async def test_a_token_that_one_process_has_asked_for_is_enough_for_the_others(db, far):
    shared = ProcessCache()  # as good as Redis between two of one process
    async with asking(db, far, cache=shared) as one, asking(db, far, cache=shared) as other:
        refused = []
        for service in (one, other):
            await known(service)
            refused.append(await service.settings_of("acme", NUMBER, 1))
        far.answers["acme"] = (200, told("second"))
        assert await one.renew("acme", NUMBER, refused[0])
        assert await other.renew("acme", NUMBER, refused[1])
    assert far.asked == ["acme"] * 2


async def test_a_token_that_one_process_was_refused_is_tried_by_no_other(db, far):
    shared = ProcessCache()
    async with asking(db, far, cache=shared) as one, asking(db, far, cache=shared) as other:
        for service in (one, other):
            await known(service)
        here, there = (Connections(db, per_host=1, connect=1, total=1, elsewhere=service) for service in (one, other))
        channel = await db(lambda: Channel.objects.get(source="acme", tenant_id__gt=0).pk)
        refused, _ = await here.get(channel, 1), await there.get(channel, 1)
        far.answers["acme"] = (200, told("second"))
        assert await here.renew(channel, refused)
        version = await db(lambda: Channel.objects.get(source="acme", tenant_id__gt=0).version)
        given = [await connections.get(channel, version) for connections in (here, there, there)]
        again = await db(lambda: Channel.objects.get(source="acme", tenant_id__gt=0).version)
        for connections in (here, there):
            await connections.close()
    assert [each.settings["access_token"] for each in given] == ["second"] * 3
    assert given[1] is given[2]
    assert (version, again) == (2, 2)
    assert far.asked == ["acme"] * 2


async def test_a_service_that_is_away_keeps_nobody_from_what_was_known(db, far):
    async with asking(db, far) as service:
        await known(service)
        far.answers["acme"] = (503, {})
        given = await service.settings_of("acme", NUMBER, 2)  # something else of the channel has changed
    assert given["access_token"] == "first"


@asynccontextmanager
async def doors(far):
    from hailgate.asgi import create_app
    from hailgate.settings import ENV
    from serving import serving

    ends = []
    env = ENV.model_copy(update={"tenant_service_url": far.url})
    async with serving(create_app(env, with_worker=False, at_stop=ends.append), ends) as site:
        yield site


@pytest.fixture
async def acme_hook(db, far):
    """That of a tenant whose channel the service tells of, and whose app's secret it alone has."""
    far.answers["acme"] = 200, told(channels=[told()["channels"][0] | {"app_secret": "in the service"}])
    async with asking(db, far) as service:
        tenant_id = await known(service)
    return await db(add_hook, tenant_id, "cloud", {"app_secret": "of the hook", "verify_token": "v"})


async def test_a_webhook_may_be_signed_with_the_secret_that_the_service_has(far, acme_hook):
    body = given.text_webhook()
    async with doors(far) as site:
        of_hook = await site.post(acme_hook.path, body, headers=given.signed(body, "of the hook"))
        before = len(far.asked)
        of_service = await site.post(acme_hook.path, body, headers=given.signed(body, "in the service"))
        of_nobody = await site.post(acme_hook.path, body, headers=given.signed(body, "a guess"))
    assert (of_hook.status, of_service.status, of_nobody.status) == (200, 200, 401)
    assert (before, far.asked) == (1, ["acme"] * 2)  # the doors ask once, and only where the hook's own does not fit


async def test_a_webhook_is_neither_believed_nor_refused_while_the_service_hangs(far, acme_hook):
    far.hanging.add("acme")
    body = given.text_webhook()
    async with doors(far) as site:
        answer = await site.post(acme_hook.path, body, headers=given.signed(body, "in the service"))
    assert (answer.status, answer.code) == (503, "unavailable")


async def test_another_tenants_secret_is_none_of_this_ones(far, acme_hook, hook):
    body = given.text_webhook()
    async with doors(far) as site:
        answer = await site.post(hook.path, body, headers=given.signed(body, "in the service"))
    assert answer.status == 401


async def test_processes_with_redis_ask_once_together_and_keep_the_secret_sealed(db, far):
    redis = open_redis(REDIS)
    name = f"acme-{secrets.token_hex(4)}"
    far.answers[name] = (200, told(id=name))
    try:
        await redis.ping()
    except OSError:
        pytest.skip("Redis does not answer: what needs it was skipped")
    except Exception as away:  # noqa: BLE001
        pytest.skip(f"Redis does not answer: {type(away).__name__}")
    async with asking(db, far, cache=RedisCache(redis)) as one, asking(db, far, cache=RedisCache(redis)) as other:
        assert await known(one, name) == await known(other, name)
        kept = [await redis.get(key) for key in await redis.keys("hailgate:secret:tenant:*")]
        await one._cache.forget(service_module._key(name))
    await redis.aclose()
    assert far.asked == [name]
    assert kept
    assert not any(b"first" in value for value in kept if value)


async def test_redis_that_is_away_costs_a_call_and_nothing_else(db, far):
    async with asking(db, far, cache=RedisCache(open_redis("redis://127.0.0.1:9/0"))) as service:
        await known(service)
    assert far.asked == ["acme"]


@pytest.mark.usefixtures("outbox", "quick")
async def test_a_tenant_whose_service_hangs_waits_in_order_and_the_others_go_on(db, post, far, worker):
    far.answers["slow"] = (200, told(id="slow"))
    far.hanging.add("slow")
    await post.publish(*(envelope(n, tenant="slow") for n in range(10)), envelope(99, tenant="acme"))
    async with asking(db, far, total=0.3) as service, running(post.consumer(db, worker, tenants=service)):
        await until(lambda: db(lambda: texts("acme") == ["number 99"]))
        assert await db(texts, "slow") == []
        assert await post.depth() == 0  # nothing of it is left in the queue, or in hand
        far.hanging.clear()
        await post.publish(envelope(10, tenant="slow"))
        await until(lambda: db(lambda: len(texts("slow")) == 11))
    assert await db(texts, "slow") == [f"number {n}" for n in range(11)]


@pytest.mark.usefixtures("outbox", "quick")
async def test_what_was_held_of_a_tenant_that_there_is_not_becomes_dead_letters(db, post, far, worker):
    await post.publish(*(envelope(n, tenant="nobody") for n in range(3)))
    async with asking(db, far) as service, running(post.consumer(db, worker, tenants=service)):
        await until(lambda: db(lambda: Publication.objects.filter(tenant_id=0, code="unknown_tenant").count() == 3))


def texts(tenant: str) -> list[str]:
    rows = Message.objects.filter(tenant_id__in=Tenant.objects.filter(name=tenant).values("id")).order_by("id")
    return [content_as_json(content)["text"]["body"] for content in rows.values_list("content", flat=True)]


async def test_the_example_is_a_tenant_service(db, tmp_path):
    file = tmp_path / "tenants.json"
    file.write_text(json.dumps({"acme": {"channels": told()["channels"]}}))
    server = make_server(file, 0, "a token")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    far = Service()
    far.url = f"http://127.0.0.1:{server.server_port}"
    try:
        async with asking(db, far) as service:
            assert await known(service) > 0
            await service.wait_for("nobody")
            with pytest.raises(InputError):
                await service.get("nobody")
    finally:
        server.shutdown()
        server.server_close()
