"""Channel health: breaker, pause and rest, by what the messages of a channel came to."""

from collections.abc import Sequence
from typing import NamedTuple

from hailgate.core import breaker
from hailgate.core.delivery import RIDDEN_OUT_S
from hailgate.core.errors import LeaseLost
from hailgate.core.retry_budget import WELL_AFTER
from hailgate.messaging.channels.checks import enqueue_checks
from hailgate.messaging.outbound.attempts import Outcome
from hailgate.messaging.outbound.channel_limits import BREAKER
from hailgate.messaging.store.sql import Cursor, among, array, every_tenant, fetch, locked
from hailgate.messaging.store.tables import CHANNEL


class HealthRow(NamedTuple):
    """The columns of a channel that change by what its messages came to."""

    id: int
    breaker_failures: int
    breaker_opened_at: float | None
    breaker_probe_at: float | None
    breaker_share: float
    paused_at: float | None
    paused_reason: str
    ready_at: float
    successes: int
    passed_at: float | None

    @property
    def breaker(self) -> breaker.Breaker:
        return breaker.Breaker(self.breaker_failures, self.breaker_opened_at, self.breaker_probe_at, self.breaker_share)


def tell_channels(cursor: Cursor, outcomes: Sequence[Outcome], moment: float) -> None:
    """Breaker, pause and rest. A channel in good health that just sent has nothing to learn, and is not locked."""
    news = [o for o in outcomes if o.attempted and not (o.decision and o.decision.code == LeaseLost.code)]
    concerned = {o.claim.channel_id for o in news if _concerns_channel(o)}
    concerned |= _failing(cursor, {o.claim.channel_id for o in news} - concerned)
    if not concerned:
        return
    found = fetch(
        cursor,
        f"SELECT {', '.join(HealthRow._fields)} FROM messaging_channel WHERE {among('id')} "
        f"{every_tenant('by key')} ORDER BY id{locked()}",
        [array(concerned)],
    )
    before = [HealthRow._make(row) for row in found]
    told = [_learned(one, [o for o in news if o.claim.channel_id == one.id], moment) for one in before]
    CHANNEL.update(cursor, HealthRow._fields[1:], told)
    enqueue_checks(cursor, _to_be_checked(before, told, news), moment)


def _learned(before: HealthRow, news: Sequence[Outcome], moment: float) -> HealthRow:
    state, successes = _breaker_after(before, news, moment)
    paused_at, reason = _pause_after(before, news, moment)
    return HealthRow(
        id=before.id,
        breaker_failures=state.failures,
        breaker_opened_at=state.opened_at,
        breaker_probe_at=state.probe_at,
        breaker_share=0.0 if successes >= WELL_AFTER else state.share,
        paused_at=paused_at,
        paused_reason=reason,
        ready_at=_ready_after(before, state, news),
        successes=successes,
        passed_at=_passed_after(before, state, news, moment),
    )


def _breaker_after(before: HealthRow, news: Sequence[Outcome], moment: float) -> tuple[breaker.Breaker, int]:
    """With it how many messages in a row have passed."""
    state, successes = before.breaker, before.successes
    for outcome in news:
        faulty = outcome.decision is not None and outcome.decision.breaker_failure
        state = breaker.failed(state, moment, BREAKER) if faulty else breaker.succeeded(state, BREAKER)
        fails = _tells_of_channel(outcome, moment)
        successes = 0 if fails else min(successes + outcome.sent, WELL_AFTER)
    return state, successes


def _passed_after(before: HealthRow, state: breaker.Breaker, news: Sequence[Outcome], moment: float) -> float | None:
    """Since when messages pass; None while all of the channel fails, and not only what has failed for long."""
    if state.opened_at is not None and any(_tells_of_channel(outcome, moment) for outcome in news):
        return None
    passes = any(outcome.sent for outcome in news)
    return moment if passes and before.passed_at is None else before.passed_at


def _tells_of_channel(outcome: Outcome, moment: float) -> bool:
    """Of a fault of the provider: what one message meets again and again says nothing more of the others."""
    faulty = outcome.decision is not None and outcome.decision.breaker_failure
    return faulty and outcome.claim.past.lasted(moment) < RIDDEN_OUT_S


def _pause_after(before: HealthRow, news: Sequence[Outcome], moment: float) -> tuple[float | None, str]:
    if before.paused_at is not None:
        return before.paused_at, before.paused_reason
    pauses = ((moment, o.decision.code) for o in news if o.decision and o.decision.pauses_channel)
    return next(pauses, (None, ""))


def _ready_after(before: HealthRow, state: breaker.Breaker, news: Sequence[Outcome]) -> float:
    """A breaker that opened or closed is looked at anew."""
    unmoved = (state.opened_at, state.probe_at) == (before.breaker.opened_at, before.breaker.probe_at)
    rests_until = max((outcome.rests_until for outcome in news if outcome.rests_until), default=0.0)
    return max(before.ready_at if unmoved else 0.0, rests_until)


def _to_be_checked(
    before: Sequence[HealthRow], after: Sequence[HealthRow], news: Sequence[Outcome]
) -> list[tuple[int, int]]:
    """Tenant and channel of those that were paused just now by what may heal by itself."""
    healing = {o.claim.channel_id: o.claim.tenant_id for o in news if o.decision and o.decision.heals}
    paused = {one.id for one in after if one.paused_at} - {one.id for one in before if one.paused_at}
    return [(healing[id_], id_) for id_ in sorted(paused & set(healing))]


def _failing(cursor: Cursor, channel_ids: set[int]) -> set[int]:
    """Those to which a good answer is news. Read, not locked: most of the time there are none."""
    if not channel_ids:
        return set()
    found = fetch(
        cursor,
        f"SELECT id FROM messaging_channel WHERE {among('id')} AND (breaker_failures > 0 OR successes < %s) "
        f"{every_tenant('by key')}",
        [array(channel_ids), WELL_AFTER],
    )
    return {row[0] for row in found}


def _concerns_channel(outcome: Outcome) -> bool:
    decision = outcome.decision
    return decision is not None and bool(decision.breaker_failure or decision.pauses_channel or outcome.rests_until)
