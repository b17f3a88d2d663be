"""What a voice note may cost, and how the process that makes one says why it did not."""

from typing import Final

# A quarter of an hour is two megabytes; nobody listens to more.
LONGEST_S: Final = 900
CPU_S: Final = 30
MEMORY: Final = 1 << 30

UNREADABLE: Final = 3
TOO_LONG: Final = 4
