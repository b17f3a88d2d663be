"""Meta's error codes, and what each asks us to do.

Codes decide, not the HTTP status: throttles were seen with 400, 403 and 429. One thing the status does say: with a 5xx
it is Meta's trouble, whatever the code blames. The sentences are ours, because Meta's may quote what a person wrote.
Codes that a send cannot be answered with are listed too, so that none is a surprise.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from hailgate.core.errors import (
    ChannelUnauthorized,
    MessageFault,
    ProviderThrottled,
    ProviderUnavailable,
    RecipientOptedOut,
    RecipientUnreachable,
    Rejected,
    Scope,
    SendError,
    TemplateUnavailable,
)
from hailgate.core.events import ChannelFault


class Fault(NamedTuple):
    """A row of the table. `retry_after` is in seconds, where Meta's answer names none; `least_wait` is Meta's rule."""

    error: type[SendError]
    meaning: str
    scope: Scope = Scope.MESSAGE
    code: str | None = None
    retry_after: float | None = None
    max_attempts: int | None = None
    least_wait: float = 0.0
    patience: float = 0.0


def _group(
    error: type[SendError],
    meanings: Mapping[int, str],
    *,
    scope: Scope = Scope.MESSAGE,
    code: str | None = None,
    retry_after: float | None = None,
    max_attempts: int | None = None,
    least_wait: float = 0.0,
    patience: float = 0.0,
) -> dict[int, Fault]:
    return {
        number: Fault(error, meaning, scope, code, retry_after, max_attempts, least_wait, patience)
        for number, meaning in meanings.items()
    }


MINUTE = 60.0
HOUR = 3600.0
DAY = 24 * HOUR
# A link's host may be slow, and what Meta calls passing may pass: no count ends it sooner.
LIMITED = 10 * MINUTE

# Only the owner can mend these, and until then every message of the channel would fail: pause, bury none.
_OWNER: Final = {
    # The token.
    **_group(
        ChannelUnauthorized,
        {
            0: "The access token is expired, invalidated or of another app",
            102: "The session of the token has ended",
            104: "The proof of the app secret is missing or wrong",
            190: "The access token is expired or invalid",
            3: "The app may not call this method",
            10: "The app lacks a permission, or it was revoked",
            **dict.fromkeys(range(200, 300), "A permission was not granted or was removed"),
            131005: "The token may not act for this number",
        },
        scope=Scope.CHANNEL,
    ),
    # The number, as the channel names it.
    **_group(
        ChannelUnauthorized,
        {
            33: "The phone number id does not exist or is not visible to the token",
            803: "The phone number id does not exist",
        },
        scope=Scope.CHANNEL,
        code="number_unknown",
    ),
    # The number's registration.
    **_group(
        ChannelUnauthorized,
        {
            131037: "The display name of the number is not approved yet",
            131045: "The number is not registered correctly",
            133000: "The number is only partly deregistered",
            133005: "The two-step verification PIN is wrong",
            133006: "The number must be verified before it is registered",
            133008: "The two-step verification PIN was guessed too often",
            133009: "The two-step verification PIN was guessed too fast",
            133010: "The number is not registered",
            133015: "The number was deleted a short time ago",
        },
        scope=Scope.CHANNEL,
        code="number_not_registered",
    ),
    # The account's standing.
    **_group(
        ChannelUnauthorized,
        {
            368: "The account is blocked for policy violations",
            131031: "The account is locked or restricted",
            141010: "The business is not verified; sending is limited",
            139200: "Messages without a template are blocked for the account",
            141014: "The business account is banned",
        },
        scope=Scope.ACCOUNT,
        code="account_restricted",
    ),
    # The account's payment.
    **_group(
        ChannelUnauthorized,
        {
            131042: "The account has a payment problem",
            131044: "The account has a payment problem with calls",
            141006: "A payment problem blocks conversations that the business starts",
        },
        scope=Scope.ACCOUNT,
        code="payment_problem",
    ),
}

# Too fast: the message is fine and waits; no attempt is spent, and only what is too fast waits.
_PACE: Final = {
    **_group(
        ProviderThrottled,
        {131056: "Too many messages from this number to this recipient"},
        scope=Scope.PAIR,
        code="pair_throttled",
    ),
    **_group(
        ProviderThrottled,
        {
            130429: "The number sends faster than its throughput",
            613: "Too many calls of one kind",
        },
        scope=Scope.CHANNEL,
    ),
    # Hammering makes these restrictions longer, so the pause is the longest there is.
    **_group(
        ProviderThrottled,
        {
            131048: "The number is restricted because recipients blocked or reported its messages",
            133016: "The number was registered and deregistered too often",
            2388091: "Another verification code was asked for too soon",
            2494100: "The number is in maintenance while it is migrated",
        },
        scope=Scope.CHANNEL,
        retry_after=HOUR,
    ),
    **_group(
        ProviderThrottled,
        {
            4: "The app reached its limit of calls",
            17: "The user of the token reached the limit of calls",
            32: "The page reached its limit of calls",
            341: "The app reached a limit for now",
            **dict.fromkeys((*range(80000, 80010), 80014), "The account reached its limit of calls"),
        },
        scope=Scope.ACCOUNT,
        retry_after=5 * MINUTE,
    ),
    **_group(
        ProviderThrottled,
        {131064: "The account reached its messaging limit because templates were misclassified"},
        scope=Scope.ACCOUNT,
        retry_after=HOUR,
    ),
    # One template, flow or group operation is held up; other messages of the channel pass.
    **_group(
        ProviderThrottled,
        {
            131208: "Too many group operations from this number",
            131214: "No groups may be made for now, because of too many marketing messages",
            132069: "The flow is throttled to ten messages an hour",
            134101: "The template is still being copied to the marketing messages API",
        },
        retry_after=10 * MINUTE,
    ),
    **_group(
        ProviderThrottled,
        {132015: "The template is paused for low quality"},
        code="template_paused",
        retry_after=HOUR,
    ),
}

# Meta's own trouble: retry with backoff, and let the breaker see it.
_TROUBLE: Final = {
    **_group(
        ProviderUnavailable,
        {
            2: "The API is down or overloaded for a short time",
            131016: "The service is down or overloaded for a short time",
            133004: "The registration server is down",
        },
    ),
    **_group(
        ProviderUnavailable,
        {131057: "The account is in maintenance, often while its throughput is raised"},
        scope=Scope.ACCOUNT,
        retry_after=MINUTE,
    ),
    # May be this message's own fault, where the status does not say that it is Meta's.
    **_group(MessageFault, {1: "The request is invalid, or Meta's server failed"}, max_attempts=2, retry_after=5.0),
    **_group(
        MessageFault,
        {
            131000: "Meta failed for an unknown reason",
            131053: "The media could not be fetched or stored",
            135000: "Meta failed without a reason",
            138004: "The call could not be connected",
            139102: "The block list changed while it was read",
            139103: "The block list failed",
        },
        patience=LIMITED,
    ),
}

# This person cannot get this message: nothing changes by trying again, and nobody else is touched.
_RECIPIENT: Final = {
    **_group(
        RecipientUnreachable,
        {
            130472: "The recipient is in an experiment of Meta's without marketing messages",
            130497: "The account may not write to people in this country",
            131020: "The group has no other member",
            131026: "The recipient is not on WhatsApp, has an old client, or hides for privacy reasons",
            131030: "The recipient is not in the allowed list of this test number",
            131041: "The group is unknown, or the number is not a member",
            131062: "A recipient without a visible number cannot get this kind of message",
            131207: "The group is suspended",
        },
    ),
    # Trying again within a day makes it longer.
    **_group(
        RecipientUnreachable,
        {131049: "Meta keeps further marketing messages from this recipient for at least a day"},
        least_wait=DAY,
    ),
    # Consent: never try again by any way.
    **_group(RecipientOptedOut, {131050: "The recipient stopped marketing messages of this business"}),
    **_group(
        Rejected,
        {131047: "More than 24 h since the person last wrote; only templates may be sent"},
        scope=Scope.PAIR,
        code="window_closed",
    ),
}

# The template has to be changed before any message of it can pass.
_TEMPLATE: Final = _group(
    TemplateUnavailable,
    {
        132000: "The number of parameters differs from the template's",
        132001: "The template does not exist in this language or is not approved",
        132005: "The text is too long with its parameters filled in",
        132007: "The template's content violates policy",
        132008: "A parameter is formatted wrongly",
        132012: "A parameter's format is not what the template declares",
        132016: "The template is disabled for good",
        2388019: "The account has as many templates as it may",
        2388040: "A field of the template is too long",
        2388047: "The header or body of the template is badly formatted",
        2388073: "The footer of the template is badly formatted",
        2388293: "The template has too many variables for its length",
        2388299: "A variable may be neither first nor last in the text",
        2388318: "A template that Meta made by itself cannot be changed",
        2388330: "A template that Meta made by itself cannot be deleted",
    },
)

# The request itself is refused: sending the same again gives the same answer.
_REQUEST: Final = _group(
    Rejected,
    {
        100: "A parameter is missing, misspelt or not supported",
        506: "The same was sent a moment ago",
        131008: "A required parameter is missing",
        131009: "The value of a parameter is not valid",
        131021: "Sender and recipient are the same number",
        131051: "This type of message is not supported",
        131052: "Media that the person sent could not be downloaded",
        131055: "The method is not allowed",
        131063: "Marketing templates are switched off for the normal endpoint of this account",
        132068: "The flow is blocked",
        134011: "The terms of a payments feature are not accepted",
        134100: "The marketing messages API takes marketing templates only",
        134102: "The template or account may not use the marketing messages API",
        137000: "The recipient's identity key is not the expected one",
    },
)

# Answers to calls about groups, flows, lists, calls, names and migration: never to a send, and final.
_OTHER_CALLS: Final = (
    _group(
        Rejected,
        {
            131059: "The cursor is expired or damaged",
            131201: "Only a part of the participants was changed",
            131202: "A participant is listed twice",
            131204: "The group has as many participants as it may",
            131209: "The group's picture must be square",
            131210: "The group's picture must be larger than 192 pixels on each side",
            131211: "The number has as many groups as it may",
            131212: "The participant is not in the group",
            131213: "The request to join does not exist",
            131215: "The number may not use groups",
            138000: "Calls are switched off for the number",
            138001: "The recipient cannot take calls",
            138006: "The recipient has not allowed calls",
            138007: "The call was not connected in time",
            138018: "Calls cannot be switched on for the number yet",
            139000: "The flow may not be published, for integrity reasons",
            139001: "The flow could not be changed",
            139002: "The flow could not be published",
            139003: "The flow cannot be deprecated in its state",
            139004: "A published flow cannot be deleted",
            139100: "Some people could not be blocked or unblocked",
            139101: "The block list is full",
            **dict.fromkeys(range(147001, 147006), "The username of the business was refused"),
            2388012: "The number is registered elsewhere",
            2388093: "The verification code is wrong",
            2388103: "The number cannot be migrated in its state",
        },
    )
    | _group(
        ProviderThrottled,
        {
            138002: "The number has as many calls as it may at once",
            138003: "A call with this person is running",
            138005: "The number calls too often",
            138009: "The person was asked too often for the permission to call",
            138013: "The permission to call was read too often",
        },
        retry_after=10 * MINUTE,
    )
    | _group(
        ProviderThrottled,
        {138012: "The number connected as many calls in 24 hours as it may"},
        least_wait=DAY,
    )
)

FAULTS: Final[Mapping[int, Fault]] = _OWNER | _PACE | _TROUBLE | _RECIPIENT | _TEMPLATE | _REQUEST | _OTHER_CALLS

# Code 100 speaks of a parameter, but with this subcode of the number's id in the path.
_ID_SUBCODE = 33

# What Meta says of the owner's affairs with a 500; of any other code, a 5xx says that it is Meta's trouble.
_ALWAYS_5XX = frozenset({3, 131045, 133000})


class Refusal(NamedTuple):
    """An error as Meta's answer states it."""

    code: int
    subcode: int | None = None
    is_transient: bool = False
    trace: str | None = None


def explain(code: int) -> str | None:
    """Our sentence for a code of Meta's, None for one we do not know."""
    fault = FAULTS.get(code)
    return f"{fault.meaning}." if fault else None


def our_code(code: str) -> str | None:
    """What we call a failure that a status tells with this code; None for one that we do not know."""
    fault = FAULTS.get(int(code)) if code.isascii() and code.isdigit() else None
    return (fault.code or fault.error.code) if fault else None


def tells_opt_out(code: int) -> bool:
    """Whether the recipient asked not to be written to, whatever Meta was told to send."""
    return code in FAULTS and FAULTS[code].error.suppresses


def find_channel_fault(code: int) -> ChannelFault | None:
    """What a failure that a status tells says of the whole channel: the same as in an answer."""
    fault = FAULTS.get(code)
    if fault is None:
        return None
    if fault.error.pauses_channel:
        return ChannelFault(fault.code or fault.error.code, pauses=True)
    if fault.error is ProviderThrottled and fault.scope in {Scope.CHANNEL, Scope.ACCOUNT}:
        return ChannelFault(fault.code or fault.error.code, pauses=False, rest_s=fault.retry_after or MINUTE)
    return None


def send_error(refusal: Refusal, status: int, retry_after: float | None) -> SendError:
    """The error whose class says what to do. `retry_after` is in seconds, as Meta asked."""
    fault = _find_fault(refusal, status)
    trace = f", trace {refusal.trace}" if refusal.trace else ""
    return fault.error(
        f"{fault.meaning} [Meta {refusal.code}{trace}].",
        code=fault.code,
        provider_code=str(refusal.code),
        retry_after=max((s for s in (retry_after, fault.retry_after) if s is not None), default=None),
        least_wait=fault.least_wait,
        scope=fault.scope,
        max_attempts=fault.max_attempts,
        patience=fault.patience,
    )


def _find_fault(refusal: Refusal, status: int) -> Fault:
    if refusal.code == 100 and refusal.subcode == _ID_SUBCODE:
        return FAULTS[33]
    fault = FAULTS.get(refusal.code) or _unlisted(status)
    if fault.error is ProviderThrottled or refusal.code in _ALWAYS_5XX:
        return fault
    if status >= 500:
        return fault._replace(error=ProviderUnavailable, code=None, max_attempts=None, patience=0.0)
    if refusal.is_transient and not (fault.error.retryable or fault.error.pauses_channel):
        return fault._replace(error=MessageFault, code=None, patience=LIMITED)  # Meta says that it will pass
    return fault


def _unlisted(status: int) -> Fault:
    if status == 401:
        return Fault(ChannelUnauthorized, "Meta refuses the channel's credentials", Scope.CHANNEL)
    if status == 429:
        return Fault(ProviderThrottled, "Meta asks for a slower pace", Scope.CHANNEL)
    if status >= 500:
        return Fault(ProviderUnavailable, "Meta failed with a code that is not listed")
    return Fault(Rejected, "Meta refused the message with a code that is not listed")
