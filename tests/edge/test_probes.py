"""Probes say what is, to whom it may be said."""

from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from hailgate.core.errors import StoreUnavailable
from hailgate.core.urls import is_loopback
from hailgate.edge.app import build_app, watched
from hailgate.edge.doors.probes import Metrics, Probes
from hailgate.messaging.upkeep.queue_stats import count_figures
from serving import serving

pytestmark = pytest.mark.anyio


def probing(db, *, worker=None, token: str | None = None, bind: str = "127.0.0.1:1"):
    metrics = Metrics(db, token=SecretStr(token) if token else None, bind=bind)
    return serving(build_app(watched(Probes(db, version="1.2.3", worker_healthy=worker), metrics)))


async def test_ready_and_healthy_with_a_migrated_store(db) -> None:
    async with probing(db) as site:
        assert (await site.get("/readyz")).json == {"status": "ok", "reasons": []}
        assert (await site.get("/health")).json == {
            "status": "ok", "version": "1.2.3", "components": {"store": {"status": "ok"}},
        }  # fmt: skip


async def test_not_ready_while_the_worker_is_not(db) -> None:
    async with probing(db, worker=lambda: False) as site:
        answer = await site.get("/readyz")
        assert (answer.status, answer.json["reasons"]) == (503, ["worker: it does not run or has lost its lease"])
        assert (await site.get("/health")).json["components"]["worker"]["status"] == "unavailable"


async def test_missing_migrations_are_named(db, monkeypatch) -> None:
    from django.db.migrations.executor import MigrationExecutor

    from hailgate.edge.doors import store_health

    monkeypatch.setattr(store_health, "_fitted", False)
    one = (SimpleNamespace(app_label="messaging", name="one"), False)
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_: [one])
    async with probing(db) as site:
        answer = await site.get("/readyz")
    assert answer.status == 503
    assert answer.json["reasons"] == ["store: The database lacks 1 migrations: run `hailgate migrate`."]


async def test_a_store_that_hangs_is_not_waited_for(db, monkeypatch) -> None:
    import asyncio

    from hailgate.edge.doors import probes

    monkeypatch.setattr(probes, "STORE_PATIENCE_S", 0.01)

    async def hanging(*_: object) -> str:
        await asyncio.Event().wait()
        return ""

    async with probing(hanging) as site:
        answer = await site.get("/readyz")
    assert (answer.status, answer.json["reasons"]) == (503, ["store: the database does not answer in time"])


@pytest.mark.parametrize(
    ("bind", "loopback"),
    [("127.0.0.1:8000", True), ("[::1]:8000", True), ("localhost:1", True), ("127.9.9.9:1", True),
     ("0.0.0.0:8000", False), ("[::]:8000", False), ("192.168.0.2:1", False), ("example.org:1", False)],
)  # fmt: skip
def test_only_a_loopback_bind_is_private(bind: str, loopback: bool) -> None:
    assert is_loopback(bind) is loopback


async def test_metrics_are_hidden_on_an_open_bind_without_a_token(db) -> None:
    async with probing(db, bind="0.0.0.0:8000") as site:
        assert (await site.get("/metrics")).code == "not_found"


@pytest.mark.parametrize("bind", ["0.0.0.0:8000", "127.0.0.1:8000"])
async def test_metrics_with_a_token_are_for_who_shows_it(db, bind: str) -> None:
    async with probing(db, bind=bind, token="a token") as site:
        for wrong in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Bearer é"},
            {"Authorization": "a token"},
        ):
            assert (await site.get("/metrics", headers=wrong)).code == "unauthenticated"
        assert (await site.get("/metrics", headers={"Authorization": "Bearer a token"})).status == 200


async def test_metrics_show_the_work_in_the_store(site, key, channel) -> None:
    message = {"channel": "front desk", "to": "+15550100042", "type": "text", "text": {"body": "x"}}
    for _ in range(3):
        await site.post("/v1/messages", message, key=key)
    shown = (await site.get("/metrics")).body.decode()
    labels = f'channel="{channel.id}"'
    assert 'hailgate_work_rows{kind="delivery",state="ready"} 1.0' in shown
    assert 'hailgate_work_rows{kind="turn",state="ready"} 0.0' in shown
    assert f'hailgate_queue_depth{{{labels},state="waiting",tenant="{channel.tenant_id}"}} 2.0' in shown
    assert f'hailgate_queue_oldest_seconds{{{labels},tenant="{channel.tenant_id}"}} ' in shown
    assert f'hailgate_breaker_state{{{labels},tenant="{channel.tenant_id}"}} 0.0' in shown
    assert f'hailgate_messages_accepted_total{{{labels},tenant="{channel.tenant_id}"}} 3.0' in shown
    assert "hailgate_store_up 1.0" in shown
    assert "hailgate_oldest_ready_seconds " in shown
    assert "15550100042" not in shown
    assert key not in shown


async def test_the_store_is_counted_once_for_many_scrapers(db) -> None:
    asked = []

    async def counting(function, *arguments):
        asked.append(function)
        return await db(function, *arguments)

    async with probing(counting) as site:
        for _ in range(3):
            assert (await site.get("/metrics")).status == 200
    assert asked == [count_figures]


async def test_a_store_that_is_away_is_told_and_the_last_figures_stay(db) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable

    async with probing(away) as site:
        shown = (await site.get("/metrics")).body.decode()
    assert "hailgate_store_up 0.0" in shown
    assert "hailgate_messages_accepted_total" in shown


# --- ready means ready ------------------------------------------------------------------------------------------------


async def test_a_store_that_takes_no_write_is_not_ready(db, monkeypatch) -> None:
    """A full disk, a file or a server that can only be read."""
    from django.db import OperationalError

    from hailgate.edge.doors import store_health

    def full() -> None:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(store_health, "_try_to_write", full)
    async with probing(db) as site:
        answer = await site.get("/readyz")
    assert answer.status == 503
    assert "full" in answer.json["reasons"][0] or "does not answer" in answer.json["reasons"][0]


async def test_a_store_whose_sealing_key_is_missing_is_not_ready(db) -> None:
    from hailgate.accounts.seal import Sealer, sealer, use_sealer

    await db(lambda: sealer().digest(""))
    ours = sealer()
    use_sealer(Sealer((f"other:{'B' * 43}=",), content=False))
    try:
        async with probing(db) as site:
            answer = await site.get("/readyz")
    finally:
        use_sealer(ours)
    assert answer.status == 503
    assert "HAILGATE_SECRET_KEYS lacks the key" in answer.json["reasons"][0]


class Disk:
    def __init__(self, *, wanted=True, failing=False) -> None:
        self.wanted, self.failing, self.waiting = wanted, failing, 0


@pytest.mark.parametrize(
    ("spool", "status"), [(None, 503), (Disk(), 200), (Disk(wanted=False), 503), (Disk(failing=True), 503)]
)
async def test_without_a_store_webhooks_are_taken_where_a_disk_keeps_them(db, spool, status) -> None:
    async def away(*_: object) -> str:
        raise StoreUnavailable

    app = build_app(watched(Probes(away, version="1", spool=spool), Metrics(db, token=None, bind="127.0.0.1:1")))
    async with serving(app) as site:
        assert (await site.get("/readyz")).status == 503
        assert (await site.get("/readyz/hooks")).status == status


async def test_with_a_store_webhooks_are_taken(db) -> None:
    async with probing(db) as site:
        assert (await site.get("/readyz/hooks")).status == 200
