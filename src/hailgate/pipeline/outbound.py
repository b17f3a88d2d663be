"""Delivering: check, record the attempt, send, decide, record the outcome."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, NamedTuple

from prometheus_client import Counter, Histogram

from hailgate.core import window
from hailgate.core.content import decode_outbound, with_provider_ids
from hailgate.core.content.outbound import Template
from hailgate.core.delivery import LONGEST_RETRY_AFTER, Action, Decision, RetryPolicy, decide
from hailgate.core.errors import (
    FileForgotten,
    HailgateError,
    InputError,
    LeaseLost,
    OutcomeUnknown,
    ProviderThrottled,
    Rejected,
    Scope,
    SendError,
    StoreUnavailable,
)
from hailgate.messaging.outcomes import Outcome, record_attempts
from hailgate.messaging.queue import MOST_TRIES, Claim, Claimed
from hailgate.messaging.templates import is_marketing
from hailgate.pipeline.bridge import Db, Gate
from hailgate.pipeline.connections import Connected, Connections
from hailgate.pipeline.faultpoints import faultpoint, swallow
from hailgate.pipeline.uploads import Handed, LentFiles, Uploads, find_handed
from hailgate.providers.contract import OutboundMessage
from hailgate.telemetry import (
    ACCEPT_TO_SEND_SECONDS,
    ATTEMPTS,
    DEAD,
    MOST_CHANNELS,
    PARKED,
    RATE_LIMITED,
    RETRIED,
    SEND_SECONDS,
    SENT,
    Event,
    log,
    of_channel,
    of_code,
    where,
)
from hailgate.tracing import is_traced, tell_span

# The store was away when an outcome was to be written: it is kept and offered again, as long as the lease lives.
OFFER_AGAIN_S = 0.3
# Whoever is killed between an intent and its first byte leaves an unknown behind: few intents run ahead of the sends.
INTENTS_AT_ONCE = 32
# What this worker may no longer send is due again at once, by then for whoever holds the lease.
LEASE_LOST_S = 0.5
# A channel that is told to slow down, but not for how long: throughput is counted by the second.
CHANNEL_REST_S = 1.0
# A channel whose settings cannot be read is looked at again after this long.
MISCONFIGURED_S = 60.0


NO_FILES: LentFiles = {}


class _Prepared(NamedTuple):
    """A claim that can be sent. ``lent`` are the files that it names, ``handed`` the same as its provider has them."""

    claim: Claim
    connected: Connected
    lent: LentFiles
    handed: Handed


class Outbound:
    """Carries out claims for one worker. ``check_lease`` raises LeaseLost once this worker may not send any more."""

    def __init__(
        self,
        db: Db,
        worker_id: int,
        *,
        outcomes: Gate[Outcome, bool],
        connections: Connections,
        policy: RetryPolicy,
        uploads: Uploads,
        check_lease: Callable[[], None],
    ) -> None:
        self._db, self._worker_id, self._outcomes = db, worker_id, outcomes
        self._connections, self._policy, self._check_lease = connections, policy, check_lease
        self._uploads = uploads
        self._beginnings: set[asyncio.Task[None]] = set()
        self._sends: set[asyncio.Task[None]] = set()
        self._under_way: set[int] = set()
        self.held: dict[int, Claim] = {}
        self.freed = asyncio.Event()
        self._abandoned = False

    def begin(self, claimed: Claimed, asked: float) -> asyncio.Future[None]:
        """Check a batch and start sending what passes; done when each row is on its way or refused.

        ``asked`` is the monotonic time before the claim: what is counted from it is never earlier than the database's
        clock, or a provider that asked for a wait would hear from us too soon.
        A caller that is cancelled does not end it: an attempt on record without its send would be an unknown outcome.
        """
        self.held |= {claim.id: claim for claim in claimed.claims}
        beginning = asyncio.create_task(self._begin(claimed, asked))
        self._beginnings.add(beginning)
        beginning.add_done_callback(self._beginnings.discard)
        return asyncio.shield(beginning)

    async def _begin(self, claimed: Claimed, asked: float) -> None:
        try:
            await self._begin_each(claimed, claimed.moment - asked)
        except BaseException:  # its rows become strays, which are given back
            for claim in claimed.claims:
                if claim.id not in self._under_way:
                    self._let_go(claim)
            raise

    async def _begin_each(self, claimed: Claimed, clock: float) -> None:
        sendable: list[tuple[Claim, Connected]] = []
        for claim in claimed.claims:
            connected = await self._connected(claim, claimed.moment)
            if isinstance(connected, Decision):
                self._start(claim, self._settle(Outcome(claim, attempted=False, decision=connected)))
            else:
                sendable.append((claim, connected))
        prepared = await self._prepared(sendable, claimed.moment, clock)
        for start in range(0, len(prepared), INTENTS_AT_ONCE):
            some = prepared[start : start + INTENTS_AT_ONCE]
            recorded = await self._recorded([each.claim for each in some])
            faultpoint("after_intent_commit")
            for each in some:
                if each.claim.id in recorded:
                    self._start(each.claim, self._send(each, clock))
                else:
                    self._let_go(each.claim)

    async def _prepared(
        self, sendable: Sequence[tuple[Claim, Connected]], moment: float, clock: float
    ) -> list[_Prepared]:
        """Those whose provider has all that they name; the others are on their way to be given it first."""
        lent = await self._uploads.find_lent(sendable, moment)
        prepared = []
        for claim, connected in sendable:
            files = lent.get(claim.id, NO_FILES)
            if (handed := find_handed(files)) is None:
                self._start(claim, self._upload_and_send(claim, connected, files, clock))
            else:
                prepared.append(_Prepared(claim, connected, files, handed))
        return prepared

    async def drain(self, patience: float) -> None:
        """Wait for sends in flight; what is still out then is parked as unknown by whoever ends this worker."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while under_way := self._beginnings | self._sends:
                    await asyncio.wait(under_way)
        await self.abandon()

    async def abandon(self) -> None:
        """What was being sent ends as unknown, recorded as such if this worker still may."""
        self._abandoned = True
        while under_way := self._beginnings | self._sends:
            for task in under_way:
                task.cancel()
            await asyncio.wait(under_way)
        await self._uploads.close()

    async def _connected(self, claim: Claim, moment: float) -> Connected | Decision:
        """The channel to send through, or why this must not be sent now."""
        try:
            connected = await self._connections.get(claim.channel_id, claim.channel_version)
        except StoreUnavailable:
            raise
        except Exception as broken:  # noqa: BLE001 -- of a third party's provider too: only its own rows wait
            log.error(Event.PROVIDER_ERROR, channel=claim.channel_id, error=type(broken).__name__, at=where(broken))
            detail = broken.detail if isinstance(broken, HailgateError) else "The channel could not be connected."
            return _later(moment + MISCONFIGURED_S, "channel_misconfigured", detail)
        if refused := _refusal(claim, moment, connected.window_seconds):
            return refused
        if claim.opted_out and await self._is_marketing(claim):
            return _bury("suppressed", "The recipient wants no marketing, and this template is not known to be other.")
        swallow("delivery", claim.content)
        return connected

    async def _is_marketing(self, claim: Claim) -> bool:
        try:
            content = decode_outbound(claim.content)
        except InputError:  # stored by a version that knew more than this one: its send will say so
            return False
        called = content.template if isinstance(content, Template) else None
        return called is not None and await self._db(is_marketing, claim.tenant_id, claim.channel_id, called)

    async def _recorded(self, claims: Sequence[Claim]) -> set[int]:
        while claims:
            try:
                return await self._db(record_attempts, self._worker_id, claims)
            except StoreUnavailable:
                await asyncio.sleep(OFFER_AGAIN_S)
        return set()

    def _start(self, claim: Claim, step: Coroutine[Any, Any, None]) -> None:
        self._under_way.add(claim.id)
        task = asyncio.create_task(step)
        self._sends.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sends.discard(task)
        if not task.cancelled() and (bug := task.exception()):
            log.error(Event.LOOP_FAILED, part="outbound", error=type(bug).__name__, at=where(bug))

    def _let_go(self, claim: Claim) -> None:
        self._under_way.discard(claim.id)
        self.held.pop(claim.id, None)
        self.freed.set()

    async def _upload_and_send(self, claim: Claim, connected: Connected, lent: LentFiles, clock: float) -> None:
        """No attempt is on record while a file is uploaded: whoever is killed then leaves no unknown behind."""
        failed: SendError | None = None
        handed: Handed = {}
        try:
            try:
                handed = await self._uploads.hand_over(claim, connected, lent)
            except SendError as error:
                failed = error
            faultpoint("after_upload")
            if refused := _refusal(claim, clock + time.monotonic(), connected.window_seconds):
                await self._settle(Outcome(claim, attempted=False, decision=refused))
            elif claim.id not in await self._recorded([claim]):
                return
            elif failed is None:
                await self._send(_Prepared(claim, connected, lent, handed), clock)
            else:
                await self._tell_outcome(connected, self._failed(claim, failed, clock))
        finally:
            self._let_go(claim)

    async def _send(self, prepared: _Prepared, clock: float) -> None:
        claim, connected = prepared.claim, prepared.connected
        begun = time.monotonic()
        try:
            receipt = await connected.provider.send(_message(claim, prepared.handed), self._guard)
        except SendError as error:
            outcome = self._failed(claim, await self._explained(error, prepared), clock)
        except InputError as unreadable:  # stored by a version that knew more than this one
            outcome = self._failed(claim, Rejected(unreadable.detail, code="unreadable_content"), clock)
        except Exception as bug:  # noqa: BLE001 -- a byte may have left: never a blind second knock
            log.error(Event.PROVIDER_ERROR, message=str(claim.uid), error=type(bug).__name__)
            outcome = self._failed(claim, OutcomeUnknown("The attempt ended in an error of our own."), clock)
        else:
            ACCEPT_TO_SEND_SECONDS.observe(clock + time.monotonic() - claim.accepted_at)
            outcome = Outcome(claim, attempted=True, provider_id=receipt.provider_id[:255], address=receipt.address)
        faultpoint("after_provider_answer")
        _seconds_of(connected.name).observe(time.monotonic() - begun)
        if is_traced():
            _trace(outcome, time.monotonic() - begun)
        await self._tell_outcome(connected, outcome)

    async def _tell_outcome(self, connected: Connected, outcome: Outcome) -> None:
        _attempts_of(connected.name, outcome.decision.action.value if outcome.decision else "sent").inc()
        await self._settle(outcome)

    async def _explained(self, error: SendError, prepared: _Prepared) -> SendError:
        """A refusal of a message whose file the provider had before may mean that it has the file no longer."""
        had_before = any(one and one.provider_id for one in prepared.lent.values())
        if not (had_before and isinstance(error, Rejected)):
            return error
        with suppress(StoreUnavailable):
            await self._uploads.forget(prepared.claim, prepared.lent)
        return FileForgotten(provider_code=error.provider_code)

    def _guard(self) -> None:
        self._check_lease()
        faultpoint("before_first_byte")

    def _failed(self, claim: Claim, error: SendError, clock: float) -> Outcome:
        moment = clock + time.monotonic()
        if isinstance(error, LeaseLost):  # no fault of the message: it spends no attempt
            return Outcome(claim, True, _later(moment + LEASE_LOST_S, error.code, error.detail))
        if isinstance(error, ProviderThrottled):
            RATE_LIMITED.labels(**of_channel(claim.tenant_id, claim.channel_id), by="provider").inc()
        decision = decide(error, claim.attempts + 1, moment, claim.expires_at, self._policy, random.random)
        return Outcome(
            claim,
            attempted=True,
            decision=decision,
            provider_code=(error.provider_code or "")[:60],
            rests_until=_rest(error, moment),
        )

    async def _settle(self, outcome: Outcome) -> None:
        faultpoint("before_outcome_commit")
        try:
            if await self._written(outcome):
                _tell(outcome)
        finally:
            self._let_go(outcome.claim)

    async def _written(self, outcome: Outcome) -> bool:
        while True:
            try:
                return await self._outcomes.submit(outcome)
            except StoreUnavailable:
                if self._abandoned:
                    return False
                await asyncio.sleep(OFFER_AGAIN_S)


def _message(claim: Claim, handed: Handed) -> OutboundMessage:
    content = decode_outbound(claim.content)
    return OutboundMessage(
        id=claim.uid,
        attempt=claim.knocks + 1,
        to=claim.to,
        content=with_provider_ids(content, handed) if handed else content,
        context_id=claim.context_id or None,
    )


def _refusal(claim: Claim, moment: float, window_seconds: float | None) -> Decision | None:
    """Why this must not be sent now, decided at the moment of sending and not when it was accepted."""
    if claim.tries > MOST_TRIES:
        return _bury("poison", f"The process ended {claim.tries - 1} times while this message was being prepared.")
    if claim.expires_at is not None and claim.expires_at <= moment:
        return _bury("expired", "The message expired before it could be sent.")
    if claim.suppressed:
        return _bury("suppressed", "The recipient does not want messages from this tenant.")
    if claim.kind != "template" and not window.is_open(claim.last_inbound_at, moment, window_seconds):
        return _bury(
            "window_closed", "The person has not written lately: outside the window only a template may be sent."
        )
    return None


def _rest(error: SendError, moment: float) -> float | None:
    """Until when the whole channel keeps quiet; None where the provider's wish is about one message or recipient."""
    if not isinstance(error, ProviderThrottled) or error.scope not in {Scope.CHANNEL, Scope.ACCOUNT}:
        return None
    return moment + min(error.retry_after or CHANNEL_REST_S, LONGEST_RETRY_AFTER)


def _later(due_at: float, code: str, detail: str) -> Decision:
    return replace(_bury(code, detail), action=Action.SNOOZE, due_at=due_at)


def _bury(code: str, detail: str) -> Decision:
    return Decision(Action.BURY, None, code, detail, pauses_channel=False, suppresses=False, breaker_failure=False)


_EVENTS = {
    Action.RETRY: Event.MESSAGE_RETRIED,
    Action.SNOOZE: Event.MESSAGE_RETRIED,
    Action.BURY: Event.MESSAGE_DEAD,
    Action.PARK: Event.MESSAGE_UNKNOWN,
}


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
    tell_span("attempt", claim.uid, seconds, {**facts, **result, "attempt": claim.knocks + 1})


def _tell(outcome: Outcome) -> None:
    _count(outcome)
    claim, decision = outcome.claim, outcome.decision
    if decision is None:
        log.info(Event.MESSAGE_SENT, message=str(claim.uid), channel=claim.channel_id, attempt=claim.knocks + 1)
        return
    log.warning(
        _EVENTS[decision.action],
        message=str(claim.uid),
        channel=claim.channel_id,
        attempt=claim.knocks + 1,
        code=decision.code,
        provider_code=outcome.provider_code,
    )
    if decision.pauses_channel:
        log.error(Event.CHANNEL_PAUSED, channel=claim.channel_id, code=decision.code)
