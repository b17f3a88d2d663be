"""Files at the Cloud API: told by webhooks, looked up, downloaded from where it is safe, and compared."""

import base64
import hashlib
import json
import re
from contextlib import asynccontextmanager

import pytest
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartParser

from hailgate.core.errors import ChannelUnauthorized, NotFound, ProviderThrottled, ProviderUnavailable, Rejected
from hailgate.core.media import LocalMedia, RemoteMedia
from hailgate.providers.cloud.adapter import CloudProvider
from hailgate.providers.cloud.config import CloudChannel
from hailgate.providers.cloud.webhook import parse_webhook
from hailgate.providers.config import Secret
from hailgate.providers.contract import Connection, FetchesMedia, StoresMedia
from hailgate.providers.transport import Transport

from .loopback import Loopback, accept_then_reset, answer, answer_json
from .payloads import webhooks

FILE = b"\xff\xd8\xff the bytes of a picture"
DIGEST = hashlib.sha256(FILE).hexdigest()


FILES = ("image", "audio", "video", "document", "sticker")


def bodies(told):
    """Webhooks of one message whose type is among those with a file, or is not."""
    for name, body in webhooks().items():
        messages = json.loads(body)["entry"][0]["changes"][0]["value"].get("messages", [])
        if len(messages) == 1 and (messages[0]["type"] in FILES) is told:
            yield pytest.param(body, messages[0], id=name)


@pytest.mark.parametrize(("body", "message"), [*bodies(told=True)])
def test_every_webhook_with_a_file_tells_of_it(body, message):
    (event,) = parse_webhook(body)
    told = message[message["type"]]
    assert event.media.kind == message["type"]
    assert event.media.provider_id == told["id"]
    assert event.media.sha256 == base64.b64decode(told["sha256"]).hex()
    assert event.media.name == told.get("filename", "")


@pytest.mark.parametrize(("body", "message"), [*bodies(told=False)])
def test_one_without_a_file_tells_of_none(body, message):
    assert all(getattr(event, "media", None) is None for event in parse_webhook(body))


class Meta:
    """Answers look-ups and downloads; `where` is what a look-up gives as the address."""

    def __init__(self, **answers):
        self.where = "{own}/attachments/?mid=1"
        self.file, self.status, self.told = FILE, 200, DIGEST
        self.__dict__ |= answers
        self.url = ""

    async def answer(self, connection):
        head, _ = await connection.peek()
        if b"/attachments/" in head.split(b"\r\n")[0]:
            await answer(self.status, self.file)(connection)
        else:
            document = {"url": self.where.replace("{own}", self.url), "sha256": self.told, "id": "1"}
            await answer_json(200, document)(connection)


@asynccontextmanager
async def connected(script):
    async with Loopback(script) as server, Transport() as transport:
        channel = CloudChannel(phone_number_id="1065", access_token=Secret("the token"), api_url=server.url)
        yield server, CloudProvider(Connection(config=channel, transport=transport))


async def fetched(provider, **told) -> bytes:
    media = RemoteMedia("image", told.pop("provider_id", "900"), **told)
    return b"".join([chunk async for chunk in provider.fetch_media(media)])


@asynccontextmanager
async def meta(**answers):
    played = Meta(**answers)
    async with connected(played.answer) as (server, provider):
        played.url = server.url
        yield server, provider


async def test_a_file_is_looked_up_and_downloaded_with_the_token():
    async with meta() as (server, provider):
        assert isinstance(provider, FetchesMedia)
        assert await fetched(provider, sha256=DIGEST) == FILE
        assert server.heads[0].startswith(b"GET /v25.0/900 ")
        assert all(b"Authorization: Bearer the token" in head for head in server.heads)


async def test_an_id_cannot_lead_to_another_path():
    async with meta() as (server, provider):
        await fetched(provider, provider_id="../me?x=")
        assert server.heads[0].startswith(b"GET /v25.0/..%2Fme%3Fx")


@pytest.mark.parametrize("answers", [{"told": "0" * 64, "file": b"other"}, {"file": FILE[:-1]}, {"file": b""}])
async def test_bytes_that_are_not_the_described_ones_are_fetched_again(answers):
    async with meta(**answers) as (_, provider):
        with pytest.raises(ProviderUnavailable):
            await fetched(provider, sha256=DIGEST)


@pytest.mark.parametrize("status", [401, 403, 404, 410, 500, 503, 302])
async def test_an_address_that_has_expired_is_looked_up_again(status):
    async with meta(status=status) as (_, provider):
        with pytest.raises((ProviderUnavailable, Rejected)) as failed:
            await fetched(provider)
        assert isinstance(failed.value, ProviderUnavailable) or status == 302


async def test_a_download_that_is_throttled_waits():
    async with meta(status=429) as (_, provider):
        with pytest.raises(ProviderThrottled):
            await fetched(provider)


@pytest.mark.parametrize(
    "where",
    ["http://127.0.0.1:1/x", "http://169.254.169.254/latest", "file:///etc/passwd", "https://10.0.0.1/x", "nonsense"],
)
async def test_an_address_inside_is_not_called(where):
    async with Loopback(answer(200)) as inside, meta(where=where.replace(":1/", f":{inside.port}/")) as (_, provider):
        with pytest.raises(Rejected) as refused:
            await fetched(provider)
        assert refused.value.code == "url_refused"
        assert inside.connections == 0


async def test_the_token_is_for_metas_hosts_and_our_own_api_alone():
    async with meta() as (server, provider):
        shown = provider._library._hosts.knows
        assert shown(f"{server.url}/x")
        assert shown("https://lookaside.fbsbx.com/x")
        assert not shown("http://lookaside.fbsbx.com/x")
        assert not shown("https://lookaside.fbsbx.com.evil.example/x")
        assert not shown("https://evilfbsbx.com/x")


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"code": 100, "error_subcode": 33}, Rejected),
        (401, {"code": 190}, ChannelUnauthorized),
        (500, None, ProviderUnavailable),
    ],
)
async def test_a_look_up_that_is_refused_says_what_to_do(status, error, kind):
    async with connected(answer_json(status, {"error": error} if error else {})) as (_, provider):
        with pytest.raises(kind):
            await fetched(provider)


@pytest.mark.parametrize("kind", ["image", "video", "audio", "sticker", "document"])
async def test_what_people_send_may_be_larger_than_what_can_be_sent_to_them(kind):
    """Meta delivers up to 100 MB, whatever the kind."""
    content = bytes(17 << 20)
    async with meta(file=content, told=hashlib.sha256(content).hexdigest()) as (_, provider):
        media = RemoteMedia(kind, "1")
        assert sum([len(chunk) async for chunk in provider.fetch_media(media)]) == 17 << 20


async def test_a_file_beyond_what_meta_delivers_is_refused(monkeypatch):
    monkeypatch.setattr("hailgate.providers.cloud.media.LARGEST_FILE", 1 << 20)
    async with meta(file=bytes(2 << 20)) as (_, provider):
        with pytest.raises(Rejected) as refused:
            await fetched(provider)
        assert refused.value.code == "file_too_large"


# --- files of ours ----------------------------------------------------------------------------------------------------


def ours(*pieces: bytes, name: str = "Rx.png", size: int | None = None, failure: Exception | None = None) -> LocalMedia:
    async def chunks():
        for piece in pieces:
            yield piece
        if failure:
            raise failure

    return LocalMedia(name, "image/png", sum(map(len, pieces)) if size is None else size, chunks)


async def test_a_file_is_uploaded_in_pieces_as_a_form_of_known_length():
    async with connected(answer_json(200, {"id": "4711"})) as (server, provider):
        assert isinstance(provider, StoresMedia)
        assert await provider.upload_media(ours(FILE, FILE, name='a"b\r\nX: y.png')) == "4711"
        (head,), (body,) = server.heads, server.bodies
        assert head.startswith(b"POST /v25.0/1065/media ")
        assert b"Authorization: Bearer the token" in head
        assert f"Content-Length: {len(body)}".encode() in head
        assert b"Transfer-Encoding" not in head
        fields, file = await parse_form(re.search(rb"Content-Type: ([^\r]+)", head).group(1), body)
        assert fields == {"messaging_product": "whatsapp", "type": "image/png"}
        assert file == (FILE + FILE, "image/png", "a_b__X_ y.png")


async def parse_form(content_type, body):
    """Its fields, and of its file the content, the type and the name."""

    async def chunks():
        yield body

    form = await MultiPartParser(Headers(raw=[(b"content-type", content_type)]), chunks()).parse()
    fields = dict(form)
    file = fields.pop("file")
    try:
        return fields, (await file.read(), file.content_type, file.filename)
    finally:
        await form.close()


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        (400, {"error": {"code": 100}}, Rejected),
        (400, {"error": {"code": 131053}}, ProviderUnavailable),
        (401, {"error": {"code": 190}}, ChannelUnauthorized),
        (429, {}, ProviderThrottled),
        (500, {}, ProviderUnavailable),
        (200, {}, ProviderUnavailable),
        (200, {"id": ["4711"]}, ProviderUnavailable),
    ],
)
async def test_an_upload_that_is_refused_says_what_to_do(status, document, kind):
    async with connected(answer_json(status, document)) as (_, provider):
        with pytest.raises(kind):
            await provider.upload_media(ours(FILE))


async def test_an_upload_that_breaks_off_is_the_providers_fault_and_one_that_cannot_be_read_is_ours():
    async with connected(accept_then_reset) as (_, provider):
        with pytest.raises(ProviderUnavailable):
            await provider.upload_media(ours(FILE))
        with pytest.raises(NotFound):
            await provider.upload_media(ours(FILE, size=10_000, failure=NotFound()))
