"""The workers: real ones, each in a process that may be killed, frozen or stopped."""

from typing import TYPE_CHECKING

from hailgate.workers import make_worker

from .loop import Killed, Process
from .store import ProcessDatabase

if TYPE_CHECKING:
    import asyncio

    from .world import World


class Member:
    """A place for a worker: whoever dies there is followed by another one."""

    def __init__(self, world: "World", number: int) -> None:
        self._world, self._number, self._generation = world, number, 0
        self._told = False
        self.begin()

    def begin(self) -> None:
        if self._world.over:
            return
        self._generation += 1
        world = self._world
        name = f"worker {self._number}.{self._generation}"
        self.process = Process(name, world, host=f"host {self._number % 2}", skew=world.chance.uniform(-0.5, 0.5))
        self._worker = make_worker(world.env, ProcessDatabase(world.loop, self.process, world))
        self._told = False
        task = world.loop.spawn(self.process, self._worker.run())
        task.add_done_callback(self._ended, context=world.loop.outside.context)

    def stop(self) -> None:
        self._world.note("stop", self.process.name)
        self._told = True
        self._worker.stop()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        bug = task.exception()
        if isinstance(bug, Killed):
            return
        self._world.promises.holds(bug is None, "a worker ended in an error:", repr(bug))
        self._world.promises.holds(self._told, "a worker went without being told")
        self.process.dead = True
        self._world.later(self.begin)
