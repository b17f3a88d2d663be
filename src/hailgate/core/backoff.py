"""Waiting longer and longer for what is away, never in step with others who wait for it too."""

import random


class Backoff:
    """Each wait is up to twice the one before, in seconds, from `first` to `most`, and at least half of that."""

    def __init__(self, first: float, most: float) -> None:
        self._first, self._most = first, most
        self._next = first

    def wait(self) -> float:
        """Seconds to wait now; the next ones are longer until a `reset`."""
        ceiling, self._next = self._next, min(2 * self._next, self._most)
        return ceiling * (0.5 + random.random() / 2)  # noqa: S311 -- no secret

    def reset(self) -> None:
        self._next = self._first
