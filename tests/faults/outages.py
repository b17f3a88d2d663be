"""A provider that wants less, and one that is down: what the product asks of it, counted at its door."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from itertools import pairwise

from .blueprint import Blueprint, Place
from .case import Case, batches
from .load import Conversation, Load, conversations
from .registry import scenario
from .stand import gather_all
from .turnstile import THROUGHPUT_REACHED, Knock, Refusal, Turnstile, busiest_second, let_all_pass, refuse_all
from .windows import open_windows

RATE = 100.0
FLOOR_S = 3
DATE_AHEAD_S = 5
TEN_YEARS = "315360000"
CAP_S = 3600.0
# What the product waits at least by itself where it is told nothing that makes sense, and at most with its jitter.
OWN_FLOOR_S, OWN_PAUSE_S = 60.0, 70.0
# Sends that were under way when the first refusal came.
UNDER_WAY_S = 2.0
LOOK_S = 2.0
# So long before the hour is over, a channel that was told to rest for it is looked at.
NEARLY_S = 60.0
# What came of the fifth call is written by then.
SETTLED_S = 0.5
ALONE_S = 25.0
# After a storm of refusals a channel begins at the slowest pace it has learned.
RECOVERED_S = 90.0

FAILURES_TO_OPEN = 5
COOLDOWN_S = 60.0
CLOSED_WITHIN_S = 5.0
AMPLIFICATION = 1.5
# Of every channel, as its row says: messages a second, and how many more at once after a rest.
CHANNEL_RATE = 80.0
OVERSHOOT = 1.1
# By how much one message is longer on its way from the limit to the door than another: nine processes on two cores.
ON_THE_WAY_S = 0.05


@scenario("R22")
async def the_provider_throttles(case: Case) -> None:
    """A storm of 429 with Retry-After in seconds, as a date, absent, of ten years, and negative; a channel for each.

    Nobody knocks before the floor, ten years are an hour, no breaker opens and no attempt is spent: two are allowed.
    """
    seconds, date, absent, absurd = Blueprint.places
    negative = Blueprint.assistant
    storm = Storm({seconds: str(FLOOR_S), date: None, absent: None, absurd: TEN_YEARS, negative: "-5"}, date)
    case.stand.environment |= {"HAILGATE_MAX_ATTEMPTS": "2"}
    async with Turnstile(case.stand, storm.judge) as turnstile:
        await turnstile.guard([*storm.wishes])
        whole = await case.stand.serve()
        written = conversations([negative])
        await open_windows(case.stand, written, [whole])
        case.own_words |= {each.key for each in written}  # the assistant greets those who greet it
        async with Load(case.client, case.dice, [*conversations(), *written], rate=RATE):
            await asyncio.sleep(case.times(90, at_least=8))
        storm.over = True
        over_at = time.time()
        await wait_for_passing(turnstile, [seconds, date])
        for place in (seconds, date):
            expect_floor(case, turnstile, place)
            left = len(held(turnstile, place))
            case.expect(not left, f"{left} messages of {place.name} were not sent by themselves after the storm")
        for place, least in ((absent, FAILURES_TO_OPEN), (absurd, 1), (negative, FAILURES_TO_OPEN)):
            expect_rest(case, turnstile, place, over_at, least)
        await case.stand.let_time_pass(OWN_PAUSE_S)
        await wait_for_passing(turnstile, [absent, negative])
        told_at = turnstile.of(absurd)[0].answered_at
        await case.stand.let_time_pass(CAP_S - NEARLY_S - OWN_PAUSE_S - (time.time() - told_at))
        await asyncio.sleep(LOOK_S)
        early = sum(knock.at > told_at + UNDER_WAY_S for knock in turnstile.of(absurd))
        case.expect(not early, f"{early} calls to a channel that was told to rest, before an hour had passed")
        await case.stand.let_time_pass(NEARLY_S)
        verdict = await case.conclude()
    refused = sum(knock.refused for knock in turnstile.knocks)
    case.fault(refused)
    case.note(refused=refused, each=dict(Counter(k.account[-1] for k in turnstile.knocks if k.refused)))
    case.expect(not verdict.failed, f"{verdict.failed} messages failed: throttling spent their attempts")
    await case.expect_evidence()


@scenario("R23", alone=True)
async def the_provider_is_down_and_comes_back(case: Case) -> None:
    """Every send is answered with a 5xx, for three cool-downs and a backlog; then all is good again.

    The breaker opens on the fifth, one probe goes out for each cool-down, the first good one closes it, and the backlog
    drains at the channel's rate.
    """
    case.stand.environment |= {"HAILGATE_RETRY_BASE_S": "0.2"}
    async with Turnstile(case.stand, refuse_all) as turnstile:
        await turnstile.guard()
        await case.stand.serve("--no-work")
        for number in (1, 2):
            await case.stand.work(f"worker-{number}")
        await expect_opening(case, turnstile, Blueprint.places[0])
        await accept_backlog(case, case.times(5_000, at_least=500))
        await expect_probes(case, turnstile, case.times(3, at_least=2))
        stormed = len(turnstile.knocks)
        turnstile.judge = let_all_pass
        good_from = time.time()
        await case.stand.let_time_pass(COOLDOWN_S)
        verdict = await case.conclude()
    case.fault(stormed)
    for place in Blueprint.places:
        expect_draining(case, turnstile, place, good_from)
    amplification = round(len(turnstile.knocks) / len(case.ledger.accepted), 3)
    case.note(knocks_in_storm=stormed, amplification=amplification)
    case.expect(amplification <= AMPLIFICATION, f"{amplification} calls for each message")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")
    await case.expect_evidence()


# --- throttling -------------------------------------------------------------------------------------------------------


class Storm:
    """What each channel is told while it lasts; `dated` is told a date a few seconds ahead."""

    def __init__(self, wishes: Mapping[Place, str | None], dated: Place) -> None:
        self.wishes, self._dated = wishes, dated
        self._by_account = {place.account: place for place in wishes}
        self.over = False

    def judge(self, account: str, _token: str) -> Refusal | None:
        if self.over:
            return None
        place = self._by_account[account]
        ahead = formatdate(time.time() + DATE_AHEAD_S, usegmt=True) if place == self._dated else self.wishes[place]
        return Refusal(429, THROUGHPUT_REACHED, {"Retry-After": ahead} if ahead else {})


def held(turnstile: Turnstile, place: Place) -> list[Knock]:
    """The last call for each message of this channel that was turned away and did not pass since."""
    return [k[-1] for k in turnstile.by_token().values() if k[-1].refused and k[-1].account == place.account]


async def wait_for_passing(turnstile: Turnstile, places: Sequence[Place]) -> None:
    deadline = time.monotonic() + RECOVERED_S
    while any(held(turnstile, place) for place in places) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)


def expect_floor(case: Case, turnstile: Turnstile, place: Place) -> None:
    """A date names whole seconds: up to one of them is lost on the way."""
    floor = FLOOR_S if place == Blueprint.places[0] else DATE_AHEAD_S - 1
    early = pairs = 0
    for knocks in turnstile.by_token().values():
        for first, second in pairwise(knocks):
            if first.refused and first.account == place.account:
                pairs += 1
                early += second.at < first.answered_at + floor - 0.01
    case.note(**{f"{place.name}_repeats": pairs})
    case.expect(pairs > 0, f"nothing was repeated on {place.name}: nothing was shown")
    case.expect(not early, f"{early} of {pairs} messages knocked at {place.name} before their Retry-After")


def expect_rest(case: Case, turnstile: Turnstile, place: Place, until: float, least: int) -> None:
    """No message of it is tried a second time within the minute that the product waits by itself."""
    mine = [knocks for knocks in turnstile.by_token().values() if knocks[0].account == place.account]
    again = sum(later.at < one.answered_at + OWN_FLOOR_S - 0.01 for each in mine for one, later in pairwise(each))
    tried = sum(knock.at < until for knock in turnstile.of(place))
    case.note(**{f"{place.name}_refused": tried})
    case.expect(tried >= least, f"{place.name} was hardly tried: nothing was shown")
    case.expect(not again, f"{again} messages of {place.name} were tried again at once")


# --- an outage --------------------------------------------------------------------------------------------------------


async def expect_opening(case: Case, turnstile: Turnstile, place: Place) -> None:
    """One message alone, whose retries are the failures in a row."""
    first, second = conversations([place])[:2]
    await case.client.send(first)
    deadline = time.monotonic() + ALONE_S
    while len(turnstile.knocks) < FAILURES_TO_OPEN and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    await asyncio.sleep(SETTLED_S)
    await case.client.send(second)
    await asyncio.sleep(2 * LOOK_S)
    knocks = len(turnstile.knocks)
    case.note(knocks_until_open=knocks)
    case.expect(knocks == FAILURES_TO_OPEN, f"{knocks} calls before the breaker opened, not {FAILURES_TO_OPEN}")


async def accept_backlog(case: Case, count: int) -> None:
    chosen: list[Conversation] = conversations()
    for batch in batches(range(count), len(chosen)):
        few = case.dice.sample(chosen, len(batch))
        await gather_all(*(case.client.send(each) for each in few))


async def expect_probes(case: Case, turnstile: Turnstile, cooldowns: int) -> None:
    """All breakers are open by now, or the first cool-down would meet a closed one."""
    await asyncio.sleep(LOOK_S)
    probes = []
    for _ in range(cooldowns):
        before = len(turnstile.knocks)
        await case.stand.let_time_pass(COOLDOWN_S)
        await until_more(turnstile, before)
        await asyncio.sleep(2 * LOOK_S)
        counted = Counter(knock.account for knock in turnstile.knocks[before:])
        probes.append(sorted(counted.values()))
        case.expect(bool(counted), "no probe after a cool-down")
        case.expect(max(counted.values(), default=0) <= 1, f"{max(counted.values(), default=0)} probes at once")
    case.note(probes=probes)


async def until_more(turnstile: Turnstile, knocks: int) -> None:
    """A worker on a busy machine takes its time to see that a cool-down is over."""
    deadline = time.monotonic() + ALONE_S
    while len(turnstile.knocks) == knocks and time.monotonic() < deadline:
        await asyncio.sleep(0.05)


def expect_draining(case: Case, turnstile: Turnstile, place: Place, since: float) -> None:
    good = [knock for knock in turnstile.of(place) if not knock.refused and knock.at >= since]
    if len(good) < 2:
        case.expect(holds=False, rule=f"{place.name} did not recover")
        return
    closed_after = good[1].at - good[0].answered_at
    busiest = busiest_second([knock.at for knock in good], turnstile.standstills)
    case.result.notes.setdefault("drain", []).append([place.name, len(good), round(closed_after, 2), busiest])
    case.expect(closed_after <= CLOSED_WITHIN_S, f"{place.name} was closed {closed_after:.1f} s after a good probe")
    most = CHANNEL_RATE * (OVERSHOOT + ON_THE_WAY_S) + 1
    case.expect(busiest <= most, f"{busiest} messages of {place.name} within one second")
