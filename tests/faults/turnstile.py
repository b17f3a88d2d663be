"""A door before the simulator that lists everybody who knocks, also those whom it turns away.

The simulator's ledger holds what was accepted. How often and when the product asked, and what it was answered, is
written down here: outside the product, too.
"""

import asyncio
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

import aiohttp
from aiohttp import web

from .blueprint import Blueprint, Place
from .ledgers import find_token
from .stand import Stand

PASSED_ON = ("Authorization", "Content-Type")


# How often this process feels whether it stands still, and for how long it may.
PULSE_S = 0.01
# At its end nobody waits for answers that are still kept back.
SHUTDOWN_S = 1.0
# Of who did not wait for an answer, as nginx writes it down.
HUNG_UP = 499


class Refusal(NamedTuple):
    """An answer in Meta's shape that takes nothing."""

    status: int
    code: int
    headers: Mapping[str, str] = {}

    def render(self) -> web.Response:
        error = {"message": f"(#{self.code})", "type": "OAuthException", "code": self.code}
        return web.json_response({"error": error}, status=self.status, headers=dict(self.headers))


THROUGHPUT_REACHED = 130429
OUTAGE = Refusal(500, 131016)


class Knock(NamedTuple):
    """One call that wanted to send. Times are seconds since the epoch: when it came, and when it was answered."""

    token: str
    account: str
    at: float
    answered_at: float
    status: int

    @property
    def refused(self) -> bool:
        return self.status >= 400


class Standstill(NamedTuple):
    """This process did nothing from `begin` to `end`; others did."""

    begin: float
    end: float


Judge = Callable[[str, str], Refusal | None]
"""By the account and the token of a call: how it is turned away, if it is."""


def let_all_pass(_account: str, _token: str) -> Refusal | None:
    return None


def refuse_all(_account: str, _token: str) -> Refusal | None:
    return OUTAGE


class Turnstile:
    """Stands before a simulator. `judge` may be changed at any time."""

    def __init__(self, stand: Stand, judge: Judge = let_all_pass) -> None:
        self._stand, self.judge = stand, judge
        # By the account of a call: for how long its answer is kept back, once it has been passed on.
        self.delay: Callable[[str], float] = lambda _account: 0.0
        self.knocks: list[Knock] = []
        self.standstills: list[Standstill] = []

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=8 << 20)
        application.router.add_route("*", "/{version}/{account}{rest:.*}", self._serve)
        self._runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_S
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._pulse = asyncio.create_task(self._feel_pulse())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pulse.cancel()
        await self._runner.cleanup()

    async def guard(self, places: Sequence[Place] = Blueprint.places) -> None:
        """From now on these channels reach their provider through here."""
        await self._stand.point_channels_at(self.url, places)

    def of(self, place: Place) -> list[Knock]:
        return [knock for knock in self.knocks if knock.account == place.account]

    def by_token(self) -> Mapping[str, list[Knock]]:
        found: dict[str, list[Knock]] = defaultdict(list)
        for knock in self.knocks:
            found[knock.token].append(knock)
        return found

    async def _feel_pulse(self) -> None:
        while True:
            asleep = time.time()
            await asyncio.sleep(PULSE_S)
            if (late := time.time() - asleep - PULSE_S) > PULSE_S:
                self.standstills.append(Standstill(time.time() - late, time.time()))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        at = time.time()
        body = await request.read()
        account, token = request.match_info["account"], find_token(body.decode())
        status = HUNG_UP
        try:
            refusal = self.judge(account, token) if token else None
            answer = await self._pass_on(request, body) if refusal is None else refusal.render()
            if token and (seconds := self.delay(account)):
                await asyncio.sleep(seconds)
            status = answer.status
        finally:
            if token:
                self.knocks.append(Knock(token, account, at, time.time(), status))
        return answer

    async def _pass_on(self, request: web.Request, body: bytes) -> web.Response:
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        address = self._stand.simulator.url + request.path_qs
        try:
            async with self._stand.session.request(request.method, address, data=body, headers=headers) as answer:
                return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)
        except aiohttp.ClientError:
            return OUTAGE.render()


def busiest_second(moments: Sequence[float], standstills: Sequence[Standstill] = ()) -> int:
    """The most of them within any stretch of one second that the door was there for.

    Who knocks while this process stands still is all let in at its end: a stretch that begins in a standstill, or right
    after one, proves nothing of the second that it seems to be, and is left out.
    """
    ends = [each.end for each in standstills]
    ascending = sorted(moments)
    most = 0
    for first, moment in enumerate(ascending):
        place = bisect_left(ends, moment - PULSE_S)
        if place < len(ends) and standstills[place].begin <= moment:
            continue
        most = max(most, bisect_left(ascending, moment + 1.0) - first)
    return most
