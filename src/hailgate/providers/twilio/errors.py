"""Twilio's error codes: what each asks of us. One that is not known is classed by its range, since codes get split."""

from collections.abc import Callable, Mapping
from typing import Final

from hailgate.core.errors import (
    ChannelRefused,
    ChannelUnauthorized,
    OutcomeUnknown,
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

_Make = Callable[[str, str], SendError]
MINUTE: Final = 60.0
HOUR: Final = 3_600.0


def _of(kind: type[SendError], detail: str, **named: object) -> _Make:
    return lambda code, _: kind(detail, provider_code=code, **named)  # type: ignore[arg-type]


_BAD_CALL: Final = _of(Rejected, "Twilio does not accept the message as it is.")
_UNDELIVERED: Final = _of(Rejected, "Twilio could not deliver the message.")
_NOT_TAKEN: Final = _of(Rejected, "WhatsApp did not take the message from Twilio.")
_FAILED: Final = _of(OutcomeUnknown, "Twilio failed while it took the message.")
_FILE: Final = _of(Rejected, "Twilio or WhatsApp could not take the file.", code="file_refused")
_POLICY: Final = _of(Rejected, "The message was blocked as against the rules.")
_PERSON: Final = _of(RecipientUnreachable, "The recipient cannot be reached on WhatsApp.")
_TEMPLATE: Final = _of(TemplateUnavailable, "The template cannot be sent so.")
_ACCESS: Final = _of(ChannelUnauthorized, "Twilio refuses the credentials or the account.")
_SENDER: Final = _of(ChannelRefused, "Twilio or WhatsApp refuses this sender.")
_AWAY: Final = _of(ProviderUnavailable, "WhatsApp or Twilio had trouble of its own.")
_ACCOUNT_PACE: Final = _of(ProviderThrottled, "The account sends faster than it may.", scope=Scope.ACCOUNT)
_DAILY: Final = _of(
    ProviderThrottled, "The account sent as many messages as it may in a day.", scope=Scope.ACCOUNT, retry_after=HOUR
)
_CHANNEL_PACE: Final = _of(ProviderThrottled, "The sender sends faster than it may.", scope=Scope.CHANNEL)

_TABLE: Final[Mapping[_Make, tuple[int, ...]]] = {
    _ACCESS: (20003, 20005, 20006, 20008, 20010, 20403, 30002),
    _SENDER: (
        21212, 21606, 21657, 21701, 21702, 21703, 21704, 21705, 63001, 63002, 63007, 63008, 63020, 63022, 63026, 63051,
        63112,
    ),
    _PERSON: (
        21211, 21408, 21608, 21612, 21614, 30003, 30004, 30005, 30006, 63003, 63014, 63015, 63024, 63032, 63033, 63036,
        63049,
    ),
    _TEMPLATE: (21654, 21655, 21656, 63027, 63028, 63029, 63040, 63041, 63042),
    _FILE: (11751, 21620, 21623, 63019, 63025, 63034, 63037),
    _POLICY: (14107, 30007, 63013),
    _ACCOUNT_PACE: (20429, 35125, 63017),
    _DAILY: (63038,),
    _CHANNEL_PACE: (21611, 30001, 63018),
    _AWAY: (20503, 63009, 63010, 63012),
    _of(RecipientOptedOut, "The recipient does not want messages: they wrote STOP, or a word like it."): (21610,),
    _of(Rejected, "The person has not written for 24 hours: send a template.", code="window_closed"): (63016,),
    _FAILED: (20500,),
    _UNDELIVERED: (30008,),
    _NOT_TAKEN: (63005, 63006, 63011, 63021, 63023, 63030, 63031),
}  # fmt: skip
_BY_CODE: Final = {code: make for make, codes in _TABLE.items() for code in codes}


# The last number below each of Twilio's ranges, and what a number above it asks of us.
_RANGES: Final = (
    (64_000, _BAD_CALL),
    (62_999, _NOT_TAKEN),  # WhatsApp's part
    (31_000, _BAD_CALL),
    (29_999, _UNDELIVERED),
    (20_599, _BAD_CALL),
    (20_499, _FAILED),  # the API's own faults: they say nothing of what became of the call
    (0, _BAD_CALL),
)


def classify(code: str, words: str = "") -> SendError:
    number = _number(code)
    return _BY_CODE.get(number, _by_range(number))(code, words)


def is_known(code: str) -> bool:
    return _number(code) in _BY_CODE


def our_code(code: str) -> str | None:
    """What we call a failure that a step tells with this code; None for one that nobody knows."""
    return classify(code).code if is_known(code) else None


def find_channel_fault(code: str) -> ChannelFault | None:
    """What a failure that a step tells says of the whole channel: the same as in an answer."""
    error = classify(code)
    if error.pauses_channel:
        return ChannelFault(error.code, pauses=True)
    if isinstance(error, ProviderThrottled):
        return ChannelFault(error.code, pauses=False, rest_s=error.retry_after or MINUTE)
    return None


def describe(code: str, words: str | None) -> str:
    """For people: our sentence, or Twilio's words where the code is not known."""
    known = classify(code)
    if is_known(code):
        return known.detail
    if code == "canceled":
        return "The message was canceled at Twilio."
    return f"Twilio says: {words[:200]}" if words else known.detail


def _number(code: str) -> int:
    return int(code) if code.isascii() and code.isdigit() and len(code) < 8 else 0


def _by_range(number: int) -> _Make:
    return next((make for below, make in _RANGES if number > below), _BAD_CALL)
