"""The repository stands alone: nothing of the machine it was written on, nothing out of date, no link into nowhere."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from hailgate.commands.docs_gen import render_generated
from hailgate.commands.program import program

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
MACHINE_PATH = re.compile(r"/(work|root|home/\w+|Users/\w+|tmp/\w+)/")
REGISTRY = re.compile(r"pypi\.org|pythonhosted\.org|npmjs\.(org|com)|/simple/?$", re.MULTILINE)
SIBLING = re.compile(r"\.\./shared")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def texts() -> Iterator[tuple[str, str]]:
    """Of every file but this one, which has to name what it forbids."""
    for path in tracked():
        if path == Path(__file__):
            continue
        try:
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def where(pattern: re.Pattern[str], *, but: tuple[str, ...] = ()) -> list[str]:
    return [f"{name}: {found.group()}" for name, text in texts() if name not in but for found in pattern.finditer(text)]


def pins(lock: Path) -> dict[str, str]:
    return dict(PIN.findall(lock.read_text()))


def test_no_file_holds_a_path_of_the_machine_it_was_written_on() -> None:
    assert where(MACHINE_PATH) == []


def test_only_ci_looks_beside_the_repository() -> None:
    assert where(SIBLING, but=(".ci/run",)) == []


def test_no_file_names_a_package_registry() -> None:
    assert where(REGISTRY) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_requirement_is_hashed(lock: Path) -> None:
    blocks = re.split(r"^(?=[A-Za-z0-9])", lock.read_text(), flags=re.MULTILINE)
    requirements = [block for block in blocks if PIN.match(block)]
    assert requirements
    assert [block.split()[0] for block in requirements if "--hash=sha256:" not in block] == []


def test_locks_agree_on_every_version() -> None:
    development = pins(ROOT / "requirements" / "dev.txt")
    for lock in LOCKS:
        assert {
            name: version for name, version in pins(lock).items() if development.get(name, version) != version
        } == {}


@pytest.mark.parametrize(
    ("path", "content"), [pytest.param(*page, id=page[0].name) for page in render_generated(program).items()]
)
def test_what_is_generated_is_what_the_code_says(path: Path, content: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == content, "run: make generate"


def test_license_is_there() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_every_target_of_make_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert named
    described = set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))
    assert set(named.group(1).split()) == described


def test_scripts_can_be_run() -> None:
    scripts = [path for path in tracked() if path.parent.name in {"scripts", ".ci"}]
    assert [path.name for path in scripts if not path.stat().st_mode & 0o100] == []


@pytest.mark.parametrize("page", [path for path in tracked() if path.suffix == ".md"], ids=lambda page: page.name)
def test_links_between_pages_resolve(page: Path) -> None:
    broken = []
    for target in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        linked = page.parent / name if name else page
        if not linked.exists() or (anchor and linked.suffix == ".md" and anchor not in anchors(linked)):
            broken.append(target)
    assert broken == []


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """As forges make them of headings."""
    headings = HEADING.findall(without_code(page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
