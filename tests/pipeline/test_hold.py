"""An installation that is held lets nothing leave, until it is released."""

import asyncio

import pytest

from hailgate import workers
from hailgate.accounts.seal import sealer
from hailgate.messaging.store.hold import hold, is_held, release
from hailgate.pipeline.lease import Lease


@pytest.fixture
def installation(store):
    sealer().digest("")
    yield
    release()


def test_what_is_held_stays_so_until_it_is_released(installation):
    assert not is_held()
    hold()
    hold()
    assert is_held()
    assert [release(), release()] == [True, False]
    assert not is_held()


def test_a_worker_knows_at_its_beginning_and_with_each_renewal(installation, tmp_path):
    """Whichever process holds it, on whichever machine: the mark is in the store."""
    lease = Lease(15.0, 5.0, tmp_path, lambda: None)
    assert lease.held
    hold()
    try:
        lease.begin()
        assert lease.held
        release()
        lease._renew()
        assert not lease.held
        hold()
        lease._renew()
        assert lease.held
    finally:
        lease.end()


@pytest.mark.parametrize(("name", "runs"), [("deliver", 0), ("answer", 0), ("fetch", 0), ("ingest", 1), ("sweep", 1)])
async def test_only_what_stays_inside_goes_on_while_it_is_held(monkeypatch, name, runs):
    monkeypatch.setattr(workers, "HELD_LOOK_S", 0.0)
    ran, held = [], [True]

    async def step():
        ran.append(name)
        await asyncio.sleep(0)

    guarded = workers._unless_held(lambda: held[0], name, step)
    await guarded()
    assert len(ran) == runs
    held[0] = False
    await guarded()
    assert len(ran) == runs + 1
