"""Drives the simulator as a business does that runs a server of its own with a phone linked to it."""

import asyncio
import base64
import json
from typing import Any

from simulator.business import Business
from simulator.driver import ANA, NUMBER, Driver

INSTANCE, API_KEY, JWT_KEY = "shop-one", "the server's key", "a key for webhooks"
SESSION, SECRET_KEY = "shop-one", "the secret"
PNG = b"\x89PNG\r\n\x1a\n the bytes of a picture"
OGG = b"OggS the bytes of a recording"


def evolution_channel(webhook_url: str, index: int = 0, **more: str) -> dict[str, Any]:
    credentials = {"instance": INSTANCE if not index else f"shop-{index}", "api_key": API_KEY, **more}
    number = str(int(NUMBER) + index)
    return {"provider": "evolution", "number": number, "webhook_url": webhook_url, "credentials": credentials}


def as_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


class SessionDriver(Driver):
    """What all servers of this kind have in common."""

    async def find_session(self) -> dict[str, Any]:
        return (await self.expect("GET", "/_sim/sessions"))[0]

    async def scan(self, **order: Any) -> tuple[int, Any]:
        return await self.call("POST", f"/_sim/channels/{NUMBER}/scan", order)

    async def type_on_phone(self, text: str, to: str = ANA) -> str:
        order = {"to": to, "message": {"type": "text", "text": {"body": text}}}
        return str((await self.expect("POST", f"/_sim/channels/{NUMBER}/send", order))["id"])

    async def wait_for_state(self, state: str) -> None:
        async with asyncio.timeout(20):
            while (await self.find_session())["state"] != state:
                await asyncio.sleep(0.01)


class EvolutionDriver(SessionDriver):
    async def ask(self, method: str, path: str, body: Any = None, key: str = API_KEY) -> tuple[int, Any]:
        return await self.call(method, f"/evolution{path}", body, headers={"apikey": key})

    async def post(self, kind: str, /, **body: Any) -> tuple[int, Any]:
        return await self.ask("POST", f"/message/{kind}/{INSTANCE}", {"number": ANA, **body})

    async def accepted(self, kind: str = "sendText", /, **body: Any) -> dict[str, Any]:
        status, answer = await self.post(kind, **body)
        assert status == 201, answer
        return dict(answer)

    async def chat(self, name: str, body: Any, method: str = "POST") -> tuple[int, Any]:
        return await self.ask(method, f"/chat/{name}/{INSTANCE}", body)

    async def set_webhook(self, url: str, **webhook: Any) -> None:
        whole = {"enabled": True, "url": url, "byEvents": False, "base64": False, "events": [], **webhook}
        status, answer = await self.ask("POST", f"/webhook/set/{INSTANCE}", {"webhook": whole})
        assert status == 201, answer


def events(business: Business, *names: str) -> list[dict[str, Any]]:
    """The webhooks of these events, in the order of their coming."""
    told = [json.loads(body) for _, body in business.calls]
    return [event for event in told if not names or event["event"] in names]


def wppconnect_channel(webhook_url: str, index: int = 0, **more: str) -> dict[str, Any]:
    credentials = {"session": SESSION if not index else f"shop-{index}", "secret_key": SECRET_KEY, **more}
    number = str(int(NUMBER) + index)
    return {"provider": "wppconnect", "number": number, "webhook_url": webhook_url, "credentials": credentials}


class WppConnectDriver(SessionDriver):
    token = ""

    async def make_token(self, session: str = SESSION, secret: str = SECRET_KEY) -> tuple[int, Any]:
        status, answer = await self.call("POST", f"/wppconnect/api/{session}/{secret}/generate-token")
        self.token = answer.get("token", self.token)
        return status, answer

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        known = {"authorization": f"Bearer {self.token}", **headers}
        return await self.call(method, f"/wppconnect/api/{SESSION}/{path}", body, headers=known)

    async def post(self, kind: str, /, **body: Any) -> tuple[int, Any]:
        whole = {"phone": ANA, "isGroup": False, **body}
        return await self.ask("POST", kind, {name: value for name, value in whole.items() if value is not None})

    async def accepted(self, kind: str = "send-message", /, **body: Any) -> Any:
        status, answer = await self.post(kind, **body)
        assert status in {200, 201}, answer
        assert answer["status"] == "success"
        return answer["response"]


def data_url(content: bytes, mime_type: str) -> str:
    return f"data:{mime_type};base64,{as_base64(content)}"
