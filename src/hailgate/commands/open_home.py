"""Whether others on this machine get at HAILGATE_HOME: keys, files of messages and SQLite's database lie there."""

import stat
from pathlib import Path
from typing import Final

OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def find_opened(home: Path) -> str | None:
    """What others can do there, in words; None where they can do nothing. Whoever can write replaces what is shut.

    A home that is not there yet is made for this user alone.
    """
    if not home.exists():
        return None
    mode = home.stat().st_mode
    if mode & _OTHERS_WRITE:
        return f"others on this machine can write to {home}"
    files = (path for path in home.glob("*") if path.is_file()) if mode & OTHERS else ()
    if opened := sorted(path.name for path in files if path.stat().st_mode & OTHERS):
        return f"others on this machine can read {', '.join(opened[:5])}"
    return None


def take_from_others(home: Path) -> str:
    return f"Take it from others: chmod -R go= {home}"
