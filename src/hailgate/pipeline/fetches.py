"""Fetching: a file of a message comes from its provider into the store of files, apart from the message."""

import hashlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

from hailgate.core.delivery import Action, Past, RetryPolicy, decide_repeatable
from hailgate.core.embedded_files import decode_base64, find_string
from hailgate.core.errors import (
    HailgateError,
    InputError,
    OutcomeUnknown,
    ProviderUnavailable,
    Rejected,
    SendError,
    StoreUnavailable,
)
from hailgate.core.media import LARGEST_FILE, StoredInWebhook
from hailgate.messaging.files.fetch import FetchClaim, record_fetched, record_not_fetched
from hailgate.messaging.files.storage import Files, WrittenFile
from hailgate.messaging.inbound.receive import find_webhook_body
from hailgate.messaging.store.ports import Db
from hailgate.messaging.work.claim import MOST_CRASHES
from hailgate.pipeline.connections import Connections
from hailgate.providers.contract import FetchesMedia
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where
from hailgate.telemetry.metrics import FETCHES, MEDIA_BYTES

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

    async def _kept(self, claim: FetchClaim) -> WrittenFile:
        if claim.crashes >= MOST_CRASHES:
            raise Rejected(f"The process ended {claim.crashes} times while this file was fetched.", code="poison")
        async with aclosing(await self._chunks(claim)) as chunks:  # type: ignore[type-var]
            return await self._files.keep(chunks, LARGEST_FILE, any_picture=True)

    async def _chunks(self, claim: FetchClaim) -> AsyncIterator[bytes]:
        if isinstance(claim.media, StoredInWebhook):
            return read_embedded(claim.media, await self._webhook(claim.webhook_id or 0))
        connected = await self._connections.get(claim.channel_id)
        if not isinstance(connected.provider, FetchesMedia):
            raise Rejected("This channel's provider gives out no files.", code="media_unsupported")
        return connected.provider.fetch_media(claim.media)

    async def _webhook(self, event_id: int) -> AsyncIterator[bytes]:
        """The stored body that the file lies in, as it comes."""
        found = await self._db(find_webhook_body, event_id)
        if found is None:
            raise Rejected("The webhook that held the file is not stored any more.", code="media_gone")
        body, large = found
        return self._files.read(large.file, large.key) if large.file else _once(body)

    async def _succeeded(self, claim: FetchClaim, kept: WrittenFile) -> None:
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
        log.info(Event.FILE_FETCHED, channel=claim.channel_id, size=kept.size, attempt=claim.spent + 1)

    async def _failed(self, claim: FetchClaim, error: SendError, moment: float) -> None:
        if isinstance(error, OutcomeUnknown):  # to ask twice for a file does no harm
            error = ProviderUnavailable(error.detail)
        past = Past(claim.spent, expires_at=claim.expires_at)
        decision = decide_repeatable(error, past, moment, self._policy, random.random)
        await self._db(record_not_fetched, self._worker_id, claim, decision)
        tell = log.error if decision.action is Action.BURY else log.warning
        FETCHES.labels(decision.action.value).inc()
        tell(Event.FILE_NOT_FETCHED, channel=claim.channel_id, code=decision.code, attempt=claim.spent + 1)


async def read_embedded(media: StoredInWebhook, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The file that lies in a webhook's JSON. Raises Rejected where it is not the one that was told of."""
    digest, size = hashlib.sha256(), 0
    async for chunk in decode_base64(find_string(body, media.pointer)):
        digest.update(chunk)
        size += len(chunk)
        yield chunk
    if not size:
        raise Rejected("The webhook holds no file at the place that it names.", code="media_gone")
    if media.sha256 and digest.hexdigest() != media.sha256:
        raise Rejected("The file in the webhook is not the one that it describes.", code="file_refused")


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
