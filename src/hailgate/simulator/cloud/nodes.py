"""Endpoints of single things: a business number, a file, a template; and the upload and download of files."""

from functools import partial
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import Response

from hailgate.simulator import files
from hailgate.simulator.cloud import errors, library, media
from hailgate.simulator.cloud.endpoints import Endpoint, authorise, find_holders
from hailgate.simulator.cloud.errors import GraphError
from hailgate.simulator.cloud.management import render_template
from hailgate.simulator.cloud.wire import account_of
from hailgate.simulator.model import Channel, File, Upload
from hailgate.simulator.problems import BodyTooLarge, json_response

FORM_OVERHEAD = 64 * 1024  # bytes of a form beside its file
NUMBER_FIELDS: dict[str, Any] = {
    "verified_name": "Simulated Business",
    "code_verification_status": "VERIFIED",
    "display_phone_number": None,  # the channel's own
    "quality_rating": "GREEN",
    "platform_type": "CLOUD_API",
    "throughput": {"level": "STANDARD"},
    "messaging_limit_tier": "TIER_250",
    "status": "CONNECTED",
    "name_status": "APPROVED",
    "health_status": {"can_send_message": "AVAILABLE", "entities": []},
}
DEFAULT_FIELDS = "verified_name,code_verification_status,display_phone_number,quality_rating"


class NodeEndpoint(Endpoint):
    """`/{version}/{id}`: how a business looks at its number, a file or a template of its own."""

    async def enter(self, request: Request) -> Channel:
        if request.path_params["node"] in self._cloud.channels:
            return authorise(self._cloud, request)
        return find_holders(self._cloud, request)[0]

    async def serve(self, request: Request, channel: Channel) -> Response:
        node = request.path_params["node"]
        if node in self._cloud.channels and request.method == "GET":
            return json_response(describe(channel, request.query_params.get("fields", DEFAULT_FIELDS)))
        holders = find_holders(self._cloud, request)
        if file := await self._world.store.read(partial(files.find_file, file_id=node)):
            return await self._serve_file(request, holders, file)
        found = await self._world.store.read(partial(library.find_by_id, template_id=node))
        if found and request.method == "GET" and found[0] in map(account_of, holders):
            return json_response(render_template(found[1]))
        raise errors.object_unknown(node, request.method)

    async def _serve_file(self, request: Request, holders: list[Channel], file: File) -> Response:
        now = self._world.clock.now()
        holder = next((channel for channel in holders if media.is_there(file, channel, now)), None)
        if holder is None:
            raise errors.object_unknown(file.id, request.method)
        check_number(request, holder, file)
        if request.method == "DELETE":
            await self._world.store.write(partial(files.delete_file, file_id=file.id))
            return json_response({"success": True})
        home = f"{request.scope['scheme']}://{request.headers['host']}"
        return json_response(media.render_file(file, media.render_url(home, holder, file.id, now)))


class UploadEndpoint(Endpoint):
    """`POST /{version}/{phone_number_id}/media`: a form with `messaging_product`, `type` and `file`."""

    operation = "upload"

    async def serve(self, request: Request, channel: Channel) -> Response:
        upload = await take_upload(request, channel)
        media.check_upload(upload.mime_type.partition(";")[0].strip().lower(), len(upload.content))
        kept = await self._world.add_file(upload)
        return json_response({"id": kept.id})


class DownloadEndpoint(Endpoint):
    """The address that a look-up or a webhook gave: good for five minutes, and only with the token."""

    operation = "download"

    async def enter(self, request: Request) -> Channel:
        return find_holders(self._cloud, request)[0]

    async def serve(self, request: Request, channel: Channel) -> Response:  # noqa: ARG002 - any of the token's
        query, now = request.query_params, self._world.clock.now()
        file = await self._world.store.read(partial(files.find_file, file_id=query.get("mid", "")))
        holders = find_holders(self._cloud, request)
        if file is None or not is_valid(query.get("ext", ""), query.get("hash", ""), holders, file, now):
            return Response(status_code=404)
        content = await self._world.store.read(partial(files.get_content, file=file))
        headers = {"content-disposition": "attachment", "x-content-type-options": "nosniff"}
        return Response(content, headers=headers | {"content-type": file.mime_type})


def describe(channel: Channel, fields: str) -> dict[str, Any]:
    names = [name.strip() for name in fields.split(",") if name.strip() not in {"", "id"}]
    for name in names:
        if name not in NUMBER_FIELDS:
            raise GraphError(100, message=f"(#100) Tried accessing nonexisting field ({name})")
    known = NUMBER_FIELDS | {"display_phone_number": f"+{channel.number}"}
    return {name: known[name] for name in names} | {"id": channel.credentials["phone_number_id"]}


def check_number(request: Request, holder: Channel, file: File) -> None:
    """A business number may be named only for what it uploaded itself: what a person sent belongs to none."""
    number = request.query_params.get("phone_number_id")
    if number is not None and (file.owner != "business" or number != holder.credentials["phone_number_id"]):
        raise GraphError(
            100, message="(#100) Param phone_number_id is not a valid whatsapp business phone number id ID"
        )


async def take_upload(request: Request, channel: Channel) -> Upload:
    if int(request.headers.get("content-length", "0")) > media.MAX_DOCUMENT + FORM_OVERHEAD:
        raise BodyTooLarge
    form = await read_form(request)
    try:
        file = get_file(form)
        mime_type = file.content_type or "application/octet-stream"
        return Upload("business", channel.number, mime_type, file.filename, await file.read())
    finally:
        await form.close()


def get_file(form: FormData) -> UploadFile:
    if "messaging_product" not in form:
        raise errors.parameter_required("messaging_product")
    if form["messaging_product"] != "whatsapp":
        raise GraphError(100, "Param messaging_product must be one of {WHATSAPP}.")
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise errors.parameter_required("file")
    return file


async def read_form(request: Request) -> FormData:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise GraphError(100, "The content type is not multipart/form-data with a boundary.")
    try:
        return await request.form(max_files=2, max_fields=20)
    except (HTTPException, MultiPartException) as error:
        raise GraphError(100, str(getattr(error, "detail", error))) from None


def is_valid(expires_at: str, given: str, holders: list[Channel], file: File, now: float) -> bool:
    if not (expires_at.isascii() and expires_at.isdigit() and len(expires_at) < 13 and now < int(expires_at)):
        return False
    return any(
        media.is_there(file, channel, now) and media.sign_url(channel, file.id, expires_at) == given
        for channel in holders
    )
