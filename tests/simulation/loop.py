"""Virtual time: one event loop on which several processes run, each of which can be killed or frozen at any step.

A process is a context variable that asyncio carries along by itself: whatever a process schedules belongs to it. To
kill it is to drop its steps, to freeze it is to keep them for later. Nothing waits: the clock jumps to the next step.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from itertools import count
from typing import Any


class Killed(BaseException):
    """The process of the code that runs right now has just ended; nothing it says counts any more."""


class StoryTooLongError(AssertionError):
    """Far more steps than any story takes: something goes round in circles without time passing."""


class Process:
    """Something that can be killed and frozen, in a ``world`` (whatever the code that runs in it wants to reach).

    ``skew`` is by how many seconds its clock is ahead of the world's.
    """

    def __init__(self, name: str, world: Any = None, *, host: str = "", skew: float = 0.0) -> None:
        self.name, self.world, self.host, self.skew = name, world, host, skew
        self.dead = False
        self.frozen = False
        self.kept: list[Step] = []
        self.context = copy_context()
        self.context.run(running.set, self)

    def check(self) -> None:
        if self.dead:
            raise Killed


running: ContextVar[Process] = ContextVar("running")


class NumberedTask(asyncio.Task[Any]):
    """Ordered by its number where others are by their address: a set of tasks is the same set in every run."""

    def __init__(self, number: int, coroutine: Coroutine[Any, Any, Any], **options: Any) -> None:
        self._number = number
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number


class Step:
    """A callback that waits for its moment: what asyncio calls a handle."""

    __slots__ = ("arguments", "callback", "context")

    def __init__(self, callback: Callable[..., object], arguments: tuple[Any, ...], context: Context) -> None:
        self.callback: Callable[..., object] | None = callback
        self.arguments, self.context = arguments, context

    def cancel(self) -> None:
        self.callback = None

    def cancelled(self) -> bool:
        return self.callback is None


MOST_STEPS = 200_000


class VirtualLoop(asyncio.AbstractEventLoop):
    def __init__(self, outside: Process) -> None:
        """``outside`` is whoever is never killed: timers of the loop itself belong to it."""
        self.outside = outside
        self.now = 0.0
        self.steps = 0
        self._closed = False
        self._heap: list[tuple[float, int, Step]] = []
        self._numbers = count()
        self._tasks: list[NumberedTask] = []

    # --- for whoever drives it ----------------------------------------------------------------------------------------

    @contextmanager
    def opened(self) -> Iterator[None]:
        asyncio._set_running_loop(self)
        try:
            yield
        finally:
            self._end_everything()
            asyncio._set_running_loop(None)

    def run(self, until: float, enough: Callable[[], bool] = lambda: False) -> bool:
        """Step until ``enough``, or until the clock would pass ``until``; True in the first case."""
        heap, step = self._heap, self._step
        while not enough():
            if not heap or heap[0][0] > until:
                self.now = max(self.now, until)
                return enough()
            step()
        return True

    def spawn(self, process: Process, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return self.create_task(coroutine, context=process.context.copy())

    def freeze(self, process: Process, seconds: float) -> None:
        if not (process.dead or process.frozen):
            process.frozen = True
            self.call_later(seconds, self.thaw, process, context=self.outside.context)

    def thaw(self, process: Process) -> None:
        process.frozen = False
        kept, process.kept = process.kept, []
        for step in kept:
            heappush(self._heap, (self.now, next(self._numbers), step))

    def freeze_here(self, process: Process, seconds: float) -> None:
        """Freeze in the middle of a synchronous function: the others go on while it stands on our stack."""
        self.freeze(process, seconds)
        while process.frozen and self._heap:
            self._step()

    def _step(self) -> None:
        when, _, step = heappop(self._heap)
        self.now = max(self.now, when)
        callback = step.callback
        if callback is None:
            return
        process = step.context.get(running, self.outside)
        if process.dead:
            return
        if process.frozen:
            process.kept.append(step)
            return
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise StoryTooLongError
        try:
            step.context.run(callback, *step.arguments)
        except Killed:
            return

    def _end_everything(self) -> None:
        """Close what still waits, here and now: left to the garbage collector, it would end in another story."""
        self._closed = True
        self._heap.clear()
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False
                with suppress(BaseException):
                    task.get_coro().close()
        self._tasks.clear()

    # --- what asyncio asks of a loop ----------------------------------------------------------------------------------

    def time(self) -> float:
        return self.now

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> "Step":
        step = Step(callback, args, context or copy_context())
        if not self._closed:
            heappush(self._heap, (max(self.now, when), next(self._numbers), step))
        return step

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> "Step":
        step = Step(callback, args, context or copy_context())
        if not self._closed:
            heappush(self._heap, (self.now, next(self._numbers), step))
        return step

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> "Step":
        return self.call_at(self.now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        if self._closed:
            coro.close()
            raise Killed
        task = NumberedTask(next(self._numbers), coro, loop=self, name=name, context=context)
        self._tasks.append(task)
        return task

    def run_in_executor(self, _: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        done = self.create_future()
        done.set_result(func(*args))
        return done

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tasks of the dead are never asked what became of them."""

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True
