"""People who mend what failed: two of them send the same messages again, and a token is renewed."""

import asyncio
import time
from collections.abc import Sequence

from .blueprint import Blueprint, Place, run_commands
from .case import Case, batches
from .ledgers import Promise
from .load import Conversation, Load, conversations
from .processes import Process
from .registry import scenario
from .stand import gather_all
from .turnstile import Refusal, Turnstile, let_all_pass

# Of Meta's: the recipient cannot be reached; the token is not valid any more.
UNDELIVERABLE, REVOKED = Refusal(400, 131026), Refusal(401, 190)
OPERATORS = 2
NAMED_AT_ONCE = 50
AT_ONCE = 32
LOOK_S = 0.1
PATIENCE_S = 60.0

RATE = 40.0
# Calls that were under way when the first was refused.
MOST_CALLS = 3
ALARM_WITHIN_S = 60.0
ALARM = 'hailgate_alarms_standing{code="channel_paused"}'
RESUMES_WITHIN_S = 30.0
NEW_TOKEN = "a token that was renewed"


@scenario("R29")
async def two_operators_revive_the_same_messages(case: Case) -> None:
    """Messages that were given up are sent again by two people at once, by name and all together, at two doors.

    Each is sent once.
    """
    async with Turnstile(case.stand) as turnstile:
        await turnstile.guard()
        await case.stand.serve("--no-work")
        beside = await case.stand.serve_beside("beside")
        other = beside.probe.removesuffix("/readyz")
        for number in (1, 2):
            await case.stand.work(f"worker-{number}")
        revived = 0
        for few in batches(range(case.times(1_000, at_least=100)), len(conversations())):
            turnstile.judge = lambda _account, _token: UNDELIVERABLE
            sent = await send(case, conversations()[: len(few)])
            await given_up(case, len(sent))
            turnstile.judge = let_all_pass
            case.fault(len(sent))
            told = await gather_all(
                revive_named(case, case.stand.web, sent), revive_named(case, other, sent[::-1]),
                revive_all(case, case.stand.web), revive_all(case, other),
            )  # fmt: skip
            revived += sum(told)
            missing = await case.wait_for([each.token for each in sent], PATIENCE_S)
            case.expect(not missing, f"{len(missing)} messages were not sent again")
        verdict = await case.conclude()
    case.note(operators=OPERATORS, said_to_be_revived=revived, knocks=len(turnstile.knocks))
    case.expect(not verdict.failed + verdict.unknown, "messages that were revived failed or are unknown")
    await case.expect_evidence()


@scenario("R25", alone=True)
async def a_token_is_revoked(case: Case) -> None:
    """The provider refuses one channel's token in the middle of its traffic, and later takes a new one.

    After a few calls the channel is paused and an alarm stands; no message spends an attempt, all are sent with the
    new token without anybody resuming the channel, and the other channels notice nothing.
    """
    case.stand.environment |= {"HAILGATE_MAX_ATTEMPTS": "1"}
    hurt = Blueprint.places[0]
    async with Turnstile(case.stand) as turnstile:
        await turnstile.guard()
        whole = await case.stand.serve()
        async with Load(case.client, case.dice, rate=RATE) as load:
            await load.reaches(case.times(200, at_least=40))
            turnstile.judge = lambda account, _token: REVOKED if account == hurt.account else None
            case.fault()
            paused_after = await paused(case, hurt)
            alarm_after = await alarmed(case, whole)
            await load.reaches(load.sent + case.times(400, at_least=80))
            refused = [knock for knock in turnstile.of(hurt) if knock.refused]
            before = len(turnstile.of(hurt))
            turnstile.judge = let_all_pass  # the simulator judges tokens by itself
            await renew(case, hurt)
            renewed = time.monotonic()
            while len(turnstile.of(hurt)) == before and time.monotonic() < renewed + RESUMES_WITHIN_S:
                await asyncio.sleep(LOOK_S)
            resumed_after = round(time.monotonic() - renewed, 1)
        verdict = await case.conclude()
    case.note(refused=len(refused), paused_s=paused_after, alarm_s=alarm_after, resumed_s=resumed_after)
    case.expect(1 <= len(refused) <= MOST_CALLS, f"{len(refused)} calls with a token that is refused")
    case.expect(alarm_after <= ALARM_WITHIN_S, f"no alarm within {ALARM_WITHIN_S:.0f} s")
    case.expect(resumed_after < RESUMES_WITHIN_S, "the channel did not go on with its new token")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed: the token spent their attempts")
    await case.expect_evidence()


# --- reviving ---------------------------------------------------------------------------------------------------------


async def send(case: Case, chosen: Sequence[Conversation]) -> list[Promise]:
    sent: list[Promise] = []
    for few in batches(chosen, AT_ONCE):
        sent += await gather_all(*(case.client.send(each) for each in few))
    return sent


async def given_up(case: Case, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while sum(cause["count"] for cause in (await case.stand.ask("/v1/dead-letters/causes"))["items"]) < count:
            await asyncio.sleep(LOOK_S)


async def revive_named(case: Case, web: str, sent: Sequence[Promise]) -> int:
    revived = 0
    for few in batches(sent, NAMED_AT_ONCE):
        ids = [each.message_id for each in few]
        revived += len((await post(case, f"{web}/v1/dead-letters/revive", {"ids": ids}))["revived"])
    return revived


async def revive_all(case: Case, web: str) -> int:
    answer = await post(case, f"{web}/v1/dead-letters/revive-all", {})
    return int(answer["revived"])


async def post(case: Case, address: str, body: object) -> dict[str, list[str]]:
    headers = {"Authorization": f"Bearer {case.stand.blueprint.key}"}
    async with case.stand.session.post(address, json=body, headers=headers, raise_for_status=True) as answer:
        document: dict[str, list[str]] = await answer.json()
        return document


# --- a token ----------------------------------------------------------------------------------------------------------


async def paused(case: Case, place: Place) -> float:
    """Seconds until the API shows the channel as paused."""
    begun = time.monotonic()
    async with asyncio.timeout(PATIENCE_S):
        while not any(
            channel["paused"] and channel["name"] == place.name
            for channel in (await case.stand.ask("/v1/channels"))["items"]
        ):
            await asyncio.sleep(LOOK_S)
    return round(time.monotonic() - begun, 1)


async def alarmed(case: Case, whole: Process) -> float:
    begun = time.monotonic()
    while time.monotonic() < begun + ALARM_WITHIN_S + 1:
        if await case.stand.metric(whole, ALARM):
            break
        await asyncio.sleep(1.0)
    return round(time.monotonic() - begun, 1)


async def renew(case: Case, place: Place) -> None:
    """A new token at the provider, and then in the channel's settings; nothing else is done."""
    known = [case.stand.blueprint.terms(each, case.stand.web) for each in Blueprint.places]
    known += [case.stand.blueprint.terms(case.stand.blueprint.assistant, case.stand.web)]
    for terms in known:
        if terms["number"] == place.number:
            terms["credentials"]["access_token"] = NEW_TOKEN
    await case.stand.simulator.put_channels(known)
    await run_commands(case.stand.environment, ["channel", "set", place.name, f"--set=access_token={NEW_TOKEN}"])
