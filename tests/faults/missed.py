"""Missed webhooks: what a server posted to nobody is asked for, and what it posted too has no second effect."""

from .blueprint import person
from .case import Case
from .mishaps import POLL_EVERY_S, written
from .registry import scenario
from .silences import write_all
from .windows import INGESTED

PATIENCE_S = 120.0


@scenario("R37", providers=("evolution", "wppconnect"))
async def webhooks_are_missed_and_asked_for(case: Case) -> None:
    """Webhooks of 500 messages are lost, those of as many others arrive; then the server is asked for all of them.

    Each has one effect and one answer, and what was posted counts no second time when it is listed.
    """
    count = case.times(500, at_least=20)
    whole = await case.stand.serve(HAILGATE_DEBOUNCE_S="0.2")
    await case.stand.simulator.put_faults(written("lose_inbound", 1.0))
    await write_all(case, [person(4_000 + number) for number in range(count)])
    case.fault(count)
    missed = {promise.token for promise in case.ledger.accepted}
    await case.stand.simulator.put_faults()
    await write_all(case, [person(6_000 + number) for number in range(count)])
    tokens = {promise.token for promise in case.ledger.accepted}
    unanswered = await case.wait_for(tokens - missed, PATIENCE_S)
    case.expect(not unanswered, f"{len(unanswered)} whose webhook came were not answered")
    early = missed & {delivery.token for delivery in await case.stand.simulator.deliveries()}
    case.expect(not early, f"{len(early)} were answered before anybody asked for them")
    told = await case.stand.metric(whole, INGESTED)
    await whole.stop()
    await case.stand.let_time_pass(POLL_EVERY_S)
    await whole.start()
    await whole.ready()
    unanswered = await case.wait_for(tokens, PATIENCE_S)
    verdict = await case.conclude()
    polled = await case.stand.metric(whole, INGESTED)
    case.note(effects_by_webhook=int(told), effects_by_poll=int(polled))
    case.expect(not unanswered, f"{len(unanswered)} who were missed were not answered")
    case.expect((told, polled) == (count, count), f"{told:g} and {polled:g} effects of {count} messages each")
    case.expect(not verdict.failed, f"{verdict.failed} messages failed")
