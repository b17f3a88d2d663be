"""Ports to the store: what coroutines await where ordinary database functions run, injected by the composition root."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

Item_contra = TypeVar("Item_contra", contravariant=True)
Outcome_co = TypeVar("Outcome_co", covariant=True)
Result = TypeVar("Result")


class Db(Protocol):
    """``await db(function, *arguments)`` runs an ordinary function where the database is."""

    async def __call__(self, function: Callable[..., Result], *arguments: Any) -> Result: ...


class Submits(Protocol[Item_contra, Outcome_co]):
    """A gate: returns after the commit that holds the item."""

    async def submit(self, item: Item_contra) -> Outcome_co: ...


class Waits(Protocol):
    """Returns when there may be something to do, or after a while."""

    async def __call__(self) -> None: ...
