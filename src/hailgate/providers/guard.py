"""The guard of a call: the last question before the first byte."""

from collections.abc import Callable

Guard = Callable[[], None]
"""Called with a connection in hand, directly before the first byte; raises LeaseLost if we may not send.

A message whose guard was never called counts as one that never left: after a kill it is sent again.
"""


def unguarded() -> None:
    """Guard of a call that may be made by anyone, such as a read receipt."""
