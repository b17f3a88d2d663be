"""The door of the providers: stored before it is answered, whatever the body; refused where the proof fails."""

import asyncio
import json
import os
import random

import pytest

import given
from hailgate.messaging.channels.renewal import renew_hook
from hailgate.messaging.files.storage import open_files
from hailgate.messaging.models import Hook, RejectedCall, WebhookEvent
from hailgate.settings import ENV

pytestmark = pytest.mark.anyio

FORGERIES = int(os.environ.get("SCALE", "1")) * 1_000

NESTED = 100_000
BODIES = {
    "empty": b"",
    "text": given.text_webhook(),
    "nesting bomb": b"[" * NESTED,
    "closed nesting bomb": b'{"a":' * NESTED + b"1" + b"}" * NESTED,
    "NUL": b'{"a": "\\u0000"}\x00',
    "lone surrogate": b'{"a": "\\ud800"}',
    "raw surrogate": b'"\xed\xa0\x80"',
    "huge integer": b"9" * 5_000,
    "NaN": b'{"a": NaN}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "not JSON": b"\xff\xfe\xfd",
    "wrong type": b"[]",
    "duplicate keys": b'{"entry": [], "entry": 1}',
    "a million keys": b"{" + b",".join(b'"%d":1' % n for n in range(100_000)) + b"}",
}


def stored(tenant_id: int) -> int:
    return WebhookEvent.objects.filter(tenant_id=tenant_id).count()


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_whatever_is_signed_is_stored_as_it_came(site, hook, tenant, db, body: bytes) -> None:
    answer = await site.post(hook.path, body, headers=given.signed(body))
    assert (answer.status, answer.body) == (200, b"")
    event = await db(WebhookEvent.objects.filter(tenant_id=tenant.id).get)
    large = open_files(ENV.home, "").read(event.body_file, event.body_key)
    assert (b"".join([piece async for piece in large]) if event.body_file else bytes(event.body)) == body
    assert event.state == 0


async def test_200_comes_after_the_commit_seen_from_another_connection(site, hook, tenant, db) -> None:
    for count in range(1, 20):
        body = given.text_webhook(message_id=f"wamid.{count}")
        assert (await site.post(hook.path, body, headers=given.signed(body))).status == 200
        assert await db(stored, tenant.id) == count


async def test_a_provider_that_still_posts_to_the_former_address_is_heard_until_the_overlap_ends(
    site, hook, tenant, db
) -> None:
    made = await db(renew_hook, await db(Hook.objects.filter(tenant_id=tenant.id).get), 3600)
    for count, path in enumerate((hook.path, made.path), 1):
        body = given.text_webhook(message_id=f"wamid.{count}")
        assert (await site.post(path, body, headers=given.signed(body))).status == 200
    events = await db(lambda: list(WebhookEvent.objects.filter(tenant_id=tenant.id).values_list("hook_id", flat=True)))
    assert len(events) == 2
    assert len(set(events)) == 1


async def test_headers_that_may_be_kept_are_and_others_are_not(site, hook, tenant, db) -> None:
    body = given.text_webhook()
    await site.post(
        hook.path, body, headers={**given.signed(body), "Cookie": "a=b", "User-Agent": "facebookexternalua"}
    )
    kept = json.loads((await db(WebhookEvent.objects.filter(tenant_id=tenant.id).get)).headers)
    assert kept["user-agent"] == "facebookexternalua"
    assert "cookie" not in kept


def _forge(body: bytes, dice: random.Random) -> dict[str, str]:
    good = given.signature(body)
    return {
        "Content-Type": "application/json",
        "X-Hub-Signature-256": dice.choice([
            "", "sha256=", "sha256=" + "0" * 64, good[:-1], good + "0", good.upper(), good.replace("sha256", "sha1"),
            good[7:], f"{good} ", f"{good}, {good}", "sha256=" + good[7:][::-1],
            given.signature(body, "another secret"), given.signature(body + b" "),
            "sha256=\xe9\xe8", "\xff" * 71, "sha256=" + "é" * 32, "x" * 8_000,
            good[:-1] + ("0" if good[-1] != "0" else "1"),
        ]),
    }  # fmt: skip


@pytest.mark.timeout(600)
async def test_no_forged_signature_is_accepted_and_none_ends_in_a_500(site, hook, tenant, db) -> None:
    dice = random.Random(7)
    body = given.text_webhook()
    statuses: dict[int, int] = {}
    for _ in range(FORGERIES // 20):
        round_ = [site.post(hook.path, body, headers=_forge(body, dice)) for _ in range(20)]
        for answer in await asyncio.gather(*round_):
            # A trailing space is not part of a header's value; that one is genuine.
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
    genuine = statuses.pop(200, 0)
    assert set(statuses) == {401}
    assert await db(stored, tenant.id) == genuine
    assert statuses[401] > FORGERIES * 0.8


async def test_signature_over_the_same_json_in_other_bytes_does_not_hold(site, hook) -> None:
    body = given.text_webhook()
    other = json.dumps(json.loads(body), indent=1).encode()
    assert (await site.post(hook.path, other, headers=given.signed(body))).code == "signature_invalid"


async def test_two_signature_headers_are_refused(site, hook) -> None:
    body = b"{}"
    good = given.signature(body).encode()
    answer = await site.raw(
        b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n"
        b"X-Hub-Signature-256: %s\r\nX-Hub-Signature-256: sha256=00\r\n\r\n{}" % (hook.path.encode(), good)
    )
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_missing_signature_is_refused(site, hook) -> None:
    assert (await site.post(hook.path, b"{}")).code == "signature_invalid"


async def test_another_hooks_signature_is_refused(site, hook, stranger, db) -> None:
    from hailgate.messaging.channels.hooks import add_hook

    settings = {**given.HOOK_SETTINGS, "app_secret": "the stranger's own app secret...."}
    theirs = await db(add_hook, stranger.id, "cloud", settings)
    body = b"{}"
    assert (await site.post(theirs.path, body, headers=given.signed(body))).code == "signature_invalid"


async def test_the_last_hundred_rejected_calls_are_kept_without_bodies(site, hook, tenant, db) -> None:
    from hailgate.edge.doors.rejections import Rejections
    from hailgate.messaging.channels.hooks import find_hook

    view = await db(find_hook, hook.token)
    rejections = Rejections(db)
    for size in range(250):
        rejections.note(view, "The signature does not hold.", size)
        if size == 120:
            await rejections.write()
    await rejections.write()
    calls = RejectedCall.objects.filter(tenant_id=tenant.id).order_by("id").values_list("size", flat=True)
    kept = await db(list, calls)
    assert kept == list(range(150, 250))


async def test_rejected_calls_are_written_when_the_site_stops(store, hook, tenant, db) -> None:
    from hailgate.asgi import create_app
    from hailgate.settings import ENV
    from serving import serving

    async with serving(create_app(ENV, with_worker=False)) as site:
        for _ in range(3):
            await site.post(hook.path, b"{}")
    assert await db(RejectedCall.objects.filter(tenant_id=tenant.id).count) == 3


@pytest.mark.parametrize("token", ["unknown", "x" * 43, "x" * 5_000, "%00", "%ff"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_unknown_tokens_are_not_found(site, token: str, method: str) -> None:
    assert (await site.ask(method, f"/hooks/{token}")).code == "not_found"


async def test_token_appears_in_no_answer(site, hook) -> None:
    for answer in [await site.post(hook.path, b"{}"), await site.get(hook.path), await site.ask("PUT", hook.path)]:
        assert hook.token.encode() not in answer.body


async def test_handshake_echoes_the_challenge_as_plain_text(site, hook) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": given.VERIFY_TOKEN, "hub.challenge": "<b>1158201444</b>"}
    answer = await site.get(hook.path, params=query)
    assert (answer.status, answer.body) == (200, b"<b>1158201444</b>")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("token", ["", "wrong", given.VERIFY_TOKEN + " ", "é"])
async def test_handshake_with_a_wrong_token_is_forbidden(site, hook, token: str) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1"}
    assert (await site.get(hook.path, params=query)).code == "forbidden"


async def test_a_switched_off_hook_is_not_found(site, hook, tenant, db) -> None:
    from hailgate.messaging.models import Hook

    await db(lambda: Hook.objects.filter(tenant_id=tenant.id).update(active=False))
    assert (await site.post(hook.path, b"{}")).code == "not_found"
