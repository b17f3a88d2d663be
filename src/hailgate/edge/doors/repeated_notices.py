"""Repeated notices: a server that cannot reach its phone says so 28 times a second, and once is enough.

Only where the provider's spec knows such notices, and only one that equals the hook's last: it is answered 200 and
counted. In each process by itself; one notice every few seconds is stored all the same.
"""

import time
from collections.abc import Callable
from typing import Final

from hailgate.messaging.channels.hooks import HookView

QUIET_S: Final = 10.0
# Notices have a few hundred bytes; what is larger tells something.
LARGEST: Final = 4_096
MOST_HOOKS: Final = 10_000


class RepeatedNotices:
    """``clock`` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[int, tuple[float, bytes]] = {}

    def is_repeat(self, hook: HookView, body: bytes) -> bool:
        if hook.spec.repeats is None or hook.id not in self._last:
            return False
        at, last = self._last[hook.id]
        return self._clock() - at < QUIET_S and hook.spec.repeats(body, last)

    def note(self, hook: HookView, body: bytes) -> None:
        """It was stored."""
        if hook.spec.repeats is None:
            return
        if len(self._last) >= MOST_HOOKS:
            self._last.clear()
        if 0 < len(body) <= LARGEST:
            self._last[hook.id] = self._clock(), body
        else:
            self._last.pop(hook.id, None)
