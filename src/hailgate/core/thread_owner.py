"""Thread owner: who answers a person at a number that several responders share. A provider lets one own the thread.

A message that somebody sends who does not own the thread takes it from its owner. An owner of whom nothing was told for
a day has lost it: the next message is routed anew.
"""

from enum import IntEnum
from typing import Final

IDLE_S: Final = 24 * 3600.0


class ThreadOwner(IntEnum):
    """``US`` is also where nothing was ever told. ``UNKNOWN``: what was told last does not go together."""

    US = 0
    OTHER = 1
    UNKNOWN = 2

    @property
    def word(self) -> str:
        return self.name.lower()


def owner_now(stored: int, told_at: float, now: float) -> ThreadOwner:
    """``told_at`` is when the owner was last told, by the provider's clock."""
    return ThreadOwner.US if told_at + IDLE_S <= now else ThreadOwner(stored)
