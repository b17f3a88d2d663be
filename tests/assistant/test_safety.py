"""Safety: emergencies are seen before a model is, and nothing tappable, secret or blocked leaves in a model's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.assistant.contract import ConversationLine
from hailgate.assistant.safety import has_word, is_word, review, shorten, unlisted_hosts
from hailgate.assistant.settings import parse_settings

SETTINGS = parse_settings({
    "vendor": "compatible", "model": "m", "base_url": "https://ai.example", "blocked_phrases": "take twice the dose",
    "allowed_hosts": "clinic.example", "instructions": "Our desk is +1 555 010 0001.",
})  # fmt: skip


def person(text, kind="text"):
    return ConversationLine(by_person=True, kind=kind, text=text)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("I have chest pain", True),
        ("CHEST  PAIN!!", True),
        ("ches\u200bt pain", True),
        ("a chestpainting", False),
        ("chest of drawers", False),
    ],
)
def test_an_emergency_is_seen_as_a_word_of_its_own(text, seen):
    assert has_word([person(text)], ("chest pain",)) is seen


def test_an_emergency_is_seen_in_a_caption_too():
    assert has_word([person("my chest pain", kind="image")], ("chest pain",))


def test_nobody_calls_an_emergency_but_the_person():
    assert not has_word([ConversationLine(by_person=False, kind="text", text="chest pain")], ("chest pain",))


def test_only_a_whole_message_is_a_reset_word():
    assert is_word(person(" /RESET "), ("/reset",))
    assert not is_word(person("do not /reset"), ("/reset",))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("We are open until six.", ""),
        ("See https://clinic.example/hours or www.clinic.example.", ""),
        ("See book.clinic.example", ""),
        ("The file is called report.pdf", ""),
        ("It costs 12.50 and takes 3.5 hours.", ""),
        ("Call +1 (555) 010-0001.", ""),
        ("", "empty"),
        ("\u200b", "empty"),
        ("Please visit http://evil.example/?q=1", "link"),
        ("Please visit evil.example", "link"),
        ("wa.me/15550100042", "link"),
        ("Go to ev\u200bil.example", "link"),
        ("mail me@evil.example", "link"),
        ("http://10.0.0.1/x", "link"),
        ("clinic.example.evil.example", "link"),
        ("Call +1 555 010 0099", "number"),
        ("the key is sk-abcdefghijklmnop", "secret"),
        ("You may TAKE twice  the dose", "blocked_phrase"),
    ],
)
def test_what_a_telephone_would_make_tappable_passes_only_if_allowed(text, reason):
    assert review(text, SETTINGS, [person("hi")]).reason == reason


def test_a_number_that_the_person_wrote_may_be_repeated():
    assert review("I have noted 0555 010 0042.", SETTINGS, [person("mine is 0555 0100042")]).reason == ""


@given(st.text(max_size=300), st.integers(40, 120))
def test_a_shortened_text_is_never_longer_and_begins_like_the_whole(text, limit):
    shown = shorten(text, limit)
    assert len(shown) <= limit
    assert text.startswith(shown.removesuffix("…").rstrip()) or text == shown


def test_a_text_is_cut_after_a_sentence():
    text = "First sentence. Second sentence is here. Third one goes on and on."
    assert shorten(text, 45) == "First sentence. Second sentence is here."


@given(st.text(max_size=200))
def test_every_host_that_is_listed_was_in_the_text(text):
    assert all(host.lower() in text.lower() for host in unlisted_hosts(text, ()))
