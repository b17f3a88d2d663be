"""Polling: ask a provider what came in, page by page, and store each page as webhooks before the next is asked for."""

from hailgate.core.errors import SendError, StoreUnavailable
from hailgate.messaging.inbound.polls import PollClaim, finish_poll, record_page
from hailgate.messaging.store.ports import Db
from hailgate.messaging.work.claim import MOST_CRASHES
from hailgate.pipeline.connections import Connections
from hailgate.providers.abilities import PollsInbound
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where

# A list that goes on for longer is looked at again at the next poll.
MOST_PAGES = 200


class Polls:
    """Carries out polls for one worker."""

    def __init__(self, db: Db, worker_id: int, *, connections: Connections) -> None:
        self._db, self._worker_id, self._connections = db, worker_id, connections

    async def poll(self, claim: PollClaim, moment: float) -> None:
        """``moment`` is the database's time of the claim."""
        whole = False
        try:
            if claim.crashes < MOST_CRASHES:
                whole = await self._pages(claim)
        except StoreUnavailable:
            raise
        except SendError as failed:
            log.warning(Event.POLL_FAILED, channel=claim.channel_id, code=failed.code)
        except Exception as bug:  # noqa: BLE001 -- of one provider; all others go on
            log.error(Event.PROVIDER_ERROR, channel=claim.channel_id, error=type(bug).__name__, at=where(bug))
        await self._db(finish_poll, self._worker_id, claim, moment if whole else None)

    async def _pages(self, claim: PollClaim) -> bool:
        """Whether the list came to its end."""
        provider = (await self._connections.get(claim.channel_id)).provider
        if not isinstance(provider, PollsInbound):
            return False
        after, found = None, 0
        for _ in range(MOST_PAGES):
            page = await provider.poll_inbound(claim.since, after)
            if page.webhooks and not await self._db(record_page, self._worker_id, claim, page.webhooks):
                return False
            found, after = found + len(page.webhooks), page.after
            if after is None:
                log.info(Event.POLLED, channel=claim.channel_id, count=found)
                return True
        return False
