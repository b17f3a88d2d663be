"""Files in and out: `POST /v1/media`, as a body or in a form, `GET /v1/media/{id}`, and links for browsers.

A file never passes through memory as a whole, and leaves only as something to save: whatever it is and however it is
called, no browser runs or shows it as a page of ours.
"""

import asyncio
from collections.abc import AsyncIterator
from email.message import Message
from typing import Final
from uuid import UUID

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from hailgate.core.errors import InputError, NotFound, Overloaded, TooLarge
from hailgate.core.media import LARGEST, LARGEST_FILE, UNKNOWN_TYPE, content_disposition
from hailgate.edge.bodies import check_headers
from hailgate.edge.forms import FORM, MOST_BESIDE, FileForm
from hailgate.edge.frame import answer
from hailgate.edge.keys import Keys
from hailgate.edge.ports import Db
from hailgate.edge.sessions import Sessions
from hailgate.edge.wire import MediaOut
from hailgate.messaging.files import Files, Kept
from hailgate.messaging.media import StoredFile, add_upload, check_upload, get_linked_file, get_stored_file
from hailgate.problems import BodyTooSlow
from hailgate.telemetry import MEDIA_BYTES
from hailgate.voice import check_installed, make_voice

# Each holds up to two parts for a bucket in memory.
UPLOADS_AT_ONCE: Final = 8
# Each is a process that computes as fast as it can.
VOICES_AT_ONCE: Final = 2
# Pieces of files prepared for downloads: who sends a message waits for so many, and not for all who fetch.
PIECES_AT_ONCE: Final = 8
# A hundred megabytes over a slow line take minutes; silence on it does not.
SILENCE_S: Final = 15.0
UPLOAD_S: Final = 600.0
LONGEST_HEADER: Final = 2000

# What may be said of itself. Everything else is bytes: a type that some program acts on is nobody's business here.
_PLAIN_TYPES: Final = ("image/", "audio/", "video/", "application/pdf", "text/plain")
_INERT: Final = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}


class Media:
    def __init__(self, db: Db, files: Files, keys: Keys, sessions: Sessions) -> None:
        self._db, self._files, self._keys, self._sessions = db, files, keys, sessions
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._voices = asyncio.Semaphore(VOICES_AT_ONCE)
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
        if self._uploads.locked():
            raise Overloaded("Too many files are being stored at once; try again shortly.")
        async with self._uploads:
            content = form.content(_body(request)) if form else _body(request)
            kept = await self._kept_voice(content) if as_voice else await self._kept(content)
        name = form.name if form else _name_of(request)
        stored = await self._recorded(tenant_id, kept, _voice_name(name) if as_voice else name)
        MEDIA_BYTES.labels("stored").inc(stored.size)
        return answer(_shown(stored), 201)

    async def download(self, request: Request) -> Response:
        caller = await self._keys.caller(request)
        return await self._sent(
            await self._db(get_stored_file, caller.tenant_id, _uid(request.path_params["media_id"]))
        )

    async def open_link(self, request: Request) -> Response:
        """For an `<img>` or a download in a page: the link is the proof."""
        return await self._sent(await self._db(get_linked_file, request.path_params["token"]))

    async def _kept(self, content: AsyncIterator[bytes]) -> Kept:
        try:
            async with asyncio.timeout(UPLOAD_S):
                return await self._files.keep(content, LARGEST_FILE)
        except TimeoutError:
            raise BodyTooSlow from None

    async def _kept_voice(self, content: AsyncIterator[bytes]) -> Kept:
        """The one way of a file that passes through memory as a whole: sound is small."""
        try:
            async with asyncio.timeout(UPLOAD_S):
                audio = await _gathered(content, LARGEST["audio"])
        except TimeoutError:
            raise BodyTooSlow from None
        if self._voices.locked():
            raise Overloaded("Too many voice notes are being made at once; try again shortly.")
        async with self._voices:
            note = await make_voice(audio)
        return await self._files.keep(_once(note), LARGEST["audio"])

    async def _recorded(self, tenant_id: int, kept: Kept, name: str) -> StoredFile:
        try:
            check_upload(kept)
            return await self._db(add_upload, tenant_id, kept, name)
        except Exception:
            await self._files.drop(kept.file)
            raise

    async def _sent(self, stored: StoredFile) -> Response:
        chunks = self._files.read(stored.file, stored.key)
        first = await anext(chunks)  # what is wrong with the file is known before the answer begins
        headers = _INERT | {
            "Content-Disposition": content_disposition(stored.name),
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
    while True:
        async with asyncio.timeout(SILENCE_S):
            message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if part := message.get("body", b""):
            yield part
        if not message.get("more_body", False):
            return


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
    wanted = request.query_params.get("as")
    if wanted not in {None, "voice"}:
        raise InputError("as: must be voice, or be left out.", field="as")
    if wanted:
        check_installed()
    return wanted is not None


def _form_of(request: Request) -> FileForm | None:
    content_type = request.headers.get("content-type", "")
    return FileForm(content_type) if content_type.partition(";")[0].strip().lower() == FORM else None


def _voice_name(name: str) -> str:
    return f"{name.rpartition('.')[0] or name or 'voice'}.ogg"


def _name_of(request: Request) -> str:
    """From `Content-Disposition: attachment; filename="…"`, also in UTF-8 (RFC 6266); it only ever is a label."""
    header = Message()
    try:
        header["Content-Disposition"] = request.headers.get("content-disposition", "")[:LONGEST_HEADER]
        name = header.get_filename("")
    except (ValueError, LookupError):
        return ""
    return name.replace("\0", "").encode("utf-8", "replace").decode()


def _uid(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise NotFound from None


def _shown(stored: StoredFile) -> MediaOut:
    return MediaOut(str(stored.uid), stored.kind, stored.mime, stored.size, stored.sha256, stored.name)
