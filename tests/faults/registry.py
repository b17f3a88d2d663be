"""Scenarios by id, each with the databases that it makes sense on."""

import sys
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from .case import Case
from .providers import SETUPS

BOTH = ("sqlite", "postgresql")
SQLITE = ("sqlite",)
POSTGRESQL = ("postgresql",)
CLOUD = ("cloud",)
EVERY = tuple(SETUPS)

# By what a scenario's module uses.
REFUSALS = {
    "turnstile": "it refuses calls in the Cloud API's own answers",
    "meta": "it posts webhooks in the Cloud API's own words",
}
UNTRIED = "it was written for the Cloud API, and has not been played with this provider"

Play = Callable[[Case], Awaitable[None]]


class Scenario(NamedTuple):
    """`limit_s` is how long it may take at full scale before it is given up.

    `alone`: it judges how long things take, so that nothing else may use the machine meanwhile.
    """

    id: str
    databases: tuple[str, ...]
    limit_s: float
    alone: bool
    play: Play
    providers: tuple[str, ...]

    def refusal(self, provider: str) -> str:
        """Why it is not played with this provider; empty where it is."""
        if provider in self.providers:
            return ""
        used = {getattr(each, "__module__", "") for each in vars(sys.modules[self.play.__module__]).values()}
        return next((why for module, why in REFUSALS.items() if f"{__package__}.{module}" in used), UNTRIED)


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    identifier: str,
    databases: tuple[str, ...] = BOTH,
    *,
    limit_s: float = 1800.0,
    alone: bool = False,
    providers: tuple[str, ...] = CLOUD,
) -> Callable[[Play], Play]:
    def register(play: Play) -> Play:
        SCENARIOS[identifier] = Scenario(identifier, databases, limit_s, alone, play, providers)
        return play

    return register
