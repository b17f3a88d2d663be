"""What a webhook does to the store: messages, people, conversations; each effect once, all of it or nothing."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import given as house
from hailgate.accounts.alarms import find_alarms
from hailgate.core.address import Address, AddressKind
from hailgate.core.content import Unsupported, content_as_json
from hailgate.core.status import Status
from hailgate.messaging.channels.admin import change_settings, get_channel_row
from hailgate.messaging.channels.hooks import get_hook
from hailgate.messaging.inbound.receive import ReceivedWebhook, store_webhooks
from hailgate.messaging.models import (
    Contact,
    ContactAddress,
    Conversation,
    Direction,
    Effect,
    EventState,
    Message,
    WebhookEvent,
)
from hailgate.messaging.store.ids import uuid7
from hailgate.providers.contract import WebhookRequest
from messaging.acting import (
    account_of,
    add_number,
    apply,
    attempt,
    change_channel,
    claim_one,
    conversation_of,
    deliver,
    execute,
    fresh,
    hook_id_of,
    ingest,
    messages,
    phone,
    send,
    sent,
    tell,
    told,
    wrote,
)
from providers.payloads import folder, webhooks

SCOPED = Address(AddressKind.BSUID, "US.13491208655302741918")
GROUP = Address(AddressKind.GROUP, "120363000000000001")


def contacts(channel) -> list[Contact]:
    return list(Contact.objects.filter(tenant_id=channel.tenant_id).order_by("id"))


def addresses(channel) -> set[tuple[str, str]]:
    return set(ContactAddress.objects.filter(tenant_id=channel.tenant_id).values_list("kind", "value"))


# --- messages ---------------------------------------------------------------------------------------------------------


def test_a_persons_message_is_stored_in_their_conversation(channel, clock):
    note = apply(
        channel, wrote(channel, 1, body="Hello?", message_id="wamid.1", at=clock.now - 5, context_id="wamid.0")
    )
    (row,) = messages(channel.tenant_id)
    assert note == "1 message"
    assert (row.direction, row.sender, row.kind, row.status) == (
        Direction.INBOUND, "contact", "text", Status.DELIVERED,
    )  # fmt: skip
    assert content_as_json(row.content) == {"type": "text", "text": {"body": "Hello?"}}
    assert (row.provider_id, row.context_id, row.address) == ("wamid.1", "wamid.0", phone(1).value)
    assert (row.accepted_at.timestamp(), row.provider_at.timestamp()) == (clock.now, clock.now - 5)
    talk = conversation_of(row)
    assert (talk.last_message_id, talk.last_inbound_id) == (row.id, row.id)
    assert (talk.last_message_at.timestamp(), talk.last_inbound_at.timestamp()) == (clock.now, clock.now - 5)


@pytest.mark.parametrize(("at", "believed"), [(-60, -60), (3600, 0), (None, 0)], ids=["past", "future", "missing"])
def test_the_window_opens_at_the_persons_time_and_never_in_the_future(channel, clock, at, believed):
    apply(channel, wrote(channel, at=clock.now + at if at is not None else 0.0))
    assert conversation_of(messages(channel.tenant_id)[0]).last_inbound_at.timestamp() == clock.now + believed


def test_a_late_old_message_does_not_close_the_window_earlier(channel, clock):
    apply(channel, wrote(channel, at=clock.now - 10))
    apply(channel, wrote(channel, at=clock.now - 90_000))
    apply(channel, wrote(channel, at=clock.now - 80_000), wrote(channel, at=clock.now - 95_000))
    talk = conversation_of(messages(channel.tenant_id)[0])
    assert talk.last_inbound_at.timestamp() == clock.now - 10


def test_what_is_not_understood_yet_is_kept_as_it_came(channel):
    raw = b'{"type":"hologram","hologram":{"id":9}}'
    event = wrote(channel)
    apply(channel, type(event)(**{**_fields(event), "content": Unsupported("hologram", raw)}))
    (row,) = messages(channel.tenant_id)
    assert row.kind == "hologram"
    assert content_as_json(row.content)["unsupported"] == {"kind": "hologram", "raw": raw.decode()}


def _fields(event):
    return {name: getattr(event, name) for name in event.__struct_fields__}


def test_messages_of_one_batch_keep_their_order(channel):
    apply(channel, *(wrote(channel, place % 3, body=str(place)) for place in range(12)))
    bodies = [content_as_json(row.content)["text"]["body"] for row in messages(channel.tenant_id)]
    assert bodies == [str(place) for place in range(12)]


# --- people -----------------------------------------------------------------------------------------------------------


def test_a_person_with_a_phone_and_a_scoped_id_is_one_contact(channel):
    apply(channel, wrote(channel, 1, SCOPED))
    assert len(contacts(channel)) == 1
    assert addresses(channel) == {("phone", phone(1).value), ("bsuid", SCOPED.value)}


@pytest.mark.parametrize("one_batch", [True, False], ids=["in one batch", "one after the other"])
@pytest.mark.parametrize(
    "tellings",
    [
        [(1, SCOPED), (SCOPED,)],
        [(1, SCOPED), (1,)],
        [(1,), (1, SCOPED)],
        [(1,), (1, SCOPED), (SCOPED,)],
        [(SCOPED,), (1, SCOPED), (1,)],
        [(SCOPED,), (SCOPED, 1)],
    ],
    ids=lambda tellings: "; ".join(" and ".join("phone" if one == 1 else "id" for one in told) for told in tellings),
)
def test_however_a_person_is_told_of_they_are_one_contact(channel, tellings, one_batch):
    events = [wrote(channel, *addresses) for addresses in tellings]
    for batch in [events] if one_batch else [[event] for event in events]:
        apply(channel, *batch)
    assert len(contacts(channel)) == 1
    assert Conversation.objects.filter(tenant_id=channel.tenant_id).count() == 1
    assert len(addresses(channel)) == 2


@given(tellings=st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=2, unique=True), min_size=1, max_size=6))
@settings(max_examples=40)
def test_people_of_one_batch_are_one_where_they_share_an_address(channel, tellings):
    """By the oracle: the connected parts of the addresses that were told together."""
    for table in ("message", "conversation", "contactaddress", "contact", "effect"):
        execute(f"DELETE FROM messaging_{table}")
    apply(channel, *(wrote(channel, *numbers) for numbers in tellings))
    parts = [{number} for number in {number for numbers in tellings for number in numbers}]
    for numbers in tellings:
        joined = set().union(*(part for part in parts if part & set(numbers)))
        parts = [part for part in parts if not part & joined] + [joined]
    assert len(contacts(channel)) == len(parts)
    assert len(addresses(channel)) == len({number for numbers in tellings for number in numbers})


def test_a_person_without_a_phone_has_a_conversation(channel):
    apply(channel, wrote(channel, SCOPED, name="Ada"))
    assert addresses(channel) == {("bsuid", SCOPED.value)}
    assert contacts(channel)[0].name == "Ada"


def test_a_person_who_was_written_to_first_answers_in_the_same_conversation(wide, worker):
    sent = send(wide, to=1)
    deliver(worker, claim_one(worker))
    apply(wide, wrote(wide, 1))
    assert {row.conversation_id for row in messages(wide.tenant_id)} == {sent.conversation_id}


def test_a_person_talks_with_each_number_apart_and_is_one_contact(tenant, hook, channel):
    other = add_number(tenant, hook, 1)
    apply(channel, wrote(channel, 1), wrote(other, 1))
    assert len(contacts(channel)) == 1
    assert Conversation.objects.filter(tenant_id=tenant.id).count() == 2


def test_a_group_is_a_contact_and_each_message_has_its_author(channel):
    apply(channel, wrote(channel, GROUP, author=phone(1)), wrote(channel, GROUP, author=SCOPED))
    (contact,) = contacts(channel)
    assert contact.is_group
    assert addresses(channel) == {("group", GROUP.value)}
    assert [(row.address_kind, row.author_kind, row.author) for row in messages(channel.tenant_id)] == [
        ("group", "phone", phone(1).value),
        ("group", "bsuid", SCOPED.value),
    ]


def test_ids_that_are_unique_in_their_group_alone_do_not_collide(channel):
    other = Address(AddressKind.GROUP, "120363000000000002")
    apply(channel, *(wrote(channel, group, author=phone(1), message_id="7") for group in (GROUP, other)))
    assert len(messages(channel.tenant_id)) == 2


# --- effects ----------------------------------------------------------------------------------------------------------


def test_a_message_has_its_effect_once(channel):
    one = wrote(channel, message_id="wamid.1")
    assert [apply(channel, one, one), apply(channel, one)] == ["1 message, 1 repeated", "1 repeated"]
    assert len(messages(channel.tenant_id)) == 1


def test_an_effect_that_failed_left_no_trace(channel):
    with pytest.raises(TypeError):
        apply(channel, wrote(channel, message_id="wamid.1"), wrote(channel, body=b"no text"))
    assert not Effect.objects.filter(tenant_id=channel.tenant_id).exists()
    assert apply(channel, wrote(channel, message_id="wamid.1")) == "1 message"


def test_the_same_id_on_two_numbers_is_two_messages(tenant, hook, channel):
    other = add_number(tenant, hook, 1)
    note = apply(channel, wrote(channel, message_id="wamid.1"), wrote(other, message_id="wamid.1"))
    assert note == "2 message"


def test_what_is_for_nobody_here_has_no_effect(channel):
    assert apply(channel, wrote(channel, account="000")) == "1 for a number not attached here"
    assert not Effect.objects.filter(tenant_id=channel.tenant_id).exists()
    assert contacts(channel) == messages(channel.tenant_id) == []


def test_once_attached_a_number_takes_what_was_meant_for_it(channel):
    """What came before had no effect, so a repeat of it has its first."""
    early = wrote(channel, account="000", message_id="wamid.1")
    apply(channel, early)
    change_channel(channel, account="000")
    assert apply(channel, early) == "1 message"


def test_a_batch_of_messages_and_statuses_is_applied_whole(wide, worker):
    sent = send(wide, to=1)
    deliver(worker, claim_one(worker))
    note = apply(
        wide,
        told(wide, Status.DELIVERED, f"wamid.{sent.uid}"),
        wrote(wide, 1),
        told(wide, Status.READ, f"wamid.{sent.uid}"),
    )
    assert note == "2 status, 1 message"
    assert fresh(sent).status == Status.READ


# --- Meta's own payloads ----------------------------------------------------------------------------------------------


def ingest_webhook(channel, body: bytes, worker) -> str:
    """Stored, understood and applied as a worker does it; returns what it came to."""
    hook = get_hook(hook_id_of(channel))

    def understand(body):
        return hook.receiver.parse(WebhookRequest(url="", method="POST", query="", headers={}, body=body))

    store_webhooks([ReceivedWebhook(uuid7(), channel.tenant_id, hook.id, "{}", body)])
    ingest(worker, hook.id, understand)
    event = WebhookEvent.objects.filter(tenant_id=channel.tenant_id).order_by("id").last()
    assert event.state == EventState.DONE
    return event.outcome


BODIES = webhooks()
UNUSED = "Nothing is done with this field.)"
OUTCOMES = {
    "account_disabled": "1 trouble (DISABLED_UPDATE: The account is disabled, or will be)",
    "account_restriction": "1 trouble (ACCOUNT_RESTRICTION: The account is restricted)",
    "album_two_images_separate_requests": "1 message",
    "batch_many_messages": "3 message, 1 status",
    "smb_message_echo_revoke": "1 change",
    "smb_message_echo_text": "1 echo",
    "unknown_field": f"1 ignored (a_field_added_next_year a_field_added_next_year: {UNUSED}",
    "user_preferences_resume": "1 choice",
    "user_preferences_stop": "1 choice",
    "value_level_errors": "1 ignored (messages error: 130429: The number sends faster than its throughput.)",
}
OUTCOMES |= dict.fromkeys(
    (
        "message_edit",
        "message_reaction_add",
        "message_reaction_remove_empty",
        "message_reaction_remove_missing",
        "message_revoke",
    ),
    "1 change",
)
BY_PREFIX = {"message": "1 message", "status": "1 status", "system": "1 contact", "template": "1 template"}


def outcome_of(name: str) -> str:
    file = name.partition("[")[0]
    outcome = OUTCOMES.get(file) or BY_PREFIX[file.partition("_")[0]]
    return outcome.replace("1 change", "1 change (1 of a message that is not here)")


def attach(channel, tenant, hook, body: bytes) -> None:
    """Every number that the webhook is about is one of this hook's, and so is the account of its templates."""
    change_settings(get_channel_row(channel.tenant_id, channel.name), {"waba_id": "102000000000001"})
    values = [change["value"] for entry in json.loads(body)["entry"] for change in entry["changes"]]
    accounts = {value["metadata"]["phone_number_id"] for value in values if "metadata" in value}
    for place, account in enumerate(sorted(accounts - {account_of(channel)})):
        change_channel(add_number(tenant, hook, place), account=account)


@pytest.mark.parametrize("name", BODIES)
def test_every_webhook_of_meta_has_its_outcome_and_a_repeat_none(channel, tenant, hook, worker, name):
    attach(channel, tenant, hook, BODIES[name])
    assert ingest_webhook(channel, BODIES[name], worker) == outcome_of(name)
    before = snapshot()
    assert "message" not in ingest_webhook(channel, BODIES[name], worker).replace("messages", "").partition("(")[0]
    assert snapshot() == before


def snapshot() -> list[list]:
    tables = (
        "message",
        "contact",
        "contactaddress",
        "conversation",
        "earlystatus",
        "receipt",
        "work",
        "effect",
        "amendment",
        "template",
    )
    return [sorted(execute(f"SELECT * FROM messaging_{table}")) for table in tables]


def test_every_file_of_webhooks_is_among_them():
    posted = {name.partition("[")[0] for name in BODIES}
    assert {*folder("webhooks")} - posted == {"verification_get"}


@pytest.mark.parametrize(
    ("file", "end"),
    [
        ("status_out_of_order_read_then_sent", Status.READ),
        ("status_read_without_delivered", Status.READ),
        ("status_duplicate_delivery", Status.DELIVERED),
        ("status_failed_131026", Status.FAILED),
        ("status_played", Status.PLAYED),
    ],
)
def test_a_file_of_statuses_ends_at_its_highest(wide, worker, file, end):
    """Told of a message that we sent and whose id we know."""
    bodies = [body for name, body in BODIES.items() if name.startswith(f"{file}[")]
    value = json.loads(bodies[0])["entry"][0]["changes"][0]["value"]
    change_channel(wide, account=value["metadata"]["phone_number_id"])
    message = send(wide)
    one = claim_one(worker)
    attempt(worker, one)
    tell(worker, sent(one, value["statuses"][0]["id"]))
    for body in bodies:
        ingest_webhook(wide, body, worker)
    assert fresh(message).status == end


@pytest.mark.parametrize(
    "name", [name for name in BODIES if name.startswith("message_") and outcome_of(name) == "1 message"]
)
def test_a_message_of_any_kind_is_kept_under_its_name(channel, tenant, hook, worker, name):
    attach(channel, tenant, hook, BODIES[name])
    ingest_webhook(channel, BODIES[name], worker)
    (row,) = messages(tenant.id)
    told = json.loads(BODIES[name])["entry"][0]["changes"][0]["value"]["messages"][0]
    kind = told.get("unsupported", told)["type"]
    assert (row.kind, content_as_json(row.content)["type"]) == (kind, told["type"])


def test_trouble_of_an_account_raises_an_alarm_of_its_tenant(channel, tenant, hook, worker):
    attach(channel, tenant, hook, BODIES["account_disabled[0]"])
    for _ in range(2):
        ingest_webhook(channel, BODIES["account_disabled[0]"], worker)
    [alarm] = find_alarms(tenant.id)
    assert (alarm.code, alarm.subject, alarm.cleared_at) == ("account_trouble", "account:102000000000001", None)


def test_a_webhook_signed_by_meta_becomes_a_message(channel, worker):
    assert ingest_webhook(channel, house.text_webhook("Are you open?"), worker) == "1 message"
    assert Message.objects.filter(tenant_id=channel.tenant_id).count() == 1
