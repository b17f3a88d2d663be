"""What a message holds, taken apart for the page: each kind, and whatever shape an older version may have stored."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.console.inbox.content_parts import (
    AnswerPart,
    CardPart,
    ChoicePart,
    MessageParts,
    OriginShown,
    line_of,
    read_origin,
    take_apart,
)
from hailgate.messaging.models import Attachment, AttachmentState
from hailgate.messaging.store.ids import uuid7


def attachment(mime: str = "image/jpeg", state: AttachmentState = AttachmentState.STORED, **given) -> Attachment:
    return Attachment(uid=uuid7(), state=state, mime=mime, size=7, **{"name": "", "kind": "image"} | given)


FORM = (
    '{"flow_token": "tok", "screen_0_First_name_1": "Ada", "screen_1_size_0": "1_Large", '
    '"extras": ["0_Milk", "1_Sugar"], "agreed": true, "rating": 4}'
)
BUTTONS = {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "Yes"}}, {"reply": {"id": "2", "title": "No"}}]}
DAYS = {"options": ["Mon", "Tue"]}
MON_TUE = [ChoicePart("Mon", ""), ChoicePart("Tue", "")]
ROWS = {"button": "Pick", "sections": [{"title": "A", "rows": [{"id": "1", "title": "Nine", "description": "sharp"}]}]}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ({"type": "text", "text": {"body": "*a*"}}, MessageParts("<strong>a</strong>")),
        ({"type": "button", "button": {"text": "Yes"}}, MessageParts("Yes")),
        (
            {"type": "contacts", "contacts": [{"name": {"formatted_name": "Bo"}, "phones": [{"phone": "+1 555"}]}]},
            MessageParts(cards=[CardPart("Bo", ["+1 555"])]),
        ),
        (
            {
                "type": "interactive",
                "interactive": {
                    "type": "button", "header": {"type": "text", "text": "H"}, "body": {"text": "Sure?"},
                    "footer": {"text": "F"}, "action": BUTTONS,
                },
            },
            MessageParts("Sure?", header="H", footer="F", choices=[ChoicePart("Yes", ""), ChoicePart("No", "")]),
        ),
        (
            {"type": "interactive", "interactive": {"type": "list", "body": {"text": "When?"}, "action": ROWS}},
            MessageParts("When?", choices=[ChoicePart("A", "", heading=True), ChoicePart("Nine", "sharp")]),
        ),
        (
            {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": {"title": "Nine"}}},
            MessageParts("Nine"),
        ),
        (
            {"type": "interactive", "interactive": {"type": "poll", "body": {"text": "Day?"}, "action": DAYS}},
            MessageParts("Day?", choices=[ChoicePart("Choose one", "", heading=True), *MON_TUE]),
        ),
        (
            {
                "type": "interactive",
                "interactive": {"type": "poll", "body": {"text": "Day?"}, "action": DAYS | {"selectable_count": 0}},
            },
            MessageParts("Day?", choices=[ChoicePart("Choose as many as you like", "", heading=True), *MON_TUE]),
        ),
        (
            {"type": "interactive", "interactive": {"type": "poll_reply", "poll_reply": {"options": ["Mon", "Tue"]}}},
            MessageParts("Mon, Tue", header="Vote"),
        ),
        (
            {"type": "interactive", "interactive": {"type": "poll_reply", "poll_reply": {}}},
            MessageParts(line="Vote taken back"),
        ),
        (
            {"type": "text", "text": {"body": "@all", "mentions": ["+15550100042", {"kind": "lid", "value": "1"}]}},
            MessageParts("@all", footer="Mentions +15550100042, 1"),
        ),
        ({"type": "text", "text": {"body": "Hi", "mention_all": True}}, MessageParts("Hi", footer="Mentions everyone")),
        (
            {
                "type": "interactive",
                "interactive": {"type": "list_reply", "list_reply": {"title": "Nine"}},
                "text": {"body": "1"},
            },
            MessageParts("Nine", header="Written: 1"),
        ),
        (
            {"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": {}}},
            MessageParts(line="Form answered"),
        ),
        (
            {"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": {"response_json": FORM}}},
            MessageParts(
                header="Form answered",
                answers=[
                    AnswerPart("First name", "Ada"), AnswerPart("Size", "Large"), AnswerPart("Extras", "Milk, Sugar"),
                    AnswerPart("Agreed", "yes"), AnswerPart("Rating", "4"),
                ],
            ),
        ),
        ({"type": "deleted", "deleted": {}}, MessageParts(line="Deleted message")),
        ({"type": "image", "image": {"id": "1", "caption": "_x_"}}, MessageParts("<em>x</em>", line="Photo")),
    ],
)  # fmt: skip
def test_each_kind_is_taken_apart(content, parts: MessageParts) -> None:
    assert take_apart(content, None) == parts


@pytest.mark.parametrize(
    ("kind", "mime", "shape"),
    [
        ("image", "image/jpeg", "picture"),
        ("image", "image/svg+xml", ""),
        ("image", "text/html", ""),
        ("document", "image/png", ""),
        ("document", "application/pdf", ""),
        ("sticker", "image/webp", "sticker"),
        ("video", "video/mp4", "video"),
        ("video", "application/x-shockwave-flash", ""),
        ("audio", "audio/ogg", "audio"),
        ("audio", "audio/amr", ""),
    ],
)
def test_only_what_browsers_show_safely_is_shown_in_place(kind: str, mime: str, shape: str) -> None:
    file = take_apart({"type": kind, kind: {"id": "1"}}, attachment(mime)).file
    assert file is not None
    assert file.shape == shape


@pytest.mark.parametrize("state", [AttachmentState.AWAITED, AttachmentState.FAILED, AttachmentState.REMOVED])
def test_a_file_that_is_not_here_says_why(state: AttachmentState) -> None:
    file = take_apart({"type": "image", "image": {"id": "1"}}, attachment(state=state)).file
    assert file is not None
    assert file.why_not


def test_a_kind_that_is_no_word_is_nothing_that_we_know() -> None:
    assert line_of({"type": "interactive", "interactive": {"type": ["list_reply"]}}) == "Interactive message"


def test_a_place_leads_to_a_map_and_nowhere_else() -> None:
    place = take_apart({"type": "location", "location": {"latitude": 1.5, "longitude": -2, "name": "<b>"}}, None).place
    assert place is not None
    assert place.name == "<b>"
    assert place.link == "https://www.openstreetmap.org/?mlat=1.5&mlon=-2.0#map=16/1.5/-2.0"
    nowhere = take_apart({"type": "location", "location": {"latitude": "javascript:", "longitude": []}}, None).place
    assert nowhere is not None
    assert nowhere.link == ""


KINDS = ["text", "image", "audio", "document", "location", "contacts", "interactive", "order", "template", "button"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["body", "type", "action", "header", "sections", "rows", "phones", "name", "parameters"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(KINDS), VALUES, st.booleans())
def test_whatever_was_stored_there_is_something_to_show(kind: str, inner, with_file: bool) -> None:
    content = {"type": kind, kind: inner}
    assert isinstance(take_apart(content, attachment() if with_file else None), MessageParts)
    assert isinstance(line_of(content), str)
    assert take_apart({"type": kind}, None) is not None


# --- in the thread ----------------------------------------------------------------------------------------------------


@pytest.fixture
def thread(owner, channel):
    """The thread of one person, to whom messages of any content are added."""
    from hailgate.messaging.models import Conversation, Message
    from messaging import acting

    acting.apply(channel, acting.wrote(channel, 1, body="Hello", message_id="wamid.first"))
    conversation = Conversation.objects.get(tenant_id=channel.tenant_id)

    def add(content, **given) -> Message:
        kept = {"direction": 1, "sender": "contact", "author_kind": "", "author": ""} | given
        return Message.objects.create(
            uid=uuid7(), tenant_id=channel.tenant_id, conversation_id=conversation.pk, channel_id=channel.id,
            kind=content["type"], content=msgspec.json.encode(content).decode(), address_kind="phone",
            address="15550000001", accepted_at=acting.NOON, **kept,
        )  # fmt: skip

    def show() -> str:
        return owner.text(f"conversations/{conversation.uid.hex}", part=True)

    return add, show


def test_a_picture_that_came_is_shown_through_a_link_that_expires(owner, eve, thread, channel) -> None:
    add, show = thread
    message = add({"type": "image", "image": {"id": "1", "caption": "Front door"}})
    file = attachment(tenant_id=channel.tenant_id, message_id=message.pk, file="00/x", created_at=0.0)
    file.save()
    page = show()
    assert f'<img src="/console/media/{file.uid.hex}"' in page
    assert "Front door" in page
    answer = owner.get(f"media/{file.uid.hex}")
    assert answer.status_code == 302
    assert answer["Location"].startswith(f"/media/{file.uid.hex}.")
    assert eve.get(f"media/{file.uid.hex}").status_code == 404
    assert owner.get("media/nonsense").status_code == 404


def test_a_file_of_ours_is_found_by_the_name_that_the_message_has_for_it(thread, channel) -> None:
    add, show = thread
    file = attachment("application/pdf", tenant_id=channel.tenant_id, name="Bill.pdf", created_at=0.0)
    file.save()
    add({"type": "document", "document": {"attachment": str(file.uid)}}, direction=2, sender="api")
    assert "Bill.pdf" in show()


def test_reactions_stand_on_their_message(thread, channel) -> None:
    from hailgate.messaging.models import Amendment

    add, show = thread
    answer = add({"type": "text", "text": {"body": "Until six."}}, direction=2, sender="api", provider_id="wamid.ours")
    for emoji, moment in (("👎", 1.0), ("🎉", 2.0)):
        Amendment.objects.create(
            tenant_id=channel.tenant_id, channel_id=channel.id, provider_id="wamid.ours", message_id=answer.pk,
            change="reaction", author_kind="phone", author="15550000001", author_digest="d", content=emoji, at=moment,
            received_at=moment,
        )  # fmt: skip
    add(
        {"type": "reaction", "reaction": {"message_id": "wamid.first", "emoji": "🙏"}},
        direction=2, sender="operator", status=1,
    )  # fmt: skip
    page = show()
    assert '<li title="Ada">🎉</li>' in page
    assert "👎" not in page
    assert '<li title="You">🙏</li>' in page
    assert "Reaction:" not in page


def test_a_reaction_that_failed_stays_a_message(thread) -> None:
    add, show = thread
    add(
        {"type": "reaction", "reaction": {"message_id": "wamid.first", "emoji": "🙏"}},
        direction=2, sender="operator", status=2, code="rejected",
    )  # fmt: skip
    page = show()
    assert "Reaction: 🙏" in page
    assert 'class="reactions"' not in page


def test_an_open_thread_hears_of_reactions_and_files(thread, channel) -> None:
    from hailgate.messaging.models import Amendment, Conversation
    from hailgate.messaging.people.view_fingerprint import glance_at_thread
    from messaging import acting

    add, _ = thread
    uid = Conversation.objects.get(tenant_id=channel.tenant_id).uid
    message = add({"type": "image", "image": {"id": "1"}})
    file = attachment(state=AttachmentState.AWAITED, tenant_id=channel.tenant_id, message_id=message.pk, created_at=0.0)
    file.save()
    seen = [glance_at_thread(channel.tenant_id, uid)]
    acting.change(file, state=AttachmentState.STORED)
    seen.append(glance_at_thread(channel.tenant_id, uid))
    Amendment.objects.create(
        tenant_id=channel.tenant_id, channel_id=channel.id, provider_id="x", message_id=message.pk, change="reaction",
        author_kind="phone", author="1", author_digest="d", content="🎉", at=0.0, received_at=0.0,
    )  # fmt: skip
    seen.append(glance_at_thread(channel.tenant_id, uid))
    assert len(set(seen)) == 3


@pytest.mark.parametrize(
    ("origin", "shown"),
    [
        ({"forwarded": True}, OriginShown("Forwarded", "", "", "", "")),
        ({"forwarded": True, "frequently_forwarded": True}, OriginShown("Forwarded many times", "", "", "", "")),
        ({"referred_product": {"product_retailer_id": "sku-1"}}, OriginShown("", "", "", "", "sku-1")),
        (
            {"referral": {"headline": "Chat with us", "body": "Sale", "source_url": "https://fb.me/x"}},
            OriginShown("", "Chat with us", "Sale", "https://fb.me/x", ""),
        ),
        ({"referral": {"source_url": "javascript:alert(1)"}}, OriginShown("", "An ad or a post", "", "", "")),
        ({}, None),
        (5, None),
    ],
)
def test_where_a_message_comes_from_is_shown(origin, shown) -> None:
    assert read_origin({"type": "text", "origin": origin}) == shown
