"""An answer with all that may go with it: a file, a quote, a reaction, a template; or the words why it cannot go."""

import json
import re

import msgspec
import pytest

from hailgate.messaging.files.attachments import add_upload
from hailgate.messaging.files.storage import WrittenFile
from hailgate.messaging.models import Business, Channel, Conversation, Message, Template, Work
from messaging import acting

COMPONENTS = [
    {"type": "HEADER", "format": "TEXT", "text": "Order"},
    {"type": "BODY", "text": "Hello {{1}}, *{{2}}* is ready.", "example": {"body_text": [["Ada", "A-1"]]}},
    {"type": "FOOTER", "text": "The shop"},
    {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Thanks"}]},
]


@pytest.fixture
def asked(channel) -> Conversation:
    acting.apply(channel, acting.wrote(channel, 1, body="When?", message_id="wamid.asked", at=0.0))
    return Conversation.objects.get(tenant_id=channel.tenant_id)


def sent(conversation) -> list[dict]:
    rows = Message.objects.filter(tenant_id=conversation.tenant_id, direction=2).order_by("id")
    return [msgspec.json.decode(row.content) for row in rows]


def store(channel, mime: str, size: int = 7, name: str = "a file") -> str:
    return str(add_upload(channel.tenant_id, WrittenFile("00/x", "", mime, size, "0" * 64), name).uid)


def answer(browser, conversation, **form):
    return browser.post(f"conversations/{conversation.uid.hex}/reply", {"draft": "d", "body": "", **form})


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "kinds"),
    [
        (("image/jpeg", 7), ["image"]),
        (("image/jpeg", 6 << 20), ["document"]),
        (("video/mp4", 7), ["video"]),
        (("application/pdf", 7), ["document"]),
        (("audio/ogg", 7), ["audio", "text"]),
        (("image/webp", 7), ["sticker", "text"]),
    ],
)
def test_a_file_goes_as_what_it_is_with_words_under_or_after_it(owner, channel, asked, file, kinds) -> None:
    uid = store(channel, *file)
    assert answer(owner, asked, attachment=uid, body="Look").status_code == 200
    contents = sent(asked)
    assert [content["type"] for content in contents] == kinds
    assert contents[0][kinds[0]]["attachment"] == uid
    words = contents[0][kinds[0]].get("caption") or contents[-1]["text"]["body"]
    assert words == "Look"


def test_a_form_with_a_file_that_is_sent_twice_is_sent_once(owner, channel, asked) -> None:
    uid = store(channel, "audio/ogg")
    for _ in range(2):
        assert answer(owner, asked, attachment=uid, body="Listen").status_code == 200
    assert Work.objects.filter(tenant_id=asked.tenant_id).count() == 2


@pytest.mark.parametrize("whose", ["nobody's", "a stranger's", "nonsense"])
def test_a_file_that_is_not_there_is_refused(owner, channel, asked, stranger, whose) -> None:
    uid = "0" * 32
    if whose == "a stranger's":
        uid = str(add_upload(stranger.pk, WrittenFile("00/x", "", "image/png", 7, "0" * 64), "x").uid)
    refused = answer(owner, asked, attachment="x" if whose == "nonsense" else uid)
    assert refused.status_code == 422
    assert "choose it again" in refused.content.decode()
    assert sent(asked) == []


# --- long texts -------------------------------------------------------------------------------------------------------


def test_a_long_answer_goes_in_parts_and_once_however_often_its_form_is_sent(owner, asked) -> None:
    body = "\n\n".join(sign * 3_000 for sign in "abc")
    for _ in range(2):
        assert answer(owner, asked, body=body, quoted=first(asked).uid.hex).status_code == 200
    assert [content["text"]["body"] for content in sent(asked)] == [sign * 3_000 for sign in "abc"]
    quoting = Message.objects.filter(tenant_id=asked.tenant_id, direction=2).order_by("id")
    assert [message.context_id for message in quoting] == ["wamid.asked", "", ""]


def test_an_answer_that_is_too_long_for_four_messages_is_refused(owner, asked) -> None:
    refused = answer(owner, asked, body="\n\n".join("x" * 3_000 for _ in range(5)))
    assert (refused.status_code, sent(asked)) == (422, [])
    assert "too long for 4 messages" in refused.content.decode()


@pytest.mark.parametrize(
    ("body", "limit", "parts"), [("", "", 0), ("*short*", "4096", 1), ("one two", "4", 2), ("x" * 5_000, "nonsense", 2)]
)
def test_a_draft_is_shown_in_as_many_parts_as_it_goes(owner, body, limit, parts) -> None:
    page = owner.post(f"conversations/preview?limit={limit}", {"body": body}).content.decode()
    assert page.count('<div class="text"') == parts
    assert ("messages." in page) is (parts > 1)


# --- quotes and reactions ---------------------------------------------------------------------------------------------


def first(conversation) -> Message:
    return Message.objects.filter(tenant_id=conversation.tenant_id).order_by("id")[0]


def test_an_answer_quotes_a_message_of_the_conversation(owner, channel, asked) -> None:
    page = answer(owner, asked, body="At six.", quoted=first(asked).uid.hex).content.decode()
    assert Message.objects.get(tenant_id=asked.tenant_id, direction=2).context_id == "wamid.asked"
    assert "<blockquote" in page


def test_a_reaction_is_sent_shown_and_taken_away(owner, channel, asked) -> None:
    path = f"conversations/{asked.uid.hex}/react"
    page = owner.post(path, {"message": first(asked).uid.hex, "emoji": "🎉"}).content.decode()
    assert sent(asked) == [{"type": "reaction", "reaction": {"message_id": "wamid.asked", "emoji": "🎉"}}]
    assert '<li title="You">🎉</li>' in page
    page = owner.post(path, {"message": first(asked).uid.hex, "other": ""}).content.decode()
    assert 'class="reactions"' not in page


@pytest.mark.parametrize("message", ["", "x", "0" * 32, "of another conversation"])
def test_what_the_provider_does_not_know_is_neither_quoted_nor_reacted_to(owner, channel, asked, message) -> None:
    if message == "of another conversation":
        acting.apply(channel, acting.wrote(channel, 2, message_id="wamid.other"))
        message = Message.objects.get(tenant_id=asked.tenant_id, provider_id="wamid.other").uid.hex
    answers = [owner.post(f"conversations/{asked.uid.hex}/react", {"message": message, "emoji": "🎉"})]
    if message:
        answers.append(answer(owner, asked, body="x", quoted=message))
    for refused in answers:
        assert refused.status_code == 422
        assert "does not know that message" in refused.content.decode()
    assert sent(asked) == []


def test_a_reaction_that_is_no_emoji_is_refused(owner, asked) -> None:
    form = {"message": first(asked).uid.hex, "other": "<b>"}
    refused = owner.post(f"conversations/{asked.uid.hex}/react", form)
    assert refused.status_code == 422
    assert "one emoji" in refused.content.decode()


# --- templates --------------------------------------------------------------------------------------------------------


@pytest.fixture
def template(channel, asked) -> Template:
    """Approved, with two variables; the window of the conversation is closed."""
    business = Business.objects.create(tenant_id=channel.tenant_id, provider="cloud", account="1", synced_at=1.0)
    Channel.objects.filter(tenant_id=channel.tenant_id).update(business=business)
    acting.change(asked, last_inbound_at=acting.fresh(asked).created_at.timestamp() - 90_000)
    return Template.objects.create(
        tenant_id=channel.tenant_id, business=business, name="order_ready", language="en", status="APPROVED",
        components=json.dumps(COMPONENTS), changed_at=1.0,
    )  # fmt: skip


def test_templates_that_can_be_sent_are_listed_and_asked_for_their_variables(owner, asked, template) -> None:
    path = f"conversations/{asked.uid.hex}/templates"
    Template.objects.create(
        tenant_id=asked.tenant_id, business_id=template.business_id, name="refused", language="en", status="REJECTED",
        components=template.components, changed_at=1.0,
    )  # fmt: skip
    page = owner.text(path, part=True)
    assert "order_ready" in page
    assert "refused" not in page
    form = owner.text(f"{path}/{template.uid.hex}", part=True)
    assert re.findall(r'<input class="input" name="([^"]+)" placeholder="([^"]*)"', form) == [
        ("body.1", "Ada"), ("body.2", "A-1"), ("button.0", ""),
    ]  # fmt: skip


def test_the_preview_follows_what_is_filled_in(owner, asked, template) -> None:
    path = f"conversations/{asked.uid.hex}/templates/{template.uid.hex}/preview"
    page = owner.post(path, {"body.1": "<Bo>"}).content.decode()
    assert "Hello &lt;Bo&gt;, <strong>{{2}}</strong> is ready." in page
    for words in ("Order", "The shop", "Thanks"):
        assert words in page


def test_a_template_is_sent_though_the_window_is_closed_and_shown_as_it_reads(owner, olivia, asked, template) -> None:
    path = f"conversations/{asked.uid.hex}/templates/{template.uid.hex}/send"
    form = {"draft": "d", "body.1": "Ada", "body.2": "A-1"}
    answers = [owner.post(path, form) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0]["HX-Trigger-After-Swap"] == "sent"
    assert "Hello Ada, <strong>A-1</strong> is ready." in answers[0].content.decode()
    (content,) = sent(asked)
    assert content["template"]["name"] == "order_ready"
    assert acting.fresh(asked).operator_id == olivia.pk


def test_a_template_that_lacks_a_variable_is_refused_with_what_is_missing(owner, asked, template) -> None:
    path = f"conversations/{asked.uid.hex}/templates/{template.uid.hex}/send"
    refused = owner.post(path, {"draft": "d", "body.1": "Ada"})
    assert refused.status_code == 422
    assert "2" in refused.content.decode()
    assert sent(asked) == []


def test_templates_of_others_are_not_there(owner, eve, asked, template) -> None:
    path = f"conversations/{asked.uid.hex}/templates"
    for browser, uid in ((eve, template.uid.hex), (owner, "0" * 32), (owner, "x")):
        assert browser.get(f"{path}/{uid}", part=True).status_code == 404
        assert browser.post(f"{path}/{uid}/send", {"body.1": "x"}).status_code == 404
    assert eve.get(path, part=True).status_code == 404


# --- threads that another responder owns ------------------------------------------------------------------------------


def test_an_answer_takes_a_thread_from_another_responder_only_where_the_operator_said_so(owner, channel, asked) -> None:
    acting.change(asked, thread_owner=1, thread_owner_role="Meta's agent", thread_owner_at=4e9)
    page = owner.get(f"conversations/{asked.uid.hex}").content.decode()
    assert "Meta&#x27;s agent" in page
    assert 'name="take_thread"' in page
    refused = answer(owner, asked, body="At nine")
    assert refused.status_code == 422
    assert "Confirm that your answer takes over." in refused.content.decode()
    assert sent(asked) == []
    assert answer(owner, asked, body="At nine", take_thread="yes").status_code == 200
    assert len(sent(asked)) == 1
    assert Conversation.objects.get(tenant_id=asked.tenant_id).thread_owner == 0
