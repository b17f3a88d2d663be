"""Everything that can go wrong, as a tree in which the class is the instruction.

    HailgateError
    ├── InputError              422  the caller changes the request
    │   ├── MalformedBody       400
    │   ├── NotFound            404
    │   ├── Conflict            409
    │   │   ├── ThreadElsewhere
    │   │   └── IdempotencyUndecided
    │   ├── TooLarge            413
    │   ├── UnsupportedMedia    415
    │   └── IdempotencyMismatch 422
    ├── AccessError             403  the caller may not do this, or not now
    │   ├── Unauthenticated     401
    │   ├── SignatureInvalid    401
    │   ├── Forbidden           403
    │   └── RateLimited         429
    ├── Unavailable             503  the caller asks again after `retry_after`
    │   ├── Overloaded
    │   ├── StoreUnavailable
    │   └── SpoolUnavailable
    ├── SendError                    a delivery attempt did not end in a receipt
    │   ├── ProviderUnavailable    retry while the message lives, counts against the breaker
    │   │   ├── AddressRefuses     the answer was not the provider's own
    │   │   └── MessageFault       retry a few times, says nothing of other messages
    │   ├── FileUnavailable        retry
    │   ├── FileForgotten          retry, with the file handed over anew
    │   ├── LeaseLost              retry, by whoever holds the row now
    │   ├── ProviderThrottled      snooze
    │   ├── ChannelUnauthorized    snooze, pause the channel
    │   ├── ChannelRefused         snooze, pause the channel until a check passes
    │   ├── ChannelDisconnected    snooze, pause the channel
    │   ├── Rejected               bury
    │   ├── RecipientUnreachable   bury
    │   ├── TemplateUnavailable    bury
    │   ├── RecipientOptedOut      bury, suppress the recipient
    │   └── OutcomeUnknown         park, counts against the breaker
    │       ├── RecipientUnconfirmed   where it proves absent: bury
    │       └── SessionLost            pause the channel, too
    ├── EventError                   stored, answered with 200, noted
    │   └── PayloadForeign
    ├── AssistantError               one more try, then a person
    │   └── BudgetSpent            no other try: a person
    └── ConfigurationError           start-up stops with the sentences

An error's `detail` is read by operators and callers, and logged. It is a sentence of ours: no message
text, address, name or token goes into one, not even when a provider's answer contains it.
"""

# ruff: noqa: N818 - the names say what happened; the base classes carry the suffix

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, Self


class HailgateError(Exception):
    """Something failed inside Hailgate.

    The first line of each class's docstring is the `detail` of an error raised without one. `code` is
    stable and documented: programs may compare it.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False
    code: str = "internal_error"

    def __init__(self, detail: str = "", *, code: str | None = None) -> None:
        self.detail = detail or self._default_detail()
        self.code = code or type(self).code
        super().__init__(self.detail)

    @classmethod
    def _default_detail(cls) -> str:
        # `python -OO` strips docstrings; the title is what is left.
        return (cls.__doc__ or cls.title).strip().splitlines()[0]


# The caller's request


class InputError(HailgateError):
    """The request is well-formed but cannot be accepted as it is."""

    status = 422
    title = "Invalid request"
    code = "invalid_request"

    def __init__(self, detail: str = "", *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.field = field


class MalformedBody(InputError):
    """The body is not valid JSON in UTF-8."""

    status = 400
    title = "Malformed body"
    code = "malformed_body"


class NotFound(InputError):
    """There is no such thing here, or it is not yours to see."""

    status = 404
    title = "Not found"
    code = "not_found"


class Conflict(InputError):
    """The request collides with the present state of what it addresses."""

    status = 409
    title = "Conflict"
    code = "conflict"


class ThreadElsewhere(Conflict):
    """Another responder answers this person now: send a template, or say that the message may take the thread."""

    title = "Thread elsewhere"
    code = "thread_elsewhere"


class IdempotencyUndecided(Conflict):
    """Another request with this Idempotency-Key is not decided yet; ask again with the same key."""

    title = "Idempotency key undecided"
    retryable = True
    code = "idempotency_undecided"


class TooLarge(InputError):
    """The body is larger than this address accepts."""

    status = 413
    title = "Body too large"
    code = "body_too_large"


class UnsupportedMedia(InputError):
    """The body must be sent as application/json: add the header `Content-Type: application/json`."""

    status = 415
    title = "Unsupported media type"
    code = "unsupported_media_type"


class IdempotencyMismatch(InputError):
    """The Idempotency-Key was used before with a different body."""

    title = "Idempotency key reused"
    code = "idempotency_mismatch"


# The caller's rights


class AccessError(HailgateError):
    """The caller is not allowed to do so."""

    status = 403
    title = "Access refused"
    code = "access_refused"


class Unauthenticated(AccessError):
    """A valid API key is needed: send `Authorization: Bearer <key>`."""

    status = 401
    title = "Not authenticated"
    code = "unauthenticated"


class SignatureInvalid(AccessError):
    """The signature does not match the body and the secret of this hook."""

    status = 401
    title = "Signature invalid"
    code = "signature_invalid"


class Forbidden(AccessError):
    """The key is valid but does not allow this."""

    title = "Forbidden"
    code = "forbidden"


class RateLimited(AccessError):
    """Too many requests; slow down. `retry_after` is in seconds, `headers` say more of the limit."""

    status = 429
    title = "Rate limited"
    code = "rate_limited"
    retryable = True

    def __init__(
        self,
        detail: str = "",
        *,
        code: str | None = None,
        retry_after: float = 1.0,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(detail, code=code)
        self.retry_after, self.headers = retry_after, headers


# Our own state


class Unavailable(HailgateError):
    """The service cannot take this right now; nothing was stored. `retry_after` is in seconds."""

    status = 503
    title = "Unavailable"
    code = "unavailable"
    retryable = True

    def __init__(self, detail: str = "", *, code: str | None = None, retry_after: float = 1.0) -> None:
        super().__init__(detail, code=code)
        self.retry_after = retry_after


class Overloaded(Unavailable):
    """More work is waiting than may be held in memory; ask again shortly."""

    title = "Overloaded"
    code = "overloaded"


class StoreUnavailable(Unavailable):
    """The database does not answer; nothing was stored."""

    title = "Store unavailable"
    code = "store_unavailable"


class SpoolUnavailable(Unavailable):
    """The disk takes no webhooks for a database that is away; nothing was stored."""

    title = "Spool unavailable"
    code = "spool_unavailable"


# A delivery attempt


class Disposition(StrEnum):
    """What becomes of the row whose attempt failed."""

    RETRY = "retry"
    SNOOZE = "snooze"
    BURY = "bury"
    PARK = "park"


class Scope(StrEnum):
    """How far a failure reaches."""

    MESSAGE = "message"
    PAIR = "pair"
    CHANNEL = "channel"
    ACCOUNT = "account"


class Blame(StrEnum):
    """Whose trouble a failure is, which decides how long it is ridden out."""

    MESSAGE = "message"
    PROVIDER = "provider"
    OURS = "ours"


class SendError(HailgateError):
    """A message could not be handed to the provider.

    `retry_after` is the provider's wish in seconds; `least_wait` is its documented rule for this error, kept in
    full where a wish is not, also when the message is sent again by hand; `max_attempts` lowers the policy's number
    for codes that deserve fewer tries, and `patience` is for how many seconds at least it is tried whatever the number;
    `provider_code` is the provider's own number, for people who look it up.
    """

    title = "Delivery failed"
    code = "delivery_failed"
    disposition: ClassVar[Disposition] = Disposition.BURY
    breaker_failure: ClassVar[bool] = False
    pauses_channel: ClassVar[bool] = False
    suppresses: ClassVar[bool] = False
    blame: ClassVar[Blame] = Blame.MESSAGE
    # The channel is asked again whether it can send, and goes on by itself once it can.
    heals: ClassVar[bool] = False

    def __init__(
        self,
        detail: str = "",
        *,
        code: str | None = None,
        provider_code: str | None = None,
        retry_after: float | None = None,
        least_wait: float = 0.0,
        scope: Scope = Scope.MESSAGE,
        max_attempts: int | None = None,
        patience: float = 0.0,
    ) -> None:
        super().__init__(detail, code=code)
        self.provider_code = provider_code
        self.retry_after = retry_after
        self.least_wait = least_wait
        self.scope = scope
        self.max_attempts = max_attempts
        self.patience = patience


class ProviderUnavailable(SendError):
    """The provider could not be reached or said that it is down; it did not take the message."""

    title = "Provider unavailable"
    code = "provider_unavailable"
    retryable = True
    disposition = Disposition.RETRY
    breaker_failure = True
    blame = Blame.PROVIDER


class AddressRefuses(ProviderUnavailable):
    """Something else than the provider answered at the channel's address; it did not take the message."""

    title = "Address refuses"
    code = "address_refuses"

    def at(self, api_url: str) -> Self:
        """With the address of the channel's settings, for whoever has to see whether it is right."""
        self.detail = f"{self.detail} The address is {api_url}."
        return self


class MessageFault(ProviderUnavailable):
    """The provider failed on this one message, which says nothing about the next."""

    title = "Message fault"
    code = "message_fault"
    breaker_failure = False
    blame = Blame.MESSAGE


class FileUnavailable(SendError):
    """The message's file cannot be read from the store of files at present; nothing was sent."""

    title = "File unavailable"
    code = "file_unavailable"
    retryable = True
    disposition = Disposition.RETRY
    blame = Blame.OURS


class FileForgotten(SendError):
    """The provider refused the message, perhaps for a file that it has no longer; it is given the file anew."""

    title = "File forgotten"
    code = "file_forgotten"
    retryable = True
    disposition = Disposition.RETRY


class LeaseLost(SendError):
    """The worker's right to send ended before the first byte left; nothing was sent."""

    title = "Lease lost"
    code = "lease_lost"
    retryable = True
    disposition = Disposition.RETRY
    blame = Blame.OURS


class ProviderThrottled(SendError):
    """The provider asks for a slower pace; it did not take the message."""

    title = "Provider throttles"
    code = "provider_throttled"
    retryable = True
    disposition = Disposition.SNOOZE


class ChannelUnauthorized(SendError):
    """The provider refuses the channel's credentials; somebody has to renew them."""

    title = "Channel unauthorized"
    code = "channel_unauthorized"
    retryable = True
    disposition = Disposition.SNOOZE
    pauses_channel = True


class ChannelRefused(SendError):
    """Something before the provider refuses the channel's calls; the channel goes on once a check passes."""

    title = "Channel refused"
    code = "channel_refused"
    retryable = True
    disposition = Disposition.SNOOZE
    pauses_channel = True
    heals = True


class ChannelDisconnected(SendError):
    """The channel's session with its phone has ended; somebody has to pair it again."""

    title = "Channel disconnected"
    code = "channel_disconnected"
    retryable = True
    disposition = Disposition.SNOOZE
    pauses_channel = True


class Rejected(SendError):
    """The provider refuses this message for good."""

    title = "Rejected"
    code = "rejected"


class RecipientUnreachable(SendError):
    """The recipient cannot receive this message."""

    title = "Recipient unreachable"
    code = "recipient_unreachable"


class TemplateUnavailable(SendError):
    """The template does not exist, is paused, or does not fit its parameters."""

    title = "Template unavailable"
    code = "template_unavailable"


class RecipientOptedOut(SendError):
    """The recipient does not want messages from this business."""

    title = "Recipient opted out"
    code = "recipient_opted_out"
    suppresses = True


class OutcomeUnknown(SendError):
    """The call broke off on its way and no answer says what became of it; the message may have been sent."""

    title = "Outcome unknown"
    code = "outcome_unknown"
    disposition = Disposition.PARK
    breaker_failure = True


class RecipientUnconfirmed(OutcomeUnknown):
    """The provider says that the number is not on WhatsApp, and may have sent the message all the same."""

    title = "Recipient unconfirmed"
    code = "recipient_unconfirmed"
    breaker_failure = False


class SessionLost(OutcomeUnknown):
    """The channel's session was not open while this was sent; the message may have been sent."""

    title = "Session lost"
    code = "session_lost"
    breaker_failure = False
    pauses_channel = True


# What providers tell us


class EventError(HailgateError):
    """A stored webhook has no effect."""

    title = "Event without effect"
    code = "event_without_effect"


class PayloadForeign(EventError):
    """The payload is not of the shape that this provider sends."""

    title = "Foreign payload"
    code = "payload_foreign"


# The rest of the house


class AssistantError(HailgateError):
    """The assistant gave no usable answer."""

    title = "Assistant failed"
    code = "assistant_failed"
    retryable = True


class BudgetSpent(AssistantError):
    """A budget leaves no room for another call of a model; the code names it."""

    code = "budget_spent"
    retryable = False


class ConfigurationError(HailgateError):
    """The configuration cannot be used; `faults` lists every sentence at once."""

    title = "Configuration refused"
    code = "configuration_refused"

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))
