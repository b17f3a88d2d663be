"""A person, a business and the product between them, in processes of their own; what happened is seen at both ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import aiohttp

from faults.blueprint import Blueprint, Place, person
from faults.meta import webhook
from faults.simulator import Simulator
from faults.stand import Stand

PATIENCE_S = 60.0  # a busy machine is not what is tested
LOOK_S = 0.03
Found = TypeVar("Found")


class Business:
    """Calls the product's API, and nothing else of it."""

    def __init__(self, stand: Stand, place: Place) -> None:
        self._stand, self.place = stand, place
        self._headers = {"Authorization": f"Bearer {stand.blueprint.key}"}

    async def send(self, to: Any, content: Mapping[str, Any]) -> str:
        """The id under which it was accepted."""
        body = {"channel": self.place.name, "to": to, **content}
        async with self._stand.session.post(f"{self._stand.web}/v1/messages", json=body, headers=self._headers) as got:
            answer = await got.json()
            assert got.status == 202, answer
        return answer["id"]

    async def message(self, uid: str) -> dict[str, Any]:
        return await self._stand.ask(f"/v1/messages/{uid}")

    async def reaches(self, uid: str, status: str) -> dict[str, Any]:
        """The message, once it stands there."""

        async def look() -> dict[str, Any] | None:
            message = await self.message(uid)
            assert message["status"] != "failed" or status == "failed", message
            return message if message["status"] == status else None

        return await wait_for(look, f"a message that is {status}")

    async def download(self, uid: str) -> tuple[Mapping[str, str], bytes]:
        async with self._stand.session.get(f"{self._stand.web}/v1/media/{uid}", headers=self._headers) as got:
            assert got.status == 200
            return got.headers, await got.read()

    async def received(self, provider_id: str) -> dict[str, Any]:
        """The message that the provider knows by this id, once it is there."""

        async def look() -> dict[str, Any] | None:
            return next((each for each in await self.messages() if each["provider_id"] == provider_id), None)

        return await wait_for(look, "a message that came in")

    async def messages(self) -> list[dict[str, Any]]:
        return [
            message
            for conversation in await self.conversations()
            async for message in self._stand.pages(f"/v1/conversations/{conversation['id']}/messages")
        ]

    async def conversations(self) -> list[dict[str, Any]]:
        return [
            each async for each in self._stand.pages("/v1/conversations") if each["channel"]["name"] == self.place.name
        ]

    async def conversation(self, uid: str) -> dict[str, Any]:
        return await self._stand.ask(f"/v1/conversations/{uid}")

    async def upload(self, content: bytes, name: str) -> str:
        """A file that the product stores; its id there."""
        headers = {**self._headers, "Content-Disposition": f'attachment; filename="{name}"'}
        async with self._stand.session.post(
            f"{self._stand.web}/v1/media", data=BytesIO(content), headers=headers
        ) as got:
            answer = await got.json()
            assert got.status == 201, answer
        return answer["id"]

    async def upload_at_provider(self, content: bytes, mime: str) -> str:
        """A file that lies at the provider; its id there."""
        form = aiohttp.FormData({"messaging_product": "whatsapp", "type": mime})
        form.add_field("file", content, filename="file", content_type=mime)
        address = f"{self._stand.simulator.url}/v23.0/{self.place.account}/media"
        headers = {"Authorization": f"Bearer {self.place.access_token}"}
        async with self._stand.session.post(address, data=form, headers=headers) as got:
            answer = await got.json()
            assert got.status == 200, answer
        return answer["id"]


class Phone:
    """A person's phone, as the control API moves it."""

    def __init__(self, simulator: Simulator, number: str, place: Place) -> None:
        self._simulator, self.number, self._place = simulator, number, place

    @property
    def address(self) -> str:
        return f"+{self.number}"

    async def write(self, message: Mapping[str, Any]) -> str:
        """The provider's id of it."""
        return await self._simulator.send(self.number, self._place.number, message)

    async def put_file(self, content: bytes, mime: str, name: str) -> str:
        return await self._simulator.put_file(self.number, content, mime, name)

    async def shows(self, uid: str) -> dict[str, Any]:
        """The entry of a message that the product sent, once it is on the phone."""

        async def look() -> dict[str, Any] | None:
            return next((each for each in await self.chat() if is_about(each, uid)), None)

        return await wait_for(look, "a message on the phone")

    async def sees_ticks(self, provider_id: str) -> dict[str, Any]:
        """The entry of what this person wrote, once the business has it."""

        async def look() -> dict[str, Any] | None:
            written = (each for each in await self.chat() if each["message"].get("id") == provider_id)
            return next((each for each in written if each["status"] != "sent"), None)

        return await wait_for(look, "ticks on the phone")

    async def chat(self) -> list[dict[str, Any]]:
        return await self._simulator.chat(self.number)

    async def read(self, seq: int) -> None:
        await self._ask("POST", "read", {"up_to": seq})

    async def play(self, seq: int) -> None:
        await self._ask("POST", "play", {"seq": seq})

    async def change(self, **facts: Any) -> None:
        await self._ask("PUT", "", facts)

    async def _ask(self, method: str, deed: str, body: Mapping[str, Any]) -> Any:
        return await self._simulator.call(method, f"/_sim/phones/{self.number}/{deed}".rstrip("/"), body)


class Talk:
    """`steps` is filled in as they happen: what was done, by whom, and what both ends then showed."""

    def __init__(self, stand: Stand) -> None:
        self.stand, self.place = stand, stand.blueprint.places[0]
        self.business = Business(stand, self.place)
        self.ana, self.ben, self.cleo = (self.phone(person(number)) for number in (501, 502, 503))
        self.steps: list[tuple[str, str, str]] = []

    def phone(self, number: str) -> Phone:
        return Phone(self.stand.simulator, number, self.place)

    async def echo(self, phone: Phone, message_id: str, message: Mapping[str, Any]) -> None:
        """What the provider tells of a message that the business wrote to this person on its own telephone."""
        told = {"from": self.place.number, "to": phone.number, "id": message_id, "timestamp": "1767225600", **message}
        body = webhook(self.place, field="smb_message_echoes", message_echoes=[told])
        assert await self.stand.post_webhook(body) == 200

    async def until(self, uid: str, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The message as the API shows it, once this holds."""

        async def look() -> dict[str, Any] | None:
            message = await self.business.message(uid)
            return message if holds(message) else None

        return await wait_for(look, "a change of a message")

    async def fetched(self, uid: str) -> dict[str, Any]:
        """The file of a message that came in, once it is here."""
        message = await self.until(uid, lambda message: message["attachment"]["state"] != "awaited")
        return message["attachment"]

    def done(self, way: str, what: str, seen: str) -> None:
        self.steps.append((way, what, seen))

    def table(self) -> str:
        widths = [max(len(step[column]) for step in self.steps) for column in range(3)]
        lines = (
            f"{number:>3}  " + "  ".join(cell.ljust(width) for cell, width in zip(step, widths, strict=True)).rstrip()
            for number, step in enumerate(self.steps, 1)
        )
        return "\n".join(lines)


def is_about(entry: Mapping[str, Any], uid: str) -> bool:
    """What the provider is given to echo names the message and the attempt."""
    return UUID(uid).hex in (entry["correlation"] or "").replace("-", "")


async def wait_for(
    look: Callable[[], Awaitable[Found | None]], what: str, every: float = LOOK_S, patience: float = PATIENCE_S
) -> Found:
    try:
        async with asyncio.timeout(patience):
            while (found := await look()) is None:
                await asyncio.sleep(every)
    except TimeoutError:
        raise AssertionError(f"{what} did not come") from None
    return found


@asynccontextmanager
async def talking(kind: str, folder: Path) -> AsyncIterator[Talk]:
    """The simulator and `hailgate serve` on a database of their own, with one business number."""
    blueprint = Blueprint(kind, folder)
    try:
        await blueprint.draw()
        async with Stand(blueprint, folder / "stand") as stand:
            await stand.serve(HAILGATE_DEBOUNCE_S="0")
            yield Talk(stand)
            complaints = stand.complaints()
            assert "traceback" not in complaints, complaints
    finally:
        await blueprint.erase()
