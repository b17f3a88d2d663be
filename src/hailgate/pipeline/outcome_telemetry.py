"""Telemetry of outcomes: counters, log lines, spans. Nothing is decided here."""

import time
from functools import cache, lru_cache

from prometheus_client import Counter, Histogram

from hailgate.core.delivery import Action
from hailgate.messaging.outbound.attempts import Outcome
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log
from hailgate.telemetry.metrics import (
    ATTEMPTS,
    DEAD,
    MOST_CHANNELS,
    PARKED,
    RETRIED,
    SEND_SECONDS,
    SENT,
    of_channel,
    of_code,
)
from hailgate.telemetry.traces import is_traced, tell_span

_EVENTS = {
    Action.RETRY: Event.MESSAGE_RETRIED,
    Action.SNOOZE: Event.MESSAGE_RETRIED,
    Action.BURY: Event.MESSAGE_DEAD,
    Action.PARK: Event.MESSAGE_UNKNOWN,
}


def tell_attempt(provider: str, outcome: Outcome) -> None:
    """As soon as it is decided what it came to."""
    _attempts_of(provider, outcome.decision.action.value if outcome.decision else "sent").inc()


def tell_call(provider: str, outcome: Outcome, seconds: float) -> None:
    """How long the provider took to answer, or the call to fail."""
    _seconds_of(provider).observe(seconds)
    if is_traced():
        _trace(outcome, seconds)


def tell_outcome(outcome: Outcome) -> None:
    """Once it is written."""
    _count(outcome)
    claim, decision = outcome.claim, outcome.decision
    if decision is None:
        log.info(Event.MESSAGE_SENT, message=str(claim.uid), channel=claim.channel_id, attempt=claim.attempt_no)
        return
    log.warning(
        _EVENTS[decision.action],
        message=str(claim.uid),
        channel=claim.channel_id,
        attempt=claim.attempt_no,
        code=decision.code,
        provider_code=outcome.provider_code,
    )
    if decision.pauses_channel:
        log.error(Event.CHANNEL_PAUSED, channel=claim.channel_id, code=decision.code)


def _count(outcome: Outcome) -> None:
    decision, claim = outcome.decision, outcome.claim
    if decision is None:
        _sent_of(claim.tenant_id, claim.channel_id).inc()
        return
    labels = of_channel(claim.tenant_id, claim.channel_id)
    if decision.action is Action.RETRY:
        RETRIED.labels(**labels).inc()
    elif decision.action is Action.BURY:
        DEAD.labels(**labels, code=of_code(decision.code)).inc()
    elif decision.action is Action.PARK:
        PARKED.labels(**labels).inc()


def _trace(outcome: Outcome, seconds: float) -> None:
    """Its wait before the attempt, and the attempt."""
    claim, decision = outcome.claim, outcome.decision
    facts = {"message": str(claim.uid), "channel": claim.channel_id, "tenant": claim.tenant_id}
    result = {"outcome": decision.action.value, "code": decision.code} if decision else {"outcome": "sent"}
    waited = time.time() - seconds - claim.accepted_at
    tell_span("queue", claim.uid, waited, facts, ended_ago=seconds)
    tell_span("attempt", claim.uid, seconds, {**facts, **result, "attempt": claim.attempt_no})


# Looking a metric up by its labels takes four times as long as counting.


@cache
def _seconds_of(provider: str) -> Histogram:
    return SEND_SECONDS.labels(provider)


@cache
def _attempts_of(provider: str, outcome: str) -> Counter:
    return ATTEMPTS.labels(provider, outcome)


@lru_cache(MOST_CHANNELS)
def _sent_of(tenant_id: int, channel_id: int) -> Counter:
    return SENT.labels(**of_channel(tenant_id, channel_id))
