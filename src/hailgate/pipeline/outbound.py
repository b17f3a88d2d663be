"""Delivering: check · upload · record · send · decide · settle."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from hailgate.core.content import decode_outbound
from hailgate.core.content.outbound import Template
from hailgate.core.delivery import Decision, RetryPolicy
from hailgate.core.errors import (
    ChannelUnauthorized,
    FileForgotten,
    HailgateError,
    InputError,
    OutcomeUnknown,
    ProviderThrottled,
    ProviderUnavailable,
    Rejected,
    Scope,
    SendError,
    StoreUnavailable,
)
from hailgate.core.slots import Slots
from hailgate.core.window import Outside
from hailgate.messaging.inbound.ingest import has_unread
from hailgate.messaging.outbound.attempts import Outcome, record_attempts
from hailgate.messaging.outbound.claim import Claim
from hailgate.messaging.outbound.late_answers import LateAnswer, leave_for_later
from hailgate.messaging.store.ports import Db
from hailgate.messaging.templates.lookup import is_marketing
from hailgate.messaging.work.claim import Batch
from hailgate.messaging.work.marks import Marks
from hailgate.pipeline.attempts import (
    NO_FILES,
    DeliveryAttempt,
    as_repeatable,
    bury,
    decide_failure,
    find_refusal,
    snooze,
    take_receipt,
)
from hailgate.pipeline.bridge import Gate
from hailgate.pipeline.connections import Connected, Connections
from hailgate.pipeline.faultpoints import crash_on, faultpoint
from hailgate.pipeline.outcome_telemetry import tell_attempt, tell_call, tell_outcome
from hailgate.pipeline.uploads import Uploads, find_handed
from hailgate.providers.contract import SendReceipt
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where
from hailgate.telemetry.metrics import ACCEPT_TO_SEND_SECONDS, RATE_LIMITED, of_channel

# The store was away when an outcome was to be written: it is kept and offered again, as long as the lease lives.
OFFER_AGAIN_S = 0.3
# Where no mark can prove that an intent never left, a kill makes it an unknown: few run ahead of the sends.
INTENTS_AT_ONCE = 32
# A channel whose settings cannot be read is looked at again after this long.
MISCONFIGURED_S = 60.0
# One whose tenant service is being asked.
ASKED_S = 2.0
# After an exchange of credentials the message goes again at once.
RENEWED_S = 0.2
WINDOW_CLOSED = "window_closed"
LATER = "The window had closed; the assistant answers once the person writes again."


class Outbound:
    """Carries out claims for one worker. ``check_lease`` raises LeaseLost once this worker may not send any more.

    ``clock`` below is the database's time minus the monotonic one, as they were before the claim: what is counted by it
    is never earlier than the database's, or a provider that asked for a wait would hear from us too soon.
    """

    def __init__(
        self,
        db: Db,
        worker_id: int,
        *,
        outcomes: Gate[Outcome, bool],
        connections: Connections,
        policy: RetryPolicy,
        uploads: Uploads,
        slots: Slots,
        check_lease: Callable[[], None],
        marks: Marks,
    ) -> None:
        self._db, self._worker_id, self._outcomes = db, worker_id, outcomes
        self._connections, self._policy, self._check_lease = connections, policy, check_lease
        self._uploads, self.slots, self._marks = uploads, slots, marks
        self._beginnings: set[asyncio.Task[None]] = set()
        self._sends: set[asyncio.Task[None]] = set()
        self._under_way: set[int] = set()
        self.freed = asyncio.Event()
        self._abandoned = False

    # --- the path of a message ----------------------------------------------------------------------------------------

    def begin(self, claimed: Batch[Claim], asked: float) -> asyncio.Future[None]:
        """Check a batch and start sending what passes; done when each row is on its way or refused.

        ``asked`` is the monotonic time before the claim. A caller that is cancelled does not end it: an attempt on
        record without its send would be an unknown outcome.
        """
        now = time.monotonic()
        for claim in claimed.claims:
            self.slots.begin(claim.id, claim.channel_id, now)
        beginning = asyncio.create_task(self._begin(claimed, claimed.moment - asked))
        self._beginnings.add(beginning)
        beginning.add_done_callback(self._beginnings.discard)
        return asyncio.shield(beginning)

    async def _begin(self, claimed: Batch[Claim], clock: float) -> None:
        try:
            passed = await self._check(claimed)
            for some in _few(await self._with_files(passed, claimed.moment, clock)):
                for attempt in await self._record(some):
                    self._start(attempt.claim, self._carry_out(attempt, clock))
        except BaseException:  # its rows become strays, which are given back
            for claim in claimed.claims:
                if claim.id not in self._under_way:
                    self._let_go(claim)
            raise

    async def _carry_out(self, attempt: DeliveryAttempt, clock: float) -> None:
        """From the attempt on record to its outcome on record."""
        begun = time.monotonic()
        answer = await self._send(attempt)
        ended = time.monotonic()
        outcome = self._decide(attempt, answer, clock + ended)
        faultpoint("after_provider_answer")
        tell_call(attempt.connected.name, outcome, ended - begun)
        if outcome.decision:
            outcome = outcome._replace(decision=await self._put_off(attempt.claim, outcome.decision))
        await self._settle(outcome)

    async def _upload_and_carry_out(self, attempt: DeliveryAttempt, clock: float) -> None:
        """No attempt is on record while a file is uploaded: a kill then leaves nothing to prove."""
        claim = attempt.claim
        try:
            uploaded = await self._upload(attempt)
            refused = find_refusal(claim, clock + time.monotonic(), attempt.connected.window_seconds)
            if refused and await self._stands(refused, claim):
                await self._refuse(claim, refused)
            elif await self._record([attempt]):
                if isinstance(uploaded, DeliveryAttempt):
                    await self._carry_out(uploaded, clock)
                else:
                    await self._settle(self._decide(attempt, uploaded, clock + time.monotonic()))
        finally:
            self._let_go(claim)

    # --- check --------------------------------------------------------------------------------------------------------

    async def _check(self, claimed: Batch[Claim]) -> list[DeliveryAttempt]:
        """Those that may be sent; the others are settled with the reason."""
        passed = []
        for claim in claimed.claims:
            checked = await self._checked(claim, claimed.moment)
            if isinstance(checked, Decision):
                self._start(claim, self._refuse(claim, checked))
            else:
                passed.append(DeliveryAttempt(claim, checked))
        return passed

    async def _refuse(self, claim: Claim, why: Decision) -> None:
        """An assistant's answer that the window closed on may be given later."""
        await self._settle(Outcome(claim, attempted=False, decision=await self._put_off(claim, why)))

    async def _put_off(self, claim: Claim, why: Decision) -> Decision:
        if why.code != WINDOW_CLOSED or claim.cause is None or claim.kind == "template":
            return why
        while not self._abandoned:
            with suppress(StoreUnavailable):
                outside = (await self._connections.get(claim.channel_id)).outside
                late = LateAnswer(claim.tenant_id, claim.conversation_id, claim.channel_id, claim.cause, claim.to)
                waits = outside.choice is not Outside.REFUSE and await self._db(leave_for_later, late, outside)
                return replace(why, detail=LATER) if waits else why
            await asyncio.sleep(OFFER_AGAIN_S)
        return why

    async def _checked(self, claim: Claim, moment: float) -> Connected | Decision:
        """The channel to send through, or why this must not be sent now."""
        try:
            connected = await self._connections.get(claim.channel_id, claim.channel_version)
        except StoreUnavailable:
            raise
        except ProviderUnavailable as pending:
            return snooze(moment + ASKED_S, pending.code, pending.detail)
        except Exception as broken:  # noqa: BLE001 -- of a third party's provider too: only its own rows wait
            log.error(Event.PROVIDER_ERROR, channel=claim.channel_id, error=type(broken).__name__, at=where(broken))
            detail = broken.detail if isinstance(broken, HailgateError) else "The channel could not be connected."
            return snooze(moment + MISCONFIGURED_S, "channel_misconfigured", detail)
        refused = find_refusal(claim, moment, connected.window_seconds)
        if refused and await self._stands(refused, claim):
            return refused
        if claim.opted_out and await self._is_marketing(claim):
            return bury("suppressed", "The recipient wants no marketing, and this template is not known to be other.")
        crash_on("delivery", claim.content)
        return connected

    async def _stands(self, refused: Decision, claim: Claim) -> bool:
        """A closed window does not while a webhook lies unread, in which the person may have written."""
        return refused.code != WINDOW_CLOSED or not await self._db(has_unread, claim.channel_id)

    async def _is_marketing(self, claim: Claim) -> bool:
        try:
            content = decode_outbound(claim.content)
        except InputError:  # stored by a version that knew more than this one: its send will say so
            return False
        called = content.template if isinstance(content, Template) else None
        return called is not None and await self._db(is_marketing, claim.tenant_id, claim.channel_id, called)

    # --- upload -------------------------------------------------------------------------------------------------------

    async def _with_files(
        self, passed: Sequence[DeliveryAttempt], moment: float, clock: float
    ) -> list[DeliveryAttempt]:
        """Those whose provider has all that they name; the others are on their way to be given it first."""
        lent = await self._uploads.find_lent([(each.claim, each.connected) for each in passed], moment)
        if not lent:
            return list(passed)
        complete = []
        for attempt in passed:
            files = lent.get(attempt.claim.id, NO_FILES)
            handed = find_handed(files)
            naming = attempt._replace(lent=files, handed=handed or {})
            if handed is None:
                self._start(attempt.claim, self._upload_and_carry_out(naming, clock))
            else:
                complete.append(naming)
        return complete

    async def _upload(self, attempt: DeliveryAttempt) -> DeliveryAttempt | SendError:
        try:
            handed = await self._uploads.hand_over(attempt.claim, attempt.connected, attempt.lent)
        except SendError as error:
            return as_repeatable(error)
        faultpoint("after_upload")
        return attempt._replace(handed=handed)

    # --- record -------------------------------------------------------------------------------------------------------

    async def _record(self, attempts: Sequence[DeliveryAttempt]) -> list[DeliveryAttempt]:
        """Commit that these are about to be sent. The others are no longer this worker's, and are let go."""
        for attempt in attempts:
            self._marks.prepare(attempt.claim.id, attempt.claim.attempt_no)
        recorded = await self._recorded([attempt.claim for attempt in attempts])
        faultpoint("after_intent_commit")
        for attempt in attempts:
            if attempt.claim.id not in recorded:
                self._let_go(attempt.claim)
        return [attempt for attempt in attempts if attempt.claim.id in recorded]

    async def _recorded(self, claims: Sequence[Claim]) -> set[int]:
        while True:
            try:
                return await self._db(record_attempts, self._worker_id, claims)
            except StoreUnavailable:
                await asyncio.sleep(OFFER_AGAIN_S)

    # --- send ---------------------------------------------------------------------------------------------------------

    async def _send(self, attempt: DeliveryAttempt) -> SendReceipt | SendError:
        try:
            return await attempt.connected.provider.send(attempt.render(), partial(self._guard, attempt.claim.id))
        except SendError as error:
            return await self._explained(error, attempt)
        except InputError as unreadable:
            return Rejected(unreadable.detail, code="unreadable_content")
        except Exception as bug:  # noqa: BLE001 -- a byte may have left: never a blind second knock
            log.error(Event.PROVIDER_ERROR, message=str(attempt.claim.uid), error=type(bug).__name__)
            return OutcomeUnknown("The attempt ended in an error of our own.")

    def _guard(self, row: int) -> None:
        self._check_lease()
        self._marks.begin(row)
        faultpoint("before_first_byte")

    async def _explained(self, error: SendError, attempt: DeliveryAttempt) -> SendError:
        """A refusal of a message whose file the provider had before may mean that it has the file no longer.

        One of credentials that a tenant service keeps may mean that they have been exchanged there.
        """
        if isinstance(error, ChannelUnauthorized) and await self._connections.renew(
            attempt.claim.channel_id, attempt.connected
        ):
            return ProviderThrottled(
                "The provider refused the credentials; others have come.",
                code="credentials_renewed",
                retry_after=RENEWED_S,
                scope=Scope.MESSAGE,
            )
        had_before = any(one and one.provider_id for one in attempt.lent.values())
        if not (had_before and isinstance(error, Rejected)):
            return error
        with suppress(StoreUnavailable):
            await self._uploads.forget(attempt.claim, attempt.lent)
        return FileForgotten(provider_code=error.provider_code)

    # --- decide -------------------------------------------------------------------------------------------------------

    def _decide(self, attempt: DeliveryAttempt, answer: SendReceipt | SendError, moment: float) -> Outcome:
        if isinstance(answer, SendReceipt):
            ACCEPT_TO_SEND_SECONDS.observe(moment - attempt.claim.accepted_at)
            outcome = take_receipt(attempt.claim, answer)
        else:
            outcome = self._decide_failure(attempt, answer, moment)
        tell_attempt(attempt.connected.name, outcome)
        return outcome

    def _decide_failure(self, attempt: DeliveryAttempt, error: SendError, moment: float) -> Outcome:
        claim = attempt.claim
        if isinstance(error, ProviderThrottled):
            RATE_LIMITED.labels(**of_channel(claim.tenant_id, claim.channel_id), by="provider").inc()
        policy = replace(self._policy, waits=attempt.connected.capabilities.waits)
        outcome = decide_failure(claim, error, moment, policy)
        if outcome.decision is not None and _is_healed_elsewhere(error, attempt.connected):
            outcome = outcome._replace(decision=replace(outcome.decision, heals=True))
        return outcome

    # --- settle -------------------------------------------------------------------------------------------------------

    async def _settle(self, outcome: Outcome) -> None:
        faultpoint("before_outcome_commit")
        try:
            if await self._written(outcome):
                tell_outcome(outcome)
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

    # --- what is under way --------------------------------------------------------------------------------------------

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
        self._marks.clear(claim.id)
        self.slots.end(claim.id, time.monotonic())
        self.freed.set()


def _is_healed_elsewhere(error: SendError, connected: Connected) -> bool:
    """Of credentials that a tenant service keeps nobody tells us when they are mended: the channel is asked again."""
    return isinstance(error, ChannelUnauthorized) and connected.settings is not None


def _few(attempts: Sequence[DeliveryAttempt]) -> Iterator[Sequence[DeliveryAttempt]]:
    for start in range(0, len(attempts), INTENTS_AT_ONCE):
        yield attempts[start : start + INTENTS_AT_ONCE]
