"""Joins the ledgers on the token and counts, in words that have one meaning each. Pure.

accepted    the product answered 202
delivered   the provider's ledger shows it
lost        accepted, not delivered, and neither ended nor listed as unknown where a person can see it
duplicated  deliveries of a message beyond its first
reordered   delivered after a message of its conversation that was asked for only once this one had been accepted
unknown     listed by the product as unknown, and the provider does not have it
unexpected  delivered although nobody asked for it, or although it was refused
recovered   its caller got an error or a time-out first, yet it was delivered
refused     answered for good with something else than 202
failed      accepted, not delivered, and shown as failed with a reason
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from math import ceil

import msgspec

from .ledgers import Delivery, Promise

EXAMPLES = 5


class Fate(StrEnum):
    """What the product itself shows of a message that its provider does not have."""

    OPEN = "open"
    UNKNOWN = "unknown"
    FAILED = "failed"


class Verdict(msgspec.Struct):
    """Counts, latencies from the 202 to the provider in milliseconds, and a few tokens of each kind of offence."""

    accepted: int = 0
    delivered: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    unknown: int = 0
    unexpected: int = 0
    recovered: int = 0
    refused: int = 0
    failed: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    longest_wait_s: float | None = None
    examples: dict[str, list[str]] = msgspec.field(default_factory=dict)

    @property
    def offences(self) -> int:
        return self.lost + self.duplicated + self.reordered + self.unexpected


def check(promises: Sequence[Promise], deliveries: Sequence[Delivery], fates: Mapping[str, Fate]) -> Verdict:
    """`deliveries` in the provider's order; `fates` by token, for accepted messages that were not delivered."""
    asked = {promise.token: promise for promise in promises}
    times = Counter(delivery.token for delivery in deliveries)
    accepted = [promise for promise in promises if promise.accepted]
    undelivered = [promise.token for promise in accepted if not times[promise.token]]
    lost = [token for token in undelivered if fates.get(token, Fate.OPEN) is Fate.OPEN]
    duplicated = [token for token, count in times.items() if token in asked for _ in range(count - 1)]
    unexpected = [d.token or d.provider_id for d in deliveries if not _is_expected(asked.get(d.token))]
    reordered = find_reordered(asked, deliveries)
    waits = _waits(asked, deliveries)
    return Verdict(
        accepted=len(accepted),
        delivered=len(accepted) - len(undelivered),
        lost=len(lost),
        duplicated=len(duplicated),
        reordered=len(reordered),
        unknown=sum(fates.get(token) is Fate.UNKNOWN for token in undelivered),
        unexpected=len(unexpected),
        recovered=sum(bool(promise.troubles and times[promise.token]) for promise in promises),
        refused=sum(promise.refused is not None for promise in promises),
        failed=sum(fates.get(token) is Fate.FAILED for token in undelivered),
        p50_ms=_percentile(waits, 0.50),
        p99_ms=_percentile(waits, 0.99),
        longest_wait_s=round(waits[-1], 3) if waits else None,
        examples=_examples(lost=lost, duplicated=duplicated, reordered=reordered, unexpected=unexpected),
    )


def find_reordered(asked: Mapping[str, Promise], deliveries: Iterable[Delivery]) -> list[str]:
    """Tokens that arrived after another of their conversation that was asked for after their own 202.

    Of a message that was delivered twice only the first delivery counts: the second is a duplicate already.
    """
    latest_asked: dict[str, float] = {}
    seen: set[str] = set()
    reordered = []
    for delivery in deliveries:
        promise = asked.get(delivery.token)
        if promise is None or delivery.token in seen:
            continue
        seen.add(delivery.token)
        latest = latest_asked.get(promise.conversation, 0.0)
        if promise.answered_at is not None and latest > promise.answered_at:
            reordered.append(delivery.token)
        latest_asked[promise.conversation] = max(latest, promise.asked_at)
    return reordered


def _is_expected(promise: Promise | None) -> bool:
    """A caller that never got an answer may well find its message delivered: that is recovered, not unexpected."""
    return promise is not None and promise.refused is None


def _waits(asked: Mapping[str, Promise], deliveries: Iterable[Delivery]) -> list[float]:
    """Seconds from each 202 to the first delivery, ascending. The provider may well be faster than the answer."""
    first: dict[str, float] = {}
    for delivery in deliveries:
        first.setdefault(delivery.token, delivery.at)
    answered = ((token, asked[token].answered_at) for token in first if token in asked)
    return sorted(max(0.0, first[token] - at) for token, at in answered if at is not None)


def _percentile(ascending: Sequence[float], share: float) -> float | None:
    """In milliseconds, by nearest rank."""
    return round(ascending[ceil(share * len(ascending)) - 1] * 1000, 1) if ascending else None


def _examples(**offences: Sequence[str]) -> dict[str, list[str]]:
    return {name: list(tokens[:EXAMPLES]) for name, tokens in offences.items() if tokens}
