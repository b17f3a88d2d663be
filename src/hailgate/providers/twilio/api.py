"""Calls around a send: each may be repeated, so that what is unknown of one is only away."""

from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hailgate.core.errors import SendError
from hailgate.providers.contract import Connection
from hailgate.providers.twilio.config import TwilioChannel
from hailgate.providers.twilio.wire import FORM, Form, encode_form, harmless, parse_answer, parse_refusal

if TYPE_CHECKING:  # who only receives needs no network library
    from hailgate.providers.transport import HttpReply

MOST_PAGES: Final = 40
LARGEST_LIST: Final = 8 << 20


class TwilioApi:
    """One channel's way to Twilio's hosts, with its credentials. All raise SendError."""

    def __init__(self, connection: Connection[TwilioChannel]) -> None:
        self._config, self._transport, self._clock = connection.config, connection.transport, connection.clock
        user, password = self._config.credentials
        self.headers = {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}

    def host(self, name: str) -> str:
        return self._config.host(name)

    async def get(self, url: str) -> dict[str, Any]:
        return await self._read(self._transport.get(url, headers=self.headers, limit=LARGEST_LIST))

    async def post(self, url: str, document: Mapping[str, Any]) -> dict[str, Any]:
        body = msgspec.json.encode(document)
        return await self._read(self._transport.post(url, headers=self.headers, body=body))

    async def post_form(self, url: str, form: Form) -> dict[str, Any]:
        body = encode_form(form)
        return await self._read(self._transport.post(url, headers=self.headers, body=body, content_type=FORM))

    async def delete(self, url: str) -> None:
        reply = await self._transport.delete(url, headers=self.headers)
        if reply.status not in {204, 404}:
            raise harmless(parse_refusal(*reply, self._clock()))

    async def list_all(self, url: str, name: str) -> AsyncIterator[dict[str, Any]]:
        """All pages of the Content API."""
        following: str | None = url
        for _ in range(MOST_PAGES):
            if following is None:
                return
            page = await self.get(following)
            for each in dicts(page.get(name)):
                yield each
            following = self.next_page(page)

    def next_page(self, page: Mapping[str, Any]) -> str | None:
        """At the host that this channel is told to call, whatever host the page names."""
        told = part(page, "meta").get("next_page_url")
        if not isinstance(told, str) or "/v1/" not in told:
            return None
        return f"{self.host('content')}/v1/{told.partition('/v1/')[2]}"

    async def _read(self, call: "Awaitable[HttpReply]") -> dict[str, Any]:
        try:
            return parse_answer(*await call, self._clock())
        except SendError as error:
            raise harmless(error) from None


def dicts(value: object) -> Iterable[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = whole.get(name)
    return found if isinstance(found, dict) else {}
