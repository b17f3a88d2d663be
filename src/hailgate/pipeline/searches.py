"""Searching for messages whose outcome is unknown: ask the provider what it sent, judge, record."""

from hailgate.core.content import decode_outbound
from hailgate.core.errors import InputError, SendError, StoreUnavailable
from hailgate.core.evidence import Verdict, judge
from hailgate.messaging.outbound.search import SearchClaim, postpone_look, record_look
from hailgate.messaging.store.ports import Db
from hailgate.pipeline.connections import Connections
from hailgate.providers.abilities import FindsSent, Sought
from hailgate.providers.contract import OutboundMessage
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where


class Searches:
    """Carries out looks for one worker."""

    def __init__(self, db: Db, worker_id: int, *, connections: Connections) -> None:
        self._db, self._worker_id, self._connections = db, worker_id, connections

    async def look(self, claim: SearchClaim, moment: float) -> None:
        """``moment`` is the database's time of the claim."""
        try:
            sought = _sought(claim)
            provider = (await self._connections.get(claim.channel_id)).provider
            if not isinstance(provider, FindsSent):
                await self._end(claim, Verdict.GIVEN_UP)
                return
            found = await provider.find_sent(sought)
        except StoreUnavailable:
            raise
        except InputError:  # stored by a version that knew more than this one
            await self._end(claim, Verdict.GIVEN_UP)
        except SendError as failed:
            await self._db(postpone_look, self._worker_id, claim, failed.detail)
        except Exception as bug:  # noqa: BLE001 -- of one message; all others go on
            log.error(Event.PROVIDER_ERROR, channel=claim.channel_id, error=type(bug).__name__, at=where(bug))
            await self._db(postpone_look, self._worker_id, claim, "The provider's list could not be understood.")
        else:
            verdict, looks = judge(found, claim.looks, moment)
            provider_id = found.matches[0] if verdict is Verdict.SENT else ""
            if await self._db(record_look, self._worker_id, claim, verdict, looks, provider_id):
                _tell(claim, verdict)

    async def _end(self, claim: SearchClaim, verdict: Verdict) -> None:
        if await self._db(record_look, self._worker_id, claim, verdict, claim.looks):
            _tell(claim, verdict)


def _tell(claim: SearchClaim, verdict: Verdict) -> None:
    if verdict is not Verdict.OPEN:
        log.info(Event.MESSAGE_SETTLED, message=str(claim.uid), channel=claim.channel_id, outcome=verdict.value)


def _sought(claim: SearchClaim) -> Sought:
    """Raises InputError for content that this version cannot read."""
    message = OutboundMessage(
        id=claim.uid,
        attempt=claim.attempt_no,
        to=claim.to,
        content=decode_outbound(claim.content),
        context_id=claim.context_id or None,
    )
    return Sought(message=message, attempted_at=claim.attempted_at, open_since=claim.open_since, known=claim.known)
