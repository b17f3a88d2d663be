"""How the program leaves: sentences for people, problems for programs, codes for shells, never a traceback."""

import json
import subprocess
import sys

import pytest
from django.db import DatabaseError, OperationalError, ProgrammingError

from hailgate.commands.bootstrap import explain
from hailgate.commands.program import program
from hailgate.core.errors import ConfigurationError, StoreUnavailable


def hailgate(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The program as a process of its own, with these settings and no others."""
    command = [sys.executable, "-m", "hailgate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    listing = "import sys; from hailgate.commands.program import program; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True).stdout.split()
    assert {"django", "pydantic", "aiohttp", "msgspec", "starlette"} & set(loaded) == set()


@pytest.mark.parametrize("name", sorted(name for name, command in program.commands.items() if not command.hidden))
def test_every_command_explains_itself_and_answers_programs(run, name) -> None:
    described = run(name, "--help")
    assert described.exit_code == 0
    subcommands = getattr(program.commands[name], "commands", {})
    texts = [run(name, each, "--help").stdout for each in subcommands] or [described.stdout]
    assert all("--json" in text for text in texts)


def test_a_refusal_is_a_sentence_for_people(run, tenant) -> None:
    refused = run("tenant", "add", tenant.name)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: a tenant named")


def test_a_refusal_is_a_problem_for_programs(run, tenant) -> None:
    refused = run("tenant", "add", tenant.name, "--json")
    problem = json.loads(refused.stdout)
    assert (refused.exit_code, problem["code"], problem["status"]) == (1, "conflict", 409)
    assert problem["field"] == "name"


@pytest.mark.parametrize("arguments", [("tenant", "add"), ("nothing",), ("send", "--unknown")])
def test_a_misspelt_command_ends_with_two(run, arguments) -> None:
    misused = run(*arguments)
    assert misused.exit_code == 2
    assert "Usage: hailgate" in misused.stderr
    document = run(*arguments, "--json")
    assert (document.exit_code, json.loads(document.stdout)["code"]) == (2, "usage")


def test_every_fault_of_the_settings_is_told_at_once(tmp_path) -> None:
    faults = {"HAILGATE_BIND": "nowhere", "HAILGATE_PUBLIC_URL": "ftp://x", "HAILGATE_HOME": str(tmp_path)}
    refused = hailgate("tenant", "list", **faults)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "HAILGATE_BIND" in refused.stderr
    assert "HAILGATE_PUBLIC_URL" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_folder_that_cannot_be_used_is_named(tmp_path) -> None:
    (tmp_path / "file").touch()
    for command in (("tenant", "list"), ("demo",)):
        refused = hailgate(*command, HAILGATE_HOME=str(tmp_path / "file" / "home"))
        assert refused.returncode == 1
        assert "Error: " in refused.stderr
        assert "Not a directory" in refused.stderr


def test_a_database_that_is_not_migrated_is_told_so(tmp_path) -> None:
    refused = hailgate("tenant", "list", "--json", HAILGATE_HOME=str(tmp_path))
    assert refused.returncode == 1
    assert "hailgate migrate" in json.loads(refused.stdout)["detail"]


@pytest.mark.parametrize("command", ["serve", "work"])
def test_nothing_runs_on_a_database_that_is_not_migrated(tmp_path, command) -> None:
    refused = hailgate(command, HAILGATE_HOME=str(tmp_path))
    assert refused.returncode == 1
    assert "run `hailgate migrate`" in refused.stderr


def test_migrating_twice_changes_nothing(tmp_path) -> None:
    first, second = (hailgate("migrate", "--json", HAILGATE_HOME=str(tmp_path)) for _ in range(2))
    assert "messaging.0001_initial" in json.loads(first.stdout)["applied"]
    assert json.loads(second.stdout) == {"applied": []}


def failure(error: DatabaseError, sqlstate: str) -> DatabaseError:
    cause = Exception("password=hunter2")
    cause.sqlstate = sqlstate
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("failed", "kind"),
    [
        (OperationalError("no such table: messaging_hook"), ConfigurationError),
        (failure(ProgrammingError("relation does not exist"), "42P01"), ConfigurationError),
        (failure(OperationalError("connection to 10.0.0.1 with password=hunter2 failed"), "08006"), StoreUnavailable),
    ],
)
def test_a_failed_database_is_explained_without_the_drivers_words(failed, kind) -> None:
    explained = explain(failed)
    assert isinstance(explained, kind)
    assert "hunter2" not in explained.detail
    assert "hailgate migrate" in explained.detail or "HAILGATE_DATABASE_URL" in explained.detail
