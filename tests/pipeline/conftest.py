"""The same cast as in the store's tests, and a bridge to it."""

import pytest

from messaging.conftest import answering, clock, postgresql, wide, worker

__all__ = ["answering", "clock", "postgresql", "wide", "worker"]


@pytest.fixture
def env():
    from hailgate.settings import ENV

    return ENV


@pytest.fixture
def played(monkeypatch, store):
    from pipeline.stage import Played

    return Played(monkeypatch)


@pytest.fixture
async def desk(db, worker, played, tenant, tmp_path):
    from pipeline.stage import Desk

    desk = Desk(db, worker, played, await db(played.add_channel, tenant), tmp_path)
    yield desk
    await desk.close()
