"""The fake WhatsApp from outside: its control API and its ledger."""

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from .ledgers import Delivery, read_deliveries

Fault = Mapping[str, Any]


class Simulator:
    """Raises aiohttp.ClientError for anything but a good answer: the simulator is never what is under test."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url
        self._rows: list[Mapping[str, Any]] = []

    async def put_channels(self, channels: Sequence[Mapping[str, Any]]) -> None:
        await self.call("PUT", "/_sim/channels", channels)

    async def put_faults(self, *faults: Fault) -> None:
        await self.call("PUT", "/_sim/faults", faults)

    async def write(self, phone: str, channel: str, text: str) -> str:
        """A person writes to a channel; the provider's id of that message."""
        return await self.send(phone, channel, {"type": "text", "text": {"body": text}})

    async def send(self, phone: str, channel: str, message: Mapping[str, Any]) -> str:
        """A message of any kind; the provider's id of it."""
        answer = await self.call("POST", f"/_sim/phones/{phone}/send", {"to": channel, "message": message})
        identifier: str = answer["id"]
        return identifier

    async def put_file(self, phone: str, content: bytes, mime: str, name: str = "") -> str:
        """A file that a person has on the phone; its id."""
        address = f"{self.url}/_sim/phones/{phone}/files"
        headers = {"Content-Type": mime}
        async with self.session.post(
            address, params={"filename": name}, data=content, headers=headers, raise_for_status=True
        ) as answer:
            identifier: str = (await answer.json())["id"]
            return identifier

    async def read(self, phone: str, up_to: int) -> None:
        await self.call("POST", f"/_sim/phones/{phone}/read", {"up_to": up_to})

    async def chat(self, phone: str, after: int = 0) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = await self.call("GET", f"/_sim/phones/{phone}/messages?after={after}")
        return entries

    async def ledger(self) -> list[Mapping[str, Any]]:
        """Everything that it accepted so far; only what is new is asked for."""
        while page := await self.call("GET", f"/_sim/ledger?after={self._rows[-1]['seq'] if self._rows else 0}"):
            self._rows += page
        return self._rows

    async def deliveries(self) -> list[Delivery]:
        return read_deliveries(await self.ledger())

    async def call(self, method: str, path: str, body: object = None) -> Any:
        async with self.session.request(method, self.url + path, json=body, raise_for_status=True) as answer:
            return await answer.json() if answer.status != 204 else None
