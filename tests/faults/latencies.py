"""How long messages took, from the call that asked for them to the provider's ledger."""

from collections.abc import Collection, Iterable
from math import ceil

from .ledgers import Delivery, Promise

# Two processors carry product, simulator, clients and whoever else is on the machine: a p95 of some ten milliseconds
# moves by this much from one quiet minute to the next. What a stuck neighbour costs is counted in seconds.
NOISE_S = 0.15
WORSE = 1.5


def waits(promises: Iterable[Promise], deliveries: Iterable[Delivery]) -> list[float]:
    """Seconds, ascending, of those that were delivered."""
    first: dict[str, float] = {}
    for delivery in deliveries:
        first.setdefault(delivery.token, delivery.at)
    return sorted(first[promise.token] - promise.asked_at for promise in promises if promise.token in first)


def p95(ascending: Collection[float]) -> float:
    """By nearest rank; 0 where there is nothing."""
    return sorted(ascending)[ceil(0.95 * len(ascending)) - 1] if ascending else 0.0


def is_undisturbed(during: float, idle: float) -> bool:
    return during <= WORSE * idle + NOISE_S
