"""`hailgate init`: a first .env that works, and never over another."""

import os
import subprocess
import sys

import pytest

from hailgate.env import load_environment


@pytest.fixture
def init(tmp_path):
    def init(*arguments: str, typed: str = ""):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HAILGATE_")}
        command = [sys.executable, "-m", "hailgate", "init", *arguments]
        return subprocess.run(
            command, check=False, cwd=tmp_path, env=environment, input=typed, capture_output=True, text=True
        )

    return init


def test_an_installation_is_begun_with_two_answers(init, tmp_path):
    done = init(typed="https://wa.example.org\n\n")
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / ".env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert settings["HAILGATE_PUBLIC_URL"] == "https://wa.example.org"
    assert set(settings) == {"HAILGATE_PUBLIC_URL", "HAILGATE_SECRET_KEYS", "HAILGATE_METRICS_TOKEN"}
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / ".hailgate" / "hailgate.db").exists()
    assert settings["HAILGATE_SECRET_KEYS"] not in done.stdout + done.stderr


def test_a_file_that_is_there_is_left_alone(init, tmp_path):
    (tmp_path / ".env").write_text("HAILGATE_LOG_LEVEL=info\n")
    refused = init("--yes")
    assert refused.returncode == 1
    assert (tmp_path / ".env").read_text() == "HAILGATE_LOG_LEVEL=info\n"


def test_what_will_not_do_is_said_before_anything_is_written(init, tmp_path):
    refused = init("--public-url", "ftp://example.org", "--yes")
    assert (refused.returncode, "PUBLIC_URL" in refused.stderr) == (1, True)
    assert not list(tmp_path.iterdir())


def test_trying_leaves_the_environment_as_it_was(monkeypatch):
    from hailgate.commands.init import _check

    monkeypatch.setenv("HAILGATE_LOG_LEVEL", "error")
    _check({"HAILGATE_LOG_LEVEL": "debug", "HAILGATE_METRICS_TOKEN": "x"})
    assert load_environment().log_level == "error"
    assert "HAILGATE_METRICS_TOKEN" not in os.environ
