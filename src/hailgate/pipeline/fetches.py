"""Fetching: a file of a message comes from its provider into the store of files, apart from the message."""

import random
import time
from contextlib import aclosing, suppress

from hailgate.core.delivery import Action, RetryPolicy, decide
from hailgate.core.errors import (
    HailgateError,
    InputError,
    OutcomeUnknown,
    ProviderUnavailable,
    Rejected,
    SendError,
    StoreUnavailable,
)
from hailgate.core.media import LARGEST_FILE
from hailgate.messaging.fetching import FetchClaim, record_fetched, record_not_fetched
from hailgate.messaging.files import Files, Kept
from hailgate.messaging.queue import MOST_TRIES
from hailgate.pipeline.bridge import Db
from hailgate.pipeline.connections import Connections
from hailgate.providers.contract import FetchesMedia
from hailgate.telemetry import FETCHES, MEDIA_BYTES, Event, log, where

# From seconds to an hour: a provider's bad morning costs no file.
ATTEMPTS = 15


class Fetches:
    """Carries out fetches for one worker."""

    def __init__(self, db: Db, worker_id: int, *, files: Files, connections: Connections, policy: RetryPolicy) -> None:
        self._db, self._worker_id, self._files = db, worker_id, files
        self._connections, self._policy = connections, policy

    async def fetch(self, claim: FetchClaim, moment: float) -> None:
        """``moment`` is the database's time of the claim."""
        asked = time.monotonic()
        try:
            kept = await self._kept(claim)
        except StoreUnavailable as away:
            failed: SendError = ProviderUnavailable(away.detail, code=away.code)
        except SendError as error:
            failed = error
        except InputError as refused:  # by its content
            failed = Rejected(refused.detail, code=refused.code)
        except Exception as bug:  # noqa: BLE001 -- of one file; all others go on
            log.error(Event.PROVIDER_ERROR, channel=claim.channel_id, error=type(bug).__name__, at=where(bug))
            detail = bug.detail if isinstance(bug, HailgateError) else "The file could not be fetched."
            failed = ProviderUnavailable(detail)
        else:
            await self._succeeded(claim, kept)
            return
        await self._failed(claim, failed, moment + time.monotonic() - asked)

    async def _kept(self, claim: FetchClaim) -> Kept:
        if claim.tries > MOST_TRIES:
            raise Rejected(f"The process ended {claim.tries - 1} times while this file was fetched.", code="poison")
        connected = await self._connections.get(claim.channel_id)
        if not isinstance(connected.provider, FetchesMedia):
            raise Rejected("This channel's provider gives out no files.", code="media_unsupported")
        async with aclosing(connected.provider.fetch_media(claim.media)) as chunks:  # type: ignore[type-var]
            return await self._files.keep(chunks, LARGEST_FILE)

    async def _succeeded(self, claim: FetchClaim, kept: Kept) -> None:
        try:
            ours = await self._db(record_fetched, self._worker_id, claim, kept)
        except BaseException:
            with suppress(Exception):
                await self._files.drop(kept.file)
            raise
        if not ours:
            await self._files.drop(kept.file)
            return
        FETCHES.labels("fetched").inc()
        MEDIA_BYTES.labels("fetched").inc(kept.size)
        log.info(Event.FILE_FETCHED, channel=claim.channel_id, size=kept.size, attempt=claim.attempts + 1)

    async def _failed(self, claim: FetchClaim, error: SendError, moment: float) -> None:
        if isinstance(error, OutcomeUnknown):  # to ask twice for a file does no harm
            error = ProviderUnavailable(error.detail)
        decision = decide(error, claim.attempts + 1, moment, claim.expires_at, self._policy, random.random)
        await self._db(record_not_fetched, self._worker_id, claim, decision)
        tell = log.error if decision.action is Action.BURY else log.warning
        FETCHES.labels(decision.action.value).inc()
        tell(Event.FILE_NOT_FETCHED, channel=claim.channel_id, code=decision.code, attempt=claim.attempts + 1)
