"""Tools of a turn: signed calls of a tenant's own addresses, and functions in processes of their own.

Whose data a call works on is told beside its arguments, by the turn: no model can name another's.
"""

import asyncio
import hashlib
import hmac
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import ceil
from typing import Any, Final

import msgspec

from hailgate.assistant.model_processes import surroundings
from hailgate.assistant.tool_process import FunctionCall
from hailgate.assistant.tools import LONGEST_RESULT, Tool, ToolResult
from hailgate.core.address import AddressKind
from hailgate.core.egress import EgressRules
from hailgate.core.errors import HailgateError
from hailgate.core.kinds import Kinds
from hailgate.messaging.assistants.tool_calls import ToolScope, get_scope
from hailgate.messaging.inbound.turns import Turn
from hailgate.messaging.store.ports import Db
from hailgate.providers.egress import GuardedClient
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log

# Of an answer's bytes: what the model is told is cut to fewer characters.
MOST_BYTES: Final = 4 * LONGEST_RESULT
# Each is a process, and none of them may crowd out those who deliver.
FUNCTIONS_AT_ONCE: Final = 4


class Tools:
    """Of one worker. ``private_targets`` are addresses inside that the installation's owner lets be called."""

    def __init__(self, db: Db, private_targets: Sequence[str] = ()) -> None:
        self._db = db
        self._rules = EgressRules(allowed=frozenset(private_targets))
        self._room = asyncio.Semaphore(FUNCTIONS_AT_ONCE)

    async def run(
        self, tool: Tool, arguments: Mapping[str, Any], conversation_id: int, turn: int, ordinal: int
    ) -> ToolResult:
        """Never raises for what a tool does. The key is the same whenever this call is made again."""
        begun = time.monotonic()
        try:
            scope = await self._db(get_scope, conversation_id)
            result = await self._carry_out(tool, arguments, scope, f"{turn}-{ordinal}")
        except (HailgateError, TimeoutError, OSError) as failed:
            code = failed.code if isinstance(failed, HailgateError) else "tool_timeout"
            result = ToolResult("The tool did not answer.", code)
        took = round(time.monotonic() - begun, 3)
        log.info(Event.TOOL_CALLED, turn=turn, tool=tool.name, code=result.code, duration_s=took)
        return result

    async def _carry_out(self, tool: Tool, arguments: Mapping[str, Any], scope: ToolScope, key: str) -> ToolResult:
        if tool.url:
            async with asyncio.timeout(tool.timeout_s):
                return await self._call(tool, arguments, scope, key)
        async with self._room:
            return await _run_function(tool, arguments, scope, key)

    async def _call(self, tool: Tool, arguments: Mapping[str, Any], scope: ToolScope, key: str) -> ToolResult:
        body = msgspec.json.encode({"tool": tool.name, "arguments": arguments, **_named(scope), "key": key})
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": key,
            "Hailgate-Signature": sign(body, tool.secret, int(time.time())),
        }
        client = GuardedClient(self._rules, total=tool.timeout_s)
        status, answer = await client.post(tool.url, body, headers=headers, limit=MOST_BYTES)
        if not 200 <= status < 300:
            return ToolResult("The tool refused the call.", "tool_refused")
        return ToolResult(answer.decode("utf-8", "replace")[:LONGEST_RESULT])


class TurnTools:
    """What an assistant may run in one turn: bound to its conversation."""

    def __init__(self, tools: Tools, turn: Turn, kinds: Kinds) -> None:
        self._tools, self._turn = tools, turn
        self.role = "group" if turn.to.kind is AddressKind.GROUP else "person"
        buttons = kinds.get("interactive.button")
        self.confirms = buttons is not None and buttons.degrades_to is None

    async def run(self, tool: Tool, arguments: Mapping[str, Any], ordinal: int) -> ToolResult:
        return await self._tools.run(tool, arguments, self._turn.conversation_id, self._turn.id, ordinal)


def sign(body: bytes, secret: str, at: int) -> str:
    """`t=<seconds since the epoch>,v1=<hex>`: HMAC-SHA256 over the time, a full stop and the body."""
    digest = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


async def _run_function(tool: Tool, arguments: Mapping[str, Any], scope: ToolScope, key: str) -> ToolResult:
    """In a process that is ended with its time: a function that never returns costs nobody else an answer."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hailgate.assistant.tool_process",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env=surroundings(), start_new_session=True,
    )  # fmt: skip
    named = {**_named(scope), "key": key}
    call = FunctionCall(tool.function, dict(arguments), named, max(1, ceil(tool.timeout_s)))
    try:
        async with asyncio.timeout(tool.timeout_s):
            answer, _ = await process.communicate(msgspec.json.encode(call))
    finally:
        _end(process)
        await process.wait()
    if process.returncode or len(answer) > MOST_BYTES:
        return ToolResult("The tool failed.", "tool_failed")
    result = msgspec.json.decode(answer)
    text = result if isinstance(result, str) else answer.decode()
    return ToolResult(text[:LONGEST_RESULT])


def _end(process: asyncio.subprocess.Process) -> None:
    """With all that it started."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _named(scope: ToolScope) -> dict[str, str]:
    return {name: str(value) for name, value in scope._asdict().items()}
