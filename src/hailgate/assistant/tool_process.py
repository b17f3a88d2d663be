"""Tool process: runs one function of a tool and ends. It has no database, no key, little memory and the least priority.

`python -m hailgate.assistant.tool_process` reads one call from standard input and writes its result to standard
output. Functions are entry points of the group `hailgate.tools`: they take the declared arguments by name and
``scope``, a mapping of `tenant`, `conversation`, `contact` and `key`, and return text or anything that JSON can say.
"""

import contextlib
import os
import resource
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

GROUP: Final = "hailgate.tools"
MOST_MEMORY: Final = 1 << 30
LOWEST: Final = 19
AUTOGROUP: Final = Path("/proc/self/autogroup")
TRIES: Final = 5


class FunctionCall(Struct, frozen=True):
    """``seconds`` of a processor are all that it may use."""

    function: str
    arguments: dict[str, Any]
    scope: dict[str, str]
    seconds: int


def main() -> None:
    call = msgspec.json.decode(sys.stdin.buffer.read(), type=FunctionCall)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (call.seconds, call.seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    give_way()
    answer = sys.stdout.buffer
    with contextlib.redirect_stdout(sys.stderr):  # what a function prints is no result
        found = {each.name: each for each in entry_points(group=GROUP)}[call.function].load()
        result = found(**call.arguments, scope=call.scope)
    answer.write(msgspec.json.encode(result))


def give_way() -> None:
    """The least share of the processors. On Linux each session is a group of its own, within which alone a nice value
    counts, and the group has one as well: autogroups of sched(7).
    """
    os.nice(LOWEST)
    for _ in range(TRIES):
        try:
            AUTOGROUP.write_text(str(LOWEST))
        except BlockingIOError:  # others were changed within a tenth of a second
            time.sleep(0.1)
        except OSError:  # there are none
            return
        else:
            return


if __name__ == "__main__":
    main()
