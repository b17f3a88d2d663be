"""The simulator's idea of now, which a test may move."""

import time


class Clock:
    """Seconds since the epoch plus an offset: windows and timestamps follow it, pauses of retries do not."""

    def __init__(self) -> None:
        self.offset_s = 0.0

    def now(self) -> float:
        return time.time() + self.offset_s
