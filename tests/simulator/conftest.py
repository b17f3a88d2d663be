from collections.abc import AsyncIterator

import pytest

from hailgate.simulator.model import Retries
from hailgate.simulator.server import Settings, running
from simulator.business import Business
from simulator.driver import Driver
from simulator.session_driver import EvolutionDriver, WppConnectDriver, evolution_channel, wppconnect_channel
from simulator.twilio_driver import TwilioDriver
from simulator.twilio_driver import channel as twilio_channel

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


@pytest.fixture
async def twilio(simulator_url: str, business: Business) -> AsyncIterator[TwilioDriver]:
    """A simulator as on its first day, with one channel at Twilio, whose window with Ana is open."""
    async with TwilioDriver(simulator_url) as driver:
        await driver.expect("POST", "/_sim/reset")
        await driver.expect("PUT", "/_sim/channels", [twilio_channel(business.url)])
        await driver.write("Hi")
        await business.wait_until(lambda b: b.calls)
        business.calls.clear()
        business.urls.clear()
        yield driver


@pytest.fixture
async def evolution(simulator_url: str, business: Business) -> AsyncIterator[EvolutionDriver]:
    """A simulator as on its first day, with one instance of Evolution API that is linked."""
    async with EvolutionDriver(simulator_url) as driver:
        await driver.expect("PUT", "/_sim/channels", [])
        await driver.expect("POST", "/_sim/reset")
        await driver.expect("PUT", "/_sim/channels", [evolution_channel(business.url)])
        yield driver


@pytest.fixture
async def wpp(simulator_url: str, business: Business) -> AsyncIterator[WppConnectDriver]:
    """A simulator as on its first day, with one session of WPPConnect Server that is linked, and its token."""
    async with WppConnectDriver(simulator_url) as driver:
        await driver.expect("PUT", "/_sim/channels", [])
        await driver.expect("POST", "/_sim/reset")
        await driver.expect("PUT", "/_sim/channels", [wppconnect_channel(business.url)])
        await driver.make_token()
        yield driver
