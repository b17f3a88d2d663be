"""Media that a business sends by its address: fetched behind the answer, HEAD and then GET, then delivered."""

from functools import partial
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
from msgspec.structs import replace

from hailgate.simulator import records
from hailgate.simulator.faults import StatusPlan
from hailgate.simulator.model import Failure, File, Send, Upload
from hailgate.simulator.twilio.errors import MEDIA_NOT_FOUND, MEDIA_TOO_LARGE
from hailgate.simulator.twilio.wire import media_sid
from hailgate.simulator.world import World

TIMEOUT = aiohttp.ClientTimeout(total=15, connect=5)
AGENT = {"user-agent": "TwilioProxy/1.1"}
MB = 1024 * 1024
MAX_IMAGE, MAX_FILE = 5 * MB, 16 * MB
KINDS = ("image", "video", "audio")


class MediaFailed(Exception):  # noqa: N818 - the class says what happened
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.title)
        self.failure = failure


class MediaFetcher:
    def __init__(self, world: World) -> None:
        self._world = world
        world.on_open.append(self.resume)

    async def resume(self) -> None:
        """What a stop left behind."""
        for send, plan in await self._world.list_pending("twilio"):
            self._world.spawn(self.fetch_and_deliver(send, plan))

    async def fetch_and_deliver(self, send: Send, plan: StatusPlan) -> None:
        try:
            file = await self._fetch(send)
        except MediaFailed as failed:
            await self._world.deliver(replace(send, doom=failed.failure), plan)
            return
        record = {**(send.record or {}), "media": [{"sid": media_sid(file.id), "content_type": file.media_type}]}
        change = partial(records.change_content, provider_id=send.provider_id, content=record)
        await self._world.store.write(change)
        await self._world.deliver(replace(send, message=render_chat(send, file), record=record), plan)

    async def _fetch(self, send: Send) -> File:
        """Kept for this channel. Raises MediaFailed."""
        [link] = send.links
        try:
            mime_type, content = await self._download(link)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            raise MediaFailed(MEDIA_NOT_FOUND) from None
        if not content:
            raise MediaFailed(MEDIA_NOT_FOUND)
        return await self._world.add_file(Upload("business", send.channel.number, mime_type, name_of(link), content))

    async def _download(self, link: str) -> tuple[str, bytes]:
        session = self._world.webhooks.session
        async with session.head(link, timeout=TIMEOUT, headers=AGENT, allow_redirects=True) as head:
            if head.status >= 400 and head.status != 405:
                raise MediaFailed(MEDIA_NOT_FOUND)
        async with session.get(link, timeout=TIMEOUT, headers=AGENT, max_redirects=5) as answer:
            if answer.status != 200:
                raise MediaFailed(MEDIA_NOT_FOUND)
            most = MAX_IMAGE if answer.content_type.startswith("image/") else MAX_FILE
            return answer.headers.get("content-type", "application/octet-stream"), await read_most(answer, most)


async def read_most(answer: aiohttp.ClientResponse, most: int) -> bytes:
    chunks, size = [], 0
    async for chunk in answer.content.iter_chunked(64 * 1024):
        size += len(chunk)
        if size > most:
            raise MediaFailed(MEDIA_TOO_LARGE)
        chunks.append(chunk)
    return b"".join(chunks)


def name_of(link: str) -> str | None:
    return unquote(PurePosixPath(urlsplit(link).path).name) or None


def render_chat(send: Send, file: File) -> dict[str, Any]:
    """As the phone shows it: the kind follows from the file's type, the caption is the body."""
    kind = "sticker" if file.media_type == "image/webp" else file.media_type.partition("/")[0]
    kind = kind if kind in {*KINDS, "sticker"} else "document"
    medium: dict[str, Any] = {"id": file.id, "mime_type": file.mime_type, "sha256": file.sha256, "size": file.size}
    caption = (send.record or {}).get("body")
    if caption and kind not in {"audio", "sticker"}:
        medium["caption"] = caption
    if kind == "document" and file.filename:
        medium["filename"] = file.filename
    if kind == "audio" and file.media_type == "audio/ogg":
        medium["voice"] = True
    return {"id": send.provider_id, "type": kind, kind: medium}
