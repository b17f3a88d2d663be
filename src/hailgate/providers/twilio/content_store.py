"""The account's contents: templates found by their names, and one content for each shape of question."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from hailgate.core.content.outbound import Outbound, Template
from hailgate.core.content.templates import TemplateCall
from hailgate.core.errors import MessageFault, Rejected, SendError, TemplateUnavailable
from hailgate.providers.twilio.api import TwilioApi
from hailgate.providers.twilio.contents import Shaped, fill_body
from hailgate.providers.twilio.wire import CONTENT_SID, template_variables

PAGE: Final = 50
# What Twilio answers for a content that it does not have.
UNKNOWN_CONTENT: Final = "21655"
GONE: Final = "The account does not have the content any more: it is looked for anew, or made."


class Made(NamedTuple):
    """The oldest first."""

    at: str
    sid: str


class ContentStore:
    """What was found is kept: contents are never changed, and rarely deleted."""

    def __init__(self, api: TwilioApi) -> None:
        self._api, self._url = api, f"{api.host('content')}/v1/Content"
        self._templates: dict[tuple[str, str], str] = {}
        self._shapes: dict[str, str] = {}
        self._finding = asyncio.Lock()

    async def template_sid(self, name: str, language: str) -> str:
        """By its SID, or by the name that its account gave it."""
        if CONTENT_SID.fullmatch(name):
            return name
        key = name, language
        if key not in self._templates:
            self._templates[key] = await self._find_template(name, language)
        return self._templates[key]

    async def shape_sid(self, shaped: Shaped) -> str:
        async with self._finding:
            if shaped.name not in self._shapes:
                there = await self._list_shape(shaped.name)
                self._shapes[shaped.name] = min(there).sid if there else await self._make(shaped)
            return self._shapes[shaped.name]

    async def fill(self, template: TemplateCall) -> str | None:
        """What a template's body reads with these words; None where its content is gone or has none."""
        try:
            sid = await self.template_sid(template.name, template.language.code)
            content = await self._api.get(f"{self._url}/{sid}")
        except (Rejected, TemplateUnavailable):
            return None
        return fill_body(content, template_variables(template))

    def explain(self, refused: TemplateUnavailable, content: Outbound) -> SendError:
        """What we found or made, and somebody deleted since, is looked for anew: nothing has left."""
        named_by_caller = isinstance(content, Template) and CONTENT_SID.fullmatch(content.template.name)
        if named_by_caller or refused.provider_code != UNKNOWN_CONTENT:
            return refused
        self._templates.clear()
        self._shapes.clear()
        return MessageFault(GONE, provider_code=UNKNOWN_CONTENT, max_attempts=3)

    async def _find_template(self, name: str, language: str) -> str:
        async for content in self._api.list_all(f"{self._url}?PageSize={PAGE}", "contents"):
            if content.get("friendly_name") == name and content.get("language") == language:
                return str(content.get("sid"))
        raise TemplateUnavailable("The account has no content of this name and language.")

    async def _make(self, shaped: Shaped) -> str:
        """Where another process made one meanwhile the older stays, so that an account has one of each shape."""
        made = _made(await self._api.post(self._url, shaped.creation()))
        kept = min([made, *await self._list_shape(shaped.name)])
        if kept != made:
            with suppress(SendError):  # one too many does no harm
                await self._api.delete(f"{self._url}/{made.sid}")
        return kept.sid

    async def _list_shape(self, name: str) -> list[Made]:
        listed = self._api.list_all(f"{self._url}?PageSize={PAGE}", "contents")
        return [_made(content) async for content in listed if content.get("friendly_name") == name]


def _made(content: Mapping[str, Any]) -> Made:
    return Made(str(content.get("date_created", "")), str(content.get("sid", "")))
