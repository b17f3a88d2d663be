"""Every `hailgate` command that the documentation shows is one that the program understands, and every setting exists.

What a command does is tried elsewhere (README's in a fresh clone, others' in `tests/commands/test_shown.py`). Nothing
may be shown that the program would refuse.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from hailgate.commands.program import program
from hailgate.env import OTHERS, PREFIX, Environment

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("how-to/*.md"))]
BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<kind>sh|console|bash)\n(?P<text>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)
SETTING = re.compile(rf"\b{PREFIX}[A-Z][A-Z_]*[A-Z]\b")
# Where one command ends and the next begins, or where its output goes.
ENDS = {"|", "&&", "||", ";", "&", ">", ">>", "<", "2>", ")"}
# Read by others than the product's settings.
ELSEWHERE = (*OTHERS, "HAILGATE_DOMAIN", "HAILGATE_WEB", "HAILGATE_TLS")  # and by the example's Caddyfile


class Shown(NamedTuple):
    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def shown_commands() -> Iterator[Shown]:
    for page in PAGES:
        for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
            for words in lines_of(block["text"].replace("\\\n", " ")):
                yield from (Shown(page.name, call) for call in calls_in(words))


def lines_of(text: str) -> Iterator[list[str]]:
    """The words of each line; one whose quotes are open goes on with the next."""
    pending = ""
    for line in text.splitlines():
        pending = f"{pending}\n{line}" if pending else line
        shell = shlex.shlex(pending.replace("$(", " ( "), posix=True, punctuation_chars="();<>|&")
        shell.whitespace_split = True
        try:
            words = list(shell)
        except ValueError:
            continue
        pending = ""
        yield words
    assert not pending, f"a quote is never closed: {pending[:80]}"


def calls_in(words: list[str]) -> Iterator[tuple[str, ...]]:
    """The arguments of each call of `hailgate` in a line of a shell, without what is done with its output."""
    for at, word in enumerate(words):
        if word.rpartition("/")[2] == "hailgate" and (at == 0 or is_before_call(words[at - 1])):
            call = []
            for argument in words[at + 1 :]:
                if argument in ENDS or argument == "(":
                    break
                call.append(argument)
            if call:
                yield tuple(call)


def is_before_call(word: str) -> bool:
    """An assignment, the end of another command, or something that runs what follows."""
    return "=" in word or word in {*ENDS, "(", "sudo", "exec", "-u"}


def understand(words: Sequence[str]) -> None:
    """Raises UsageError. Nothing is run."""
    command, name = program, "hailgate"
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        found = command.get_command(click.Context(command), name)
        if found is None:
            raise click.UsageError(f"there is no command {name}")
        command = found
    with command.make_context(name, list(words)):  # left again: files that were opened are closed
        pass


COMMANDS = sorted(set(shown_commands()))


def test_there_are_commands_to_look_at() -> None:
    assert len(COMMANDS) > 60


@pytest.mark.parametrize("shown", COMMANDS, ids=str)
def test_a_command_that_is_shown_is_understood(shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for word in shown.words:
        if re.fullmatch(r"[\w.]+", word):  # a file that the reader has
            (tmp_path / word).touch()
    try:
        understand(shown.words)
    except click.exceptions.Exit:  # --help and --version
        pass
    except click.UsageError as refused:
        pytest.fail(f"{shown}: {refused.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_setting_that_is_shown_exists(page: Path) -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Environment.model_fields}
    shown = {name for name in SETTING.findall(page.read_text(encoding="utf-8")) if not name.startswith(ELSEWHERE)}
    assert {name.removesuffix("_FILE") for name in shown} <= known
