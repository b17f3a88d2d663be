"""A URL of a stranger is split or it is none; no Python raises, and none lets through what another refuses."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hailgate.core.urls import find_parts, find_target

# Python 3.11.4, 3.12 and their backports refuse the first four (gh-103848); NFKC is gh-81061.
MALFORMED = [
    "http://[example.com]/", "http://[127.0.0.1]/", "http://[]/", "http://user@[example.com]:80/", "http://[::1",
    "http://::1]/", "http://[::1]x/", "http://x[::1]/", "http://[::1]]/", "http://[v1.a]/", "http://host:port/",
    "http://host:65536/", "http://host:-1/", "http://\u2100.example/",
    "http://u:[p]@[::1]/", "http://[::1]@example.com/",
]  # fmt: skip
SOUND = [
    ("http://example.com/a?b#c", "example.com", None), ("https://user:pass@example.com:8443/", "example.com", 8443),
    ("http://[2001:db8::1]/", "2001:db8::1", None), ("http://u:p@[::1]:80/", "::1", 80), ("/path", None, None),
    ("", None, None), ("postgresql:///name?host=/run", None, None), ("http://example.com:/", "example.com", None),
    ("http://example.com/[a]?[b]#[c]", "example.com", None),
]  # fmt: skip


@pytest.mark.parametrize("url", MALFORMED)
def test_what_some_python_refuses_is_no_url_on_any(url: str) -> None:
    assert find_parts(url) is None
    assert find_target("https://example.com/a/b", url) is None


@pytest.mark.parametrize(("url", "host", "port"), SOUND)
def test_a_url_has_its_parts(url: str, host: str | None, port: int | None) -> None:
    parts = find_parts(url)
    assert parts is not None
    assert (parts.hostname, parts.port) == (host, port)


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("", "https://example.com/a/b"),
        ("c", "https://example.com/a/c"),
        ("//other.example/", "https://other.example/"),
        ("http://[::1]/", "http://[::1]/"),
    ],
)
def test_a_reference_means_what_it_means_at_its_base(reference: str, target: str) -> None:
    assert find_target("https://example.com/a/b", reference) == target


def test_only_what_the_owner_wrote_is_split_elsewhere() -> None:
    """The simulator imports nothing of ours and guards itself; settings have been checked when they are read."""
    src = Path(__file__).parents[2] / "src" / "hailgate"
    splitting = re.compile(r"\burl(split|join|parse)\(")
    found = {str(path.relative_to(src)) for path in src.rglob("*.py") if splitting.search(path.read_text("utf-8"))}
    simulated = {f"simulator/{name}.py" for name in ("cloud/content", "twilio/calls", "twilio/fetch")}
    assert found == {"core/urls.py", "database.py", "env.py", "settings.py"} | simulated


@given(st.text(st.sampled_from("http:/[]@.%1av:\u2100\u202e#?&\\ \x00"), max_size=24), st.text(max_size=20))
def test_nothing_that_is_written_raises(url: str, reference: str) -> None:
    find_parts(url)
    find_parts(f"http://{url}")
    find_target(f"http://{url}", reference)
    find_target("http://example.com", f"//{url}")
