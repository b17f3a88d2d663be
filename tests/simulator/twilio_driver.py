"""Drives the simulator as a business does that is with Twilio."""

from typing import Any
from urllib.parse import urlencode

import aiohttp

from simulator.driver import ANA, NUMBER, Driver

ACCOUNT = "AC" + "a" * 32
TOKEN = "an auth token"
SERVICE = "MG" + "b" * 32
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"
AUTH = aiohttp.encode_basic_auth(ACCOUNT, TOKEN)


def channel(webhook_url: str, index: int = 0, **more: str) -> dict[str, Any]:
    credentials = {"account_sid": ACCOUNT, "auth_token": TOKEN, **more}
    number = str(int(NUMBER) + index)
    return {"provider": "twilio", "number": number, "webhook_url": webhook_url, "credentials": credentials}


class TwilioDriver(Driver):
    async def ask(self, method: str, path: str, **given: Any) -> tuple[int, Any]:
        return await self.call(method, path, headers={"authorization": AUTH}, **given)

    async def post(self, /, auth: str = AUTH, **changes: Any) -> tuple[int, Any]:
        """A send; a change to None leaves the parameter out, a list repeats it."""
        fields = {"To": f"whatsapp:+{ANA}", "From": f"whatsapp:+{NUMBER}", "Body": "Hello", **changes}
        body = urlencode({name: value for name, value in fields.items() if value is not None}, doseq=True)
        headers = {"content-type": "application/x-www-form-urlencoded", "authorization": auth}
        return await self.call("POST", f"{MESSAGES}.json", data=body, headers=headers)

    async def accepted(self, **changes: Any) -> str:
        status, answer = await self.post(**changes)
        assert status == 201, answer
        return str(answer["sid"])

    async def create(self, types: dict[str, Any], **more: Any) -> str:
        content = {"friendly_name": "a name", "language": "en", "types": types, **more}
        status, answer = await self.ask("POST", "/v1/Content", body=content)
        assert status == 201, answer
        return str(answer["sid"])
