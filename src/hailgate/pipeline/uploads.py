"""Uploading: a file that a message names is given to its provider before the message, once for each channel.

Whatever becomes of an upload, the message has not left: it is simply repeated.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from hailgate.core.content import HandedFile, may_name_files
from hailgate.core.errors import (
    FileUnavailable,
    HailgateError,
    NotFound,
    OutcomeUnknown,
    ProviderUnavailable,
    Rejected,
    SendError,
)
from hailgate.core.filenames import fit_name
from hailgate.core.media import LocalMedia
from hailgate.core.slots import Slots
from hailgate.messaging.files.attachments import StoredFile
from hailgate.messaging.files.storage import Files
from hailgate.messaging.outbound.claim import Claim
from hailgate.messaging.outbound.file_links import NO_PUBLIC_URL, make_file_link
from hailgate.messaging.outbound.media_refs import Lent, find_lent, forget_handed, record_handed
from hailgate.messaging.store.ports import Db
from hailgate.pipeline.connections import Connected
from hailgate.pipeline.fair_slots import FairSlots
from hailgate.pipeline.voice_notes import decode_voice, is_voice
from hailgate.providers.capabilities import TakesFiles
from hailgate.providers.contract import StoresMedia
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log, where
from hailgate.telemetry.metrics import MEDIA_BYTES

# Each holds parts of a large file in memory, and shares its provider's connections with the sends.
UPLOADS_AT_ONCE = 16
# A channel whose uploads usually take longer leaves most of the places to others.
SLOW_UPLOAD_S = 5.0
# An id is not used any more when it has less than this left to live: a message may wait before it is read.
SPARE_LIFE_S = 86_400.0

LentFiles = Mapping[UUID, Lent | None]
Handed = Mapping[UUID, HandedFile | LocalMedia]


class Uploads:
    """Gives files to providers for one worker."""

    def __init__(self, db: Db, *, files: Files, public_url: str = "") -> None:
        """``public_url`` is where providers may fetch a file from, empty where they cannot."""
        self._db, self._files, self._public_url = db, files, public_url
        self._places = FairSlots(Slots(UPLOADS_AT_ONCE, SLOW_UPLOAD_S))
        self._under_way: dict[tuple[int, int], asyncio.Task[str]] = {}

    async def find_lent(self, sendable: Sequence[tuple[Claim, Connected]], moment: float) -> Mapping[int, LentFiles]:
        """By the id of the row, for those alone that name files; nothing is asked where none does."""
        lives = {c.id: connected.capabilities.upload_life for c, connected in sendable if may_name_files(c.content)}
        if not lives:
            return {}
        found = await self._db(find_lent, [claim for claim, _ in sendable if claim.id in lives])
        return {id_: _still_valid(lent, moment + SPARE_LIFE_S - lives[id_]) for id_, lent in found.items()}

    async def hand_over(self, claim: Claim, connected: Connected, lent: LentFiles) -> Handed:
        """Give the provider what it lacks. Raises SendError; the message has surely not left."""
        try:
            return {uid: await self._handed(claim, connected, one) for uid, one in lent.items()}
        except OutcomeUnknown as unclear:  # to upload a file twice does no harm
            raise ProviderUnavailable(unclear.detail) from None
        except SendError:
            raise
        except NotFound:
            raise Rejected("The file of the message is gone from the store of files.", code="file_removed") from None
        except HailgateError as away:
            raise FileUnavailable(away.detail) from away
        except Exception as bug:
            log.error(Event.PROVIDER_ERROR, message=str(claim.uid), error=type(bug).__name__, at=where(bug))
            raise FileUnavailable("The file could not be handed to the provider.") from bug

    async def forget(self, claim: Claim, lent: LentFiles) -> None:
        """What the provider had before may be what it refused."""
        await self._db(forget_handed, claim.channel_id, [one for one in lent.values() if one])

    async def close(self) -> None:
        under_way = tuple(self._under_way.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _handed(self, claim: Claim, connected: Connected, lent: Lent | None) -> HandedFile | LocalMedia:
        if lent is None:
            raise Rejected("The file of the message is not stored any more.", code="file_removed")
        match connected.capabilities.takes_files:
            case TakesFiles.INLINE:
                return await self._inline(claim, connected, lent.stored)
            case TakesFiles.BY_LINK:
                return await self._linked(claim, connected, lent.stored)
        provider_id = lent.provider_id or await self._uploaded_once(lent.stored, claim.channel_id, connected.provider)
        return _named(lent.stored, provider_id)

    async def _linked(self, claim: Claim, connected: Connected, stored: StoredFile) -> HandedFile:
        if not self._public_url:
            raise Rejected(NO_PUBLIC_URL, code="media_unsupported")
        life_s = connected.capabilities.link_life_s
        path = await self._db(make_file_link, claim.message_id, claim.attempt_no, stored, life_s)
        return _named(stored, link=f"{self._public_url}{path}")

    async def _inline(self, claim: Claim, connected: Connected, stored: StoredFile) -> LocalMedia:
        local = self._local(stored)
        unsafe = connected.capabilities.breaks_on_voice and is_voice(claim.content)
        return await decode_voice(local) if unsafe else local

    def _local(self, stored: StoredFile) -> LocalMedia:
        chunks = partial(self._files.read, stored.file, stored.key)
        return LocalMedia(_name(stored), stored.mime, stored.size, chunks)

    async def _uploaded_once(self, stored: StoredFile, channel_id: int, provider: Any) -> str:
        """Messages that wait for the same file wait for one upload."""
        key = stored.id, channel_id
        if key not in self._under_way:
            task = asyncio.create_task(self._uploaded(stored, channel_id, provider))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key))
        return await asyncio.shield(self._under_way[key])

    async def _uploaded(self, stored: StoredFile, channel_id: int, provider: Any) -> str:
        if not isinstance(provider, StoresMedia):
            raise Rejected("This channel's provider takes no files.", code="media_unsupported")
        async with self._places.place(channel_id):
            provider_id = await provider.upload_media(self._local(stored))
        await self._db(record_handed, stored, channel_id, provider_id)
        MEDIA_BYTES.labels("uploaded").inc(stored.size)
        log.info(Event.FILE_UPLOADED, channel=channel_id, size=stored.size)
        return provider_id


def find_handed(lent: LentFiles) -> Handed | None:
    """The files as the provider has them; None where it lacks one."""
    handed = {uid: _named(one.stored, one.provider_id) for uid, one in lent.items() if one and one.provider_id}
    return handed if len(handed) == len(lent) else None


def _named(stored: StoredFile, provider_id: str = "", link: str = "") -> HandedFile:
    return HandedFile(provider_id, _name(stored), stored.mime, link)


def _name(stored: StoredFile) -> str:
    return fit_name(stored.name, stored.mime)


def _still_valid(lent: LentFiles, since: float) -> LentFiles:
    """Without the ids of before ``since``, which the provider is about to forget."""
    return {uid: one._replace(provider_id="") if one and one.uploaded_at <= since else one for uid, one in lent.items()}
