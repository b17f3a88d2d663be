"""One line for every kind, whatever its shape."""

import json
from pathlib import Path

import pytest
from hypothesis import given

from hailgate.core.content import preview

from .strategies import any_json

META = Path(__file__).parents[1] / "fixtures" / "meta"


def asked(name):
    return json.loads((META / "requests" / f"{name}.json").read_text())


def told(name):
    webhook = json.loads((META / "webhooks" / f"{name}.json").read_text())
    return webhook["entry"][0]["changes"][0]["value"]["messages"][0]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("text", "Hello"),
        ("image_id", "Photo: Front"),
        ("image_link", "Photo"),
        ("video_link", "Video: Clip"),
        ("audio_id", "Audio"),
        ("voice_note", "Voice message"),
        ("document_link", "Document: Doc"),
        ("sticker_id", "Sticker"),
        ("location", "Location: Example Cafe"),
        ("contacts", "Contact: Luis Sample"),
        ("reaction", "Reaction: 👍"),
        ("reaction_remove", "Reaction removed"),
        ("interactive_button", "Confirm your order?"),
        ("interactive_list", "Pick a slot"),
        ("interactive_cta_url", "See dates"),
        ("interactive_flow", "Tell us more"),
        ("interactive_location_request", "Where are you?"),
        ("template_body_params", "Template: order_update"),
    ],
)
def test_what_we_send_has_a_line(name, line):
    assert preview(asked(name)) == line


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"type": "poll", "body": {"text": "Which day?"}, "action": {"options": ["Mon", "Tue"]}}, "Which day?"),
        ({"type": "poll_reply", "poll_reply": {"options": ["Mon", "Tue"]}}, "Mon, Tue"),
        ({"type": "poll_reply", "poll_reply": {}}, "Vote taken back"),
    ],
)
def test_a_poll_and_its_votes_have_a_line(asked, line):
    assert preview({"type": "interactive", "interactive": asked}) == line


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("message_text_reply", "Yes, that one"),
        ("message_image", "Photo: Front door"),
        ("message_voice_note", "Voice message"),
        ("message_document", "Document: Invoice"),
        ("message_location_pin", "Location"),
        ("message_reaction_remove_missing", "Reaction removed"),
        ("message_interactive_button_reply", "Confirm"),
        ("message_interactive_list_reply", "09:00"),
        ("message_interactive_flow_reply", "Form answered"),
        ("message_template_quick_reply", "Button: Stop promotions"),
        ("message_order", "Order"),
        ("message_unsupported", "Message that cannot be shown"),
    ],
)
def test_what_a_person_sends_has_a_line(name, line):
    assert preview(told(name)) == line


@pytest.mark.parametrize(
    ("kind", "line"),
    [("poll", "Poll"), ("pin", "Message pinned or unpinned"),
     ("event_creation", "Message that cannot be shown (event creation)"),
     ("unknown", "Message that cannot be shown"), ("x" * 99, f"Message that cannot be shown ({'x' * 40})")],
)  # fmt: skip
def test_what_whatsapp_does_not_deliver_is_called_by_its_own_word_where_we_have_none(kind, line):
    assert preview({"type": "unsupported", "unsupported": {"kind": kind}}) == line


def test_labels_are_translated_and_words_are_not():
    def shout(label):
        return label.upper()

    assert preview({"type": "image", "image": {"caption": "Front"}}, shout) == "PHOTO: Front"
    assert preview({"type": "text", "text": {"body": "Hello"}}, shout) == "Hello"
    assert preview({"type": "deleted"}, shout) == "DELETED MESSAGE"


@given(any_json.filter(lambda raw: isinstance(raw, dict)))
def test_whatever_the_shape_there_is_a_line(content):
    assert isinstance(preview(content), str)


@pytest.mark.parametrize("kind", ["image", "contacts", "interactive", "reaction", "order", "template"])
@given(inner=any_json)
def test_whatever_is_inside_there_is_a_line(kind, inner):
    assert preview({"type": kind, kind: inner})
