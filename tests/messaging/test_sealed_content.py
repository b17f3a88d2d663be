"""With ``HAILGATE_SEAL_CONTENT``, no text, name or address of anybody lies readable in the store."""

import subprocess
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection

import given as house
from hailgate.accounts import seal
from hailgate.accounts.seal import Sealer, use_sealer
from hailgate.core.address import Address, AddressKind
from hailgate.core.content import content_as_json
from hailgate.core.slots import open_room
from hailgate.messaging.channels.hooks import get_hook
from hailgate.messaging.inbound.receive import ReceivedWebhook, store_webhooks
from hailgate.messaging.inbound.turns import claim_turns
from hailgate.messaging.models import WebhookEvent
from hailgate.messaging.store.ids import uuid7
from hailgate.providers.contract import WebhookRequest
from messaging.acting import (
    apply,
    attempt,
    change_channel,
    claim_one,
    execute,
    hook_id_of,
    ingest,
    messages,
    new_message,
    send_all,
    sent,
    tell,
    wrote,
)

CANARIES = {
    "text": "canary text 7f3a",
    "reply": "canary reply 91bc",
    "name": "Canary Name",
    "phone": "15559876543",
    "author": "15559876500",
    "scoped": "US.canary1234",
    "renamed": "5511987650000",
    "group": "120363canary",
}


@pytest.fixture
def sealed(store):
    """The same keys as ever, and content is sealed."""
    from hailgate.settings import ENV

    before = seal.sealer()
    use_sealer(Sealer(ENV.sealing_keys, content=True))
    yield
    use_sealer(before)


@pytest.fixture
def busy(sealed, answering, worker):
    """A channel on which everything has happened once."""
    person = Address(AddressKind.PHONE, CANARIES["phone"])
    scoped = Address(AddressKind.BSUID, CANARIES["scoped"])
    group = Address(AddressKind.GROUP, CANARIES["group"])
    author = Address(AddressKind.PHONE, CANARIES["author"])
    apply(answering, wrote(answering, person, scoped, body=CANARIES["text"], name=CANARIES["name"]))
    apply(answering, wrote(answering, group, author=author, body=CANARIES["text"], name=CANARIES["name"]))
    send_all(answering, [new_message(answering, person, CANARIES["reply"])])
    one = claim_one(worker)
    attempt(worker, one)
    tell(worker, sent(one, address=Address(AddressKind.PHONE, CANARIES["renamed"])))
    body = house.text_webhook(CANARIES["text"], sender=CANARIES["phone"], name=CANARIES["name"])
    store_webhooks([ReceivedWebhook(uuid7(), answering.tenant_id, hook_id_of(answering), "{}", body)])
    return answering


def everything() -> str:
    """Every value of every column of every table."""
    tables = [model._meta.db_table for model in apps.get_models()]
    return "\n".join(
        str(bytes(value) if isinstance(value, memoryview) else value)
        for table in tables
        for row in execute(f"SELECT * FROM {table}")
        for value in row
    )


@pytest.mark.parametrize("what", CANARIES)
def test_no_canary_is_in_any_column(busy, what):
    assert CANARIES[what] not in everything()


def test_no_canary_is_in_the_files_of_the_database(busy):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL keeps its files to itself")
    path = Path(connection.settings_dict["NAME"])
    # Another process reads: whoever opens and closes these files here takes away the locks that SQLite holds on them.
    written = subprocess.check_output(["cat", *path.parent.glob(f"{path.name}*")])
    assert len(written) > 100_000
    assert [what for what, canary in CANARIES.items() if canary.encode() in written] == []


def test_what_is_sealed_is_read_again(busy, worker):
    rows = messages(busy.tenant_id)
    assert all(row.content.startswith("sealed:") for row in rows)
    turns = claim_turns(worker, open_room(10)).claims
    texts = {content_as_json(line.content)["text"]["body"] for turn in turns for line in turn.lines}
    assert texts == {CANARIES["text"], CANARIES["reply"]}
    assert {turn.to.value for turn in turns} == {CANARIES["phone"], CANARIES["group"]}


def test_a_sealed_message_is_sent_in_plain(sealed, wide, worker):
    send_all(wide, [new_message(wide, Address(AddressKind.PHONE, CANARIES["phone"]), CANARIES["text"])])
    one = claim_one(worker)
    assert content_as_json(one.content)["text"]["body"] == CANARIES["text"]
    assert one.to.value == CANARIES["phone"]


def test_a_sealed_webhook_is_understood(sealed, channel, worker):
    hook = get_hook(hook_id_of(channel))
    body = house.text_webhook(CANARIES["text"], sender=CANARIES["phone"])
    store_webhooks([ReceivedWebhook(uuid7(), channel.tenant_id, hook.id, "{}", body)])
    assert bytes(WebhookEvent.objects.get(tenant_id=channel.tenant_id).body).startswith(b"sealed:")

    def understand(body):
        return hook.receiver.parse(WebhookRequest(url="", method="POST", query="", headers={}, body=body))

    assert ingest(worker, hook.id, understand).tally["message"] == 1


def test_a_person_stored_in_plain_is_the_same_person_when_sealed(wide, request):
    """Sealing is switched on with data in place: look-ups go by keyed hash, not by what is stored."""
    apply(wide, wrote(wide, 1))
    request.getfixturevalue("sealed")
    apply(wide, wrote(wide, 1))
    change_channel(wide, name="still there")
    assert len({row.conversation_id for row in messages(wide.tenant_id)}) == 1
