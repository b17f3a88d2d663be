"""`hailgate init`: the settings of a new installation, with keys of its own."""

import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hailgate.commands.output import json_option, print_note, tell
from hailgate.core.errors import ConfigurationError, Conflict

if TYPE_CHECKING:
    from hailgate.env import Environment

INTRO = "# Settings of this installation; `.env.example` names them all. Keep a copy of the keys elsewhere.\n"


@click.command()
@click.option("--file", "file", type=click.Path(path_type=Path, dir_okay=False), default=".env", show_default=True)
@click.option(
    "--public-url", metavar="URL", help="https://… under which providers and people reach it; empty: not yet."
)
@click.option("--database-url", metavar="URL", help="postgresql://…; empty: SQLite.")
@click.option("--home", metavar="DIRECTORY", help="Folder for files, and for the database where it is SQLite.")
@click.option("--yes", is_flag=True, help="Ask nothing: what is not said keeps its default.")
@json_option
def init(
    *, file: Path, public_url: str | None, database_url: str | None, home: str | None, yes: bool, as_json: bool
) -> None:
    """Write .env with fresh keys, prepare the database, and check all of it.

    A file that is there is left alone.
    """
    from hailgate.key_file import make_sealing_key

    if file.exists():
        raise Conflict(f"{file} is there already: change it by hand, or name another with --file.", code="file_exists")
    given = {
        "HAILGATE_PUBLIC_URL": _ask(public_url, "Public address (https://…), empty for later", yes=yes),
        "HAILGATE_DATABASE_URL": _ask(database_url, "Database (postgresql://…), empty for SQLite", yes=yes),
        "HAILGATE_HOME": home or "",
    }
    settings = {name: value for name, value in given.items() if value}
    settings["HAILGATE_SECRET_KEYS"] = make_sealing_key()
    settings["HAILGATE_METRICS_TOKEN"] = secrets.token_urlsafe(24)
    _check(settings).home.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(file, settings)
    print_note(f"{file} is written.")
    for command in ("migrate", "check"):
        done = subprocess.run(  # noqa: S603 -- this very program
            [sys.executable, "-m", "hailgate", command], check=False, env=os.environ | settings, stdout=sys.stderr
        )
        if done.returncode:
            raise ConfigurationError([f"`hailgate {command}` found a fault: mend {file}, then run it again"])
    text = "Next: `hailgate tenant add NAME`, `hailgate operator add --role owner --email YOU`, `hailgate serve`."
    tell({"file": str(file), "settings": sorted(settings)}, text, as_json=as_json)


def _ask(given: str | None, question: str, *, yes: bool) -> str:
    if given is not None or yes:
        return given or ""
    answer: str = click.prompt(question, default="", show_default=False, err=True)
    return answer.strip()


def _check(settings: dict[str, str]) -> "Environment":
    """Raises ConfigurationError before anything is written."""
    from hailgate.env import load_environment

    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        return load_environment()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _write(file: Path, settings: dict[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as written:
        written.write(INTRO + "".join(f"{name}={value}\n" for name, value in settings.items()))
