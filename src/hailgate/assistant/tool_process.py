"""Tool process: runs one function of a tool and ends. It has no database, no key, little memory and the least priority.

`python -m hailgate.assistant.tool_process` reads one call from standard input and writes its result to standard
output. Functions are entry points of the group `hailgate.tools`: they take the declared arguments by name and
``scope``, a mapping of `tenant`, `conversation`, `contact` and `key`, and return text or anything that JSON can say.
"""

import contextlib
import os
import resource
import sys
from importlib.metadata import entry_points
from typing import Any, Final

import msgspec
from msgspec import Struct

GROUP: Final = "hailgate.tools"
MOST_MEMORY: Final = 1 << 30
LOWEST: Final = 19


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
    os.nice(LOWEST)
    answer = sys.stdout.buffer
    with contextlib.redirect_stdout(sys.stderr):  # what a function prints is no result
        found = {each.name: each for each in entry_points(group=GROUP)}[call.function].load()
        result = found(**call.arguments, scope=call.scope)
    answer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main()
