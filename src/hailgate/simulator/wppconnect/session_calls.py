"""Sessions: tokens, start, state, code, close, log out."""

import base64
import sqlite3
from functools import partial
from typing import Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from hailgate.simulator.endpoints import Asked
from hailgate.simulator.model import Channel
from hailgate.simulator.problems import json_response, read_body
from hailgate.simulator.qrcodes import new_pairing_code, render_png
from hailgate.simulator.sessions import Session
from hailgate.simulator.wppconnect import errors
from hailgate.simulator.wppconnect.endpoints import Endpoint
from hailgate.simulator.wppconnect.wire import VERSION, make_token, name_of

START_S = 0.1  # what a browser needs until it shows a code or is connected


class TokenEndpoint(Endpoint):
    """`POST /api/{session}/{secret}/generate-token`."""

    needs_session = False

    async def ask(self, request: Request) -> Asked:
        channel = self._wppconnect.channels.get(request.path_params["session"])
        if channel is None or channel.credentials["secret_key"] != request.path_params["secret"]:
            raise errors.secret_wrong()
        await read_body(request)
        return Asked(channel, self.operation, None, ({}, b""))

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        name, token = name_of(channel), make_token(channel)
        return json_response({"status": "success", "session": name, "token": token, "full": f"{name}:{token}"}, 201)


class StartEndpoint(Endpoint):
    """`POST start-session`: at once, or with `waitQrCode` once there is something to say."""

    needs_session = False

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        if url := call.get("webhook"):
            await self._pairing.act(channel, partial(set_webhook, url=str(url)))
        session = self.session_of(channel)
        if session.state not in {"closed", "absent"}:
            return json_response(render_state(session))
        await self._pairing.act(channel, partial(start, phone=call.get("phone")))
        if not call.get("waitQrCode"):
            self._world.spawn(self._go_on_later(channel))
            return json_response({"status": "CLOSED", "qrcode": None, "session": ""})
        return json_response(render_started(await self._go_on(channel)))

    async def _go_on_later(self, channel: Channel) -> None:
        if not await self._world.stops_within(START_S):
            await self._go_on(channel)

    async def _go_on(self, channel: Channel) -> Session:
        session = self.session_of(channel)
        if session.state != "starting" or session.hung:
            return session
        return await self._pairing.act(channel, self._wppconnect.begin)


class StateEndpoint(Endpoint):
    """`GET status-session`."""

    needs_session = False

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        return json_response(render_state(self.session_of(channel)))


class ConnectionEndpoint(Endpoint):
    """`GET check-connection-session`."""

    needs_session = False

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        is_open = self.session_of(channel).state == "open"
        return json_response({"status": is_open, "message": "Connected" if is_open else "Disconnected"})


class OwnNumberEndpoint(Endpoint):
    """`GET get-phone-number`: of the phone that is paired."""

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        own = f"{self.session_of(channel).paired_as}@c.us"
        return json_response({"status": "success", "response": own, "mapper": "device"})


class CodeEndpoint(Endpoint):
    """`GET qrcode-session`: a picture where there is one."""

    needs_session = False

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        session = self.session_of(channel)
        if session.code:
            return Response(base64.b64decode(render_png(session.code)), media_type="image/png")
        if session.state in {"closed", "absent"}:
            message = "Session not started. Please, use the /start-session route, for initialization your session"
            return json_response({"status": None, "message": message})
        return json_response({"status": name_state(session), "message": "QRCode is not available..."})


class CloseEndpoint(Endpoint):
    """`POST close-session`: of one that hangs it says 500, and has closed it all the same."""

    needs_session = False

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        was = self.session_of(channel).state
        if was not in {"closed", "absent"}:
            await self._pairing.act(channel, self._wppconnect.close)
        if was != "open":
            raise errors.close_failed()
        return json_response({"status": True, "message": "Session successfully closed"})


class LogoutEndpoint(Endpoint):
    """`POST logout-session`."""

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        await self._pairing.act(channel, self._wppconnect.log_out)
        return json_response({"status": True, "message": "Session successfully closed"})


class ListEndpoint(Endpoint):
    """`GET /api/{secret}/show-all-sessions`: closed ones stay listed."""

    needs_session = False

    async def ask(self, request: Request) -> Asked:
        secret, channels = request.path_params["secret"], self._wppconnect.channels.values()
        known = [channel for channel in channels if channel.credentials["secret_key"] == secret]
        if not known:
            raise errors.listing_token_wrong()
        return Asked(known[0], self.operation, None, ({"channels": known}, b""))

    async def serve(self, request: Request, channel: Channel, call: dict[str, Any], body: bytes) -> Response:  # noqa: ARG002
        return json_response({"response": [name_of(one) for one in call["channels"]]})


def set_webhook(_db: sqlite3.Connection, _channel: Channel, session: Session, url: str) -> Session:
    return replace(session, webhook={"url": url})


def start(_db: sqlite3.Connection, _channel: Channel, session: Session, phone: object) -> Session:
    code = new_pairing_code() if phone and not session.paired_as else ""
    return replace(session, state="starting", pairing_code=code)


def name_state(session: Session) -> str:
    match session.state:
        case "open":
            return "CONNECTED"
        case "starting":
            return "INITIALIZING"
        case "code":
            return "PHONECODE" if session.pairing_code else "QRCODE"
        case _:
            return "CLOSED"


def render_state(session: Session) -> dict[str, Any]:
    """A code that was scanned goes on being shown."""
    png = f"data:image/png;base64,{render_png(session.code)}" if session.code else None
    return {"status": name_state(session), "qrcode": png, "urlcode": session.code, "version": VERSION}


def render_started(session: Session) -> dict[str, Any]:
    if session.state != "code":
        return {"status": name_state(session), "qrcode": None}
    if session.pairing_code:
        return {"status": "phoneCode", "phone": session.number, "phoneCode": session.pairing_code}
    return {"status": "qrcode", "qrcode": render_png(session.code), "urlcode": session.code}
