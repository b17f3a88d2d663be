"""One story: a seed, a store, some workers, a door, a provider and people; first under faults, then without."""

import hashlib
import traceback
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from hailgate.env import Environment
from hailgate.messaging.store.notify import Wake
from hailgate.telemetry.events import Event

from .carrier import Carrier
from .crew import Member
from .dialects import DIALECTS
from .door import Door, Request
from .faults import Faults
from .loop import Killed, Process, VirtualLoop, running
from .people import BUSY_S, Nemesis, People
from .premises import Premises
from .promises import Promises
from .store import Change, Store, lose_connection, refuse_connection
from .surroundings import EPOCH

if TYPE_CHECKING:
    import asyncio

# Everything is short, but in the proportions of the defaults: lease : renewal : poll = 15 : 5 : a few.
SETTINGS = {
    "lease_s": 15.0, "renew_s": 5.0, "hold_s": 20.0, "drain_s": 6.0, "connect_timeout_s": 2.0,
    "send_timeout_s": 10.0, "retry_base_s": 0.5, "max_attempts": 6,
}  # fmt: skip
# Of virtual time, after the last fault: leases, holds, cool-downs and backoffs one after the other, with room.
HEALED_S = 600.0
# To put everything down without faults: the drain of sends, then that of turns, and a margin.
CLOSED_S = 20.0
RESTART_S = (0.1, 3.0)
PROVIDERS = ("cloud", "cloud", "twilio")
# Those loops find nothing, and cost a third of a story.
SHARE_THAT_LOOKS_EVERYWHERE = 0.1


class Story(NamedTuple):
    """How it went."""

    seed: int
    trace: Sequence[tuple[float, str, str, tuple[object, ...]]]
    broken: tuple[str, ...]
    steps: int
    virtual_s: float

    @property
    def digest(self) -> str:
        """The same for the same seed and code, on every machine and in every run."""
        return hashlib.sha256(repr(self.trace).encode()).hexdigest()


class World:
    """Everything that a story needs, and the one place where it is decided what breaks and when."""

    def __init__(
        self, seed: int, store: Store, premises: Mapping[str, Premises], env: Environment, forced: Sequence[str] = ()
    ) -> None:
        self.seed, self.store = seed, store
        self.chance = Random(seed)
        provider = self.chance.choice(PROVIDERS)
        self.dialect, self.premises = DIALECTS[provider], premises[provider]
        self.loop = VirtualLoop(Process("outside", self))
        self.faults = Faults(self.chance, forced)
        self.promises = Promises(self.moment, finds_sent=self.dialect.finds_sent)
        self.env = env.model_copy(
            update=SETTINGS
            | {
                "poll_s": self.chance.choice((5.0, 10.0)),
                "debounce_s": self.chance.choice((0.0, 1.5)),
                "public_url": self.dialect.public_url,
                "send_concurrency": self.chance.choice((1, 2, 64)),
            }
        )
        self.locks: dict[str, Any] = {}
        self.listeners: list[tuple[Process, Callable[[Wake], None]]] = []
        self.trace: list[tuple[float, str, str, tuple[object, ...]]] = []
        self.carrier = Carrier(self)
        self.over = False
        # Whether workers also run the loops of duties that no story has any row of.
        self.looks_everywhere = provider == "cloud" and self.chance.random() < SHARE_THAT_LOOKS_EVERYWHERE
        self._errands = 0

    def tell(self) -> "Story":
        """Safety first, then liveness."""
        self.store.empty()
        self.store.connection.witness = self
        try:
            with self.loop.opened():
                self.loop.outside.context.copy().run(self._tell)
        finally:
            self.store.connection.witness = None
        return Story(self.seed, self.trace, tuple(self.promises.broken), self.loop.steps, self.loop.now)

    def _tell(self) -> None:
        self.door = Door(self, "web 0")
        self.crew = [Member(self, number) for number in range(self.chance.choice((2, 2, 2, 3, 3, 4)))]
        people = People(self)
        people.begin()
        Nemesis(self).begin()
        self.loop.spawn(self.loop.outside, people.renew_tokens())
        self.loop.run(BUSY_S, self._is_over)
        self.note("no more faults")
        self.faults.on = False
        quiet = self.loop.run(self.loop.now + HEALED_S, self._is_over)
        self.promises.holds(quiet, "it does not come to rest:", *self._restless())
        if not self.promises.broken:
            self.promises.check_end()
            self._close()

    def _close(self) -> None:
        """Everybody goes home: within the time to drain, and with nothing left in anybody's hands."""
        self.over = True
        for member in self.crew:
            self.loop.thaw(member.process)
            member.stop()
        self.loop.run(self.loop.now + CLOSED_S, lambda: all(member.process.dead for member in self.crew))
        for member in self.crew:
            self.promises.holds(member.process.dead, "a worker was told to stop and did not:", member.process.name)
        self.promises.check_closed()

    def _is_over(self) -> bool:
        """A promise was broken, or nothing is left to do."""
        if self.promises.broken:
            return True
        if self._errands or self.promises.open or self.promises.pending_events or self.carrier.under_way:
            return False
        return not self._unsettled()

    def _unsettled(self) -> list[tuple[Any, ...]]:
        """What only a sweep brings about: early statuses that could be applied, parked rows that are proven."""
        return self.store.rows(
            "SELECT 'early', early.id FROM messaging_earlystatus early JOIN messaging_message message "
            "ON message.channel_id = early.channel_id AND message.provider_id = early.provider_id "
            "UNION ALL SELECT 'proven', work.id FROM messaging_work work JOIN messaging_message message "
            "ON message.id = work.message_id WHERE work.state = 3 AND message.status > 0"
        )

    def _restless(self) -> Iterator[object]:
        yield f"{self._errands} errands, {self.carrier.under_way} requests,"
        yield f"webhooks {sorted(self.promises.pending_events)},"
        yield [work for work in self.promises.works.values() if work.is_open]
        yield self._unsettled()

    # --- for those who live here --------------------------------------------------------------------------------------

    def moment(self) -> float:
        return EPOCH + self.loop.now

    def note(self, what: str, *facts: object) -> None:
        self.trace.append((self.loop.now, running.get().name, what, facts))

    def outside(self, errand: Coroutine[Any, Any, object]) -> None:
        """Something that somebody outside does; a story is not over before it is done."""
        self._errands += 1
        task = self.loop.spawn(self.loop.outside, errand)
        task.add_done_callback(self._done, context=self.loop.outside.context)

    def later(self, begin: Callable[[], None]) -> None:
        self.loop.call_later(self.chance.uniform(*RESTART_S), begin, context=self.loop.outside.context)

    async def ask(self, what: Request) -> UUID | None:
        return await self.door.ask(what)

    async def manage(self, function: Callable[..., object], *arguments: object) -> None:
        """Through the door's process; tried once."""

        async def act(door: Door) -> UUID:
            await door.db(function, *arguments)
            return UUID(int=0)

        await self.ask(act)

    def _done(self, task: "asyncio.Task[object]") -> None:
        self._errands -= 1
        if not self.over and (bug := task.exception()):
            self.promises.holds(False, "the simulation itself failed:", "".join(traceback.format_exception(bug)))

    # --- faults -------------------------------------------------------------------------------------------------------

    def kill(self, process: Process) -> None:
        if process.dead:
            return
        self.note("kill", process.name)
        process.dead = True
        member = next((member for member in self.crew if member.process is process), None)
        if member is not None:
            self.later(member.begin)
        elif process is self.door.process:
            self.later(self._open_door)

    def kill_here(self) -> None:
        self.kill(running.get())
        raise Killed

    def freeze(self, process: Process) -> None:
        seconds = self.faults.pause()
        self.note("freeze", process.name, seconds)
        self.loop.freeze(process, seconds)

    def faultpoint(self, name: str) -> None:
        if self.faults.strikes("kill_at_point"):
            self.note("point", name)
            self.kill_here()
        if self.faults.strikes("freeze_at_point"):
            self.note("point", name)
            self.freeze(running.get())

    def fault_at_byte(self) -> None:
        """The request has just left; its sender may not live to hear the answer."""
        if self.faults.strikes("kill_at_byte"):
            self.kill_here()
        if self.faults.strikes("freeze_at_byte"):
            self.freeze(running.get())

    def _open_door(self) -> None:
        self.door = Door(self, f"{self.door.process.name}'")

    # --- the witness of every transaction -----------------------------------------------------------------------------

    def before_begin(self) -> None:
        process = running.get()
        process.check()
        self._edge()
        if self.faults.strikes("freeze_at_edge"):
            seconds = self.faults.pause()
            self.note("freeze here", seconds)
            self.loop.freeze_here(process, seconds)
            process.check()

    def before_commit(self) -> None:
        self._edge()
        if self.faults.strikes("lost_before_commit"):
            self.note("lost before commit")
            lose_connection()

    def after_commit(self, changes: list[Change]) -> None:
        self.promises.committed(changes)
        if changes:
            self.note("committed", changes)
            self._edge()
            if self.faults.strikes("freeze_at_edge"):
                self.freeze(running.get())
            if self.faults.strikes("lost_after_commit"):
                self.note("lost after commit")
                lose_connection()

    def _edge(self) -> None:
        if self.faults.strikes("kill_at_edge"):
            self.kill_here()

    # --- the way to the store -----------------------------------------------------------------------------------------

    def latency(self) -> float:
        return self.faults.latency()

    def before_call(self) -> None:
        if self.faults.strikes("store_away"):
            refuse_connection()

    def after_call(self, name: str, result: object) -> None:
        self.note("call", name)
        self.promises.committed(self.store.take_told())
        self.promises.holds(name != "promote_lost_heads" or not result, "a head had been forgotten:", result)

    # --- between processes --------------------------------------------------------------------------------------------

    def wake(self, wake: Wake) -> None:
        """Who committed knows at once; the others hear of it a little later, or never."""
        own = running.get()
        for process, listener in self.listeners:
            if process is own:
                listener(wake)
            elif not (process.dead or self.faults.strikes("lost_wake")):
                self.loop.call_later(self.faults.way(), listener, wake, context=process.context)

    def logged(self, event: Event, facts: dict[str, object]) -> None:
        """No step of a worker may end in an error that nobody thought of."""
        if event is Event.LOOP_FAILED and facts.get("code") != "StoreUnavailable":  # a row's run ends with the store
            self.promises.holds(False, "an error that nobody expected:", facts, traceback.format_exc())
