"""Watching sessions: ask how one stands, do what is wanted of it, record it, tell people."""

from hailgate.core.errors import OutcomeUnknown, ProviderUnavailable, SendError, StoreUnavailable
from hailgate.core.sessions import SessionAct, SessionReport, SessionState, next_act, shows_another_code
from hailgate.messaging.channels.session_watch import SessionClaim, SessionNews, postpone_session, record_session
from hailgate.messaging.store.ports import Db
from hailgate.messaging.work.claim import MOST_CRASHES
from hailgate.pipeline.connections import Connections
from hailgate.providers.abilities import DeletesSession, PairsSession
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where

# A server that does not answer is asked again after this long; one whose answer ended our process, after an hour.
AGAIN_S = 10.0
POISON_S = 3600.0


class Sessions:
    """Carries out watches for one worker."""

    def __init__(self, db: Db, worker_id: int, *, connections: Connections) -> None:
        self._db, self._worker_id, self._connections = db, worker_id, connections

    async def watch(self, claim: SessionClaim, moment: float) -> None:
        """``moment`` is the database's time of the claim."""
        if claim.crashes >= MOST_CRASHES:
            await self._postpone(claim, POISON_S, f"The process ended {claim.crashes} times while it was looked at.")
            return
        try:
            connected = await self._connections.get(claim.channel_id)
            provider = connected.provider
            if not isinstance(provider, PairsSession):
                await self._postpone(claim, POISON_S, "This channel's provider pairs no phones.")
                return
            report, started = await _carry_out(provider, claim, moment)
        except StoreUnavailable:
            raise
        except SendError as failed:
            await self._failed(claim, failed.code, failed.detail)
        except Exception as bug:  # noqa: BLE001 -- of one provider; all others go on
            log.error(Event.PROVIDER_ERROR, channel=claim.channel_id, error=type(bug).__name__, at=where(bug))
            await self._failed(claim, "provider_error", "The provider's answer could not be understood.")
        else:
            news = await self._db(record_session, self._worker_id, claim, report, started)
            if news:
                _tell(claim, news)

    async def _failed(self, claim: SessionClaim, code: str, detail: str) -> None:
        log.warning(Event.SESSION_UNKNOWN, channel=claim.channel_id, code=code)
        await self._postpone(claim, AGAIN_S, detail)

    async def _postpone(self, claim: SessionClaim, delay: float, detail: str) -> None:
        await self._db(postpone_session, self._worker_id, claim, delay, detail)


_EVENTS = {SessionState.OPEN: Event.SESSION_CONNECTED, SessionState.UNPAIRED: Event.SESSION_DISCONNECTED}


def _tell(claim: SessionClaim, news: SessionNews) -> None:
    if news.other_number:
        log.error(Event.SESSION_OTHER_NUMBER, channel=claim.channel_id)
    if news.after is not news.before:
        event = _EVENTS.get(news.after, Event.SESSION_CHANGED)
        log.info(event, channel=claim.channel_id, state=news.after.value)


async def _carry_out(provider: PairsSession, claim: SessionClaim, moment: float) -> tuple[SessionReport, bool]:
    """How the session stands after what had to be done, and whether that was a start."""
    report = await provider.session_state()
    act = next_act(report.state, claim.standing, moment)
    if act is SessionAct.LOOK and shows_another_code(report, claim.standing, typed=bool(claim.phone)):
        act = SessionAct.RESTART
    if act is SessionAct.LOOK:
        return report, False
    try:
        done = await _done(provider, act, claim.phone or None)
    except OutcomeUnknown as unclear:  # to ask twice for a session does no harm
        raise ProviderUnavailable(unclear.detail) from None
    if report.state is SessionState.PAIRING and act is SessionAct.CLOSE:  # it would not ask for a phone if it had one
        return SessionReport(state=SessionState.UNPAIRED), False
    return done, act in {SessionAct.START, SessionAct.RESTART}


async def _done(provider: PairsSession, act: SessionAct, phone: str | None) -> SessionReport:
    if act is SessionAct.CLOSE:
        return await provider.end_session()
    if act is SessionAct.DELETE and isinstance(provider, DeletesSession):
        return await provider.delete_session()
    if act in {SessionAct.LOG_OUT, SessionAct.DELETE}:
        return await provider.log_out()
    if act is SessionAct.RESTART:
        await provider.end_session()
    return await provider.start_session(phone=phone)
