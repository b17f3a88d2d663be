"""A delivery attempt: the value that goes through `outbound`, and what is decided about it. Pure."""

import random
from dataclasses import replace
from typing import NamedTuple

from hailgate.core import window
from hailgate.core.content import HandedFile, decode_outbound, with_provider_ids
from hailgate.core.delivery import LONGEST_RETRY_AFTER, RIDDEN_OUT_S, Action, Decision, RetryPolicy, decide
from hailgate.core.errors import LeaseLost, ProviderThrottled, Scope, SendError
from hailgate.core.media import LocalMedia
from hailgate.messaging.outbound.attempts import Outcome
from hailgate.messaging.outbound.claim import Claim
from hailgate.messaging.work.claim import MOST_CRASHES
from hailgate.pipeline.connections import Connected
from hailgate.pipeline.uploads import Handed, LentFiles
from hailgate.providers.contract import OutboundMessage, SendReceipt

# What this worker may no longer send is due again at once, by then for whoever holds the lease.
LEASE_LOST_S = 0.5
# A channel that is told to slow down, but not for how long: throughput is counted by the second.
CHANNEL_REST_S = 1.0

NO_FILES: LentFiles = {}


class DeliveryAttempt(NamedTuple):
    """A claim that may be sent. ``lent`` are the files that it names, ``handed`` the same as its provider has them."""

    claim: Claim
    connected: Connected
    lent: LentFiles = NO_FILES
    handed: Handed = {}

    def render(self) -> OutboundMessage:
        """Raises InputError for content that was stored by a version that knew more than this one."""
        claim, content = self.claim, decode_outbound(self.claim.content)
        named = {uid: file for uid, file in self.handed.items() if isinstance(file, HandedFile)}
        inline = {str(uid): file for uid, file in self.handed.items() if isinstance(file, LocalMedia)}
        return OutboundMessage(
            id=claim.uid,
            attempt=claim.attempt_no,
            to=claim.to,
            content=with_provider_ids(content, named) if named else content,
            context_id=claim.context_id or None,
            files=inline,
        )


def find_refusal(claim: Claim, moment: float, window_seconds: float | None) -> Decision | None:
    """Why this must not be sent now, decided at the moment of sending and not when it was accepted."""
    if claim.crashes >= MOST_CRASHES:
        return bury("poison", f"The process ended {claim.crashes} times while this message was being prepared.")
    if claim.expires_at is not None and claim.expires_at <= moment:
        return bury("expired", "The message expired before it could be sent.")
    if claim.suppressed:
        return bury("suppressed", "The recipient does not want messages from this tenant.")
    if claim.unasked:
        return bury("suppressed", "The recipient wrote that they want no messages but answers.")
    is_open = claim.window_unsure or window.is_open(claim.last_inbound_at, moment, window_seconds, claim.free_until)
    if claim.kind != "template" and not is_open:
        return bury(
            "window_closed", "The person has not written lately: outside the window only a template may be sent."
        )
    return None


def take_receipt(claim: Claim, receipt: SendReceipt) -> Outcome:
    """What an attempt came to that the provider took."""
    return Outcome(
        claim,
        attempted=True,
        provider_id=receipt.provider_id[:255],
        address=receipt.address,
        also=receipt.also,
        message_token=receipt.message_token,
    )


def decide_failure(claim: Claim, error: SendError, moment: float, policy: RetryPolicy) -> Outcome:
    """What an attempt came to whose call failed."""
    if isinstance(error, LeaseLost):  # no fault of the message: it spends no attempt
        return Outcome(claim, attempted=True, decision=snooze(moment + LEASE_LOST_S, error.code, error.detail))
    decision = decide(error, claim.past, moment, policy, random.random)
    return Outcome(
        claim,
        attempted=True,
        decision=decision,
        provider_code=(error.provider_code or "")[:60],
        rests_until=_rest(error, moment),
    )


def as_repeatable(error: SendError) -> SendError:
    """Of a call that harms nobody when it is repeated: no cap by the provider's code ends it within minutes."""
    error.max_attempts, error.patience = None, max(error.patience, RIDDEN_OUT_S)
    return error


def snooze(due_at: float, code: str, detail: str) -> Decision:
    return replace(bury(code, detail), action=Action.SNOOZE, due_at=due_at)


def bury(code: str, detail: str) -> Decision:
    return Decision(Action.BURY, None, code, detail, pauses_channel=False, suppresses=False, breaker_failure=False)


def _rest(error: SendError, moment: float) -> float | None:
    """Until when the whole channel keeps quiet; None where the provider's wish is about one message or recipient."""
    if not isinstance(error, ProviderThrottled) or error.scope not in {Scope.CHANNEL, Scope.ACCOUNT}:
        return None
    return moment + min(error.retry_after or CHANNEL_REST_S, LONGEST_RETRY_AFTER)
