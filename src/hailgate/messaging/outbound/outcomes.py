"""Attempts and what came of them.

An attempt is committed before the first byte may leave; its outcome afterwards. Both are written only under the
condition "my worker is alive and the lease is mine": a worker that was declared dead writes nothing any more.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from hailgate.core import breaker
from hailgate.core.address import Address, AddressKind
from hailgate.core.delivery import RIDDEN_OUT_S, Action, Decision
from hailgate.core.errors import LeaseLost
from hailgate.core.retry_budget import WELL_AFTER
from hailgate.core.status import UNPROVEN, Status
from hailgate.messaging.broker.outbox import EventOf, Failure, record_events, record_failures
from hailgate.messaging.channels.checks import enqueue_checks
from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.outbound.channel_limits import BREAKER
from hailgate.messaging.outbound.claim import Claim
from hailgate.messaging.people.identify import settle_parties
from hailgate.messaging.people.party import Party, find_portfolios
from hailgate.messaging.people.proofs import PersonProof, ProofKind, record_proofs
from hailgate.messaging.people.suppressions import record_opt_outs
from hailgate.messaging.store.commit_counters import count_after_commit
from hailgate.messaging.store.sql import (
    Cursor,
    among,
    array,
    atomic_cursor,
    every_tenant,
    fetch,
    locked,
    now,
)
from hailgate.messaging.store.tables import ATTEMPT, CHANNEL, CONVERSATION, MESSAGE, RECEIPT, WORK
from hailgate.messaging.work import rows
from hailgate.messaging.work.claim import lock_held
from hailgate.messaging.work.leases import find_alive
from hailgate.telemetry.metrics import PARKED

PARKED_DETAIL = "The provider may or may not have taken it: the worker ended while it was being sent."
UNSENT_DETAIL = "The worker ended before a byte of it had left."


class Outcome(NamedTuple):
    """What one claim came to: a receipt (``decision`` is None) or a decision about its error.

    ``provider_id`` and ``address`` are the provider's names for the message and the recipient, once it took it; by
    those in ``also`` it knows the recipient too.
    ``rests_until`` is set where the provider wants the whole channel to keep quiet for a while.
    """

    claim: Claim
    attempted: bool
    decision: Decision | None = None
    provider_id: str | None = None
    address: Address | None = None
    provider_code: str = ""
    rests_until: float | None = None
    also: tuple[Address, ...] = ()

    @property
    def sent(self) -> bool:
        return self.decision is None


def record_attempts(worker_id: int, claims: Sequence[Claim]) -> set[int]:
    """Commit that these are about to be sent. Returns the ids of the rows that may be. Harmless to repeat."""
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None:
            return set()
        held = lock_held(cursor, worker_id, claims)
        mine = [claim for claim in claims if claim.id in held]
        WORK.update(cursor, ("attempting", "knocks"), [(claim.id, True, claim.attempt_no) for claim in mine])
        columns = (
            "tenant_id", "message_id", "number", "worker_id", "lease", "started_at", "outcome", "code",
            "provider_code", "detail",
        )  # fmt: skip
        attempts = [
            (
                claim.tenant_id,
                claim.message_id,
                claim.attempt_no,
                worker_id,
                claim.lease,
                moment,
                "",
                "",
                "",
                "",
            )
            for claim in mine
        ]
        ATTEMPT.insert(cursor, columns, attempts, on_conflict="ON CONFLICT (message_id, number) DO NOTHING")
        return held


def record_outcomes(worker_id: int, hold_s: float, outcomes: Sequence[Outcome]) -> list[bool]:
    """Write what came of a batch of claims; False for a row that is no longer this worker's."""
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None:
            return [False] * len(outcomes)
        _tell_channels(cursor, outcomes, moment)
        rows.lock_conversations(cursor, [outcome.claim.conversation_id for outcome in outcomes])
        held = lock_held(cursor, worker_id, [outcome.claim for outcome in outcomes])
        mine = [outcome for outcome in outcomes if outcome.claim.id in held]
        _tell_pairs(cursor, mine)
        _finish_attempts(cursor, mine, moment)
        _finish_sent(cursor, [outcome for outcome in mine if outcome.sent], moment)
        _finish_decided(cursor, [outcome for outcome in mine if not outcome.sent], moment, hold_s)
        freed = [o.claim.conversation_id for o in mine if o.decision is None or o.decision.due_at is None]
        rows.promote(cursor, WorkKind.DELIVERY, freed, moment)
        return [outcome.claim.id in held for outcome in outcomes]


def park_unknown(cursor: Cursor, ids: Sequence[int], moment: float, hold_s: float) -> None:
    """Rows that were being sent when their worker ended. The caller holds the locks of their conversations."""
    if not ids:
        return
    lost = fetch(
        cursor,
        f"SELECT id, key, message_id, attempts, tenant_id, channel_id FROM messaging_work WHERE {among('id')} "
        f"{every_tenant('take-over')}",
        [array(ids)],
    )
    cursor.execute(
        f"UPDATE messaging_attempt SET outcome = 'park', code = 'worker_lost', finished_at = %s "
        f"WHERE {among('message_id')} AND finished_at IS NULL {every_tenant('take-over')}",
        [moment, array(message_id for _, _, message_id, *_ in lost)],
    )
    proven = _mark_unknown(cursor, [message_id for _, _, message_id, *_ in lost])
    rows.complete(cursor, [id_ for id_, _, message_id, *_ in lost if message_id in proven])
    parked = [row for row in lost if row[2] not in proven]
    rows.stop(
        cursor,
        [
            rows.Stopped(id_, WorkState.PARKED, attempts + 1, "worker_lost", PARKED_DETAIL, moment + hold_s)
            for id_, _, _, attempts, *_ in parked
        ],
    )
    count_after_commit(PARKED, ((tenant_id, channel_id) for *_, tenant_id, channel_id in parked))
    told = (_unknown(tenant_id, id_, moment, "worker_lost", PARKED_DETAIL) for _, _, id_, _, tenant_id, _ in parked)
    record_events(cursor, told)
    keys = [key for _, key, *_ in lost]
    rows.hold_conversations(cursor, keys)
    rows.promote(cursor, WorkKind.DELIVERY, keys, moment)


def free_unsent(cursor: Cursor, ids: Sequence[int], moment: float) -> None:
    """Close the attempts of rows that were about to be sent when their worker ended, and surely were not."""
    if ids:
        cursor.execute(
            f"UPDATE messaging_attempt SET outcome = %s, code = %s, detail = %s, finished_at = %s WHERE message_id IN "
            f"(SELECT message_id FROM messaging_work WHERE {among('id')}) AND finished_at IS NULL "
            f"{every_tenant('take-over')}",
            [Action.SNOOZE.value, LeaseLost.code, UNSENT_DETAIL, moment, array(ids)],
        )


def settle_parked(limit: int = 500) -> int:
    """Parked rows whose message has been proven sent, by a status that came back: they are done."""
    with atomic_cursor(read_only=True) as cursor:
        proven = fetch(
            cursor,
            f"SELECT work.id, work.key FROM messaging_work work JOIN messaging_message message "
            f"ON message.id = work.message_id WHERE work.state = {WorkState.PARKED.value} AND message.status > 0 "
            f"{every_tenant('sweep')} LIMIT %s",
            [limit],
        )
    if not proven:
        return 0
    with atomic_cursor() as cursor:
        keys = [key for _, key in proven]
        rows.lock_conversations(cursor, keys)
        cursor.execute(
            f"UPDATE messaging_message SET unknown = FALSE WHERE id IN (SELECT message_id FROM messaging_work "
            f"WHERE {among('id')} AND state = {WorkState.PARKED.value}) {every_tenant('by key')}",
            [array(id_ for id_, _ in proven)],
        )
        cursor.execute(
            f"DELETE FROM messaging_work WHERE {among('id')} AND state = {WorkState.PARKED.value} "
            f"{every_tenant('by key')}",
            [array(id_ for id_, _ in proven)],
        )
        rows.hold_conversations(cursor, keys)
        rows.promote(cursor, WorkKind.DELIVERY, keys, now(cursor))
    return len(proven)


# --- one table after the other ----------------------------------------------------------------------------------------


def _finish_attempts(cursor: Cursor, outcomes: Sequence[Outcome], moment: float) -> None:
    finished = []
    for outcome in outcomes:
        if not outcome.attempted:
            continue
        decision = outcome.decision
        finished.append(
            (
                outcome.claim.message_id,
                outcome.claim.attempt_no,
                moment,
                decision.action.value if decision else "sent",
                decision.code if decision else "",
                outcome.provider_code,
                decision.detail[:300] if decision else "",
                decision.due_at if decision else None,
            )
        )
    columns = ("finished_at", "outcome", "code", "provider_code", "detail", "next_at")
    ATTEMPT.update(cursor, columns, finished, key=("message_id", "number"))


def _finish_sent(cursor: Cursor, sent: Sequence[Outcome], moment: float) -> None:
    if not sent:
        return
    found = [(outcome.claim.message_id, outcome.provider_id, False, Status.SENT.value) for outcome in sent]
    MESSAGE.update(cursor, ("provider_id", "unknown", "status"), sorted(found), rising=("status",))
    rows.complete(cursor, [outcome.claim.id for outcome in sent])
    record_events(cursor, _news_of(cursor, sent, moment))
    if renamed := [o for o in sent if o.address is not None and (o.also or o.address != o.claim.to)]:
        _learn_names(cursor, renamed, moment)


def _news_of(cursor: Cursor, sent: Sequence[Outcome], moment: float) -> Iterator[EventOf]:
    """Nothing of what a status has told that came before our own answer; the caller has locked the messages.

    Where nobody is told, nobody asks.
    """
    known = fetch(
        cursor,
        f"SELECT message_id FROM messaging_receipt WHERE {among('message_id')} AND event = '{Status.SENT.word}' "
        f"{every_tenant('by key')}",
        [array(outcome.claim.message_id for outcome in sent)],
    )
    told = {message_id for (message_id,) in known}
    for claim in (outcome.claim for outcome in sent):
        if claim.message_id not in told:
            yield EventOf(claim.tenant_id, claim.message_id, "message.sent", moment)


def _learn_names(cursor: Cursor, renamed: Sequence[Outcome], moment: float) -> None:
    """The provider's own spelling of a number (Brazil's ninth digit), and the ids that it tells with it."""
    proofs, parties = [], []
    portfolios = find_portfolios(cursor, [outcome.claim.channel_id for outcome in renamed])
    for outcome in renamed:
        claim, address = outcome.claim, outcome.address
        if address is None or AddressKind.GROUP in {address.kind, claim.to.kind}:
            continue
        names = (address, *outcome.also)
        portfolio = portfolios[claim.channel_id]
        parties.append(Party(claim.tenant_id, claim.channel_id, names, "", told=True, portfolio=portfolio))
        if claim.to not in names:
            proofs.append(
                PersonProof(claim.tenant_id, ProofKind.ANSWER, claim.to, address, moment, portfolio=portfolio)
            )
    record_proofs(cursor, proofs, moment)
    settle_parties(cursor, parties, ProofKind.ANSWER, moment)


def _finish_decided(cursor: Cursor, outcomes: Sequence[Outcome], moment: float, hold_s: float) -> None:
    decided = [(outcome.claim, outcome.decision, outcome.attempted) for outcome in outcomes if outcome.decision]
    _tell_untried(cursor, [(claim, d) for claim, d, attempted in decided if not attempted], moment)
    postponed = [_postponed(claim, d, moment) for claim, d, _ in decided if d.due_at is not None]
    buried = [(claim, d) for claim, d, _ in decided if d.action is Action.BURY]
    parked = [(claim, d) for claim, d, _ in decided if d.action is Action.PARK]
    rows.postpone(cursor, postponed)
    _bury(cursor, buried, moment)
    _park(cursor, parked, moment, hold_s)


def _postponed(claim: Claim, decision: Decision, moment: float) -> rows.Postponed:
    retried = decision.action is Action.RETRY
    return rows.Postponed(
        id=claim.id,
        due_at=decision.due_at or 0.0,
        spent=claim.spent + decision.spends,
        code=decision.code,
        detail=decision.detail[:300],
        priority=claim.priority | (rows.RETRIED if retried else 0),
        failing_since=moment if retried and claim.failing_since is None else claim.failing_since,
    )


def _tell_untried(cursor: Cursor, refused: Sequence[tuple[Claim, Decision]], moment: float) -> None:
    """What was given up before any attempt leaves a line in the message's timeline too."""
    columns = ("tenant_id", "message_id", "event", "at", "code", "detail")
    given_up = [
        (claim.tenant_id, claim.message_id, Status.FAILED.word, moment, decision.code, decision.detail[:300])
        for claim, decision in refused
        if decision.action is Action.BURY
    ]
    RECEIPT.insert(cursor, columns, given_up)


def _bury(cursor: Cursor, buried: Sequence[tuple[Claim, Decision]], moment: float) -> None:
    if not buried:
        return
    rows.stop(
        cursor,
        [
            rows.Stopped(c.id, WorkState.DEAD, c.spent + 1, d.code, d.detail[:300], due_at=d.not_before)
            for c, d in buried
        ],
    )
    failed = [(c.message_id, d.code, d.detail[:300], Status.FAILED.value) for c, d in buried]
    MESSAGE.update(cursor, ("code", "detail", "status"), sorted(failed), rising=("status",))
    record_opt_outs(cursor, [(c.tenant_id, c.to, moment) for c, d in buried if d.suppresses])
    failures = [Failure(c.tenant_id, c.message_id, d.code, d.detail[:300], c.spent + 1) for c, d in buried]
    record_failures(cursor, failures, moment)


def _park(cursor: Cursor, parked: Sequence[tuple[Claim, Decision]], moment: float, hold_s: float) -> None:
    """A status may have arrived before our own answer; then the outcome is not unknown at all."""
    proven = _mark_unknown(cursor, [claim.message_id for claim, _ in parked])
    rows.complete(cursor, [claim.id for claim, _ in parked if claim.message_id in proven])
    rows.stop(
        cursor,
        [
            rows.Stopped(c.id, WorkState.PARKED, c.spent + 1, d.code, d.detail[:300], moment + hold_s)
            for c, d in parked
            if c.message_id not in proven
        ],
    )
    if parked:
        rows.hold_conversations(cursor, [claim.conversation_id for claim, _ in parked])
    unknown = [(c, d) for c, d in parked if c.message_id not in proven]
    record_events(cursor, (_unknown(c.tenant_id, c.message_id, moment, d.code, d.detail) for c, d in unknown))


def _unknown(tenant_id: int, message_id: int, moment: float, code: str, detail: str) -> EventOf:
    return EventOf(tenant_id, message_id, "message.unknown", moment, code, detail[:300])


def _mark_unknown(cursor: Cursor, message_ids: Sequence[int]) -> set[int]:
    """Mark messages unknown, but for those that a status has proven; returns the proven ones."""
    if not message_ids:
        return set()
    statuses = fetch(
        cursor,
        f"SELECT id, status FROM messaging_message WHERE {among('id')} {every_tenant('by key')} ORDER BY id{locked()}",
        [array(message_ids)],
    )
    MESSAGE.update(cursor, ("unknown",), [(id_, True) for id_, status in statuses if status == Status.QUEUED])
    return {id_ for id_, status in statuses if status != Status.QUEUED}


# --- what a pair of number and recipient learns -----------------------------------------------------------------------


def _tell_pairs(cursor: Cursor, outcomes: Sequence[Outcome]) -> None:
    """One more for each refusal, one less for each message that passed; most have nothing to learn."""
    refused = [
        (o.claim.conversation_id, o.decision.pair_refusals)
        for o in outcomes
        if o.decision is not None and o.decision.pair_refusals is not None
    ]
    passed = [
        (o.claim.conversation_id, o.claim.pair_refusals - 1) for o in outcomes if o.sent and o.claim.pair_refusals
    ]
    CONVERSATION.update(cursor, ("pair_refusals",), sorted([*refused, *passed]))


# --- what a channel learns --------------------------------------------------------------------------------------------


class _Health(NamedTuple):
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


def _tell_channels(cursor: Cursor, outcomes: Sequence[Outcome], moment: float) -> None:
    """Breaker, pause and rest. A channel in good health that just sent has nothing to learn, and is not locked."""
    news = [o for o in outcomes if o.attempted and not (o.decision and o.decision.code == LeaseLost.code)]
    concerned = {o.claim.channel_id for o in news if _concerns_channel(o)}
    concerned |= _failing(cursor, {o.claim.channel_id for o in news} - concerned)
    if not concerned:
        return
    found = fetch(
        cursor,
        f"SELECT {', '.join(_Health._fields)} FROM messaging_channel WHERE {among('id')} {every_tenant('by key')} "
        f"ORDER BY id{locked()}",
        [array(concerned)],
    )
    before = [_Health._make(row) for row in found]
    told = [_told(one, [o for o in news if o.claim.channel_id == one.id], moment) for one in before]
    CHANNEL.update(cursor, _Health._fields[1:], told)
    enqueue_checks(cursor, _to_be_checked(before, told, news), moment)


def _told(before: _Health, news: Sequence[Outcome], moment: float) -> _Health:
    state = known = before.breaker
    successes = before.successes
    for outcome in news:
        faulty = outcome.decision is not None and outcome.decision.breaker_failure
        state = breaker.failed(state, moment, BREAKER) if faulty else breaker.succeeded(state, BREAKER)
        # What one message meets again and again says nothing more of the others.
        told = faulty and outcome.claim.past.lasted(moment) < RIDDEN_OUT_S
        successes = 0 if told else min(successes + outcome.sent, WELL_AFTER)
    passed_at = moment if any(outcome.sent for outcome in news) else before.passed_at
    paused_at, reason = before.paused_at, before.paused_reason
    if paused_at is None:
        pauses = ((moment, o.decision.code) for o in news if o.decision and o.decision.pauses_channel)
        paused_at, reason = next(pauses, (None, ""))
    # A breaker that opened or closed is looked at anew.
    ready_at = before.ready_at if (state.opened_at, state.probe_at) == (known.opened_at, known.probe_at) else 0.0
    rests_until = max((o.rests_until for o in news if o.rests_until), default=0.0)
    return _Health(
        id=before.id,
        breaker_failures=state.failures,
        breaker_opened_at=state.opened_at,
        breaker_probe_at=state.probe_at,
        breaker_share=0.0 if successes >= WELL_AFTER else state.share,
        paused_at=paused_at,
        paused_reason=reason,
        ready_at=max(ready_at, rests_until),
        successes=successes,
        passed_at=passed_at,
    )


def _to_be_checked(
    before: Sequence[_Health], after: Sequence[_Health], news: Sequence[Outcome]
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


def send_again(tenant_id: int | None, work_ids: Iterable[int]) -> list[int]:
    """Revive dead and parked deliveries by hand, in their place; what followed may have overtaken them.

    Returns those that were: of two who ask at once, each row is told to one.
    """
    ids = array(work_ids)
    with atomic_cursor() as cursor:
        stopped = _lock_stopped(cursor, tenant_id, ids)
        if stopped:
            _revive(cursor, stopped, now(cursor))
        return [id_ for id_, *_ in stopped]


def _lock_stopped(cursor: Cursor, tenant_id: int | None, ids: Any) -> list["_StoppedRow"]:
    """With their conversations locked; again where a join gave them another key meanwhile."""
    locked_keys: set[int] = set()
    while True:
        stopped = _stopped(cursor, tenant_id, ids)
        keys = {key for _, key, _, _ in stopped}
        if keys <= locked_keys:
            return stopped
        rows.lock_conversations(cursor, keys)
        locked_keys = keys


_StoppedRow = tuple[int, int, int, int]


def _stopped(cursor: Cursor, tenant_id: int | None, ids: Any) -> list[_StoppedRow]:
    """``(id, conversation, message, tenant)`` of the dead and parked deliveries among ``ids``.

    Not of those whose message a status has proven sent in the meantime: that would be a second knock.
    """
    found = fetch(
        cursor,
        f"SELECT work.id, work.key, work.message_id, work.tenant_id FROM messaging_work work "
        f"JOIN messaging_message message ON message.id = work.message_id WHERE {among('work.id')} "
        f"AND work.state IN ({WorkState.PARKED.value}, {WorkState.DEAD.value}) "
        f"AND message.status IN ({', '.join(str(status.value) for status in UNPROVEN)}) "
        f"AND work.kind = {WorkKind.DELIVERY.value} {every_tenant('by hand')}",
        [ids],
    )
    return [row for row in found if tenant_id in {None, row[3]}]


def _revive(cursor: Cursor, stopped: Sequence[_StoppedRow], moment: float) -> None:
    cursor.execute(
        f"UPDATE messaging_work SET state = {WorkState.WAITING.value}, attempts = 0, tries = 0, failing_since = NULL, "
        f"priority = priority %% {rows.RETRIED}, "
        f"hold_until = NULL, code = '', detail = '', expires_at = NULL WHERE {among('id')} {every_tenant('by hand')}",
        [array(id_ for id_, *_ in stopped)],
    )
    cursor.execute(
        f"UPDATE messaging_message SET status = 0, unknown = FALSE, code = '', detail = '' WHERE {among('id')} "
        f"{every_tenant('by hand')}",
        [array(message_id for _, _, message_id, _ in stopped)],
    )
    note = ("revived", moment, "", "Sent again by hand; later messages may have overtaken it.")
    columns = ("tenant_id", "message_id", "event", "at", "code", "detail")
    RECEIPT.insert(cursor, columns, [(tenant_id, message_id, *note) for _, _, message_id, tenant_id in stopped])
    keys = [key for _, key, _, _ in stopped]
    rows.hold_conversations(cursor, keys)
    rows.promote(cursor, WorkKind.DELIVERY, keys, moment)
