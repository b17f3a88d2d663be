"""Strangers at the door of the console: people who guess passwords in loops, beside those who work."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import aiohttp

from .blueprint import run_commands
from .case import Case
from .latencies import NOISE_S, p95
from .load import Load
from .registry import scenario
from .stand import gather_all

LOOPS = 40
WORSE = 2.0
RATE = 10.0
PAUSE_S = 0.05
EMAIL = "nurse@example.org"
CSRF = "c" * 32
# What nobody signs in with: a long one costs no more than a short one.
GUESS = "correct horse battery"
# One after the other, as somebody who works asks.
PAGES = ("/console/overview", "/console/conversations")


@scenario("SIGNIN", alone=True)
async def strangers_guess_passwords_in_loops(case: Case) -> None:
    """Forty clients try passwords as fast as they are answered: from one address, then from forty behind a proxy.

    The channels by the API and the pages of who is signed in take no more than twice as long; guesses beyond the limit
    get 429 or 503 with Retry-After, and messages flow on.
    """
    await case.stand.serve(HAILGATE_TRUSTED_PROXIES="127.0.0.1")
    async with signed_in(case) as look:
        asks = {"channels": lambda: case.stand.ask("/v1/channels"), "pages": look}
        seconds = case.times(60, at_least=8)
        async with Load(case.client, case.dice, rate=RATE):
            idle = [await measure(asks, seconds)]
            guesses: Counter[int] = Counter()
            during = []
            for addresses in (["203.0.113.1"] * LOOPS, [f"203.0.113.{n + 1}" for n in range(LOOPS)]):
                async with guessing(case, addresses, guesses):
                    during.append(await measure(asks, seconds))
            idle.append(await measure(asks, seconds))
    verdict = await case.conclude()
    case.fault(sum(guesses.values()))
    case.note(guesses=dict(guesses))
    for name in asks:
        quiet, took = max(each[name] for each in idle), max(each[name] for each in during)
        case.note(**{f"{name}_idle_p95_ms": round(quiet * 1000), f"{name}_p95_ms": round(took * 1000)})
        case.expect(took <= WORSE * quiet + NOISE_S, f"p95 of {name} rose from {quiet:.3f} to {took:.3f} s")
    case.expect(guesses.keys() <= {200, 429, 503}, f"guesses were answered {dict(guesses)}")
    case.expect(guesses[429] > LOOPS, "hardly a guess was refused: nothing was shown")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")


Ask = Callable[[], Awaitable[object]]


async def measure(asks: dict[str, Ask], seconds: float) -> dict[str, float]:
    """The p95 of each, in seconds."""
    return dict(zip(asks, await gather_all(*(ask_for(ask, seconds) for ask in asks.values())), strict=True))


async def ask_for(ask: Ask, seconds: float) -> float:
    took: list[float] = []
    until = time.monotonic() + seconds
    while (begun := time.monotonic()) < until:
        await ask()
        took.append(time.monotonic() - begun)
        await asyncio.sleep(PAUSE_S)
    return p95(took)


@asynccontextmanager
async def signed_in(case: Case) -> AsyncIterator[Ask]:
    """A page of the console each time, as an operator sees it."""
    [added] = await run_commands(
        case.stand.environment, ["operator", "add", "--tenant=clinic", f"--email={EMAIL}", "--role=owner"]
    )
    path = added["sign_in_url"].split("/", 3)[3]
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers=proof("198.51.100.1"), raise_for_status=True) as browser:
        await browser.post(f"{case.stand.web}/{path}")

        async def look() -> None:
            for page in PAGES:
                async with browser.get(case.stand.web + page, allow_redirects=False) as answer:
                    await answer.read()
                    case.expect(answer.status == 200, f"{page} was answered with {answer.status}")

        yield look


def proof(address: str) -> dict[str, str]:
    """What a page of ours sends along with a form, from behind the proxy."""
    return {"X-Forwarded-For": address, "X-CSRFToken": CSRF, "Cookie": f"hailgate-csrf={CSRF}"}


@asynccontextmanager
async def guessing(case: Case, addresses: Sequence[str], answers: Counter[int]) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
    ) as all_:
        loops = [asyncio.create_task(guess(case, all_, address, answers)) for address in addresses]
        yield
        for loop in loops:
            loop.cancel()
        for ended in await asyncio.gather(*loops, return_exceptions=True):
            case.expect(isinstance(ended, asyncio.CancelledError), f"a loop ended by itself: {ended!r}")


async def guess(case: Case, session: aiohttp.ClientSession, address: str, answers: Counter[int]) -> None:
    form = {"username": EMAIL, "password": GUESS}
    while True:
        with suppress(TimeoutError):
            async with session.post(f"{case.stand.web}/console/sign-in", data=form, headers=proof(address)) as answer:
                await answer.read()
                answers[answer.status] += 1
                refused = answer.status in {429, 503}
                case.expect(not refused or "Retry-After" in answer.headers, "a refusal without Retry-After")
