"""Files in and out: `POST /v1/media`, as a body or in a form, `GET /v1/media/{id}`, and links for browsers.

A file never passes through memory as a whole, and leaves only as something to save: whatever it is and however it is
called, no browser runs or shows it as a page of ours.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from typing import Final
from uuid import UUID

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message

from hailgate.core.errors import InputError, NotFound, TooLarge
from hailgate.core.filenames import fit_name, parse_disposition
from hailgate.core.media import LARGEST_FILE, UNKNOWN_TYPE, content_disposition
from hailgate.core.query_names import check_query_names
from hailgate.edge.doors.wire import MediaOut
from hailgate.edge.http.bodies import check_headers, check_no_query
from hailgate.edge.http.keys import Keys
from hailgate.edge.http.middleware import answer
from hailgate.edge.http.multipart_reader import FORM, MOST_BESIDE, MultipartReader
from hailgate.edge.http.sessions import OperatorSessions
from hailgate.edge.http.tenant_slots import TenantSlots
from hailgate.messaging.files.attachments import StoredFile, add_upload, check_upload, get_linked_file, get_stored_file
from hailgate.messaging.files.storage import Files, WrittenFile
from hailgate.messaging.outbound.file_links import open_file_link
from hailgate.messaging.store.ports import Db
from hailgate.problems import BodyTooSlow
from hailgate.telemetry.metrics import MEDIA_BYTES
from hailgate.voice import check_installed, make_voice

# Each holds up to two parts for a bucket in memory: 160 MB in all.
UPLOADS_AT_ONCE: Final = 16
# Each is a process that computes as fast as it can.
VOICES_AT_ONCE: Final = 2
# Pieces of files prepared for downloads: who sends a message waits for so many, and not for all who fetch.
PIECES_AT_ONCE: Final = 8
# A hundred megabytes over a slow line take minutes. Each time that this long was waited for bytes, so many a second
# have to have come: whoever drips holds a slot for nothing.
PATIENCE_S: Final = 15.0
LEAST_RATE: Final = 4096
UPLOAD_S: Final = 600.0
LONGEST_HEADER: Final = 2000
# Of a voice note, before it is made one.
LARGEST_SOUND: Final = 16 << 20

# What may be said of itself. Everything else is bytes: a type that some program acts on is nobody's business here.
_PLAIN_TYPES: Final = ("image/", "audio/", "video/", "application/pdf", "text/plain")
_INERT: Final = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}


class Media:
    def __init__(self, db: Db, files: Files, keys: Keys, sessions: OperatorSessions) -> None:
        self._db, self._files, self._keys, self._sessions = db, files, keys, sessions
        self._uploads = TenantSlots(UPLOADS_AT_ONCE, "files are being stored")
        self._voices = TenantSlots(VOICES_AT_ONCE, "voice notes are being made")
        self._pieces = asyncio.Semaphore(PIECES_AT_ONCE)

    async def upload(self, request: Request) -> Response:
        """201 after the file and its row are on disk; 400, 401, 408, 413, 415, 422, 503."""
        caller = await self._keys.caller(request)
        return await self._taken(request, caller.tenant_id)

    async def upload_by_operator(self, request: Request) -> Response:
        """The same from the console: the session says whose it is."""
        viewer = await self._sessions.writer(request)
        return await self._taken(request, viewer.tenant_id)

    async def _taken(self, request: Request, tenant_id: int) -> Response:
        as_voice = _wants_voice(request)
        form = _form_of(request)
        check_headers(request, LARGEST_FILE + (MOST_BESIDE if form else 0))
        with self._uploads.hold(tenant_id):
            content = form.content(_body(request)) if form else _body(request)
            kept = await self._kept_voice(tenant_id, content) if as_voice else await self._kept(content)
        name = form.name if form else _name_of(request)
        stored = await self._recorded(tenant_id, kept, _voice_name(name) if as_voice else name)
        MEDIA_BYTES.labels("stored").inc(stored.size)
        return answer(_shown(stored), 201)

    async def download(self, request: Request) -> Response:
        caller = await self._keys.caller(request)
        check_no_query(request)
        return await self._sent(
            await self._db(get_stored_file, caller.tenant_id, _uid(request.path_params["media_id"]))
        )

    async def open_link(self, request: Request) -> Response:
        """For an `<img>` or a download in a page: the link is the proof."""
        return await self._sent(await self._db(get_linked_file, request.path_params["token"]))

    async def open_file_link(self, request: Request) -> Response:
        """For a provider that fetches what a message names: the link is the proof. Its path is in no log."""
        head = request.method == "HEAD"
        stored = await self._db(partial(open_file_link, request.path_params["token"], counts=not head))
        headers = _INERT | {
            "Cache-Control": "no-store",
            "Content-Disposition": content_disposition(stored.name),
            "Content-Length": str(stored.size),
            "Content-Type": stored.mime,
            "X-Robots-Tag": "noindex",
        }
        if head:
            return Response(headers=headers)
        chunks = self._files.read(stored.file, stored.key)
        return StreamingResponse(self._served(await anext(chunks), chunks), headers=headers)

    async def _kept(self, content: AsyncIterator[bytes]) -> WrittenFile:
        try:
            async with asyncio.timeout(UPLOAD_S):
                return await self._files.keep(content, LARGEST_FILE)
        except TimeoutError:
            raise BodyTooSlow from None

    async def _kept_voice(self, tenant_id: int, content: AsyncIterator[bytes]) -> WrittenFile:
        """The one way of a file that passes through memory as a whole: sound is small."""
        try:
            async with asyncio.timeout(UPLOAD_S):
                audio = await _gathered(content, LARGEST_SOUND)
        except TimeoutError:
            raise BodyTooSlow from None
        with self._voices.hold(tenant_id):
            note = await make_voice(audio)
        return await self._files.keep(_once(note), LARGEST_SOUND)

    async def _recorded(self, tenant_id: int, kept: WrittenFile, name: str) -> StoredFile:
        try:
            check_upload(kept)
            return await self._db(add_upload, tenant_id, kept, fit_name(name, kept.mime) if name else "")
        except Exception:
            await self._files.drop(kept.file)
            raise

    async def _sent(self, stored: StoredFile) -> Response:
        chunks = self._files.read(stored.file, stored.key)
        first = await anext(chunks)  # what is wrong with the file is known before the answer begins
        headers = _INERT | {
            "Content-Disposition": content_disposition(fit_name(stored.name, stored.mime)),
            "Content-Length": str(stored.size),
            "Content-Type": stored.mime if stored.mime.startswith(_PLAIN_TYPES) else UNKNOWN_TYPE,
        }
        return StreamingResponse(self._served(first, chunks), headers=headers)

    async def _served(self, first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        chunk: bytes | None = first
        while chunk is not None:
            MEDIA_BYTES.labels("served").inc(len(chunk))
            yield chunk
            async with self._pieces:
                chunk = await anext(rest, None)


async def _body(request: Request) -> AsyncIterator[bytes]:
    """As it comes; raises TimeoutError for a line that drips or is silent."""
    pace = _Pace()
    while True:
        message = await pace.wait_for(request.receive())
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if part := message.get("body", b""):
            pace.add(len(part))
            yield part
        if not message.get("more_body", False):
            return


class _Pace:
    """Whether bytes come fast enough. Only waiting for them counts, not what we do with them."""

    def __init__(self) -> None:
        self._waited, self._came = 0.0, 0

    async def wait_for(self, message: Awaitable[Message]) -> Message:
        began = time.monotonic()
        async with asyncio.timeout(PATIENCE_S - self._waited):
            told = await message
        self._waited += time.monotonic() - began
        return told

    def add(self, size: int) -> None:
        self._came += size
        if self._came >= LEAST_RATE * PATIENCE_S:
            self._waited, self._came = 0.0, 0


async def _gathered(content: AsyncIterator[bytes], limit: int) -> bytes:
    gathered = bytearray()
    async for chunk in content:
        gathered += chunk
        if len(gathered) > limit:
            raise TooLarge(f"A file to be made a voice note may have at most {limit} bytes.", code="file_too_large")
    return bytes(gathered)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _wants_voice(request: Request) -> bool:
    check_query_names(request.query_params, {"as"})
    wanted = request.query_params.get("as")
    if wanted not in {None, "voice"}:
        raise InputError("as: must be voice, or be left out.", field="as")
    if wanted:
        check_installed()
    return wanted is not None


def _form_of(request: Request) -> MultipartReader | None:
    content_type = request.headers.get("content-type", "")
    return MultipartReader(content_type) if content_type.partition(";")[0].strip().lower() == FORM else None


def _voice_name(name: str) -> str:
    return f"{name.rpartition('.')[0] or name or 'voice'}.ogg"


def _name_of(request: Request) -> str:
    """From `Content-Disposition`, whose bytes Starlette would take for Latin-1; a name only ever is a label."""
    headers = dict(request.headers.raw)
    return parse_disposition(headers.get(b"content-disposition", b"")[:LONGEST_HEADER])


def _uid(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise NotFound from None


def _shown(stored: StoredFile) -> MediaOut:
    return MediaOut(str(stored.uid), stored.kind, stored.mime, stored.size, stored.sha256, stored.name)
