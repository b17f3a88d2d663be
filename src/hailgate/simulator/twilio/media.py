"""Media of messages: listed, described, redirected to their bytes, deleted."""

import hmac
from functools import partial
from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hailgate.simulator import files, records
from hailgate.simulator.problems import json_response
from hailgate.simulator.records import Record
from hailgate.simulator.twilio.errors import not_found
from hailgate.simulator.twilio.messages import MessageEndpoint
from hailgate.simulator.twilio.wire import VERSION, file_id_of, render_date
from hailgate.simulator.world import World

BYTES_PATH = "/_twilio/media/"


class MediaListEndpoint(MessageEndpoint):
    """`…/Messages/{sid}/Media.json`."""

    async def serve(self, request: Request, account: str) -> Response:
        record = await self.get_record(request, account)
        path = f"/{VERSION}/Accounts/{account}/Messages/{record.provider_id}/Media.json?PageSize=50&Page=0"
        shown = [render_medium(account, record, medium) for medium in record.content["media"] if medium["sid"]]
        page = {"first_page_uri": path, "next_page_uri": None, "previous_page_uri": None, "uri": path}
        counts = {"start": 0, "end": max(len(shown) - 1, 0), "page": 0, "page_size": 50}
        return json_response({**page, **counts, "media_list": shown})


class MediumEndpoint(MessageEndpoint):
    """`…/Messages/{sid}/Media/{medium}`: to its bytes; `.json` describes it; DELETE erases it."""

    operation = "download"

    async def serve(self, request: Request, account: str) -> Response:
        record = await self.get_record(request, account)
        sid, wants_json = request.path_params["medium"].removesuffix(".json"), request.url.path.endswith(".json")
        medium = next((medium for medium in record.content["media"] if medium["sid"] == sid), None)
        if medium is None:
            raise not_found(request.url.path)
        if request.method == "DELETE":
            return await self._delete(record, sid)
        if wants_json:
            return json_response(render_medium(account, record, medium))
        home = f"{request.url.scheme}://{request.url.netloc}"
        return RedirectResponse(f"{home}{BYTES_PATH}{sid}?signature={sign(sid)}", 307)

    async def _delete(self, record: Record, sid: str) -> Response:
        left = [medium for medium in record.content["media"] if medium["sid"] != sid]
        content = {**record.content, "media": left}
        change = partial(records.change_content, provider_id=record.provider_id, content=content)
        await self._world.store.write(change)
        await self._world.store.write(partial(files.delete_file, file_id=file_id_of(sid)))
        return Response(status_code=204)


class BytesView:
    """Where a redirect leads: like the storage behind Twilio, it asks for no credentials but its own signature."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def show(self, request: Request) -> Response:
        sid = request.path_params["medium"]
        file = await self._world.store.read(partial(files.find_file, file_id=file_id_of(sid)))
        if file is None or file.deleted or request.query_params.get("signature") != sign(sid):
            return Response(status_code=404)
        content = await self._world.store.read(partial(files.get_content, file=file))
        return Response(content, headers={"content-type": file.mime_type, "x-content-type-options": "nosniff"})


def sign(sid: str) -> str:
    return hmac.new(b"media of the simulator", sid.encode(), sha256).hexdigest()


def render_medium(account: str, record: Record, medium: dict[str, Any]) -> dict[str, Any]:
    path = f"/{VERSION}/Accounts/{account}/Messages/{record.provider_id}/Media/{medium['sid']}.json"
    return {
        "account_sid": account,
        "content_type": medium["content_type"],
        "date_created": render_date(record.at),
        "date_updated": render_date(record.changed_at),
        "parent_sid": record.provider_id,
        "sid": medium["sid"],
        "uri": path,
    }
