"""What providers post, however large and to whatever sub-path: the worker understands the request that was verified."""

import base64
import io
import json
import os
import shutil
from dataclasses import replace

import aiohttp
import pytest

from hailgate.core.delivery import RetryPolicy
from hailgate.core.slots import open_room
from hailgate.messaging.channels.hooks import add_hook
from hailgate.messaging.channels.public_urls import record_public_url
from hailgate.messaging.channels.registry import add_channel
from hailgate.messaging.files.fetch import claim_fetches
from hailgate.messaging.files.storage import open_files
from hailgate.messaging.inbound.call_turns import Debounce
from hailgate.messaging.models import Attachment, AttachmentState, EventState, Message, WebhookEvent
from hailgate.pipeline.connections import Connections
from hailgate.pipeline.fetches import Fetches
from hailgate.pipeline.inbound import Inbound
from hailgate.settings import ENV
from messaging.acting import Clock, new_worker
from providers.others import HEADER, OPEN, SIGNING, install, sign

pytestmark = pytest.mark.anyio

NUMBER = "15550100000"
FORMER = "https://old.example/prefix"
FILE = os.urandom(2 << 20)


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    install(monkeypatch, SIGNING, OPEN)


@pytest.fixture
async def hook_of(db, tenant):
    async def make(spec):
        hook = await db(add_hook, tenant.id, spec.name, {"secret": "s"})
        await db(lambda: add_channel(tenant.id, spec.name, spec.name, NUMBER, {"number": NUMBER}, hook=hook.id))
        return hook

    return make


@pytest.fixture
async def ingest(db, tenant):
    """Understand everything as a worker does; returns the events and the messages."""
    worker = await db(new_worker)

    async def understand(url):
        inbound = Inbound(db, worker, files=open_files(ENV.home, ""), debounce=Debounce(0.0, 0.0), url=url)
        hooks = await db(
            lambda: set(WebhookEvent.objects.filter(tenant_id=tenant.id).values_list("hook_id", flat=True))
        )
        for hook_id in hooks:
            await inbound.ingest(hook_id)
        events = await db(lambda: list(WebhookEvent.objects.filter(tenant_id=tenant.id).order_by("id")))
        messages = await db(lambda: list(Message.objects.filter(tenant_id=tenant.id).order_by("id")))
        return events, messages

    return understand


def signed(url, path, body=b""):
    return {HEADER: sign(url + path, body), "x-sender": "15550100042", "x-other": "not kept"}


@pytest.mark.parametrize(
    "behind", ["?id=1", "/messages-upsert?id=1&empty=&twice=a&twice=b", "/a%2Fb%20c/?id=1&t=%C3%A9+x", "/?id=1"]
)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_the_worker_parses_the_very_request_that_was_verified(site, hook_of, ingest, method, behind):
    hook = await hook_of(SIGNING)
    path = hook.path + behind
    url = ENV.reached_at
    answer = await site.ask(method, path, headers=signed(url, path), skip_auto_headers=["Content-Type"])
    assert answer.status == 200
    [event], [message] = await ingest(url)
    assert (event.method, f"{event.path}?{event.query}") == (method, behind if behind[0] == "/" else f"{behind}")
    assert json.loads(event.headers) == {"x-sender": "15550100042"}
    assert json.loads(message.content)["text"]["body"] == f"{method} {url}{path}"


async def test_what_a_host_header_claims_is_not_our_address(site, hook_of):
    hook = await hook_of(SIGNING)
    path = f"{hook.path}?id=1"
    headers = signed("https://evil.example", path) | {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    assert (await site.post(path, b"", headers=headers)).status == 401


@pytest.fixture
async def moved(db):
    """The installation had another address until a moment ago."""
    await db(record_public_url, FORMER)
    await db(record_public_url, ENV.reached_at)


async def test_a_former_address_is_believed_and_any_other_is_not(moved, site, hook_of, ingest):
    hook = await hook_of(SIGNING)
    path = f"{hook.path}?id=1"
    assert (await site.post(path, b"", headers=signed(FORMER, path))).status == 200
    assert (await site.post(path, b"", headers=signed("https://never.example", path))).status == 401
    _, [message] = await ingest(ENV.reached_at)
    assert json.loads(message.content)["text"]["body"] == f"POST {ENV.reached_at}{path}"


async def test_addresses_are_forgotten_after_seven_days(db):
    clock = Clock()
    urls = ["https://one.example", "https://two.example", "https://three.example"]
    for url in urls:
        await db(record_public_url, url)
        clock.forward(60.0)
    assert list(await db(record_public_url, urls[2]))[:2] == [urls[1], urls[0]]
    assert urls[0] not in await db(record_public_url, urls[0])
    clock.forward(7 * 86_400 - 1)
    assert list(await db(record_public_url, urls[0]))[:1] == [urls[2]]
    clock.forward(2)
    assert list(await db(record_public_url, urls[0])) == []


def envelope(file=FILE, **beside):
    data = {"base64": base64.b64encode(file).decode()}
    message = {"id": "1", "sender": "15550100042", "text": "Here it is", "apikey": "secret key"}
    return json.dumps(message | beside | {"data": data}).encode()


async def post(site, hook, body):
    return await site.ask("POST", hook.path, data=io.BytesIO(body))


async def test_a_large_body_lies_sealed_in_the_store_of_files_before_it_is_answered(site, hook_of, ingest, db, tenant):
    hook = await hook_of(OPEN)
    body = envelope()
    assert (await post(site, hook, body)).status == 200
    [event] = await db(lambda: list(WebhookEvent.objects.filter(tenant_id=tenant.id)))
    assert (bytes(event.body), event.body_size) == (b"", len(body) - len("secret key") + 3)
    stored = (ENV.home / "media" / event.body_file).read_bytes()
    assert base64.b64encode(FILE)[:100] not in stored
    whole = b"".join([piece async for piece in open_files(ENV.home, "").read(event.body_file, event.body_key)])
    assert json.loads(whole) == json.loads(body) | {"apikey": "***"}
    [event], [message] = await ingest(ENV.reached_at)
    assert (event.state, event.outcome) == (EventState.DONE, "1 message")
    assert json.loads(message.content)["text"]["body"] == "Here it is"


@pytest.mark.parametrize("size", [0, 100, 256 << 10, (256 << 10) + 1, 5 << 20])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_any_size_is_understood_alike_and_without_its_secret(site, hook_of, ingest, size, chunked):
    hook = await hook_of(OPEN)
    body = envelope(os.urandom(size))

    async def pieces():
        for at in range(0, len(body), 70_000):
            yield body[at : at + 70_000]

    answer = await site.ask("POST", hook.path, data=pieces() if chunked else io.BytesIO(body))
    assert answer.status == 200
    [event], [message] = await ingest(ENV.reached_at)
    assert b"secret key" not in bytes(event.body)
    assert bool(event.body_file) == (len(body) - 7 > 256 << 10)
    assert json.loads(message.content)["text"]["body"] == "Here it is"


async def test_a_body_beyond_the_providers_largest_is_refused_and_leaves_nothing(
    site, hook_of, monkeypatch, db, tenant
):
    from msgspec.structs import replace as with_fields

    small = with_fields(OPEN.capabilities, max_webhook_body=1 << 20)

    install(monkeypatch, replace(OPEN, capabilities=small))
    hook = await hook_of(OPEN)
    before = sum(1 for _ in (ENV.home / "media").rglob("*") if _.is_file())

    async def pieces():
        yield envelope()

    assert await refused(post(site, hook, envelope())) in {413, LOST}
    assert await refused(site.ask("POST", hook.path, data=pieces())) in {413, 400, LOST}
    assert not await db(lambda: WebhookEvent.objects.filter(tenant_id=tenant.id).exists())
    assert sum(1 for _ in (ENV.home / "media").rglob("*") if _.is_file()) == before


LOST = 0


async def refused(asking) -> int:
    """The status. It may be lost where a connection is closed while its other end still sends (RFC 9112, 9.6)."""
    try:
        return (await asking).status
    except aiohttp.ClientOSError:
        return LOST


async def test_a_full_disk_is_told_before_a_byte_is_kept(site, hook_of, monkeypatch, db, tenant):
    hook = await hook_of(OPEN)
    usage = shutil.disk_usage(ENV.home)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    answer = await post(site, hook, envelope())
    assert (answer.status, answer.json["code"]) == (503, "store_unavailable")
    assert (await site.post(hook.path, envelope(b"small"))).status == 200


async def test_a_lost_body_is_set_aside_and_holds_up_nobody(site, hook_of, ingest, db, tenant):
    hook = await hook_of(OPEN)
    assert (await post(site, hook, envelope())).status == 200
    assert (await site.post(hook.path, envelope(b"", id="2"))).status == 200
    [first, _] = await db(lambda: list(WebhookEvent.objects.filter(tenant_id=tenant.id).order_by("id")))
    (ENV.home / "media" / first.body_file).unlink()
    [lost, understood], messages = await ingest(ENV.reached_at)
    assert (lost.state, lost.outcome) == (EventState.DEAD, "its body is lost: The file is no longer stored.")
    assert (understood.state, len(messages)) == (EventState.DONE, 1)
    assert await db(lambda: Attachment.objects.filter(tenant_id=tenant.id).count()) <= 1


@pytest.mark.parametrize("file", [FILE, b"a small file"], ids=["large", "small"])
async def test_a_file_inside_a_webhook_is_fetched_from_the_stored_body(  # noqa: PLR0917 -- fixtures
    site, hook_of, ingest, db, tenant, file
):
    hook = await hook_of(OPEN)
    assert (await post(site, hook, envelope(file))).status == 200
    await ingest(ENV.reached_at)
    files = open_files(ENV.home, "")
    connections = Connections(db, per_host=1, connect=5.0, total=20.0)
    worker = await db(new_worker)
    fetches = Fetches(db, worker, files=files, connections=connections, policy=RetryPolicy(max_attempts=1, base=1.0))
    claimed = await db(claim_fetches, worker, open_room(10))
    [claim] = [claim for claim in claimed.claims if claim.tenant_id == tenant.id]
    await fetches.fetch(claim, claimed.moment)
    [stored] = await db(lambda: list(Attachment.objects.filter(tenant_id=tenant.id)))
    assert (stored.state, stored.size, stored.name) == (AttachmentState.STORED, len(file), "report.pdf")
    assert b"".join([piece async for piece in files.read(stored.file, stored.key)]) == file
    await connections.close()
