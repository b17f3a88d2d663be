"""The service window: how long free text may be sent after a person's last message, or after a free entry point."""

from enum import StrEnum
from typing import NamedTuple


class Outside(StrEnum):
    """What becomes of an assistant's answer that the window closed on.

    ``REFUSE``: it fails, and says so. ``WAIT``: what it answered is answered once the person writes again.
    ``TEMPLATE``: the channel's fallback template goes in its place, and asks them to.
    """

    REFUSE = "refuse"
    WAIT = "wait"
    TEMPLATE = "template"


class OutsideWindow(NamedTuple):
    """A channel's choice; ``template`` is what goes instead, as JSON."""

    choice: Outside = Outside.REFUSE
    template: str = ""


def is_open(last_inbound_at: float | None, now: float, length: float | None, free_until: float = 0.0) -> bool:
    """Whether free text may be sent. `length` is in seconds; None means that the provider has no window.

    ``free_until`` is the end of a free entry point (a person who came by an advertisement), as the provider told it.
    """
    if length is None:
        return True
    closes = closes_at(last_inbound_at, length, free_until)
    return closes is not None and now < closes


def closes_at(last_inbound_at: float | None, length: float | None, free_until: float = 0.0) -> float | None:
    """When the window closes; None where nothing can close."""
    if length is None or (last_inbound_at is None and not free_until):
        return None
    return max(free_until, 0.0 if last_inbound_at is None else last_inbound_at + length)
