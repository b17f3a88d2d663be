"""Live updates across processes: who commits tells the others through Redis that something may look different by now.

Nothing is in such a message but who sent it, and nothing depends on one: an open page is looked at once a second
anyway. Redis that is away costs that second.
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from hailgate.messaging.store.notify import on_wake, setting

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

CHANNEL: Final = "hailgate:live"
# Many commits of one process are one message.
REST_S: Final = 0.1
AGAIN_S: Final = 1.0


class LiveUpdates:
    def __init__(self, redis: "Redis") -> None:
        from redis.exceptions import RedisError

        self._redis, self._away = redis, (RedisError, OSError, TimeoutError)
        self._own = secrets.token_hex(8).encode()

    async def tell_for_ever(self) -> None:
        """What this process commits. Less often while Redis is away."""
        stirred = asyncio.Event()
        undo = on_wake(setting(stirred))
        try:
            while True:
                await stirred.wait()
                stirred.clear()
                await asyncio.sleep(REST_S if await self._tell() else AGAIN_S)
        finally:
            undo()

    async def hear_for_ever(self, stir: Callable[[], None]) -> None:
        """Calls ``stir`` for what other processes committed."""
        while True:
            with suppress(*self._away):
                async with self._redis.pubsub(ignore_subscribe_messages=True) as heard:
                    await heard.subscribe(CHANNEL)
                    await self._hear(heard, stir)
            await asyncio.sleep(AGAIN_S)

    async def close(self) -> None:
        with suppress(*self._away):
            await self._redis.aclose()

    async def _tell(self) -> bool:
        try:
            await self._redis.publish(CHANNEL, self._own)
        except self._away:
            return False
        return True

    async def _hear(self, heard: "PubSub", stir: Callable[[], None]) -> None:
        while True:
            message = await heard.get_message(timeout=AGAIN_S)
            if message is not None and message["data"] != self._own:
                stir()
