"""The Messages API: send, fetch, list, redact, delete."""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hailgate.simulator import documents, phones, records
from hailgate.simulator.endpoints import Asked
from hailgate.simulator.faults import Plan
from hailgate.simulator.model import Channel, Failure, Send
from hailgate.simulator.problems import json_response, read_body
from hailgate.simulator.records import Record
from hailgate.simulator.twilio.calls import SendCall, parse_send, render_chat
from hailgate.simulator.twilio.contents import SESSION_ONLY, Content, fill
from hailgate.simulator.twilio.endpoints import Endpoint, authorise, take_page_size
from hailgate.simulator.twilio.errors import VARIABLES_MISSING, TwilioError, not_found
from hailgate.simulator.twilio.fetch import MediaFetcher
from hailgate.simulator.twilio.listing import Filter, list_matching, render_message, render_page, take_token
from hailgate.simulator.twilio.provider import CONTENT, Twilio
from hailgate.simulator.twilio.shown import render_session, render_template
from hailgate.simulator.twilio.wire import (
    account_of,
    new_sid,
    number_address,
    parse_form,
    service_of,
)
from hailgate.simulator.world import World


class Prepared(msgspec.Struct, frozen=True):
    """What the phone will show, an approved template's category, and why it fails whoever it goes to."""

    message: Mapping[str, Any]
    body: str
    category: str | None = None
    doom: Failure | None = None
    structured: bool = False


class MessagesEndpoint(Endpoint):
    """`/2010-04-01/Accounts/{account}/Messages.json`."""

    def __init__(self, twilio: Twilio, world: World, fetcher: MediaFetcher) -> None:
        super().__init__(twilio, world)
        self._fetcher = fetcher

    async def ask(self, request: Request) -> Asked:
        channels = authorise(self._twilio, request)
        if request.method != "POST":
            return Asked(channels[0], "check")
        fields = parse_form(await read_body(request))
        call = parse_send(fields)
        channel = find_sender(channels, call)
        to = await self._world.store.read(partial(phones.resolve_user_id, user_id=call.to))
        return Asked(channel, "send", to, (call, fields))

    async def carry_out(self, request: Request, asked: Asked, plan: Plan) -> Response:
        if request.method != "POST":
            return await self._list(request, account_of(asked.channel))
        send = await self._compose(asked)
        if send.links:
            request.state.lanes.append(send.provider_id)
            await self._world.enlist(send, plan.statuses)
            self._world.spawn(self._fetcher.fetch_and_deliver(send, plan.statuses))
        else:
            await self.accept(request, send, plan)
        found = await self._world.store.read(partial(records.find, provider_id=send.provider_id))
        account = account_of(asked.channel)
        return json_response(render_accepted(account, found, send), 201)

    async def _compose(self, asked: Asked) -> Send:
        call, fields = asked.call
        channel, to = asked.channel, str(asked.to)
        if to == channel.number:
            raise TwilioError(63031)
        now = self._world.clock.now()
        prepared = await self._world.store.read(partial(prepare, channel=channel, to=to, call=call, now=now))
        sid = new_sid("MM" if call.links else "SM")
        return Send(
            channel,
            to,
            sid,
            {"id": sid, **prepared.message},
            call.callback,
            msgspec.json.encode(as_document(fields)),
            category=prepared.category,
            doom=prepared.doom,
            record=make_record(channel, call, prepared),
            links=call.links,
        )

    async def _list(self, request: Request, account: str) -> Response:
        size, numbers = take_page_size(request), self.list_numbers(account)
        before = take_token(request)
        query = partial(list_matching, numbers=numbers, wanted=Filter.of(request), before=before, size=size + 1)
        found = await self._world.store.read(query)
        return json_response(render_page(request, account, found, size))


class MessageEndpoint(Endpoint):
    """`/2010-04-01/Accounts/{account}/Messages/{sid}.json`."""

    async def serve(self, request: Request, account: str) -> Response:
        record = await self.get_record(request, account)
        match request.method:
            case "DELETE":
                await self._world.store.write(partial(records.delete, provider_id=record.provider_id))
                return Response(status_code=204)
            case "POST":
                record = await self._change(request, record)
        return json_response(render_message(account, record))

    async def get_record(self, request: Request, account: str) -> Record:
        record = await self._world.store.read(partial(records.find, provider_id=request.path_params["sid"]))
        if record is None or record.channel not in self.list_numbers(account):
            raise not_found(request.url.path)
        return record

    async def _change(self, request: Request, record: Record) -> Record:
        """An empty body redacts; nothing is scheduled here, so nothing can be canceled."""
        fields = dict(parse_form(await read_body(request)))
        if fields.get("Status") == "canceled":
            raise TwilioError(20409)
        if fields.get("Body") != "":
            raise TwilioError(20422, "Body can only be made empty")
        content = {**record.content, "body": ""}
        change = partial(records.change_content, provider_id=record.provider_id, content=content)
        await self._world.store.write(change)
        return msgspec.structs.replace(record, content=content)


def find_sender(channels: Sequence[Channel], call: SendCall) -> Channel:
    if call.sender is not None:
        found = next((channel for channel in channels if channel.number == call.sender), None)
        if found is None:
            raise TwilioError(63007)
        return found
    found = next((channel for channel in channels if service_of(channel) == call.service), None)
    if found is None:
        raise TwilioError(21705)
    return found


def prepare(db: sqlite3.Connection, channel: Channel, to: str, call: SendCall, now: float) -> Prepared:
    """Raises the TwilioError that Twilio would answer with."""
    if to.isdigit() and phones.refuses_marketing(db, to, channel.number):
        raise TwilioError(21610)
    if call.content_sid is None:
        return Prepared(render_chat(call), call.body)
    document = documents.find(db, CONTENT, call.content_sid)
    content = msgspec.convert(document, Content) if document else None
    if content is None or content.account_sid != account_of(channel):
        raise TwilioError(21655)
    part = fill(content, call.variables)
    if part is None:
        return Prepared({"type": "text", "text": {"body": ""}}, "", doom=VARIABLES_MISSING, structured=True)
    body = str(part.get("body", ""))
    if content.find_status(now) == "approved" and content.kind not in SESSION_ONLY:
        return Prepared(render_template(content, part), body, content.category, structured=True)
    return Prepared(render_session(content, part), body, structured=True)


def make_record(channel: Channel, call: SendCall, prepared: Prepared) -> dict[str, Any]:
    return {
        "to": number_address(call.to),
        "from": number_address(channel.number),
        "body": prepared.body,
        "media": [{"sid": "", "content_type": ""} for _ in call.links],
        "status_callback": call.callback,
        "messaging_service_sid": call.service,
        "structured": prepared.structured,
    }


def as_document(fields: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The form as JSON; a name that stands twice has a list."""
    document: dict[str, Any] = {}
    for name, value in fields:
        known = document.get(name)
        document[name] = value if known is None else [*(known if isinstance(known, list) else [known]), value]
    return document


def render_accepted(account: str, record: Record | None, send: Send) -> dict[str, Any]:
    """As of the moment of acceptance, whatever became of it since."""
    if record is None:
        raise AssertionError(f"{send.provider_id} was accepted and is gone")
    by_service = record.content["messaging_service_sid"] is not None
    shown = render_message(account, msgspec.structs.replace(record, status="queued", code=None))
    return shown | {"status": "accepted", "from": None} if by_service else shown
