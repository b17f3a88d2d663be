"""Every kind of message in both directions, each step seen on the phone and in the API. It prints its steps."""

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from faults.stores import postgresql_answers
from hostile_files import JPEG, WEBP

from .talk import Phone, Talk, talking, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

OGG = b"OggS" + bytes(24) + b"OpusHead\x01\x01" + bytes(40)
MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(40)
PDF = b"%PDF-1.4\n%%EOF\n"
LINKED = "https://files.example/"
FILES = {
    "image": (JPEG, "image/jpeg", {"caption": "The front door"}),
    "video": (MP4, "video/mp4", {"caption": "The way in"}),
    "audio": (OGG, "audio/ogg", {}),
    "voice": (OGG, "audio/ogg", {"voice": True}),
    "document": (PDF, "application/pdf", {"caption": "For you", "filename": "plan.pdf"}),
    "sticker": (WEBP, "image/webp", {}),
}
CARD = [{"name": {"formatted_name": "Dr. Ada", "first_name": "Ada"}, "phones": [{"phone": "+15550100001"}]}]
PLACE = {"latitude": 52.5, "longitude": 13.25, "name": "Clinic", "address": "Main Street 1"}
BUTTONS = {
    "type": "button", "body": {"text": "Confirm?"}, "footer": {"text": "Clinic"},
    "header": {"type": "text", "text": "Visit"},
    "action": {"buttons": [{"type": "reply", "reply": {"id": "yes", "title": "Yes"}},
                           {"type": "reply", "reply": {"id": "no", "title": "No"}}]},
}  # fmt: skip
LIST = {
    "type": "list", "body": {"text": "When?"},
    "action": {"button": "Choose", "sections": [{"rows": [{"id": "9", "title": "9:00", "description": "early"}]}]},
}  # fmt: skip
LINK = {
    "type": "cta_url", "body": {"text": "See"},
    "action": {"name": "cta_url", "parameters": {"display_text": "Open", "url": "https://clinic.example"}},
}  # fmt: skip
FLOW = {
    "type": "flow", "body": {"text": "Form"},
    "action": {"name": "flow", "parameters": {"flow_cta": "Fill in", "flow_id": "1", "flow_message_version": "3"}},
}  # fmt: skip
WHERE = {"type": "location_request_message", "body": {"text": "Where?"}, "action": {"name": "send_location"}}
UPDATE = {
    "name": "order_update", "language": {"code": "en_US"},
    "components": [{"type": "body", "parameters": [{"type": "text", "text": "42"}, {"type": "text", "text": "ready"}]}],
}  # fmt: skip
REMINDER = {
    "name": "appointment_reminder", "language": {"code": "en_US"},
    "components": [
        {"type": "header", "parameters": [{"type": "text", "text": "Monday"}]},
        {"type": "body", "parameters": [{"type": "text", "text": "Ana"}, {"type": "text", "text": "9:00"}]},
        {"type": "button", "sub_type": "quick_reply", "index": "0",
         "parameters": [{"type": "payload", "payload": "will-come"}]},
    ],
}  # fmt: skip
PROMO = {
    "name": "promo", "language": {"code": "en"},
    "components": [
        {"type": "header", "parameters": [{"type": "image", "image": {"link": f"{LINKED}spring"}}]},
        {"type": "body", "parameters": [{"type": "text", "parameter_name": "first_name", "text": "Ana"}]},
        {"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "ana"}]},
    ],
}  # fmt: skip
SENT: dict[str, dict[str, Any]] = {
    "a text with a link": {"type": "text", "text": {"body": "See https://clinic.example", "preview_url": True}},
    "a place": {"type": "location", "location": PLACE},
    "contacts": {"type": "contacts", "contacts": CARD},
    "buttons": {"type": "interactive", "interactive": BUTTONS},
    "a list": {"type": "interactive", "interactive": LIST},
    "a button with a link": {"type": "interactive", "interactive": LINK},
    "a form": {"type": "interactive", "interactive": FLOW},
    "a request for a place": {"type": "interactive", "interactive": WHERE},
    "a template": {"type": "template", "template": UPDATE},
    "a template with header and buttons": {"type": "template", "template": REMINDER},
}
YES = {"id": "yes", "title": "Yes"}
NINE = {"id": "9", "title": "9:00", "description": "early"}
FORM = {"response_json": json.dumps({"flow_token": "t", "name": "Ana"}), "name": "flow", "body": "Sent"}
ORDER = {
    "catalog_id": "7", "text": "Please",
    "product_items": [{"product_retailer_id": "sku", "quantity": 2, "item_price": 9.5, "currency": "EUR"}],
}  # fmt: skip
RECEIVED: dict[str, dict[str, Any]] = {
    "a place": {"type": "location", "location": PLACE},
    "contacts": {"type": "contacts", "contacts": CARD},
    "a button of a template": {"type": "button", "button": {"text": "Yes, I will come", "payload": "will-come"}},
    "a button": {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": YES}},
    "a row of a list": {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": NINE}},
    "a form": {"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": FORM}},
    "an order": {"type": "order", "order": ORDER},
}


async def test_every_kind_goes_both_ways_over_http(pytestconfig, tmp_path, capsys) -> None:
    kind = pytestconfig.getoption("--database")
    if kind == "postgresql" and not await postgresql_answers():
        pytest.skip("PostgreSQL does not answer")
    async with talking(kind, tmp_path) as talk:
        await they_meet(talk)
        await the_business_sends_every_kind(talk)
        await the_business_sends_files(talk)
        await the_person_sends_every_kind(talk)
        await the_person_sends_files(talk)
        await messages_are_quoted_and_reacted_to(talk)
        await the_person_changes_what_was_said(talk)
        await what_is_no_message_is_noted(talk)
        await a_person_without_a_number_writes(talk)
        await a_group_writes_and_is_written_to(talk)
        await the_person_changes_the_number(talk)
        await the_business_writes_on_its_own_telephone(talk)
        await the_person_wants_no_marketing(talk)
    with capsys.disabled():
        print(f"\n{talk.table()}")
    assert len(talk.steps) >= 40


async def sent(talk: Talk, phone: Phone, what: str, content: Mapping[str, Any]) -> str:
    """The product sends it, the phone shows it as it was said, the product learns that it arrived."""
    uid = await talk.business.send(phone.address, content)
    entry = await phone.shows(uid)
    kind = content["type"]
    assert entry["message"]["type"] == kind
    check_holds(entry["message"][kind], without_attachment(content[kind]))
    # Of a reaction no business is told that it arrived.
    message = await talk.business.reaches(uid, "sent" if kind == "reaction" else "delivered")
    assert (message["type"], message["direction"]) == (kind, "outbound")
    check_holds(message["content"], content[kind])
    assert [each["event"] for each in message["timeline"]][:2] == ["queued", "sending"]
    talk.done("→", what, f"{entry['status']}, {message['preview']}")
    return uid


async def came_in(talk: Talk, phone: Phone, what: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """The person sends it, the API shows it under its name, the phone shows that it arrived."""
    provider_id = await phone.write(content)
    message = await talk.business.received(provider_id)
    kind = content["type"]
    assert (message["type"], message["direction"], message["status"]) == (kind, "inbound", "received")
    entry = await phone.sees_ticks(provider_id)
    talk.done("←", what, f"{entry['status']}, {message['preview']}")
    return message


# --- the acts ---------------------------------------------------------------------------------------------------------


async def they_meet(talk: Talk) -> None:
    await talk.ana.change(name="Ana")
    message = await came_in(talk, talk.ana, "a text", text("Hello"))
    assert message["text"]["body"] == "Hello"
    assert message["address"] == {"kind": "phone", "value": talk.ana.number}
    conversation = await talk.business.conversation(message["conversation"])
    assert (conversation["contact"]["name"], conversation["window_open"]) == ("Ana", True)

    uid = await sent(talk, talk.ana, "a text", text("Welcome"))
    entry = await talk.ana.shows(uid)
    await talk.ana.read(entry["seq"])
    message = await talk.business.reaches(uid, "read")
    assert [each["event"] for each in message["timeline"]][-2:] == ["delivered", "read"]
    talk.done("←", "the text is read", message["status"])


async def the_business_sends_every_kind(talk: Talk) -> None:
    for what, content in SENT.items():
        uid = await sent(talk, talk.ana, what, content)
    shown = (await talk.ana.shows(uid))["message"]["shown"]
    assert "Your visit on Monday" in json.dumps(shown)


async def the_business_sends_files(talk: Talk) -> None:
    for what, (content, mime, more) in FILES.items():
        kind = "audio" if what == "voice" else what
        await sent(talk, talk.ana, f"{what} by link", {"type": kind, kind: {"link": f"{LINKED}{what}", **more}})
        file_id = await talk.business.upload_at_provider(content, mime)
        uid = await sent(talk, talk.ana, f"{what} by id", {"type": kind, kind: {"id": file_id, **more}})
        stored = await talk.business.upload(content, f"{what}.bin")
        await sent(talk, talk.ana, f"{what} by attachment", {"type": kind, kind: {"attachment": stored, **more}})
        if what == "voice":
            await talk.ana.play((await talk.ana.shows(uid))["seq"])
            talk.done("←", "the voice is played", (await talk.business.reaches(uid, "played"))["status"])


async def the_person_sends_every_kind(talk: Talk) -> None:
    for what, content in RECEIVED.items():
        message = await came_in(talk, talk.ana, what, content)
        check_holds(message["content"], content[content["type"]])


async def the_person_sends_files(talk: Talk) -> None:
    for what, (content, mime, more) in FILES.items():
        kind = "audio" if what == "voice" else what
        file_id = await talk.ana.put_file(content, mime, f"{what}.bin")
        message = await came_in(talk, talk.ana, what, {"type": kind, kind: {"id": file_id, **more}})
        stored = await talk.fetched(message["id"])
        assert (stored["kind"], stored["type"]) == (kind, mime), str(stored)
        headers, body = await talk.business.download(stored["id"])
        assert body == content
        assert headers["Content-Disposition"].startswith("attachment;")


async def messages_are_quoted_and_reacted_to(talk: Talk) -> None:
    question = await sent(talk, talk.ana, "a question", text("Shall we?"))
    known = (await talk.business.message(question))["provider_id"]
    answer = await came_in(talk, talk.ana, "a quote", {**text("Yes"), "context": {"message_id": known}})
    assert answer["context_id"] == known

    uid = await sent(talk, talk.ana, "a quote", {**text("Good"), "context": {"message_id": answer["id"]}})
    quoted = (await talk.ana.shows(uid))["message"]["context"]["message_id"]
    assert quoted == answer["provider_id"]

    for emoji, what in (("👍", "a reaction"), ("", "the reaction is taken back")):
        mark = {"message_id": answer["provider_id"], "emoji": emoji}
        await sent(talk, talk.ana, what, {"type": "reaction", "reaction": mark})

    for emoji, what in (("❤️", "a reaction"), ("", "the reaction is taken back")):
        await talk.ana.write({"type": "reaction", "reaction": {"message_id": known, "emoji": emoji}})
        message = await talk.until(question, lambda m, e=emoji: [r["emoji"] for r in m["reactions"]] == [e] * bool(e))
        talk.done("←", what, f"{len(message['reactions'])} reactions")


async def the_person_changes_what_was_said(talk: Talk) -> None:
    said = await came_in(talk, talk.ana, "a text with a slip", text("At nien"))
    edit = {"original_message_id": said["provider_id"], "message": text("At nine")}
    await talk.ana.write({"type": "edit", "edit": edit})
    edited = await talk.until(said["id"], lambda m: m["edited_at"])
    assert edited["text"]["body"] == "At nine"
    talk.done("←", "the text is edited", edited["preview"])

    await talk.ana.write({"type": "revoke", "revoke": {"original_message_id": said["provider_id"]}})
    deleted = await talk.until(said["id"], lambda m: m["deleted_at"])
    assert (deleted["type"], deleted["text"]) == ("deleted", None)
    talk.done("←", "the text is deleted", deleted["preview"])


async def what_is_no_message_is_noted(talk: Talk) -> None:
    rang = await talk.ana.write({"type": "call", "call": {"event": "connect"}})
    message = await talk.business.received(rang)
    assert (message["type"], message["content"]["direction"]) == ("call", "USER_INITIATED")
    talk.done("←", "a call", message["preview"])

    for what, kind, content in [
        ("what WhatsApp cannot show", "unknown", {"type": "unsupported"}),  # the name that Meta gives it inside
        ("a kind of next year", "hologram", {"type": "hologram", "hologram": {"id": "1"}}),
    ]:
        message = await talk.business.received(await talk.ana.write(content))
        assert (message["type"], message["unsupported"]["kind"]) == ("unsupported", kind)
        talk.done("←", what, message["preview"])

    forwarded = {**text("Look at this"), "context": {"forwarded": True}}
    message = await came_in(talk, talk.ana, "a forwarded text", forwarded)
    assert message["origin"]["forwarded"] is True
    advert = {"source_id": "1", "source_type": "ad", "source_url": "https://fb.me/x", "headline": "Checks"}
    message = await came_in(talk, talk.ana, "a text from an advert", {**text("Hi"), "referral": advert})
    assert message["origin"]["referral"]["headline"] == "Checks"


async def a_person_without_a_number_writes(talk: Talk) -> None:
    await talk.ben.change(name="Ben", username="ben.example", hides_number=True, user_id="US.ben")
    message = await came_in(talk, talk.ben, "a text from a user id", text("No number"))
    assert message["address"] == {"kind": "bsuid", "value": "US.ben"}
    uid = await talk.business.send({"kind": "bsuid", "value": "US.ben"}, text("Hello Ben"))
    entry = await talk.ben.shows(uid)
    assert entry["message"]["text"]["body"] == "Hello Ben"
    message = await talk.business.reaches(uid, "delivered")
    talk.done("→", "a text to a user id", f"{entry['status']}, {message['preview']}")


async def a_group_writes_and_is_written_to(talk: Talk) -> None:
    said = {phone.number: await came_in(talk, phone, "a text in a group", {**text("All?"), "group_id": "family"})
            for phone in (talk.ana, talk.cleo)}  # fmt: skip
    for number, message in said.items():
        assert message["address"] == {"kind": "group", "value": "family"}
        assert message["author"] == {"kind": "phone", "value": number}
    assert len({message["conversation"] for message in said.values()}) == 1
    conversation = await talk.business.conversation(message["conversation"])
    assert conversation["contact"]["is_group"] is True

    uid = await talk.business.send({"kind": "group", "value": "family"}, text("All of you"))
    for phone in (talk.ana, talk.cleo):
        entry = await phone.shows(uid)
        assert entry["message"]["group_id"] == "family"
    message = await talk.business.reaches(uid, "delivered")
    talk.done("→", "a text to a group of two", f"{entry['status']}, {message['preview']}")


async def the_person_changes_the_number(talk: Talk) -> None:
    before = await came_in(talk, talk.cleo, "a text from the old number", text("Old"))
    new = talk.phone("15557000599")
    # Meta gives a new user id with a new number, and tells it (since 2026-08-11): another id alone is another person.
    ids = {"user_id": f"US.{new.number}", "previous_user_id": f"US.{talk.cleo.number}"}
    news = {"type": "user_changed_number", "wa_id": new.number, **ids}
    await talk.cleo.sees_ticks(await talk.cleo.write({"type": "system", "system": news}))
    after = await came_in(talk, new, "a text from the new number", text("New"))
    assert after["conversation"] == before["conversation"]
    conversation = await talk.business.conversation(after["conversation"])
    talk.done("←", "the number changed", f"{len(conversation['contact']['addresses'])} addresses of one person")
    assert {talk.cleo.number, new.number} <= {each["value"] for each in conversation["contact"]["addresses"]}


async def the_business_writes_on_its_own_telephone(talk: Talk) -> None:
    await talk.echo(talk.ana, "wamid.own1", text("From the telephone"))
    message = await talk.business.received("wamid.own1")
    assert (message["direction"], message["sender"], message["status"]) == ("outbound", "telephone", "sent")
    assert message["address"] == {"kind": "phone", "value": talk.ana.number}
    talk.done("→", "a text from its own telephone", f"{message['status']}, {message['preview']}")
    await talk.echo(talk.ana, "wamid.own2", {"type": "revoke", "revoke": {"original_message_id": "wamid.own1"}})
    message = await talk.until(message["id"], lambda m: m["deleted_at"] and m["type"] == "deleted")
    talk.done("→", "that text is deleted", message["preview"])


async def the_person_wants_no_marketing(talk: Talk) -> None:
    """Of one second, which is all that Meta tells, a stop counts before a resume: they are told in two."""
    for choice in ("stop", "resume"):
        await a_new_second()
        wish = {"type": "user_preferences", "user_preferences": {"value": choice}}
        await talk.ana.sees_ticks(await talk.ana.write(wish))
        uid = await talk.business.send(talk.ana.address, {"type": "template", "template": PROMO})
        if choice == "stop":
            message = await talk.business.reaches(uid, "failed")
        else:
            await talk.ana.shows(uid)
            message = await talk.business.reaches(uid, "delivered")
        talk.done("←", f"marketing: {choice}", f"{message['status']}, {message['code'] or message['preview']}")


async def a_new_second() -> None:
    now = int(time.time())

    async def look() -> bool | None:
        return int(time.time()) > now or None

    await wait_for(look, "the next second")


def text(body: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": body}}


def without_attachment(said: Any) -> Any:
    """Which only the product knows: its provider has an id of its own for the file."""
    return {name: value for name, value in said.items() if name != "attachment"} if isinstance(said, dict) else said


def check_holds(shown: Any, said: Any) -> None:
    """Everything that was said is there; the other side may have added to it."""
    if isinstance(said, dict):
        for name, value in said.items():
            check_holds(shown[name], value)
    elif isinstance(said, list):
        assert len(shown) == len(said)
        for one, other in zip(shown, said, strict=True):
            check_holds(one, other)
    else:
        assert shown == said
