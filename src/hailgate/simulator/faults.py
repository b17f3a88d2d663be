"""What goes wrong on purpose: rules that a test or a person puts, matched against every call."""

import random
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from hailgate.simulator.problems import Problem

Copies = Annotated[int, Meta(ge=2, le=100)]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]


class Do(StrEnum):
    """Before acceptance: delay … revoke_token; a delayed call is accepted even if its caller has gone.
    After acceptance: accept_then_reset … status_before_answer. Of the statuses: withhold_status … statuses; their
    operation is `send` or `status`. Of what people write: lose_inbound, duplicate_inbound; their operation is
    `inbound`. drop_session is for providers with sessions: others do
    not notice it.
    """

    DELAY = "delay"
    THROTTLE = "throttle"
    ERROR = "error"
    RESET_BEFORE_READ = "reset_before_read"
    REVOKE_TOKEN = "revoke_token"  # noqa: S105
    ACCEPT_THEN_RESET = "accept_then_reset"
    ACCEPT_THEN_GARBAGE = "accept_then_garbage"
    ACCEPT_THEN_ERROR = "accept_then_error"
    DRIP = "drip"
    STATUS_BEFORE_ANSWER = "status_before_answer"
    WITHHOLD_STATUS = "withhold_status"
    DUPLICATE_STATUS = "duplicate_status"
    SHUFFLE_STATUS = "shuffle_status"
    STATUSES = "statuses"
    LOSE_INBOUND = "lose_inbound"
    DUPLICATE_INBOUND = "duplicate_inbound"
    DROP_SESSION = "drop_session"


ALL_STATUSES = ("queued", "sent", "delivered", "read", "played", "failed")
REFUSALS = frozenset({Do.THROTTLE, Do.ERROR, Do.RESET_BEFORE_READ, Do.REVOKE_TOKEN})
SPOILERS = frozenset(
    {Do.ACCEPT_THEN_RESET, Do.ACCEPT_THEN_GARBAGE, Do.ACCEPT_THEN_ERROR, Do.DRIP, Do.STATUS_BEFORE_ANSWER}
)
OF_INBOUND = frozenset({Do.LOSE_INBOUND, Do.DUPLICATE_INBOUND})
OF_STATUSES = frozenset({Do.WITHHOLD_STATUS, Do.DUPLICATE_STATUS, Do.SHUFFLE_STATUS, Do.STATUSES})


class Throttle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`retry_after` goes into the header as it is, however absurd; null leaves the header out."""

    retry_after: str | int | float | None = None
    code: int | None = None
    status: Annotated[int, Meta(ge=400, le=599)] = 429


class Error(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`body`: true for the provider's own shape, false for none; a string goes as HTML, an object as JSON."""

    status: Annotated[int, Meta(ge=400, le=599)] = 503
    body: bool | str | dict[str, Any] = True
    code: int | None = None


VALUES: Mapping[Do, Any] = {
    Do.DELAY: Seconds,
    Do.THROTTLE: Throttle,
    Do.ERROR: Error,
    Do.ACCEPT_THEN_ERROR: Error,
    Do.DRIP: Seconds,
    Do.STATUS_BEFORE_ANSWER: Seconds,
    Do.WITHHOLD_STATUS: list[str],
    Do.DUPLICATE_STATUS: Copies,
    Do.SHUFFLE_STATUS: Seconds,
    Do.STATUSES: list[str],
    Do.DUPLICATE_INBOUND: Copies,
    Do.DROP_SESSION: Seconds | None,
}
DEFAULTS: Mapping[Do, Any] = {
    Do.DELAY: 1.0,
    Do.THROTTLE: {},
    Do.ERROR: {},
    Do.ACCEPT_THEN_ERROR: {},
    Do.DRIP: 5.0,  # seconds over which the answer is spread
    Do.STATUS_BEFORE_ANSWER: 5.0,  # the longest that the answer waits for its statuses
    Do.WITHHOLD_STATUS: [],  # none named: all
    Do.DUPLICATE_STATUS: 2,
    Do.SHUFFLE_STATUS: 0.0,  # the longest pause before each of the shuffled statuses
    Do.STATUSES: [],
    Do.DUPLICATE_INBOUND: 2,
    Do.DROP_SESSION: None,  # seconds until it is back; none: not by itself
}


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Absent fields match everything; `from_s` and `to_s` count from when the faults were put."""

    provider: str | None = None
    operation: str | None = None
    channel: str | None = None
    to: str | None = None
    share: Annotated[float, Meta(ge=0, le=1)] | None = None
    nth: Annotated[int, Meta(ge=1)] | None = None
    from_s: Seconds | None = None
    to_s: Seconds | None = None


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`seed` is that of the dice of `share`; without one it follows from the rule's place in the list."""

    do: Do
    match: Match = Match()
    value: Any = None
    seed: int | None = None


class Call(msgspec.Struct, frozen=True):
    """A call of a provider's API, the statuses of one message, or what a person writes.

    Operations: send, read, typing, check (of a number, a file, a template), upload, download, templates; status;
    inbound.
    """

    provider: str
    operation: str
    channel: str
    to: str | None = None


class StatusPlan(msgspec.Struct, frozen=True):
    """What becomes of the statuses of one message."""

    only: frozenset[str] | None = None
    withheld: frozenset[str] = frozenset()
    copies: int = 1
    shuffled: bool = False
    pause: float = 0.0
    seed: int = 0

    def arrange(self, statuses: Sequence[str]) -> list[tuple[str, float]]:
        """The statuses to send, in their order, each with its pause in seconds."""
        kept = [
            status
            for status in statuses
            if status not in self.withheld and (self.only is None or status in self.only)
            for _ in range(self.copies)
        ]
        if not self.shuffled:
            return [(status, 0.0) for status in kept]
        dice = random.Random(self.seed)  # noqa: S311 - repeatable on purpose
        return [(status, dice.uniform(0, self.pause)) for status in disorder(kept, dice)]


class Plan(msgspec.Struct, frozen=True):
    """What happens to one call: a delay, then a refusal or else a spoiler after acceptance.

    `drop` loses the session before the call is looked at.
    """

    delay: float = 0.0
    drop: Fault | None = None
    refusal: Fault | None = None
    spoiler: Fault | None = None
    statuses: StatusPlan = StatusPlan()


UNHARMED = Plan()


class Faults:
    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def put(self, faults: Sequence[Fault]) -> None:
        now = time.monotonic()
        self._rules = [Rule(check_fault(fault), index, now) for index, fault in enumerate(faults)]

    def list(self) -> "list[Fault]":
        return [rule.fault for rule in self._rules]

    def plan(self, call: Call) -> Plan:
        """Every delay and status rule that matches counts; of refusals and of spoilers the first."""
        if not self._rules:
            return UNHARMED
        rules = self._matching(call, self._rules)
        faults = [rule.fault for rule in rules]
        return Plan(
            delay=sum(fault.value for fault in faults if fault.do is Do.DELAY),
            drop=next((fault for fault in faults if fault.do is Do.DROP_SESSION), None),
            refusal=next((fault for fault in faults if fault.do in REFUSALS), None),
            spoiler=next((fault for fault in faults if fault.do in SPOILERS), None),
            statuses=plan_statuses(rules),
        )

    def plan_statuses(self, call: Call) -> StatusPlan:
        """For statuses that follow no call of the business: delivered later, or read."""
        rules = [rule for rule in self._rules if rule.fault.do in OF_STATUSES]
        return plan_statuses(self._matching(call, rules))

    def count_inbound(self, call: Call) -> int:
        """How often the webhook of what a person wrote is sent: once, unless a fault says otherwise."""
        rules = self._matching(call, [rule for rule in self._rules if rule.fault.do in OF_INBOUND])
        if any(rule.fault.do is Do.LOSE_INBOUND for rule in rules):
            return 0
        return max((rule.fault.value for rule in rules), default=1)

    def _matching(self, call: Call, rules: "Sequence[Rule]") -> "Sequence[Rule]":
        now = time.monotonic()
        return [rule for rule in rules if rule.applies(call, now)]


def plan_statuses(rules: "Sequence[Rule]") -> StatusPlan:
    plan = StatusPlan()
    for rule in rules:
        match rule.fault:
            case Fault(do=Do.STATUSES, value=value):
                plan = replace(plan, only=frozenset(value))
            case Fault(do=Do.WITHHOLD_STATUS, value=value):
                plan = replace(plan, withheld=frozenset(value or ALL_STATUSES))
            case Fault(do=Do.DUPLICATE_STATUS, value=value):
                plan = replace(plan, copies=value)
            case Fault(do=Do.SHUFFLE_STATUS, value=value):
                plan = replace(plan, shuffled=True, pause=value, seed=rule.dice.getrandbits(32))
    return plan


class Rule:
    """A fault with its count, its dice and the moment from which its times are measured."""

    def __init__(self, fault: Fault, index: int, started_at: float) -> None:
        self.fault = fault
        self._started_at = started_at
        self._seen = 0
        self.dice = random.Random(index if fault.seed is None else fault.seed)  # noqa: S311 - repeatable

    def applies(self, call: Call, now: float) -> bool:
        if not (self._concerns(call) and self._is_time(now - self._started_at)):
            return False
        match = self.fault.match
        if match.nth is not None:
            self._seen += 1
            return self._seen % match.nth == 0
        return match.share is None or self.dice.random() < match.share

    def _concerns(self, call: Call) -> bool:
        match = self.fault.match
        of_statuses = self.fault.do in OF_STATUSES and match.operation in {"send", "status"}
        operation = None if of_statuses else match.operation
        wanted = (match.provider, operation, match.channel, match.to)
        given = (call.provider, call.operation, call.channel, call.to)
        return all(want is None or want == have for want, have in zip(wanted, given, strict=True))

    def _is_time(self, elapsed: float) -> bool:
        match = self.fault.match
        return (match.from_s or 0.0) <= elapsed and (match.to_s is None or elapsed < match.to_s)


def check_fault(fault: Fault) -> Fault:
    """The fault with a value of the right type; raises a Problem."""
    if fault.match.share is not None and fault.match.nth is not None:
        raise Problem(422, "A fault matches by `share` or by `nth`, not by both.")
    if fault.do not in VALUES:
        if fault.value is not None:
            raise Problem(422, f"`{fault.do}` takes no value.")
        return fault
    given = DEFAULTS[fault.do] if fault.value is None else fault.value
    try:
        value = msgspec.convert(given, VALUES[fault.do])
    except msgspec.ValidationError as error:
        raise Problem(422, f"The value of `{fault.do}`: {error}") from None
    return replace(fault, value=value)


def disorder(statuses: Sequence[str], dice: random.Random) -> list[str]:
    """Any order but the natural one."""
    shuffled = list(statuses)
    dice.shuffle(shuffled)
    return shuffled if shuffled != list(statuses) else shuffled[::-1]
