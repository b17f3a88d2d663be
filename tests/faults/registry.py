"""Scenarios by id, each with the databases that it makes sense on."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from .case import Case

BOTH = ("sqlite", "postgresql")
SQLITE = ("sqlite",)
POSTGRESQL = ("postgresql",)

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


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    identifier: str, databases: tuple[str, ...] = BOTH, *, limit_s: float = 1800.0, alone: bool = False
) -> Callable[[Play], Play]:
    def register(play: Play) -> Play:
        SCENARIOS[identifier] = Scenario(identifier, databases, limit_s, alone, play)
        return play

    return register
