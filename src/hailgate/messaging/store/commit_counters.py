"""Counting what is committed: nothing before, and no statement for it."""

from collections import Counter as Tally
from collections.abc import Iterable

from django.db import transaction
from prometheus_client import Counter

from hailgate.telemetry.metrics import of_channel

Place = tuple[int, int]
"""Tenant and channel."""


def count_after_commit(metric: Counter, places: Iterable[Place], **labels: str) -> None:
    """One for each place, once the caller's transaction has been committed."""
    if tally := Tally(places):
        transaction.on_commit(lambda: _count(metric, tally, labels))


def _count(metric: Counter, tally: Tally[Place], labels: dict[str, str]) -> None:
    for place, count in tally.items():
        metric.labels(**of_channel(*place), **labels).inc(count)
