"""Instances: created, connected, asked for their state, restarted, logged out, deleted; their webhook and settings."""

import sqlite3
from collections.abc import Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from hailgate.simulator.endpoints import Asked
from hailgate.simulator.evolution.endpoints import Endpoint
from hailgate.simulator.evolution.errors import EvolutionError, instance_unknown, required
from hailgate.simulator.evolution.provider import describe_code
from hailgate.simulator.evolution.wire import instance_id, is_newer, name_of, only_digits, token_of, user_jid
from hailgate.simulator.model import Channel
from hailgate.simulator.problems import json_response
from hailgate.simulator.qrcodes import new_pairing_code
from hailgate.simulator.sessions import Session

STATES = {"closed": "close", "starting": "connecting", "code": "connecting", "open": "open"}
SETTINGS: Mapping[str, Any] = {
    "rejectCall": False, "msgCall": "", "groupsIgnore": False, "alwaysOnline": False, "readMessages": False,
    "readStatus": False, "syncFullHistory": False, "wavoipToken": "",
}  # fmt: skip
INTEGRATIONS = ("WHATSAPP-BAILEYS", "WHATSAPP-BUSINESS", "EVOLUTION")


class CreateEndpoint(Endpoint):
    """`POST /instance/create`, with the server's key. Only names of channels that the simulator knows have a phone."""

    async def ask(self, request: Request) -> Asked:
        channels = self.enter_server(request)
        call, body = await self.read(request)
        name = str(call.get("instanceName") or "")
        if call.get("integration") not in INTEGRATIONS:
            raise EvolutionError(400, ["Invalid integration"])
        channel = next((channel for channel in channels if name_of(channel) == name), None)
        if channel is None:
            raise EvolutionError(400, [f'The simulator has no channel whose instance is "{name}".'])
        return Asked(channel, self.operation, None, (call, body))

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any]) -> Response:  # noqa: ARG002 - alike
        if self.session_of(channel).state != "absent":
            raise EvolutionError(403, [f'This name "{name_of(channel)}" is already in use.'])
        session = await self._pairing.act(channel, partial(create, call=call))
        if call.get("qrcode"):
            session = await self._pairing.act(channel, partial(begin, self._evolution.begin, number=call.get("number")))
        return json_response(render_created(channel, session, self._evolution.webhook_of(channel)), 201)


class ConnectEndpoint(Endpoint):
    """`GET /instance/connect/{instance}`: the code to scan, or a pairing code for `?number=`."""

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any]) -> Response:  # noqa: ARG002
        session, number = self.session_of(channel), request.query_params.get("number")
        if session.state == "open":
            return json_response(render_state(session))
        if session.state != "code" or number:
            session = await self._pairing.act(channel, partial(begin, self._evolution.begin, number=number))
        return json_response(render_code(session))


class StateEndpoint(Endpoint):
    """`GET /instance/connectionState/{instance}`."""

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any]) -> Response:  # noqa: ARG002
        return json_response(render_state(self.session_of(channel)))


class ListEndpoint(Endpoint):
    """`GET /instance/fetchInstances`."""

    async def ask(self, request: Request) -> Asked:
        channels = self.enter_server(request)
        return Asked(channels[0], self.operation, None, ({"channels": channels}, b""))

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any]) -> Response:  # noqa: ARG002
        name = request.query_params.get("instanceName")
        known = [c for c in call["channels"] if self.session_of(c).state != "absent" and name in {None, name_of(c)}]
        if name and not known:
            raise EvolutionError(404, f'Instance "{name}" not found')
        return json_response([render_instance(c, self.session_of(c)) for c in known])


class RestartEndpoint(Endpoint):
    """`POST /instance/restart/{instance}`: of one that is not connected nothing sensible is said."""

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any]) -> Response:  # noqa: ARG002
        if not self.session_of(channel).paired_as:
            return json_response({"error": True, "message": "[object Object]"})
        await self._pairing.act(channel, self._evolution.drop)
        session = await self._pairing.act(channel, self._evolution.restore)
        return json_response(render_state(session))


class LogoutEndpoint(Endpoint):
    """`DELETE /instance/logout/{instance}`."""

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any]) -> Response:  # noqa: ARG002
        session = self.session_of(channel)
        if not session.paired_as and not is_newer(channel):
            raise EvolutionError(400, [f'The "{session.name}" instance is not connected'])
        if session.paired_as:
            await self._pairing.act(channel, self._evolution.unlink)
        return json_response(success("Instance logged out"))


class DeleteEndpoint(Endpoint):
    """`DELETE /instance/delete/{instance}`."""

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any]) -> Response:  # noqa: ARG002
        await self._pairing.act(channel, self._remove)
        return json_response(success("Instance deleted"))

    def _remove(self, db: sqlite3.Connection, channel: Channel, session: Session) -> Session:
        self._evolution.tell(db, channel, "remove.instance", None)
        return Session(session.provider, session.name, session.number, "absent")


class WebhookEndpoint(Endpoint):
    """`POST /webhook/set/{instance}`, `GET /webhook/find/{instance}`."""

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any]) -> Response:
        if request.method == "GET":
            return json_response(render_webhook(channel, self._evolution.webhook_of(channel)))
        webhook = call.get("webhook")
        if not isinstance(webhook, dict):
            raise required("webhook")
        check_webhook(webhook)
        await self._pairing.act(channel, partial(set_webhook, webhook=webhook))
        return json_response(render_webhook(channel, self._evolution.webhook_of(channel)), 201)


class SettingsEndpoint(Endpoint):
    """`POST /settings/set/{instance}`, `GET /settings/find/{instance}`."""

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any]) -> Response:
        if request.method == "POST":
            changes = {name: value for name, value in call.items() if name in SETTINGS}
            await self._pairing.act(channel, partial(set_settings, changes=changes))
        return json_response(
            {**SETTINGS, **self.session_of(channel).settings}, 201 if request.method == "POST" else 200
        )


def create(_db: sqlite3.Connection, _channel: Channel, session: Session, call: Mapping[str, Any]) -> Session:
    webhook = call.get("webhook") or {}
    check_webhook({"events": [], **webhook})
    settings = {name: value for name, value in call.items() if name in SETTINGS}
    return replace(session, state="closed", webhook=webhook, settings=settings)


def begin(act: Any, db: sqlite3.Connection, channel: Channel, session: Session, number: object) -> Session:
    """With a pairing code where a number is named."""
    if session.paired_as or not number:
        return act(db, channel, session)  # type: ignore[no-any-return]
    return act(db, channel, replace(session, pairing_code=new_pairing_code()))  # type: ignore[no-any-return]


def set_webhook(_db: sqlite3.Connection, _channel: Channel, session: Session, webhook: Mapping[str, Any]) -> Session:
    return replace(session, webhook={**session.webhook, **webhook})


def set_settings(_db: sqlite3.Connection, _channel: Channel, session: Session, changes: Mapping[str, Any]) -> Session:
    return replace(session, settings={**session.settings, **changes})


def check_webhook(webhook: Mapping[str, Any]) -> None:
    if "events" not in webhook:
        raise EvolutionError(500, "Cannot read properties of undefined (reading 'length')")
    if webhook.get("enabled") and not str(webhook.get("url", "")).startswith(("http://", "https://")):
        raise EvolutionError(400, ['Invalid "url" property'])


def render_state(session: Session) -> dict[str, Any]:
    if session.state == "absent":
        raise instance_unknown(session.name)
    return {"instance": {"instanceName": session.name, "state": STATES[session.state]}}


def render_code(session: Session) -> dict[str, Any]:
    if session.state != "code":
        return render_state(session)
    return {**describe_code(session), "count": session.shown}


def render_created(channel: Channel, session: Session, webhook: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "instance": {
            "instanceName": session.name,
            "instanceId": instance_id(session.name),
            "integration": INTEGRATIONS[0],
            "webhookWaBusiness": None,
            "accessTokenWaBusiness": "",
            "status": STATES[session.state],
        },
        "hash": token_of(channel),
        "webhook": {
            "webhookUrl": webhook["url"],
            "webhookHeaders": webhook["headers"],
            "webhookByEvents": webhook["byEvents"],
            "webhookBase64": webhook["base64"],
        },
        **{name: {} for name in ("websocket", "rabbitmq", "nats", "sqs")},
        "settings": {**SETTINGS, **session.settings},
        "qrcode": render_code(session) if session.state == "code" else {"count": 0},
    }


def render_instance(channel: Channel, session: Session) -> dict[str, Any]:
    return {
        "id": instance_id(session.name),
        "name": session.name,
        "connectionStatus": STATES[session.state],
        "ownerJid": user_jid(session.paired_as) if session.paired_as else None,
        "profileName": "Simulated Business" if session.paired_as else None,
        "profilePicUrl": None,
        "integration": INTEGRATIONS[0],
        "number": only_digits(session.paired_as) or None,
        "token": token_of(channel),
        "disconnectionReasonCode": None if session.paired_as else 401,
        "disconnectionObject": None,
        "disconnectionAt": None,
    }


def render_webhook(channel: Channel, webhook: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"cm{instance_id(name_of(channel)).replace('-', '')[:23]}",
        "url": webhook["url"],
        "headers": webhook["headers"],
        "enabled": webhook["enabled"],
        "events": webhook["events"],
        "webhookByEvents": webhook["byEvents"],
        "webhookBase64": webhook["base64"],
        "instanceId": instance_id(name_of(channel)),
    }


def success(message: str) -> dict[str, Any]:
    return {"status": "SUCCESS", "error": False, "response": {"message": message}}
