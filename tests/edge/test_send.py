"""The door to send: strict about what it takes, stored before it answers, once for each key."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

import given
from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.core.content import TEXT_LIMIT, decode_outbound
from hailgate.core.events import ThreadOwnerChange
from hailgate.messaging.assistants.patterns import set_pattern
from hailgate.messaging.models import Message, Work
from hostile_files import PNG
from messaging import acting

pytestmark = pytest.mark.anyio

NESTED = 100_000


def message(**changes: Any) -> dict[str, Any]:
    whole = {"channel": "front desk", "to": f"+{given.PERSON}", "type": "text", "text": {"body": "We open at nine."}}
    return {name: value for name, value in (whole | changes).items() if value is not ...}


def count(tenant_id: int) -> tuple[int, int]:
    """Messages and their deliveries."""
    return Message.objects.filter(tenant_id=tenant_id).count(), Work.objects.filter(tenant_id=tenant_id).count()


def moment(**later: float) -> str:
    return (datetime.now(UTC) + timedelta(**later)).isoformat()


async def test_a_message_is_stored_with_its_delivery_before_the_answer(site, key, channel, db) -> None:
    answer = await site.post("/v1/messages", message(), key=key)
    assert answer.status == 202
    assert await db(count, channel.tenant_id) == (1, 1)
    stored = await db(Message.objects.filter(tenant_id=channel.tenant_id).get)
    assert answer.json == {
        "id": str(stored.uid),
        "status": "queued",
        "channel": str(channel.uid),
        "to": f"+{given.PERSON}",
        "accepted_at": answer.json["accepted_at"],
    }
    assert UUID(answer.json["id"]).version == 7
    assert datetime.fromisoformat(answer.json["accepted_at"]).tzinfo is not None


FOREIGN = {
    "no type": message(type=...),
    "Meta's envelope": message(messaging_product="whatsapp", recipient_type="individual"),
    "degrees in quotes": message(type="location", text=..., location={"latitude": "37.48", "longitude": "-122.15"}),
    "components in capitals": message(
        type="template", text=...,
        template={
            "name": "a", "language": {"code": "en"},
            "components": [
                {"type": "BODY", "parameters": [{"type": "TEXT", "text": "x"}]},
                {"type": "BUTTON", "sub_type": "URL", "index": "0", "parameters": [{"type": "text", "text": "x"}]},
            ],
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("body", FOREIGN.values(), ids=FOREIGN.keys())
async def test_what_common_clients_write_is_taken_in_our_spelling(site, key, channel, db, body: dict[str, Any]) -> None:
    answer = await site.post("/v1/messages", body, key=key)
    assert answer.status == 202
    stored = await db(Message.objects.filter(tenant_id=channel.tenant_id).get)
    decode_outbound(sealer().unseal(stored.content))


async def test_the_hash_of_an_identity_key_travels_with_the_message(site, key, channel, db) -> None:
    await site.post("/v1/messages", message(recipient_identity_key_hash="DF2lS5v2W6x="), key=key)
    stored = await db(Message.objects.filter(tenant_id=channel.tenant_id).get)
    assert json.loads(sealer().unseal(stored.content))["recipient_identity_key_hash"] == "DF2lS5v2W6x="


async def test_a_fault_inside_a_template_names_its_place(site, key, channel) -> None:
    body = {"type": "body", "parameters": [{"type": "text", "text": "a"}, {"type": "text", "text": []}]}
    call = {"name": "a", "language": {"code": "en"}, "components": [{"type": "header"}, body]}
    answer = await site.post("/v1/messages", message(type="template", text=..., template=call), key=key)
    assert (answer.status, answer.json["field"]) == (422, "template.components[1].parameters[1].text")


@pytest.mark.parametrize(
    ("to", "shown"),
    [
        ("+1 (555) 010-0042", f"+{given.PERSON}"),
        (given.PERSON, f"+{given.PERSON}"),
        ({"kind": "phone", "value": "+1 555 010 0042"}, f"+{given.PERSON}"),
        ({"kind": "bsuid", "value": "US.1234"}, {"kind": "bsuid", "value": "US.1234"}),
    ],
)
async def test_the_recipient_is_answered_in_normal_form(site, key, channel, to: Any, shown: Any) -> None:
    assert (await site.post("/v1/messages", message(to=to), key=key)).json["to"] == shown


PATTERN = {"name": "greeting", "language": "pt_BR", "values": {"name": "Ana"}}


@pytest.fixture
async def greeting(channel, db) -> None:
    await db(set_pattern, channel.tenant_id, "greeting", "pt", "Olá {{name}}!")


async def test_a_pattern_is_sent_as_the_text_that_it_says(site, key, greeting) -> None:
    shown = (await site.post("/v1/messages", message(text=..., pattern=PATTERN), key=key)).json
    again = (await site.get(f"/v1/messages/{shown['id']}", key=key)).json
    assert (again["type"], again["text"]["body"]) == ("text", "Olá Ana!")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pattern": PATTERN | {"values": {}}}, "pattern.values.name"),
        ({"pattern": PATTERN | {"name": "closing"}}, "pattern.name"),
        ({"pattern": PATTERN | {"language": "de"}}, "pattern.language"),
        ({"pattern": PATTERN, "text": {"body": "Hi"}}, "text"),
        ({"pattern": PATTERN, "type": "image", "image": {"link": "https://example.com/a.jpg"}}, "pattern"),
    ],
)
async def test_what_a_pattern_lacks_is_named(site, key, greeting, changes, field) -> None:
    refused = await site.post("/v1/messages", message(**{"text": ...} | changes), key=key)
    assert (refused.status, refused.json["field"]) == (422, field)


async def test_a_repeated_request_is_the_same_whatever_its_pattern_says_by_now(
    site, key, channel, db, greeting
) -> None:
    given = {"key": key, "headers": {"Idempotency-Key": "greet-1"}}
    first = await site.post("/v1/messages", message(text=..., pattern=PATTERN), **given)
    await db(set_pattern, channel.tenant_id, "greeting", "pt", "Oi {{name}}!")
    again = await site.post("/v1/messages", message(text=..., pattern=PATTERN), **given)
    assert (again.status, again.json["id"]) == (202, first.json["id"])


PICTURE = {"link": "https://example.com/a.jpg", "caption": "Front"}


async def test_a_picture_is_stored_in_the_cloud_apis_shape(site, key, channel, db) -> None:
    body = message(type="image", text=..., image=PICTURE)
    shown = (await site.post("/v1/messages", body, key=key)).json
    stored = await db(Message.objects.filter(tenant_id=channel.tenant_id).get)
    assert (stored.kind, json.loads(stored.content)) == ("image", {"type": "image", "image": PICTURE})
    again = (await site.get(f"/v1/messages/{shown['id']}", key=key)).json
    assert (again["type"], again["content"], again["text"]) == ("image", PICTURE, None)
    assert again["preview"] == "Photo: Front"


async def test_a_picture_that_is_stored_here_is_named_by_its_id(site, key, channel, db) -> None:
    stored = (await site.ask("POST", "/v1/media", data=PNG, key=key)).json["id"]
    answer = await site.post("/v1/messages", message(type="image", text=..., image={"attachment": stored}), key=key)
    assert answer.status == 202
    shown = (await site.get(f"/v1/messages/{answer.json['id']}", key=key)).json
    assert shown["content"] == {"attachment": stored}


async def test_a_file_that_is_not_there_or_not_the_callers_is_refused(site, key, stranger_key, channel, db) -> None:
    theirs = (await site.ask("POST", "/v1/media", data=PNG, key=stranger_key)).json["id"]
    body = message(type="image", text=..., image={"attachment": theirs})
    refused = await site.post("/v1/messages", body, key=key)
    assert (refused.status, refused.code, refused.json["field"]) == (422, "unknown_attachment", "image.attachment")
    batch = (await site.post("/v1/messages/batch", {"messages": [body, message()]}, key=key)).json["results"]
    assert [item["status"] for item in batch] == [422, 202]
    assert await db(count, channel.tenant_id) == (1, 1)


async def test_a_reaction_to_a_message_known_by_our_id_names_the_providers(site, key, channel, db) -> None:
    first = (await site.post("/v1/messages", message(), key=key)).json["id"]
    reaction = message(type="reaction", text=..., reaction={"message_id": first, "emoji": "👍"})
    refused = await site.post("/v1/messages", reaction, key=key)
    assert (refused.code, refused.json["field"]) == ("unknown_context", "reaction.message_id")
    mine = Message.objects.filter(tenant_id=channel.tenant_id)
    await db(lambda: mine.update(provider_id="wamid.first"))
    second = (await site.post("/v1/messages", reaction, key=key)).json["id"]
    assert json.loads((await db(mine.filter(uid=second).get)).content)["reaction"]["message_id"] == "wamid.first"


async def test_a_channel_is_known_by_id_and_by_name(site, key, channel) -> None:
    for name in (str(channel.uid), channel.uid.hex, "front desk"):
        assert (await site.post("/v1/messages", message(channel=name), key=key)).status == 202


async def test_what_else_a_message_carries_is_stored(site, key, channel, db) -> None:
    body = message(
        context={"message_id": "wamid.abc"},
        send_at=moment(hours=1),
        expires_at=moment(hours=2),
        priority="bulk",
        metadata={"case": "A-17", "n": 3, "x": 1.5},
    )
    assert (await site.post("/v1/messages", body, key=key)).status == 202
    stored = await db(Message.objects.filter(tenant_id=channel.tenant_id).get)
    work = await db(Work.objects.filter(tenant_id=channel.tenant_id).get)
    assert stored.context_id == "wamid.abc"
    assert json.loads(stored.metadata) == {"case": "A-17", "n": 3, "x": 1.5}
    assert (work.priority, work.state) == (1, 0)
    assert stored.expires_at - stored.send_at == pytest.approx(timedelta(hours=1), abs=timedelta(seconds=1))


async def test_our_own_id_of_an_answered_message_becomes_the_providers(site, key, channel, db) -> None:
    first = (await site.post("/v1/messages", message(), key=key)).json["id"]
    answering = message(context={"message_id": first})
    assert (await site.post("/v1/messages", answering, key=key)).code == "unknown_context"
    mine = Message.objects.filter(tenant_id=channel.tenant_id)
    await db(lambda: mine.update(provider_id="wamid.first"))
    second = (await site.post("/v1/messages", answering, key=key)).json["id"]
    assert (await db(mine.filter(uid=second).get)).context_id == "wamid.first"


async def test_a_message_without_expiry_lives_as_long_as_the_installation_says(site, key, channel, db) -> None:
    await site.post("/v1/messages", message(), key=key)
    stored = await db(Message.objects.filter(tenant_id=channel.tenant_id).get)
    assert stored.expires_at - stored.accepted_at == timedelta(days=1)


# --- refusals ---------------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown field": (message(chanel="x"), "invalid_request", "chanel"),
    "tenant in the body": (message(tenant_id=2), "invalid_request", "tenant_id"),
    "unknown field inside": (message(text={"body": "x", "html": "y"}), "invalid_request", "text.html"),
    "no channel": (message(channel=...), "invalid_request", "channel"),
    "another member": (message(image={"id": "1"}), "invalid_request", "image"),
    "the wrong member": (message(type="image"), "invalid_request", "text"),
    "no member": (message(type="image", text=...), "invalid_request", "image"),
    "two sources of a file": (message(type="image", text=..., image={}), "invalid_content", "image"),
    "a reaction that quotes": (
        message(
            type="reaction",
            text=...,
            reaction={"message_id": "wamid.1", "emoji": ""},
            context={"message_id": "wamid.2"},
        ),
        "invalid_request",
        "context",
    ),
    "no recipient": (message(to=...), "invalid_request", "to"),
    "no text": (message(text=...), "invalid_request", "text"),
    "no type, two kinds": (message(type=..., image={"id": "1"}), "invalid_request", "type"),
    "unknown type": (message(type="hologram"), "invalid_request", "type"),
    "null recipient": (message(to=None), "invalid_request", "to"),
    "number as recipient": (message(to=15550100042), "invalid_request", "to"),
    "list as recipient": (message(to=["+15550100042"]), "invalid_request", "to"),
    "empty recipient": (message(to=""), "invalid_address", "to"),
    "letters": (message(to="+1555CALLME1"), "invalid_address", "to"),
    "unknown kind of address": (message(to={"kind": "fax", "value": "1"}), "invalid_request", "to.kind"),
    "address without value": (message(to={"kind": "lid"}), "invalid_request", "to.value"),
    "an address of another provider": (message(to={"kind": "lid", "value": "1"}), "invalid_address", "to"),
    "NUL in address": (message(to={"kind": "lid", "value": "a\0"}), "invalid_address", "to.value"),
    "empty body": (message(text={"body": ""}), "invalid_content", "text.body"),
    "white space": (message(text={"body": " \n "}), "invalid_content", "text.body"),
    "too long": (message(text={"body": "x" * (TEXT_LIMIT + 1)}), "invalid_content", "text.body"),
    "NUL": (message(text={"body": "a\0b"}), "invalid_content", "text.body"),
    "NUL in Markdown": (message(text={"body": "a\0b"}, markdown=True), "invalid_content", "text.body"),
    "Markdown that is too long": (
        message(text={"body": "# x" * TEXT_LIMIT}, markdown=True),
        "invalid_content",
        "text.body",
    ),
    "Markdown of a picture": (
        message(type="image", text=..., image={"link": "https://a.example/x.png"}, markdown=True),
        "invalid_request",
        "markdown",
    ),
    "body of another type": (message(text={"body": 5}), "invalid_request", "text.body"),
    "unknown channel": (message(channel="nowhere"), "unknown_channel", "channel"),
    "unknown channel id": (message(channel="6f1c1b3e-0000-4000-8000-000000000000"), "unknown_channel", "channel"),
    "NUL in channel": (message(channel="a\0"), "invalid_request", "channel"),
    "line break in channel": (message(channel="front desk\n"), "invalid_request", "channel"),
    "empty channel": (message(channel=""), "invalid_request", "channel"),
    "time without offset": (message(send_at="2030-01-01T00:00:00"), "invalid_request", "send_at"),
    "not a time": (message(send_at="tomorrow"), "invalid_request", "send_at"),
    "a number as time": (message(send_at=5), "invalid_request", "send_at"),
    "too far": (message(send_at=moment(days=366)), "invalid_schedule", "send_at"),
    "end of time": (message(send_at="9999-12-31T23:59:59-23:59"), "invalid_schedule", "send_at"),
    "expired": (message(expires_at=moment(seconds=-1)), "invalid_schedule", "expires_at"),
    "expires before it is sent": (
        message(send_at=moment(hours=2), expires_at=moment(hours=1)),
        "invalid_schedule",
        "expires_at",
    ),
    "unknown priority": (message(priority="urgent"), "invalid_request", "priority"),
    "metadata of another type": (message(metadata=["a"]), "invalid_request", "metadata"),
    "nested metadata": (message(metadata={"a": {"b": 1}}), "invalid_request", "metadata"),
    "boolean metadata": (message(metadata={"a": True}), "invalid_request", "metadata"),
    "large metadata": (message(metadata={"a": "x" * 2_100}), "invalid_request", "metadata"),
    "long context": (message(context={"message_id": "x" * 256}), "invalid_request", "context.message_id"),
    "NUL in context": (message(context={"message_id": "a\0"}), "invalid_request", "context.message_id"),
    "null context": (message(context=None), "invalid_request", "context"),
}


@pytest.mark.parametrize(("body", "code", "field"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_wrong_is_refused_by_name_and_stores_nothing(  # noqa: PLR0917 -- fixtures
    site, key, channel, db, body: dict[str, Any], code: str, field: str
) -> None:
    answer = await site.post("/v1/messages", body, key=key, headers={"Idempotency-Key": "k"})
    assert (answer.status, answer.code, answer.json.get("field")) == (422, code, field)
    assert await db(count, channel.tenant_id) == (0, 0)


TEMPLATE = json.dumps(message(text={"body": "@"})).encode()

MALFORMED = {
    "empty": b"",
    "not JSON": b"{",
    "nesting bomb": b"[" * NESTED,
    "nested objects": b'{"to":' * NESTED,
    "nested in place of a text": TEMPLATE.replace(b'"@"', b"[" * NESTED + b"]" * NESTED),
    "nested in an unknown field": b'{"x":' + b"[" * NESTED + b"]" * NESTED + b"}",
    "lone surrogate": TEMPLATE.replace(b"@", b"\\ud800"),
    "pair turned round": TEMPLATE.replace(b"@", b"\\udc00\\ud800"),
    "raw surrogate": TEMPLATE.replace(b"@", b"\xed\xa0\x80"),
    "invalid UTF-8": TEMPLATE.replace(b"@", b"\xff"),
    "huge integer": TEMPLATE.replace(b'"@"', b"9" * 5_000),
    "huge integer in metadata": TEMPLATE[:-1] + b',"metadata":{"n":' + b"9" * 5_000 + b"}}",
    "endless number": TEMPLATE[:-1] + b',"metadata":{"n":1e999}}',
    "NaN": TEMPLATE[:-1] + b',"metadata":{"n":NaN}}',
    "byte order mark": b"\xef\xbb\xbf" + TEMPLATE,
    "UTF-16": TEMPLATE.decode().encode("utf-16"),
    "a list": b"[]",
    "a string": b'"x"',
    "null": b"null",
    "trailing data": TEMPLATE + TEMPLATE,
    "a million keys": b"{" + b",".join(b'"%d":1' % n for n in range(50_000)) + b"}",
    "a long field": b'{"' + b"x" * 10_000 + b'":1}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_bodies_are_refused_and_store_nothing(site, key, channel, db, body: bytes) -> None:
    answer = await site.post("/v1/messages", body, key=key)
    assert answer.status in {400, 422}
    assert len(answer.body) < 1_000
    assert await db(count, channel.tenant_id) == (0, 0)


@pytest.mark.parametrize("given_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"])
async def test_another_media_type_is_refused(site, key, channel, given_type: str) -> None:
    answer = await site.post("/v1/messages", b"{}", key=key, headers={"Content-Type": given_type})
    assert answer.code == "unsupported_media_type"


async def test_a_value_that_was_sent_is_never_repeated(site, key, channel) -> None:
    secret = "5550100042 is ill"
    for body in (message(type=secret), message(priority=secret), message(channel=secret), message(**{secret: 1})):
        assert secret.encode() not in (await site.post("/v1/messages", body, key=key)).body


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer nonsense", "Bearer hg_000000000000_x", "Bearer é", "hg_x"],
)
async def test_without_a_known_key_nothing_is_accepted(site, channel, db, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = await site.post("/v1/messages", message(), headers=headers)
    assert answer.code == "unauthenticated"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert await db(count, channel.tenant_id) == (0, 0)


@pytest.mark.parametrize("spoil", [lambda k: k[:-1], lambda k: k + "A", lambda k: k.upper()])
async def test_a_key_that_is_almost_right_is_wrong(site, key, channel, spoil) -> None:
    answer = await site.post("/v1/messages", message(), headers={"Authorization": f"Bearer {spoil(key)}"})
    assert answer.code == "unauthenticated"


async def test_a_key_in_the_url_is_no_key(site, key, channel) -> None:
    assert (await site.post(f"/v1/messages?key={key}&authorization=Bearer+{key}", message())).code == "unauthenticated"


async def test_a_revoked_key_ends_within_its_five_seconds(store, key, channel, db) -> None:
    from hailgate.accounts.keys import find_key, revoke_key
    from hailgate.core.cache import Cache

    now = 0.0
    known: Cache[object] = Cache(lambda given_key: db(find_key, given_key), clock=lambda: now)
    assert await known.get("digest", key)
    assert await db(revoke_key, channel.tenant_id, key.split("_")[1])
    assert await known.get("digest", key)
    now = 5.1
    assert await known.get("digest", key) is None


async def test_another_tenants_channel_is_unknown(site, stranger_key, channel, db) -> None:
    for name in (str(channel.uid), "front desk"):
        answer = await site.post("/v1/messages", message(channel=name), key=stranger_key)
        assert (answer.status, answer.code) == (422, "unknown_channel")
    assert await db(count, channel.tenant_id) == (0, 0)


# --- idempotency ------------------------------------------------------------------------------------------------------


async def test_same_key_and_body_get_the_stored_answer(site, key, channel, db) -> None:
    headers = {"Idempotency-Key": "order 17"}
    first = await site.post("/v1/messages", message(), key=key, headers=headers)
    spelt_otherwise = json.dumps(dict(reversed(message().items())), indent=3)
    again = await site.post("/v1/messages", spelt_otherwise.encode(), key=key, headers=headers)
    assert (again.status, again.body) == (202, first.body)
    replayed = [answer.headers.get("idempotency-replayed") for answer in (first, again)]
    assert replayed == [None, "true"]
    assert await db(count, channel.tenant_id) == (1, 1)


async def test_twenty_racing_requests_of_one_key_make_one_message(site, key, channel, db) -> None:
    race = [site.post("/v1/messages", message(), key=key, headers={"Idempotency-Key": "k"}) for _ in range(20)]
    answers = await asyncio.gather(*race)
    assert {(answer.status, answer.body) for answer in answers} == {(202, answers[0].body)}
    assert await db(count, channel.tenant_id) == (1, 1)


async def test_same_key_with_another_body_is_refused(site, key, channel, db) -> None:
    headers = {"Idempotency-Key": "k"}
    await site.post("/v1/messages", message(), key=key, headers=headers)
    other = await site.post("/v1/messages", message(text={"body": "Ten."}), key=key, headers=headers)
    assert (other.status, other.code) == (422, "idempotency_mismatch")
    assert await db(count, channel.tenant_id) == (1, 1)


async def test_an_error_leaves_the_key_free(site, key, channel, db) -> None:
    headers = {"Idempotency-Key": "k"}
    assert (await site.post("/v1/messages", message(to="x"), key=key, headers=headers)).status == 422
    assert (await site.post("/v1/messages", message(), key=key, headers=headers)).status == 202


async def test_two_tenants_may_use_the_same_key(site, key, channel, stranger_key, db) -> None:
    from hailgate.accounts.keys import find_key
    from hailgate.messaging.channels.registry import add_channel

    stranger = await db(find_key, stranger_key)
    await db(add_channel, stranger.tenant_id, "cloud", "front desk", "15550100001", given.CHANNEL_SETTINGS)
    headers = {"Idempotency-Key": "k"}
    mine = await site.post("/v1/messages", message(), key=key, headers=headers)
    theirs = await site.post("/v1/messages", message(), key=stranger_key, headers=headers)
    assert (mine.status, theirs.status) == (202, 202)
    assert mine.json["id"] != theirs.json["id"]


@pytest.mark.parametrize("value", ["", "x" * 129, "é", "a\tb"])
async def test_an_idempotency_key_must_be_short_and_visible(site, key, channel, value: str) -> None:
    answer = await site.post("/v1/messages", message(), key=key, headers={"Idempotency-Key": value})
    assert (answer.status, answer.code, answer.json["field"]) == (422, "invalid_idempotency_key", "Idempotency-Key")


# --- batches ----------------------------------------------------------------------------------------------------------


async def test_a_batch_answers_each_message_in_its_place(site, key, channel, db) -> None:
    bodies = [message(), message(to="x"), message(text={"body": "two"}), message(channel="nowhere"), 5]
    answer = await site.post("/v1/messages/batch", {"messages": bodies}, key=key)
    assert answer.status == 200
    results = answer.json["results"]
    assert [result["status"] for result in results] == [202, 422, 202, 422, 422]
    assert [result.get("error", {}).get("code") for result in results] == [
        None, "invalid_address", None, "unknown_channel", "invalid_request",
    ]  # fmt: skip
    assert await db(count, channel.tenant_id) == (2, 2)


async def test_a_batch_keeps_its_order_in_each_conversation(site, key, channel, db) -> None:
    bodies = [message(text={"body": str(n)}, to=f"+1555010{n % 3:04}") for n in range(1_000)]
    answer = await site.post("/v1/messages/batch", {"messages": bodies}, key=key)
    ids = [UUID(result["message"]["id"]) for result in answer.json["results"]]
    stored = await db(
        list, Message.objects.filter(tenant_id=channel.tenant_id).order_by("id").values_list("uid", flat=True)
    )
    assert stored == ids


async def test_a_batchs_key_holds_for_each_message_by_its_place(site, key, channel, db) -> None:
    body = {"messages": [message(), message(text={"body": "two"})]}
    headers = {"Idempotency-Key": "k"}
    first = await site.post("/v1/messages/batch", body, key=key, headers=headers)
    again = await site.post("/v1/messages/batch", body, key=key, headers=headers)
    told = [{**result, "replayed": True} for result in first.json["results"]]
    assert again.json["results"] == told
    assert await db(count, channel.tenant_id) == (2, 2)


@pytest.mark.parametrize(
    "body", [{"messages": []}, {"messages": [{}] * 1_001}, {}, [], {"messages": {}}, {"other": []}]
)
async def test_a_batch_of_another_shape_is_refused_as_a_whole(site, key, channel, body: Any) -> None:
    assert (await site.post("/v1/messages/batch", body, key=key)).status == 422


async def test_an_unknown_type_is_told_the_known_ones(site, key, channel) -> None:
    answer = await site.post("/v1/messages", message(type="hologram"), key=key)
    assert answer.json["detail"].startswith("type: must be one of: text, image, video, ")


@pytest.mark.parametrize("kind", ["pin", "PIN", None])
async def test_a_pin_is_refused_with_its_reason(site, key, channel, kind: str | None) -> None:
    """As pywa's `pin_message` sends it, and by members alone. Meta, group messaging: groups alone, the admin alone."""
    pin = {"type": "pin", "message_id": "wamid.1", "expiration_days": 7}
    body = {"channel": channel.name, "to": "+15550000001", "pin": pin} | ({"type": kind} if kind else {})
    refused = (await site.post("/v1/messages", body, key=key)).json
    assert (refused["field"], refused["detail"].split(";")[0]) == (
        "type",
        "type: is not sent from here: WhatsApp pins messages in groups alone, for the group's admin",
    )


async def test_a_message_that_would_take_a_thread_from_another_responder_has_to_say_so(site, key, channel, db) -> None:
    await db(own_elsewhere, channel)
    refused = await site.post("/v1/messages", message(), key=key, headers={"Idempotency-Key": "one"})
    assert (refused.status, refused.json["code"], refused.json["retryable"]) == (409, "thread_elsewhere", False)
    assert await db(count, channel.tenant_id) == (0, 0)
    taken = await site.post("/v1/messages", message(take_thread=True), key=key, headers={"Idempotency-Key": "one"})
    assert taken.status == 202
    assert (await site.post("/v1/messages", message(), key=key)).status == 202
    [conversation] = (await site.get("/v1/conversations", key=key)).json["items"]
    assert conversation["thread"]["owner"] == "us"


def own_elsewhere(channel) -> None:
    chat = (Address(AddressKind.PHONE, given.PERSON),)
    acting.apply(channel, ThreadOwnerChange(acting.account_of(channel), "one", chat, ours=False, role="agent", at=0.0))
