"""Channel checks: a paused channel's provider is asked whether it can send again."""

from hailgate.core.errors import StoreUnavailable
from hailgate.messaging.channels.checks import ChannelCheck, record_check
from hailgate.messaging.store.ports import Db
from hailgate.messaging.work.claim import MOST_CRASHES
from hailgate.pipeline.connections import Connections
from hailgate.providers.contract import ChannelHealth
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where

UNCLEAR = ChannelHealth(ok=False, detail="The channel could not be checked.")


class ChannelChecks:
    """Carries out checks for one worker."""

    def __init__(self, db: Db, worker_id: int, connections: Connections) -> None:
        self._db, self._worker_id, self._connections = db, worker_id, connections

    async def check(self, claim: ChannelCheck) -> None:
        health = UNCLEAR if claim.crashes >= MOST_CRASHES else await self._asked(claim)
        ours = await self._db(self._record, claim, health)
        if ours and _can_send(health):
            log.info(Event.CHANNEL_RESUMED, channel=claim.channel_id, attempt=claim.spent + 1)

    async def _asked(self, claim: ChannelCheck) -> ChannelHealth:
        try:
            connected = await self._connections.get(claim.channel_id)
            health = await connected.provider.check()
            if health.ok or not await self._connections.renew(claim.channel_id, connected):
                return health
            return await (await self._connections.get(claim.channel_id)).provider.check()
        except StoreUnavailable:
            raise
        except Exception as bug:  # noqa: BLE001 -- of one channel; all others go on
            log.error(Event.PROVIDER_ERROR, channel=claim.channel_id, error=type(bug).__name__, at=where(bug))
            return UNCLEAR

    def _record(self, claim: ChannelCheck, health: ChannelHealth) -> bool:
        return record_check(self._worker_id, claim, passed=_can_send(health), detail=health.detail)


def _can_send(health: ChannelHealth) -> bool:
    return health.ok or health.sends
