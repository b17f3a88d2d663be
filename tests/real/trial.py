"""One server's trial: a channel is made, a phone is paired, and every kind that it takes goes out and comes in."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from io import BytesIO
from typing import Any, Final, NamedTuple, TypeVar

import aiohttp

from .plan import Server, check_recipient

LOOK_S: Final = 1.0
Found = TypeVar("Found")
PIXEL: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001"
    "a5f645400000000049454e44ae426082"
)
PDF: Final = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n%%EOF\n"
)
PLACE: Final = {"latitude": -23.55052, "longitude": -46.63331, "name": "Clinic", "address": "Main Street 1"}
CARD: Final = {"name": {"formatted_name": "Dr. Ada", "first_name": "Ada"}, "phones": [{"phone": "+15550100001"}]}
ROWS: Final = [{"id": "nine", "title": "9:00"}, {"id": "ten", "title": "10:00"}]
LIST: Final = {"type": "list", "body": {"text": "When?"}, "action": {"button": "Choose", "sections": [{"rows": ROWS}]}}
# Each kind of the product, and what is said with it.
SAID: Final[Mapping[str, Mapping[str, Any]]] = {
    "text": {"type": "text", "text": {"body": "Hailgate: a trial."}},
    "location": {"type": "location", "location": PLACE},
    "contacts": {"type": "contacts", "contacts": [CARD]},
    "interactive.list": {"type": "interactive", "interactive": LIST},
    "image": {"type": "image", "image": {"caption": "A trial"}},
    "document": {"type": "document", "document": {"filename": "trial.pdf"}},
}
HEARING: Final = "a message from a phone"
FILES: Final = {"image": PIXEL, "document": PDF}


class Step(NamedTuple):
    """`seen` says what came of it; `held` is None where it could not be tried."""

    what: str
    held: bool | None
    seen: str


class Trial:
    """Talks to the product's API alone. `channel` is the id of the server's channel there."""

    def __init__(
        self, server: Server, session: aiohttp.ClientSession, web: str, channel: str, patience_s: float
    ) -> None:
        self._server, self._session, self._web, self._channel = server, session, web, channel
        self._patience_s = patience_s

    async def run(self) -> AsyncIterator[Step]:
        """Each step as it ends."""
        opened, kinds = await self._open(), await self._kinds()
        yield opened
        if not opened.held:
            for what in (*kinds, HEARING):
                yield Step(what, None, "needs a paired phone")
            return
        for number in self._server.may_write_to:
            for kind in kinds:
                yield await self._send(number, kind)
        yield await self._hear()

    async def _open(self) -> Step:
        """Ask for the session, and wait for the phone; its code is shown by `hailgate channel pair`."""
        path = f"/v1/channels/{self._channel}/session"
        if (await self._ask("POST", path, {"wish": "pair"})) is None:
            return Step("a session", True, "none is needed")

        async def look() -> str | None:
            told = await self._ask("GET", path)
            return told["state"] if told["state"] == "open" and not told["unconfirmed_number"] else None

        if await self._wait(look):
            return Step("a session", True, "open")
        told = await self._ask("GET", path)
        return Step("a session", False if told["state"] == "closed" else None, f"{told['state']}: pair the phone")

    async def _kinds(self) -> list[str]:
        listed = await self._ask("GET", "/v1/channels")
        channel = next(each for each in listed["items"] if each["id"] == self._channel)
        return [each["kind"] for each in channel["kinds"] if each["kind"] in SAID]

    async def _send(self, number: str, kind: str) -> Step:
        check_recipient(self._server, number)
        content = dict(SAID[kind])
        if kind in FILES:
            content[kind] = {**content[kind], "attachment": await self._upload(kind)}
        sent = await self._ask("POST", "/v1/messages", {"channel": self._channel, "to": f"+{number}", **content})
        if sent is None:
            return Step(kind, False, "was refused")

        async def look() -> dict[str, Any] | None:
            message = await self._ask("GET", f"/v1/messages/{sent['id']}")
            return message if message["status"] in {"delivered", "read", "played", "failed"} else None

        message = await self._wait(look) or await self._ask("GET", f"/v1/messages/{sent['id']}")
        return Step(kind, message["status"] not in {"queued", "failed"}, message["detail"] or message["status"])

    async def _hear(self) -> Step:
        """What anybody of them writes meanwhile."""

        async def look() -> str | None:
            listed = await self._ask("GET", "/v1/conversations")
            heard = [each for each in listed["items"] if each["last_message"]["direction"] == "inbound"]
            return heard[0]["last_message"]["type"] if heard else None

        kind = await self._wait(look)
        return Step(HEARING, True if kind else None, kind or "nobody wrote in time")

    async def _upload(self, kind: str) -> str:
        headers = {"Content-Disposition": f'attachment; filename="trial-{kind}"'}
        address = f"{self._web}/v1/media"
        async with self._session.post(address, data=BytesIO(FILES[kind]), headers=headers) as answer:
            return str((await answer.json())["id"])

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer; None where the product refuses."""
        async with self._session.request(method, self._web + path, json=body) as answer:
            return await answer.json() if answer.status < 400 else None

    async def _wait(self, look: Callable[[], Awaitable[Found | None]]) -> Found | None:
        deadline = time.monotonic() + self._patience_s
        while (found := await look()) is None and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_S)
        return found


def line_of(provider: str, step: Step) -> str:
    mark = {True: "held", False: "FAILED", None: "not tried"}[step.held]
    return f"{provider:<11} {mark:<10} {step.what:<24} {step.seen}"
