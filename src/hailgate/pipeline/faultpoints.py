"""Fault points: instants and contents at which the fault harness kills this process; off in production.

`HAILGATE_FAULTPOINTS` arms them: `before_first_byte` at its first passing, `before_first_byte:7` at its seventh,
several separated by commas. `HAILGATE_POISON=mark` makes content deadly that holds `mark-webhook`, `mark-delivery` or
`mark-turn`, each where it is looked at first. Both are read from the process's own environment, never from a `.env`
file, so that no configuration left behind can arm one.
"""

import os
import signal

POINTS = ("after_upload", "after_intent_commit", "before_first_byte", "after_provider_answer", "before_outcome_commit")


def faultpoint(name: str) -> None:
    """Dies by SIGKILL, as power loss would end it, if this passing is the armed one."""
    if not _passings_left or name not in _passings_left:
        return
    _passings_left[name] -= 1
    if _passings_left[name] == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def crash_on(stage: str, content: str | bytes) -> None:
    """Dies by SIGKILL, as an interpreter that crashes would end it, if this content is poison for this stage."""
    if not _poison:
        return
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    if f"{_poison}-{stage}" in text:
        os.kill(os.getpid(), signal.SIGKILL)


def parse_armed(text: str) -> dict[str, int]:
    """How many passings each armed point has left; ValueError for a point that does not exist."""
    armed: dict[str, int] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, passing = entry.partition(":")
        if name not in POINTS:
            raise ValueError(f"There is no fault point {name!r}; there are {', '.join(POINTS)}.")
        armed[name] = int(passing or 1)
    return armed


_passings_left = parse_armed(os.environ.get("HAILGATE_FAULTPOINTS", ""))
_poison = os.environ.get("HAILGATE_POISON", "")
