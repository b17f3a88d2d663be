"""Model processes: a few children of a worker that call models, started when first needed, ended where they hang."""

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from typing import Final, Protocol

import msgspec

from hailgate.assistant.model_protocol import LONGEST_LINE, READY, ModelCall, ModelReply
from hailgate.core.errors import AssistantError

# Beyond a call's own time-out: a process that has not answered by then hangs, and is ended.
GRACE_S: Final = 2.0
# A process that has not imported the vendors' libraries by then is ended.
STARTS_IN_S: Final = 20.0
# What a child may know of its parent's surroundings: no setting, no key, no address of a database.
INHERITED: Final = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR")


class CallsModels(Protocol):
    """What an assistant needs of a model: the processes below, or a fake."""

    async def call(self, call: ModelCall) -> ModelReply:
        """Raises AssistantError whose code says what went wrong."""

    def warm(self) -> None:
        """Be ready before the first call."""

    async def ready(self, patience_s: float) -> None:
        """Returns when a call would not wait for a start. Raises AssistantError after ``patience_s``."""


class ModelProcesses:
    """At most ``most`` children; a call goes to the one with the fewest under way, of those that have started."""

    def __init__(self, most: int = 2, *, command: tuple[str, ...] = ()) -> None:
        self._most = most
        self._command = command or (sys.executable, "-m", "hailgate.assistant.model_process")
        self._children: list[_Child] = []
        self._ids = count(1)
        self._starting = asyncio.Lock()
        self._warming: set[asyncio.Future[_Child]] = set()

    async def call(self, call: ModelCall) -> ModelReply:
        child = await self._choose()
        await _wait_for(child, call.timeout_s)
        numbered, begun = msgspec.structs.replace(call, id=next(self._ids)), time.monotonic()
        try:
            async with asyncio.timeout(call.timeout_s + GRACE_S):
                reply = await child.ask(numbered)
        except TimeoutError:
            if child.heard_at > begun:  # it answers others: the machine is busy, and ending it would cost those, too
                raise AssistantError("The model took too long.", code="model_timeout") from None
            await child.end()  # others under way there are asked anew, elsewhere
            self.warm()
            raise AssistantError("The model process hung and was ended.", code="model_hung") from None
        if reply.code:
            raise AssistantError("The model gave no usable answer.", code=reply.code)
        return reply

    def warm(self) -> None:
        """Have a process ready before it is needed."""
        starting = asyncio.ensure_future(self._choose())
        self._warming.add(starting)
        starting.add_done_callback(self._warming.discard)

    async def ready(self, patience_s: float) -> None:
        await _wait_for(await self._choose(), patience_s)

    async def close(self) -> None:
        await asyncio.gather(*self._warming, return_exceptions=True)
        children, self._children = self._children, []
        await asyncio.gather(*(child.end() for child in children))

    async def _choose(self) -> "_Child":
        """One that has started, if there is any: nobody waits for another's start while somebody can be asked."""
        async with self._starting:
            self._children = [child for child in self._children if child.alive]
            if len(self._children) < self._most and all(child.under_way for child in self._children):
                self._children.append(await _Child.start(self._command))
            return min(self._children, key=lambda child: (not child.ready.is_set(), child.under_way))


async def _wait_for(child: "_Child", patience: float) -> None:
    """Until it has started; a process that is only slow to start is waited for by the next call, too."""
    try:
        async with asyncio.timeout(patience):
            await child.ready.wait()
    except TimeoutError:
        if child.age > STARTS_IN_S:
            await child.end()
        raise AssistantError("The model process is still starting.", code="model_starting") from None


class _Child:
    """One process, and the calls that wait for it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._waiting: dict[int, asyncio.Future[ModelReply]] = {}
        self._born = time.monotonic()
        self.heard_at = 0.0
        self.ready = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, command: tuple[str, ...]) -> "_Child":
        return cls(
            await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,  # a library's traceback may quote the prompt
                limit=LONGEST_LINE,
                env=surroundings(),
                start_new_session=True,
            )
        )

    @property
    def alive(self) -> bool:
        return self._process.returncode is None and not self._reading.done()

    @property
    def age(self) -> float:
        return time.monotonic() - self._born

    @property
    def under_way(self) -> int:
        return len(self._waiting)

    async def ask(self, call: ModelCall) -> ModelReply:
        answered: asyncio.Future[ModelReply] = asyncio.get_running_loop().create_future()
        self._waiting[call.id] = answered
        assert self._process.stdin  # noqa: S101 -- it was opened as a pipe
        try:
            self._process.stdin.write(msgspec.json.encode(call) + b"\n")
            await self._process.stdin.drain()
            return await answered
        except ConnectionError:
            raise AssistantError("The model process ended.", code="model_process_ended") from None
        finally:
            self._waiting.pop(call.id, None)

    async def end(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._give_up()

    async def _read(self) -> None:
        assert self._process.stdout  # noqa: S101 -- it was opened as a pipe
        try:
            while line := await self._process.stdout.readline():
                reply = msgspec.json.decode(line, type=ModelReply)
                self.heard_at = time.monotonic()
                if reply.id == READY:
                    self.ready.set()
                waiting = self._waiting.get(reply.id)
                if waiting and not waiting.done():
                    waiting.set_result(reply)
        except (ValueError, msgspec.DecodeError):  # a line too long, or no JSON: not a process to talk to
            with suppress(ProcessLookupError):
                self._process.kill()
        finally:
            self._give_up()

    def _give_up(self) -> None:
        self.ready.set()  # whoever waits finds that it has ended
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(AssistantError("The model process ended.", code="model_process_ended"))


def surroundings() -> Mapping[str, str]:
    """Of a child, which is to know nothing of ours."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}
