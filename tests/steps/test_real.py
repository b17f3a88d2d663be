"""The trial on real servers, tried on the simulator."""

import asyncio
import sys
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from faults.blueprint import Blueprint, person
from faults.processes import take_port
from faults.stand import Stand
from real.plan import NotAllowedError, check_recipient, read_plan

from .test_broken_answers import PAIRED
from .test_every_kind import text

pytestmark = pytest.mark.anyio
ANA = person(801)


def render(public_url: str, bind: str, simulator: str) -> str:
    """The file of a trial of both servers that pair phones."""
    lines = [f'public_url = "{public_url}"', f'bind = "{bind}"', "patience_s = 20"]
    for provider, (number, hook, channel) in PAIRED.items():
        lines += ["", "[[server]]", f'provider = "{provider}"', f'number = "{number}"', f'may_write_to = ["{ANA}"]']
        for table, settings in (("hook", hook), ("channel", {**channel, "api_url": f"{simulator}/{provider}"})):
            lines += [f"[server.{table}]", *(f'{name} = "{value}"' for name, value in settings.items())]
    return "\n".join(lines)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_file_that_others_may_read_is_refused(tmp_path) -> None:
    plan = write(tmp_path / "trial.toml", render("http://a", "127.0.0.1:1", "http://b"), 0o640)
    with pytest.raises(ValueError, match="chmod 600"):
        read_plan(plan)


def test_nobody_is_written_to_but_whom_it_names(tmp_path) -> None:
    plan = read_plan(write(tmp_path / "trial.toml", render("http://a", "127.0.0.1:1", "http://b")))
    check_recipient(plan.server[0], ANA)
    with pytest.raises(NotAllowedError):
        check_recipient(plan.server[0], person(802))


def test_a_file_without_anybody_to_write_to_is_refused(tmp_path) -> None:
    nobody = render("http://a", "127.0.0.1:1", "http://b").replace(f'["{ANA}"]', "[]")
    assert tomllib.loads(nobody)
    with pytest.raises(ValueError, match="may_write_to"):
        read_plan(write(tmp_path / "trial.toml", nobody))


@pytest.mark.timeout(900)
async def test_the_trial_holds_on_the_simulator(tmp_path, capsys) -> None:
    blueprint = Blueprint("sqlite", tmp_path)
    try:
        await blueprint.draw()
        async with Stand(blueprint, tmp_path / "stand") as stand:
            await stand.simulator.put_channels([as_known(provider) for provider in PAIRED])
            bind = f"127.0.0.1:{take_port()}"
            plan = write(tmp_path / "trial.toml", render(f"http://{bind}", bind, stand.simulator.url))
            command = [sys.executable, "-m", "tests.real", str(plan)]
            tried = await asyncio.create_subprocess_exec(
                *command, cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE
            )
            writing = asyncio.create_task(somebody_scans_and_writes(stand))
            told = (await tried.communicate())[0].decode()
            writing.cancel()
    finally:
        await blueprint.erase()
    with capsys.disabled():
        print(f"\n{told}")
    assert tried.returncode == 0
    assert "FAILED" not in told
    for provider in PAIRED:
        held = [line for line in told.splitlines() if line.startswith(provider) and " held " in line]
        assert len(held) >= 7


def as_known(provider: str) -> dict[str, Any]:
    """How the simulator has to know a channel; its webhook is told to it when the session is begun."""
    number, _, settings = PAIRED[provider]
    credentials = {name: value for name, value in settings.items() if name != "jwt_key"} | {"starts": "unpaired"}
    return {"provider": provider, "number": number, "webhook_url": "http://127.0.0.1:1/", "credentials": credentials}


async def somebody_scans_and_writes(stand: Stand) -> None:
    """Again and again: there is no code to scan before one is shown, and nobody to write to before."""
    while True:
        for number, *_ in PAIRED.values():
            with suppress(Exception):
                await stand.simulator.call("POST", f"/_sim/channels/{number}/scan", {})
            with suppress(Exception):
                await stand.simulator.send(ANA, number, text("Hello"))
        await asyncio.sleep(2)
