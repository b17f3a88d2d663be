"""The session's token: made from the secret, kept sealed, made anew when it is old or refused.

It never expires by itself, and an older one stays valid: where no new one can be had, the one there is goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from hailgate.core.errors import ProviderUnavailable, SendError
from hailgate.providers.config import Secret

TOKEN: Final = "token"  # noqa: S105 -- the name of it
MADE_AT: Final = "token_made_at"
LIFE_S: Final = 12 * 3600.0

Make = Callable[[], Awaitable[str]]
Keep = Callable[[Mapping[str, Secret]], Awaitable[None]]


class SessionToken:
    """`make` asks the server, `keep` stores what it gave; `clock` gives seconds since the epoch."""

    def __init__(self, make: Make, keep: Keep, kept: Mapping[str, Secret], clock: Callable[[], float]) -> None:
        self._make, self._keep, self._clock = make, keep, clock
        self._token = kept[TOKEN].reveal() if TOKEN in kept else ""
        self._made_at = _seconds(kept.get(MADE_AT))
        self._making: asyncio.Task[str] | None = None

    async def get(self) -> str:
        """Raises SendError where there is none yet and none can be had."""
        if self._token and self._clock() - self._made_at < LIFE_S:
            return self._token
        try:
            return await self._made_once()
        except SendError:
            if not self._token:
                raise
            return self._token

    @property
    def held(self) -> str:
        """Empty where there is none yet."""
        return self._token

    async def renew(self, refused: str) -> str:
        """Another one than `refused`, made once for all who wait. Raises SendError."""
        if self._token != refused:
            return self._token
        return await self._made_once()

    async def _made_once(self) -> str:
        if self._making is None:
            self._making = asyncio.create_task(self._made())
            self._making.add_done_callback(self._done)
        return await asyncio.shield(self._making)

    def _done(self, making: "asyncio.Task[str]") -> None:
        self._making = None
        if not making.cancelled():
            making.exception()  # its waiters were told

    async def _made(self) -> str:
        token = await self._make()
        if not token:
            raise ProviderUnavailable("The server gave no token.")
        self._token, self._made_at = token, self._clock()
        await self._keep({TOKEN: Secret(token), MADE_AT: Secret(str(self._made_at))})
        return token


def _seconds(kept: Secret | None) -> float:
    try:
        return float(kept.reveal()) if kept else 0.0
    except ValueError:
        return 0.0
