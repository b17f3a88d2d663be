"""A tenant service that hangs for one tenant, that is asked once for all, and whose tokens are exchanged."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from itertools import cycle
from shutil import which
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from .blueprint import person, place, run_commands
from .broker import BrokerNode, open_node
from .case import Case, batches
from .latencies import is_undisturbed, p95, waits
from .ledgers import Promise
from .load import Conversation, conversations
from .outside import Outside
from .place import Place
from .processes import Process
from .redises import SERVER, RedisNode
from .registry import scenario
from .tenants import let_write
from .turnstile import Turnstile

TOKEN = "a token of the tenant service"
# Each has one message under way at a time: a crowd takes what a few would only queue.
FEW, CROWD = 16, 200
RATE = 20.0
KNOWN_WITHIN_S = 30.0
# For a channel that there is not: all that comes of it is that the service is asked for the tenant.
FIRST = {"id": "first", "channel": "nobody", "to": f"+{person(1)}", "type": "text", "text": {"body": "Hello"}}
HELD = "hailgate_held_tenants"
REFUSED = 401
# Between the old token's end and the new one's beginning nothing is sent for as long as it takes to notice.
SOON_S = 2.0
BUSY = 150.0
WORKERS = 2


class TenantService:
    """Knows tenants by name; for those in `hanging` it never answers. `asked` counts calls."""

    def __init__(self) -> None:
        self.tenants: dict[str, dict[str, Any]] = {}
        self.hanging: set[str] = set()
        self.asked: Counter[str] = Counter()
        self._let_go = asyncio.Event()

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/tenants/{name}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.asked[name] += 1
        if name in self.hanging:
            await self._let_go.wait()
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({}, status=403)
        known = self.tenants.get(name)
        return web.json_response(known or {}, status=200 if known else 404)


class Elsewhere:
    """Tenants whose channels and credentials the service has, and who publish to the queue."""

    def __init__(self, case: Case, node: BrokerNode, service: TenantService, api_url: str, people: int = FEW) -> None:
        self._case, self._service, self._api_url, self.crowd = case, service, api_url, people
        self.places: dict[str, Place] = {}
        self.outside: dict[str, Outside] = {}
        self._node, self._hooks = node, dict[str, str]()

    async def add(self, name: str, number: int) -> None:
        """Our own store has its name and its hook; who writes to it has its service window."""
        stand, self.places[name] = self._case.stand, place(number)
        secrets = {"app_secret": stand.blueprint.app_secret, "verify_token": stand.blueprint.verify_token}
        given = [f"--set={key}={value}" for key, value in secrets.items()]
        of_it = f"--tenant={name}"
        _, hook = await run_commands(
            stand.environment, ["tenant", "add", name], ["hook", "add", of_it, "--provider=cloud", *given]
        )
        self._hooks[name] = hook["path"]
        self.outside[name] = Outside(self._case, self._node, name)
        self.tell(name, self.places[name].access_token)

    def tell(self, name: str, token: str) -> None:
        """What the service says of it from now on."""
        there = self.places[name]
        settings = {"phone_number_id": there.account, "access_token": token, "api_url": self._api_url}
        channel = {"provider": "cloud", "number": there.number, "rate": 500, "settings": settings}
        self._service.tenants[name] = {"id": name, "active": True, "channels": [channel]}

    async def introduce(self, **tokens: str) -> None:
        """To the simulator, with these access tokens instead of the first ones."""
        terms = [self._terms(name) for name in self.places]
        for name, token in tokens.items():
            [own] = [each for each in terms if each["number"] == self.places[name].number]
            own["credentials"] = {**own["credentials"], "access_token": token}
        await self._case.stand.simulator.put_channels(terms)

    def _terms(self, name: str) -> dict[str, Any]:
        stand = self._case.stand
        terms = stand.blueprint.terms(self.places[name], stand.web)
        return terms | {"webhook_url": stand.web + self._hooks[name]}

    async def open(self, worker: Process) -> None:
        """The service is asked for all of them, and then their people write."""
        for name in self.places:
            await self.outside[name].hand_over(FIRST | {"tenant": name})
        async with asyncio.timeout(KNOWN_WITHIN_S):
            while not await self._are_known():
                await asyncio.sleep(0.2)
        for name, there in self.places.items():
            await let_write(self._case, worker, there, self.people(name))

    async def _are_known(self) -> bool:
        answers = await run_commands(
            self._case.stand.environment, *(["channel", "list", f"--tenant={name}"] for name in self.places)
        )
        return all(answer["items"] if isinstance(answer, dict) else answer for answer in answers)

    def people(self, name: str) -> list[Conversation]:
        there = self.places[name]
        return conversations([Place(there.number, there.number, there.account)], self.crowd)


@scenario("HANG", alone=True)
async def the_tenant_service_hangs_for_one_tenant(case: Case) -> None:
    """Of one tenant the service says nothing while messages of two come through the queue; the other is undisturbed.

    Its p95 stays within one and a half of what it is when all is well, and what was held is sent in order afterwards.
    """
    async with open_node(case) as node, TenantService() as service:
        if node is None:
            return
        elsewhere = Elsewhere(case, node, service, case.stand.simulator.url)
        worker = await set_up(case, elsewhere, service)
        idle = await publish(case, elsewhere, ["well"], case.times(30, at_least=8))
        service.hanging.add("hangs")
        await begin_anew(worker)
        during = await publish(case, elsewhere, ["well", "hangs"], case.times(60, at_least=15))
        held = await case.stand.metric(worker, HELD)
        case.fault(service.asked["hangs"])
        service.hanging.clear()
        await begin_anew(worker)
        await case.settle()
        again = await publish(case, elsewhere, ["well"], case.times(30, at_least=8))
        verdict = await case.conclude()
        await judge(case, [idle["well"], again["well"]], during["well"])
        case.note(held_tenants=held, asked=dict(service.asked))
        case.expect(held == 1, f"{held:.0f} tenants were held: what was shown?")
        case.expect(not verdict.failed, f"{verdict.failed} messages failed")


@scenario("TOKENS", limit_s=600.0)
async def credentials_are_fetched_once_and_exchanged(case: Case) -> None:
    """Two workers with Redis send for a tenant whose credentials the service has; then its token is another one.

    The service is asked once for both, and once more for the new token: one send of each at most was refused.
    """
    if not which(SERVER):
        case.skip("Redis is not installed")
        return
    redis = RedisNode(case.stand.folder)
    await redis.start()
    try:
        case.stand.environment |= {"HAILGATE_REDIS_URL": redis.url}
        async with open_node(case) as node, TenantService() as service, Turnstile(case.stand) as turnstile:
            if node is not None:
                elsewhere = Elsewhere(case, node, service, turnstile.url, CROWD)
                await exchange(case, elsewhere, service, turnstile)
    finally:
        await redis.kill()


async def exchange(case: Case, elsewhere: Elsewhere, service: TenantService, turnstile: Turnstile) -> None:
    await set_up(case, elsewhere, service)
    await case.stand.work("another")  # with the first one WORKERS
    seconds = case.times(60, at_least=10)
    await publish(case, elsewhere, ["well"], seconds, BUSY)
    asked_at_first = service.asked["well"]
    sending = asyncio.create_task(publish_few_at_a_time(case, elsewhere, seconds))
    await asyncio.sleep(SOON_S)
    elsewhere.tell("well", "another-token")
    await elsewhere.introduce(well="another-token")
    case.fault()
    await sending
    verdict = await case.conclude()
    refused = [knock for knock in turnstile.knocks if knock.status == REFUSED]
    case.note(asked=dict(service.asked), asked_at_first=asked_at_first, refused_sends=len(refused))
    case.expect(asked_at_first == 1, f"the service was asked {asked_at_first} times for one tenant")
    case.expect(service.asked["well"] <= asked_at_first + 1, f"it was asked {service.asked['well']} times in the end")
    case.expect(0 < len(refused) <= WORKERS, f"{len(refused)} sends were refused with the old token")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")


async def set_up(case: Case, elsewhere: Elsewhere, service: TenantService) -> Process:
    case.stand.environment |= {
        "HAILGATE_TENANT_SERVICE_URL": service.url, "HAILGATE_TENANT_SERVICE_TOKEN": TOKEN
    }  # fmt: skip
    await elsewhere.add("well", 301)
    await elsewhere.add("hangs", 302)
    await elsewhere.introduce()
    await elsewhere.outside["well"].declare()
    await case.stand.serve("--no-work")
    worker = await case.stand.work("worker")
    await elsewhere.open(worker)
    return worker


async def begin_anew(worker: Process) -> None:
    """It knows nothing any more of what the service said."""
    await worker.stop()
    await worker.start()
    await worker.ready()


async def publish(
    case: Case, elsewhere: Elsewhere, names: Sequence[str], seconds: float, rate: float = RATE
) -> dict[str, list[Promise]]:
    """What each of them published in this time."""
    count = round(seconds * rate)
    told = await asyncio.gather(
        *(elsewhere.outside[name].publish(elsewhere.people(name), count, rate) for name in names)
    )
    if "hangs" not in names:
        await case.wait_for([promise.token for each in told for promise in each], KNOWN_WITHIN_S)
    return dict(zip(names, told, strict=True))


async def publish_few_at_a_time(case: Case, elsewhere: Elsewhere, seconds: float) -> None:
    """The next when the provider has the last: never are more on their way than there are workers."""
    until = time.monotonic() + seconds
    for few in cycle(batches(elsewhere.people("well"), WORKERS)):
        if time.monotonic() > until:
            return
        promises = await elsewhere.outside["well"].publish(few, len(few), RATE)
        await case.wait_for([promise.token for promise in promises], KNOWN_WITHIN_S)


async def judge(case: Case, idle: Sequence[Sequence[Promise]], during: Sequence[Promise]) -> None:
    deliveries = await case.stand.simulator.deliveries()
    quiet = [p95(waits(each, deliveries)) for each in idle]
    took = p95(waits(during, deliveries))
    late = len(during) - len(waits(during, deliveries))
    case.note(idle_p95_ms=[round(each * 1000) for each in quiet], during_p95_ms=round(took * 1000))
    case.expect(is_undisturbed(took, max(quiet)), f"p95 of the other rose from {max(quiet):.3f} to {took:.3f} s")
    case.expect(not late, f"{late} of {len(during)} messages of the other never arrived")
