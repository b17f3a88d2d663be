"""The control of files: put on a phone, ready to be sent, and shown on the page."""

import re
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hailgate.simulator import files
from hailgate.simulator.model import Upload
from hailgate.simulator.numbers import take_number
from hailgate.simulator.problems import BodyTooLarge, Problem, json_response, read_body
from hailgate.simulator.world import World

MAX_FILE = 100 * 1024 * 1024  # bytes; WhatsApp's own for documents
RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{0,18})")
FILE_HEADERS = {
    "content-disposition": "attachment",
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
    "cache-control": "private, max-age=3600",
    "accept-ranges": "bytes",
}


class FileControl:
    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/_sim/phones/{number}/files", self.put_file, methods=["POST"]),
            Route("/_sim/files/{id}", self.show_file, methods=["GET"]),
        ]

    async def put_file(self, request: Request) -> Response:
        """The body is the file, its `content-type` the file's; `?filename=` names it."""
        number = take_number(request)
        try:
            content = await read_body(request, MAX_FILE)
        except BodyTooLarge:
            raise Problem(413, f"A file has at most {MAX_FILE} bytes.") from None
        if not content:
            raise Problem(422, "The body is empty; it is the file.")
        mime_type = request.headers.get("content-type", "application/octet-stream")
        upload = Upload("person", number, mime_type[:100], request.query_params.get("filename"), content)
        file = await self._world.add_file(upload)
        return json_response({"id": file.id, "mime_type": file.mime_type, "sha256": file.sha256, "size": file.size})

    async def show_file(self, request: Request) -> Response:
        """Of a phone or of a business, for the page; never as a page of its own."""
        file = await self._world.store.read(partial(files.find_file, file_id=request.path_params["id"]))
        if file is None:
            raise Problem(404, "There is no file with this id.")
        content = await self._world.store.read(partial(files.get_content, file=file))
        return serve_content(request, file.media_type, content)


def serve_content(request: Request, media_type: str, content: bytes) -> Response:
    """A part, where a player asks for one: without it a browser cannot move within audio or video."""
    headers = FILE_HEADERS | {"content-type": media_type}
    asked = RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None:
        return Response(content, headers=headers)
    start, last = int(asked.group(1)), int(asked.group(2) or len(content) - 1)
    if start > last or start >= len(content):
        return Response(status_code=416, headers=headers | {"content-range": f"bytes */{len(content)}"})
    part = content[start : last + 1]
    headers["content-range"] = f"bytes {start}-{start + len(part) - 1}/{len(content)}"
    return Response(part, 206, headers)
