"""What happens to sessions: they are begun, scanned, unlinked, cut off and restored, by the API or by a person."""

import sqlite3
from collections.abc import Callable

from hailgate.simulator.model import Channel
from hailgate.simulator.outbox import release_held
from hailgate.simulator.provider import PairsSessions
from hailgate.simulator.sessions import Session
from hailgate.simulator.world import World

Act = Callable[[sqlite3.Connection, Channel, Session], Session]


class Pairing:
    """Every act is durable, with the webhooks that it causes, before its caller hears of it."""

    def __init__(self, world: World, provider: PairsSessions) -> None:
        self._world = world
        self._provider = provider

    async def act(self, channel: Channel, act: Act) -> Session:
        """Raises what `act` raises."""

        def change(db: sqlite3.Connection) -> Session:
            session = act(db, channel, self._provider.sessions.of(channel))
            self._provider.sessions.save(db, session)
            if session.state == "open":
                release_held(db, channel.number)
            return session

        session = await self._world.store.write(change)
        self._world.webhooks.wake(channel.number)
        self._world.feed.publish("session", session.describe())
        if session.state == "code":
            self._world.spawn(self._renew_later(channel, session.code))
        return session

    async def drop(self, channel: Channel, seconds: float | None) -> Session:
        """The connection is lost; it is back after so many seconds, or when the session is started again."""
        session = await self.act(channel, self._provider.drop)
        if seconds is not None:
            self._world.spawn(self._restore_later(channel, seconds))
        return session

    async def _renew_later(self, channel: Channel, code: str) -> None:
        """A code that nobody scanned gives way to the next."""
        if await self._world.stops_within(self._provider.code_life_s):
            return
        session = self._provider.sessions.of(channel)
        if session.state == "code" and session.code == code:
            await self.act(channel, self._provider.renew_code)

    async def _restore_later(self, channel: Channel, seconds: float) -> None:
        if not await self._world.stops_within(seconds):
            await self.restore(channel)

    async def restore(self, channel: Channel) -> None:
        """A linked phone connects again."""
        session = self._provider.sessions.of(channel)
        if session.state == "starting" and session.paired_as and not session.hung:
            await self.act(channel, self._provider.restore)
