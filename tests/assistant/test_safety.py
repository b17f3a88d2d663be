"""Safety: emergencies are seen before a model is, and nothing tappable, secret or blocked leaves in a model's words."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.assistant.contract import ConversationLine
from hailgate.assistant.safety import has_word, is_word, review, shorten, unlisted_hosts
from hailgate.assistant.settings import parse_settings
from hailgate.core.said import visible

SETTINGS = parse_settings({
    "vendor": "compatible", "model": "m", "base_url": "https://ai.example", "api_key": "our-own-key",
    "blocked_phrases": "take twice the dose",
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
        ("\uff23\uff28\uff25\uff33\uff34 pain", True),
        ("che\u0301st pain", True),
        ("ch\U000e0001est\u00a0pain", True),
        ("\U0001d41c\U0001d421\U0001d41e\U0001d42c\U0001d42d pain", True),
    ],
)
def test_an_emergency_is_seen_as_a_word_of_its_own(text, seen):
    assert has_word([person(text)], ("chest pain",)) is seen


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("I can\u2019t breathe", "can't breathe"),
        ("EMERGENCIA!", "emerg\u00eancia"),
        ("\u00e9 uma emerge\u0302ncia", "emerg\u00eancia"),
        ("\u6551\u6025\u8eca\u3092\u547c\u3093\u3067", "\u6551\u6025\u8eca"),
        ("\uc751\uae09\uc774\uc5d0\uc694", "\uc751\uae09"),
        (
            "\u0e0a\u0e48\u0e27\u0e22\u0e14\u0e49\u0e27\u0e22\u0e04\u0e23\u0e31\u0e1a",
            "\u0e0a\u0e48\u0e27\u0e22\u0e14\u0e49\u0e27\u0e22",
        ),
        ("\u041f\u041e\u041c\u041e\u0413\u0418\u0422\u0415", "\u043f\u043e\u043c\u043e\u0433\u0438\u0442\u0435"),
        ("\U0001f198", "\U0001f198"),
        ("STRASSE brennt", "stra\u00dfe brennt"),
    ],
)
def test_an_emergency_is_seen_as_telephones_of_all_languages_write_it(text, word):
    assert has_word([person(text)], (word,))


def test_a_word_of_nothing_that_is_seen_is_no_emergency():
    assert not has_word([person("hi")], ("\u200b", " "))


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
        ("https://clinic.example:x@evil.example/", "link"),
        ("clinic.example@evil.example", "link"),
        ("https://clinic.example/hours,evil.example", "link"),
        ("clinic.example.\u0440\u0444", "link"),
        ("\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444", "link"),
        ("b\u00fccher.example", "link"),
        ("xn--e1afmkfd.xn--p1ai", "link"),
        ("evil\uff0eexample", "link"),
        ("evil\u2024example", "link"),
        ("evil\u3002example", "link"),
        ("evil\uff61example", "link"),
        ("\uff45\uff56\uff49\uff4c.example", "link"),
        ("_evil.example_", "link"),
        ("EVIL.EXAMPLE", "link"),
        ("new.photography", "link"),
        ("http://localhost/x", "link"),
        ("http://3232235777/x", "link"),
        ("whatsapp://send?text=x", "link"),
        ("https://clinic.example/hours?day=1#top.", ""),
        ("https://clinic.example:8443/hours", ""),
        ("\u516d\u70b9\u5f00\u95e8\u3002\u8bf7\u7a0d\u7b49\u3002", ""),
        ("_15550100099_", "number"),
        ("x/15550100099", "number"),
        ("1\u2013555\u2013010\u20130099", "number"),
        ("1_555_010_0099", "number"),
        ("tel:+15550100099", "number"),
        ("\uff11\uff15\uff15\uff15\uff10\uff11\uff10\uff10\uff10\uff19\uff19", "number"),
        ("1\u200b5550\u2060100099", "number"),
        ("https://clinic.example/15550100099", ""),
        ("it is our-own-key", "secret"),
        ("o u r - o w n - k e y", "secret"),
        ("_sk-abcdefghijklmnop_", "secret"),
        ("-----BEGIN PRIVATE KEY-----", "secret"),
        ("Take twic\u0301e the dose", "blocked_phrase"),
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
    seen = unicodedata.normalize("NFKC", visible(text)).lower()
    assert all(host.lower() in seen for host in unlisted_hosts(text, ()))


def test_a_text_without_end_is_judged_at_once():
    assert review("a" * 200_000 + "." + "1 " * 50_000, SETTINGS, [person("hi")]).reason == "number"
