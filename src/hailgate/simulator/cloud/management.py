"""Templates and the profile: what a business sets up, and the control of what Meta would do to its templates."""

import base64
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hailgate.simulator.cloud import library
from hailgate.simulator.cloud.creation import parse_creation
from hailgate.simulator.cloud.endpoints import Endpoint, authorise_account
from hailgate.simulator.cloud.errors import GraphError, parameter_required
from hailgate.simulator.cloud.provider import Cloud
from hailgate.simulator.cloud.templates import Template
from hailgate.simulator.cloud.wire import account_of
from hailgate.simulator.files import new_id
from hailgate.simulator.model import Channel
from hailgate.simulator.problems import Problem, json_response, read_body, read_json
from hailgate.simulator.world import World

PAGE = 25
MAX_PAGE = 1000
FILTERS = ("name", "language", "status", "category")
DEFAULT_FIELDS = "name,parameter_format,components,language,status,category"
PROFILE: dict[str, Any] = {
    "about": None,  # names the number
    "address": "1 Example Street",
    "description": "A business number of the simulated WhatsApp",
    "email": "hello@example.com",
    "vertical": "OTHER",
    "websites": ["https://example.com/"],
    "messaging_product": "whatsapp",
}


class TemplatesEndpoint(Endpoint):
    """`/{version}/{waba_id}/message_templates`: list, create, delete."""

    operation = "templates"

    async def enter(self, request: Request) -> Channel:
        return authorise_account(self._cloud, request)

    async def serve(self, request: Request, channel: Channel) -> Response:
        match request.method:
            case "POST":
                return await self._create(request, channel)
            case "DELETE":
                return await self._delete(request, channel)
            case _:
                templates = await self._world.store.read(partial(library.list_templates, account=account_of(channel)))
                return json_response(render_page(request.query_params, templates))

    async def _create(self, request: Request, channel: Channel) -> Response:
        try:
            call = msgspec.json.decode(await read_body(request))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise GraphError(100, "The request body is not valid JSON.") from None
        template = parse_creation(call, new_id())
        account, now = account_of(channel), self._world.clock.now()
        told = self._cloud.list_webhook_channels(account)
        deed = partial(library.create, account=account, template=template, now=now, told=told)
        await self._world.store.write(deed)
        wake(self._world, told)
        return json_response({"id": template.id, "status": template.status, "category": template.category})

    async def _delete(self, request: Request, channel: Channel) -> Response:
        name = request.query_params.get("name")
        if not name:
            raise parameter_required("name")
        account, now = account_of(channel), self._world.clock.now()
        told, chosen = self._cloud.list_webhook_channels(account), request.query_params.get("hsm_id")
        deed = partial(library.delete, account=account, name=name, template_id=chosen, now=now, told=told)
        if not await self._world.store.write(deed):
            text = "There is no template of this name, or no language of it with this id."
            raise GraphError(
                100,
                message="Invalid parameter",
                subcode=2593002,
                user_title="Message Template Not Found",
                user_msg=text,
            )
        wake(self._world, told)
        return json_response({"success": True})


class ProfileEndpoint(Endpoint):
    """`GET /{version}/{phone_number_id}/whatsapp_business_profile`."""

    async def serve(self, request: Request, channel: Channel) -> Response:
        fields = request.query_params.get("fields", "messaging_product").split(",")
        for name in fields:
            if name not in PROFILE:
                raise GraphError(100, message=f"(#100) Tried accessing nonexisting field ({name})")
        profile = PROFILE | {"about": f"The simulated business +{channel.number}"}
        return json_response({"data": [{name: profile[name] for name in ("messaging_product", *fields)}]})


class TemplateOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is absent stays as it is."""

    status: (
        Literal[
            "APPROVED", "PENDING", "REJECTED", "PAUSED", "DISABLED", "IN_APPEAL", "PENDING_DELETION", "LIMIT_EXCEEDED",
            "ARCHIVED",
        ]
        | None
    ) = None  # fmt: skip
    quality: Literal["GREEN", "YELLOW", "RED", "UNKNOWN"] | None = None
    category: Literal["MARKETING", "UTILITY", "AUTHENTICATION"] | None = None
    components: list[dict[str, Any]] | None = None


class TemplateControl:
    """`GET /_sim/templates`, `PUT /_sim/templates/{id}`: one is paused, edited, falls in quality, changes category."""

    def __init__(self, cloud: Cloud, world: World) -> None:
        self._cloud = cloud
        self._world = world

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/_sim/templates", self.show, methods=["GET"]),
            Route("/_sim/templates/{id}", self.change, methods=["PUT"]),
        ]

    async def show(self, _request: Request) -> Response:
        accounts = sorted({account_of(channel) for channel in self._cloud.channels.values()})
        shown = []
        for account in accounts:
            templates = await self._world.store.read(partial(library.list_templates, account=account))
            shown += [{"account": account, **render_template(template)} for template in templates]
        return json_response(shown)

    async def change(self, request: Request) -> Response:
        order = await read_json(request, TemplateOrder)
        found = await self._world.store.read(partial(library.find_by_id, template_id=request.path_params["id"]))
        if found is None:
            raise Problem(404, "There is no template with this id.")
        account, template = found
        changes = {name: value for name, value in msgspec.structs.asdict(order).items() if value is not None}
        if order.components is not None:
            changes["components"] = edited(template, order.components)
        told, now = self._cloud.list_webhook_channels(account), self._world.clock.now()
        deed = partial(library.change, account=account, template=template, changes=changes, told=told, now=now)
        changed = await self._world.store.write(deed)
        wake(self._world, told)
        return json_response({"account": account, **render_template(changed)})


def edited(template: Template, components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    try:
        return parse_creation(msgspec.structs.asdict(template) | {"components": components}, template.id).components
    except GraphError as refused:
        raise Problem(400, f"Meta would not take these components (code {refused.error['code']}).") from None


def wake(world: World, told: Sequence[Channel]) -> None:
    for channel in told:
        world.webhooks.wake(channel.number)


def render_page(query: Mapping[str, str], templates: Sequence[Template]) -> dict[str, Any]:
    """The templates that the query asks for, from its cursor on."""
    kept = [t for t in templates if all(str(getattr(t, name)) == query[name] for name in FILTERS if name in query)]
    start, limit = take_cursor(query.get("after")), take_limit(query.get("limit"))
    page = kept[start : start + limit]
    fields = query.get("fields", DEFAULT_FIELDS).split(",")
    cursors = {"before": make_cursor(start), "after": make_cursor(start + len(page))}
    more = {"next": f"?after={cursors['after']}"} if start + limit < len(kept) else {}
    return {"data": [render_template(t, fields) for t in page], "paging": {"cursors": cursors, **more}}


def render_template(template: Template, fields: Sequence[str] = ()) -> dict[str, Any]:
    """All of it where no fields are named; the id always."""
    whole = {
        "id": template.id,
        "name": template.name,
        "language": template.language,
        "status": template.status,
        "category": template.category,
        "parameter_format": template.parameter_format,
        "quality_score": {"score": template.quality},
        "components": template.components,
        "rejected_reason": "INVALID_FORMAT" if template.status == "REJECTED" else "NONE",
    }
    return {name: value for name, value in whole.items() if not fields or name in fields or name == "id"}


def take_limit(text: str | None) -> int:
    if text is None:
        return PAGE
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= MAX_PAGE):
        raise GraphError(100, message="(#100) param limit must be a number between 1 and 1000")
    return int(text)


def make_cursor(position: int) -> str:
    return base64.urlsafe_b64encode(str(position).encode()).decode()


def take_cursor(cursor: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor)) if cursor else 0
    except ValueError:
        raise GraphError(100, message="(#100) Invalid cursor") from None
