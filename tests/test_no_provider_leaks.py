"""No provider's name outside its folder: whatever else knows one by name knows what only that one does."""

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "hailgate"
# Where a provider is at home: its own folder, the other side that is simulated, and its own texts.
HOMES = ("providers/cloud/", "providers/twilio/", "providers/evolution/", "providers/wppconnect/", "simulator/")
LEAKS = re.compile(r"\bcloud\b|\bmeta\b|waba|phone_number_id|wamid|\bhub\.(mode|challenge|verify)", re.IGNORECASE)
# `Meta` is also msgspec's word for what is said about a field, and Django's for what is said about a model.
OTHER_WORDS = re.compile(
    r"\bclass Meta\b|\bmsgspec\.Meta\b|\bMeta\(|\bimport [\w, ]*\bMeta\b|-> Meta\b|, Meta\)|\bMeta\.|\[Meta\]"
    r"|\.META\b|<meta\b"
)

ALLOWED = {
    "providers/__init__.py": "the one line for each provider",
    "core/content/": "the canonical content is the Cloud API's own shape, and says whose rule a limit is",
    "core/templates/": "a template's components are in the Cloud API's own shape",
    "core/decode.py": "reads the spellings of the canonical shape",
    "messaging/outbound/request.py": "the API takes the canonical shape, and says whose it is",
    "messaging/people/addresses.py": "names the source of a rule",
    "connectors/envelope.py": "an envelope holds the canonical shape, and says whose it is",
    "api/answer_examples.py": "examples of answers, as one of the four ways gives them",
    "api/schemas/conversations.py": "describes a responder of a provider to callers",
    "api/schemas/messages.py": "describes the canonical shape to callers",
    "commands/channels.py": "an example in a help text",
    "commands/hooks.py": "an example in a help text",
}


def leaks_of(path: Path) -> list[str]:
    """The lines of code and comment that name a provider."""
    lines = path.read_text().splitlines()
    return [line.strip() for line in lines if LEAKS.search(OTHER_WORDS.sub("", line))]


def files():
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if not name.startswith(HOMES) and "/migrations/" not in name:
            yield name, path


def test_nobody_names_a_provider_but_for_a_reason():
    found = {name: leaks for name, path in files() if (leaks := leaks_of(path)) and not is_allowed(name)}
    assert found == {}


def test_every_allowed_place_needs_its_leave():
    needed = {place for place in ALLOWED for name, path in files() if name.startswith(place) and leaks_of(path)}
    assert needed == ALLOWED.keys()


def test_no_code_asks_for_a_provider_by_its_name():
    """Not even where its name may stand in a comment or a text."""
    names = {"cloud", "twilio", "evolution", "wppconnect"}
    asked = []
    for name, path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                words = {
                    one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)
                }
                asked += [f"{name}:{node.lineno}"] if words & names else []
    assert asked == []


@pytest.mark.parametrize(
    ("line", "leaks"),
    [
        ("class Meta:", False),
        ('Annotated[str, Meta(title="x")]', False),
        ("from msgspec import Meta, Struct", False),
        ("# Meta keeps it for seven days", True),
        ('settings["waba_id"]', True),
        ('if spec.name == "cloud":', True),
        ('query["hub.mode"]', True),
        ("provider_id = f'wamid.{uid}'", True),
        ("metadata = read(metadata)", False),
    ],
)
def test_what_counts_as_a_leak(tmp_path, line, leaks):
    (tmp_path / "x.py").write_text(line)
    assert bool(leaks_of(tmp_path / "x.py")) is leaks


def is_allowed(name: str) -> bool:
    return any(name.startswith(place) for place in ALLOWED)
