"""Every block of commands on a page is run as it stands there, or the page says why not: `<!-- not run: … -->`.

README and `install.md` are walked by `make readme` and `make install-trial`. Of all others each `hailgate` command is
given in its order, on a store that has what its page speaks of. What stays running or asks somebody outside is given by
those two, and by the tests of these commands.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import empty_tables, tenancy
from hailgate.backup.encryption import make_identity
from hailgate.env import PREFIX, load_environment
from hailgate.messaging.models import Contact
from hailgate.messaging.store.hold import release
from messaging.acting import apply, change_channel, send, wrote
from test_docs_commands import BLOCK, ROOT, calls_in, lines_of

WALKED = {"install.md"}
PAGES = [page for page in sorted((ROOT / "docs" / "how-to").glob("*.md")) if page.name not in WALKED]
MARK = re.compile(r"<!-- not run: \S.*? -->\n\Z", re.DOTALL)
CSV = re.compile(r"^```csv\n(.*?)^```", re.MULTILINE | re.DOTALL)
# What brings a checkout, or a secret of the reader's.
OTHERS = {"git", "make", "head", "cd"}
ELSEWHERE = (("serve",), ("work",), ("check",), ("channel", "pair"), ("assistant", "check"), ("assistant", "try"))
# The channel that a page speaks of.
CHANNELS = {"assistants.md": "main", "people.md": "main", "limits.md": "front"}
SECRET = "a-secret-of-the-readers-own"


def blocks_to_run(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return [
        block["text"].replace("\\\n", " ")
        for block in BLOCK.finditer(text)
        if not MARK.search(text[: block.start()].removesuffix(block["indent"]))
    ]


@pytest.fixture
def identity() -> Iterator[tuple[str, str]]:
    """What opens backups, and the recipient key that goes with it; a restored store is held, and is released again."""
    yield make_identity()
    release()


class Reader:
    """Has what the pages speak of, and gives their commands."""

    def __init__(self, run: Callable, folder: Path, places: dict[str, Callable[[], str]], more: dict) -> None:
        self._run, self._folder, self._places, self._more = run, folder, places, more

    def follow(self, words: list[str]) -> None:
        """One line. Raises AssertionError where a command fails, or is none that is known here."""
        words = words[1:] if words[:1] == ["export"] else words
        settings = [word for word in words if re.match(r"[A-Z_]+=", word)]
        calls = list(calls_in(words))
        for call in calls:
            self._give(call, words)
        for setting in settings:
            self._set(setting)
        assert calls or settings or not words or words[0] in OTHERS, f"nobody runs: {' '.join(words)}"

    def _set(self, setting: str) -> None:
        name, _, value = setting.partition("=")
        if name.startswith(PREFIX) and value:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv(name, value)
                load_environment()

    def _give(self, call: tuple[str, ...], words: list[str]) -> None:
        if any(call[: len(each)] == each for each in ELSEWHERE):
            return
        given = [self._fill(word) for word in call]
        for file in re.findall(r"=@([\w.-]+)", " ".join(given)):
            (self._folder / file).write_text(SECRET)
        typed = SECRET if "<" in words else None
        if call[0] == "restore" and "--in-place" not in call:
            tenancy.enforced = False
            empty_tables()
        added = next((more for start, more in self._more.items() if call[: len(start)] == start), ())
        done = self._run(*given, *added, typed=typed)
        assert done.exit_code == 0, f"{' '.join(given)}\n{done.output}"
        if call[:2] == ("hook", "add"):
            made = re.search(r"^id: (\S+)$", done.output, re.MULTILINE)[1]
            self._places["HOOK_ID"] = lambda: made

    def _fill(self, word: str) -> str:
        for place, find in self._places.items():
            if re.search(rf"(^|[=@]){re.escape(place)}$", word):
                word = word.replace(place, find())
        return word


@pytest.fixture
def reader(run, request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identity) -> Callable[[Path], Reader]:
    def begin(page: Path) -> Reader:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "identity.txt").write_text(identity[0])
        text = page.read_text(encoding="utf-8")
        for name, table in zip(("messages.csv", "models.csv"), CSV.findall(text), strict=False):
            (tmp_path / name).write_text(table)
        backup = str(tmp_path / "one.age")
        places = {
            "AC…": lambda: "AC" + "0" * 32,
            "FILE": lambda: backup,
        }
        more: dict = {("backup", "verify"): (), ("backup", "key"): ()}
        more[("backup",)] = ("--to", backup, "--recipient", identity[1])
        if "hailgate tenant add" not in text:
            tenant = request.getfixturevalue("tenant")
            places["0a993c22f2cb"] = lambda: request.getfixturevalue("key").split("_")[1]
        if name := CHANNELS.get(page.name):
            channel = request.getfixturevalue("channel")
            change_channel(channel, name=name)
            message = send(channel)
            apply(channel, wrote(channel, 1))
            places["0199f3c1-…"] = lambda: str(message.uid)
            places["CONTACT"] = lambda: str(Contact.objects.get(tenant_id=tenant.pk).uid)
        return Reader(run, tmp_path, places, more)

    return begin


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_to_run(page)], ids=lambda page: page.stem)
def test_what_a_page_shows_is_done(page: Path, reader) -> None:
    follower = reader(page)
    for block in blocks_to_run(page):
        for words in lines_of(block):
            follower.follow(words)
