"""Patterns by command: set, listed, filled in, taken away."""


def test_a_pattern_is_set_listed_filled_and_taken_away(ask, run, tenant):
    assert ask("pattern", "set", "greeting", "en", "Hello {{name}}!")["variables"] == ["name"]
    assert ask("pattern", "list") == [{"name": "greeting", "language": "en", "text": "Hello {{name}}!"}]
    assert ask("pattern", "fill", "greeting", "--set", "name=Ana") == {"text": "Hello Ana!"}
    missing = run("pattern", "fill", "greeting")
    assert (missing.exit_code, "values.name: is missing" in missing.output) == (1, True)
    assert ask("pattern", "remove", "greeting", "en") == {"removed": True}
    assert ask("pattern", "list") == []
