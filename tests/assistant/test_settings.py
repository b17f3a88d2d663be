"""Assistant settings: read as typed, refused with the name of what is wrong, shown without keys."""

import msgspec
import pytest

from hailgate.assistant.settings import AssistantSettings, ScriptRule, describe_settings, parse_settings
from hailgate.core.errors import InputError

OPENAI = {"vendor": "openai", "model": "gpt-mini", "api_key": "sk-secret"}


def test_texts_of_a_command_line_are_read_as_values():
    settings = parse_settings({**OPENAI, "temperature": "0.5", "max_tokens": "200", "emergency_words": "fire, help me"})
    assert (settings.temperature, settings.max_tokens) == (0.5, 200)
    assert settings.emergency_words == ("fire", "help me")


def test_a_script_is_typed_as_json():
    settings = parse_settings({"vendor": "scripted", "script": '[{"pattern": "tea", "reply": "With milk?"}]'})
    assert settings.script == (ScriptRule("tea", "With milk?"),)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "vendor"),
        ({"vendor": "openai"}, "model"),
        ({"vendor": "openai", "model": "m"}, "api_key"),
        ({"vendor": "compatible", "model": "m"}, "base_url"),
        ({**OPENAI, "temperature": "3"}, "temperature"),
        ({**OPENAI, "temperature": "warm"}, "temperature"),
        ({**OPENAI, "timeout_s": "600"}, "timeout_s"),
        ({**OPENAI, "second_vendor": "anthropic"}, "second_model"),
        ({**OPENAI, "colour": "red"}, "colour"),
        ({"vendor": "scripted", "script": "tea"}, "script"),
        ({"vendor": "scripted", "script": '[{"pattern": "(", "reply": "x"}]'}, "script[0].pattern"),
    ],
)
def test_what_is_wrong_is_named(given, field):
    with pytest.raises(InputError) as refused:
        parse_settings(given)
    assert refused.value.field == field
    assert field.partition("[")[0] in refused.value.detail


def test_keys_are_never_shown():
    settings = parse_settings({**OPENAI, "second_vendor": "anthropic", "second_model": "c", "second_api_key": "sk-two"})
    assert "sk-" not in str(describe_settings(settings)) + repr(settings) + repr(settings.choices)
    assert describe_settings(settings)["api_key"] == "***"


def test_a_version_comes_back_from_the_store_as_it_was():
    settings = parse_settings({**OPENAI, "reset_words": "new, again"})
    assert msgspec.json.decode(msgspec.json.encode(settings), type=AssistantSettings) == settings
