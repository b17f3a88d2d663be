"""Outcomes: what came of attempts, written under the same condition as they were."""

from collections.abc import Iterator, Sequence
from operator import itemgetter

from hailgate.core.address import AddressKind
from hailgate.core.delivery import Action, Decision
from hailgate.core.status import Status
from hailgate.messaging.broker.outbox import EventOf, Failure, record_events, record_failures
from hailgate.messaging.models import WorkKind, WorkState
from hailgate.messaging.outbound.attempts import Outcome
from hailgate.messaging.outbound.channel_health import tell_channels
from hailgate.messaging.outbound.claim import Claim
from hailgate.messaging.outbound.parked import UnknownDelivery, park
from hailgate.messaging.people.identify import settle_parties
from hailgate.messaging.people.party import Party, find_portfolios
from hailgate.messaging.people.proofs import PersonProof, ProofKind, record_proofs
from hailgate.messaging.people.suppressions import record_opt_outs
from hailgate.messaging.store.sql import (
    Cursor,
    among,
    array,
    atomic_cursor,
    every_tenant,
    fetch,
)
from hailgate.messaging.store.tables import ATTEMPT, CONVERSATION, MESSAGE, RECEIPT
from hailgate.messaging.work import rows
from hailgate.messaging.work.claim import lock_held
from hailgate.messaging.work.leases import find_alive


def record_outcomes(worker_id: int, hold_s: float, outcomes: Sequence[Outcome]) -> list[bool]:
    """Write what came of a batch of claims; False for a row that is no longer this worker's."""
    with atomic_cursor() as cursor:
        moment = find_alive(cursor, worker_id)
        if moment is None:
            return [False] * len(outcomes)
        tell_channels(cursor, outcomes, moment)
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


# --- one table after the other ----------------------------------------------------------------------------------------


def _finish_attempts(cursor: Cursor, outcomes: Sequence[Outcome], moment: float) -> None:
    columns = ("finished_at", "outcome", "code", "provider_code", "detail", "next_at")
    finished = [_finished(outcome, moment) for outcome in outcomes if outcome.attempted]
    ATTEMPT.update(cursor, columns, finished, key=("message_id", "number"))


def _finished(outcome: Outcome, moment: float) -> tuple[object, ...]:
    place = (outcome.claim.message_id, outcome.claim.attempt_no, moment)
    if (decision := outcome.decision) is None:
        return (*place, "sent", "", outcome.provider_code, "", None)
    action, detail = decision.action.value, decision.detail[:300]
    return (*place, action, decision.code, outcome.provider_code, detail, decision.due_at)


def _finish_sent(cursor: Cursor, sent: Sequence[Outcome], moment: float) -> None:
    if not sent:
        return
    columns, status = ("provider_id", "message_token", "unknown", "status"), Status.SENT.value
    found = [(o.claim.message_id, o.provider_id, o.message_token, False, status) for o in sent]
    MESSAGE.update(cursor, columns, sorted(found, key=itemgetter(0)), rising=("status",))
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
    parked = [_unknown(claim, d) for claim, d, _ in decided if d.action is Action.PARK]
    rows.postpone(cursor, postponed)
    _bury(cursor, buried, moment)
    park(cursor, parked, moment, hold_s)


def _unknown(claim: Claim, decision: Decision) -> UnknownDelivery:
    return UnknownDelivery(
        claim.id, claim.message_id, claim.tenant_id, claim.channel_id, claim.conversation_id, claim.spent + 1,
        decision.code, decision.detail[:300],
    )  # fmt: skip


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
