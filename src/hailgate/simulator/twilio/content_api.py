"""The Content API: templates are created, listed, deleted, and sent to WhatsApp for approval."""

from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hailgate.simulator import documents
from hailgate.simulator.problems import json_response, read_body
from hailgate.simulator.twilio.contents import Content, parse_creation, render_approval, render_content
from hailgate.simulator.twilio.endpoints import Endpoint, take_page, take_page_size
from hailgate.simulator.twilio.errors import TwilioError, not_found
from hailgate.simulator.twilio.provider import CONTENT
from hailgate.simulator.twilio.wire import new_sid

CATEGORIES = ("UTILITY", "MARKETING", "AUTHENTICATION")


class ContentsEndpoint(Endpoint):
    """`/v1/Content` and `/v1/ContentAndApprovals`."""

    operation = "templates"

    async def serve(self, request: Request, account: str) -> Response:
        if request.method == "POST":
            content = parse_creation(await read_body(request), account, new_sid("HX"), self._world.clock.now())
            await self.save(content)
            return json_response(render_content(content), 201)
        found = await self._world.store.read(partial(documents.list_all, kind=CONTENT, owner=account))
        contents = [msgspec.convert(document, Content) for document in found]
        render = self._describe if request.url.path.endswith("ContentAndApprovals") else render_content
        return json_response(render_page(request, [render(content) for content in contents]))

    def _describe(self, content: Content) -> dict[str, Any]:
        approval = render_approval(content, self._world.clock.now())
        shown = {name: value for name, value in render_content(content).items() if name not in {"url", "links"}}
        return {**shown, "approval_requests": approval}

    async def save(self, content: Content) -> None:
        document = msgspec.to_builtins(content)
        change = partial(
            documents.put, kind=CONTENT, document_id=content.sid, document=document, owner=content.account_sid
        )
        await self._world.store.write(change)

    async def get_content(self, request: Request, account: str) -> Content:
        sid = request.path_params["sid"]
        document = await self._world.store.read(partial(documents.find, kind=CONTENT, document_id=sid))
        if document is None or document["account_sid"] != account:
            raise not_found(request.url.path)
        return msgspec.convert(document, Content)


class ContentEndpoint(ContentsEndpoint):
    """`/v1/Content/{sid}`."""

    async def serve(self, request: Request, account: str) -> Response:
        content = await self.get_content(request, account)
        if request.method == "DELETE":
            await self._world.store.write(partial(documents.delete, kind=CONTENT, document_id=content.sid))
            return Response(status_code=204)
        return json_response(render_content(content))


class Approval(msgspec.Struct, frozen=True):
    name: str
    category: str


class ApprovalEndpoint(ContentsEndpoint):
    """`/v1/Content/{sid}/ApprovalRequests` (GET) and `…/whatsapp` (POST)."""

    async def serve(self, request: Request, account: str) -> Response:
        content, now = await self.get_content(request, account), self._world.clock.now()
        if request.method == "POST":
            asked = parse_approval(await read_body(request))
            changes = {"name": asked.name, "category": asked.category, "submitted_at": now}
            content = msgspec.structs.replace(content, **changes)
            await self.save(content)
            return json_response(render_approval(content, now), 201)
        shown = {"type": "whatsapp", **render_approval(content, now)} if content.name else None
        links = render_content(content)["links"]
        known = {"sid": content.sid, "account_sid": account, "url": links["approval_fetch"]}
        return json_response({**known, "whatsapp": shown})


def parse_approval(body: bytes) -> Approval:
    try:
        asked = msgspec.json.decode(body, type=Approval)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TwilioError(20422, f"Invalid parameter: {error}") from None
    if asked.category.upper() not in CATEGORIES:
        raise TwilioError(20422, f"Invalid parameter: category is one of {', '.join(CATEGORIES)}")
    return msgspec.structs.replace(asked, category=asked.category.upper())


def render_page(request: Request, shown: list[dict[str, Any]]) -> dict[str, Any]:
    size, page = take_page_size(request), take_page(request)
    base = f"https://content.twilio.com{request.url.path}?PageSize={size}&Page="
    more = len(shown) > (page + 1) * size
    meta = {
        "page": page,
        "page_size": size,
        "first_page_url": f"{base}0",
        "previous_page_url": f"{base}{page - 1}" if page else None,
        "url": f"{base}{page}",
        "next_page_url": f"{base}{page + 1}" if more else None,
        "key": "contents",
    }
    return {"contents": shown[page * size : (page + 1) * size], "meta": meta}
