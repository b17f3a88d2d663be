"""Drives a simulator over HTTP, as a business, as a person and as a test."""

import asyncio
from io import BytesIO
from typing import Any, Self

import aiohttp

NUMBER = "15550100000"
ANA = "15550100042"
BEN = "15550100055"
TOKEN = "token"
SECRET = "secret"
MESSAGES = "/v23.0/106500000000001/messages"
MEDIA = "/v23.0/106500000000001/media"
TEMPLATES = "/v23.0/102000000000001/message_templates"


class Driver:
    def __init__(self, url: str) -> None:
        self.url = url

    async def __aenter__(self) -> Self:
        self.session = aiohttp.ClientSession(self.url)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def call(self, method: str, path: str, body: Any = None, **given: Any) -> tuple[int, Any]:
        sent = {"json": body} if body is not None else {}
        async with self.session.request(method, path, **sent, **given) as answer:
            is_json = answer.content_type.endswith("json")
            return answer.status, await (answer.json(content_type=None) if is_json else answer.text())

    async def expect(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = await self.call(method, path, body)
        assert status in {200, 204}, answer
        return answer

    async def put_channels(self, *webhook_urls: str) -> None:
        await self.expect("PUT", "/_sim/channels", [channel(url, at) for at, url in enumerate(webhook_urls)])

    async def write(self, text: str, phone: str = ANA, to: str = NUMBER) -> str:
        """A person writes."""
        order = {"to": to, "message": {"type": "text", "text": {"body": text}}}
        answer = await self.expect("POST", f"/_sim/phones/{phone}/send", order)
        return str(answer["id"])

    async def send(self, text: str = "Hello", /, **changes: Any) -> tuple[int, Any]:
        """A business writes; a change to None leaves the field out."""
        return await self.call("POST", MESSAGES, message(text, **changes), headers=bearer())

    async def write_message(self, message: dict[str, Any], phone: str = ANA, to: str = NUMBER) -> str:
        """A person sends anything else."""
        answer = await self.expect("POST", f"/_sim/phones/{phone}/send", {"to": to, "message": message})
        return str(answer["id"])

    async def put_file(self, content: bytes, mime_type: str, phone: str = ANA, filename: str = "") -> str:
        """Puts a file on a phone, ready to be sent."""
        path = f"/_sim/phones/{phone}/files" + (f"?filename={filename}" if filename else "")
        async with self.session.post(path, data=content, headers={"content-type": mime_type}) as answer:
            assert answer.status == 200, await answer.text()
            return str((await answer.json())["id"])

    async def upload(self, content: bytes, mime_type: str, **fields: str) -> tuple[int, Any]:
        """A business puts a file into its media store."""
        form = aiohttp.FormData({"messaging_product": "whatsapp", "type": mime_type, **fields})
        form.add_field("file", BytesIO(content), filename="file", content_type=mime_type)
        return await self.call("POST", MEDIA, data=form, headers=bearer())

    async def messages(self, phone: str = ANA, after: int = 0) -> list[dict[str, Any]]:
        return list(await self.expect("GET", f"/_sim/phones/{phone}/messages?after={after}"))

    async def ledger(self, after: int = 0) -> list[dict[str, Any]]:
        return list(await self.expect("GET", f"/_sim/ledger?after={after}"))

    async def wait_for_statuses(self, *statuses: str, phone: str = ANA) -> None:
        async with asyncio.timeout(20):
            while [m["status"] for m in await self.messages(phone)] != list(statuses):
                pass

    async def put_faults(self, *faults: dict[str, Any]) -> None:
        await self.expect("PUT", "/_sim/faults", list(faults))


def channel(webhook_url: str, index: int = 0) -> dict[str, Any]:
    return {
        "provider": "cloud",
        "number": str(int(NUMBER) + index),
        "webhook_url": webhook_url,
        "credentials": {
            "phone_number_id": str(106500000000001 + index),
            "access_token": TOKEN,
            "app_secret": SECRET,
            "verify_token": "verify",
        },
    }


def message(text: str = "Hello", /, **changes: Any) -> dict[str, Any]:
    whole = {
        "messaging_product": "whatsapp",
        "to": ANA,
        "type": "text",
        "text": {"body": text},
        "biz_opaque_callback_data": f"ref {text[:100]}",
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}
