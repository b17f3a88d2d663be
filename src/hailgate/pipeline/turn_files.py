"""Files of a turn: pictures and documents of the messages to be answered, for assistants whose models may see them."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from hailgate.assistant.contract import SentFile
from hailgate.assistant.files import FILE_KINDS, judge, wants_files
from hailgate.core.errors import NotFound
from hailgate.messaging.files.attachments import FileOfMessage, StoredFile, find_files_of
from hailgate.messaging.files.encryption import FileDamaged
from hailgate.messaging.files.storage import Files
from hailgate.messaging.inbound.turns import Turn
from hailgate.messaging.store.ports import Db

# A file comes after its message; what has not come by then is left out. It counts towards the turn's deadline.
PATIENCE_S: Final = 4.0
LOOK_AGAIN_S: Final = 0.25


class TurnFiles:
    def __init__(self, db: Db, files: Files) -> None:
        self._db, self._files = db, files

    async def read(self, turn: Turn) -> tuple[tuple[SentFile, ...], float]:
        """What may be shown of them, and how long that took. Nothing is read that no vendor may see."""
        if turn.live is None or not wants_files(turn.live.settings):
            return (), 0.0
        asked = [line.id for line in turn.unanswered if line.kind in FILE_KINDS]
        if not asked:
            return (), 0.0
        begun = time.monotonic()
        sent = await self._read_all(await self._find(turn.tenant_id, asked))
        return sent, time.monotonic() - begun

    async def _find(self, tenant_id: int, asked: Sequence[int]) -> list[FileOfMessage]:
        gives_up_at = time.monotonic() + PATIENCE_S
        while True:
            found = await self._db(find_files_of, tenant_id, asked)
            if not any(each.awaited for each in found) or time.monotonic() > gives_up_at:
                return found
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _read_all(self, found: Sequence[FileOfMessage]) -> tuple[SentFile, ...]:
        sent: list[SentFile] = []
        for each in found:
            if each.stored is None:
                sent.append(SentFile(each.message_id, left_out="it has not arrived"))
                continue
            shown = [file for file in sent if file.data]
            why = judge(each.stored.mime, each.stored.size, sum(len(file.data) for file in shown), len(shown))
            sent.append(await self._read(each.message_id, each.stored, why))
        return tuple(sent)

    async def _read(self, message_id: int, stored: StoredFile, why: str) -> SentFile:
        if why:
            return SentFile(message_id, stored.mime, left_out=why)
        try:
            data = b"".join([chunk async for chunk in self._files.read(stored.file, stored.key)])
        except (NotFound, FileDamaged):
            return SentFile(message_id, stored.mime, left_out="it cannot be read")
        return SentFile(message_id, stored.mime, data)
