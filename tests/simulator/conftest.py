from collections.abc import AsyncIterator

import pytest

from hailgate.simulator.server import Settings, running
from hailgate.simulator.webhooks import Retries
from simulator.business import Business
from simulator.driver import Driver

QUICK = Retries(first=0.05, cap=0.2)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def business() -> AsyncIterator[Business]:
    async with Business() as business:
        yield business


@pytest.fixture(scope="module")
async def simulator_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """One simulator for a file's tests: `reset` between them has to be good enough for others too."""
    home = tmp_path_factory.mktemp("simulator")
    async with running(Settings(home=home, port=0, retries=QUICK)) as url:
        yield url


@pytest.fixture
async def sim(simulator_url: str, business: Business) -> AsyncIterator[Driver]:
    """A simulator as on its first day, with one channel that posts to `business`."""
    async with Driver(simulator_url) as driver:
        await driver.expect("POST", "/_sim/reset")
        await driver.put_channels(business.url)
        yield driver
