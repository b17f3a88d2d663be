"""The version before the first contract, as the history of this repository has it, and an installation that it made."""

import shutil
import subprocess
from pathlib import Path

from .blueprint import Blueprint, environment_of, run_commands
from .processes import Process, take_port
from .stand import Stand

OLDER = "6522e83"
ROOT = Path(__file__).parents[2]
NOT_THERE = f"THE OLDER VERSION IS NOT TESTED: {OLDER} is not in the history of this checkout"


def unpack(folder: Path) -> Path | None:
    """Its source; None where the history does not reach back so far (an unpacked archive, a shallow clone)."""
    if shutil.which("git") is None:
        return None
    known = subprocess.run(["git", "cat-file", "-e", f"{OLDER}^{{commit}}"], cwd=ROOT, capture_output=True, check=False)
    if known.returncode:
        return None
    archive = subprocess.run(["git", "archive", OLDER, "src"], cwd=ROOT, capture_output=True, check=True)
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder / "src"


class OlderBlueprint(Blueprint):
    """An installation that the older version made, with its own commands."""

    source = Path()

    async def draw(self) -> None:
        (self._folder / "kept").mkdir(parents=True)
        await self._template.create()
        environment = environment_of(self._folder, self._template.url) | {"PYTHONPATH": str(self.source)}
        _, _, key = await run_commands(environment, ["migrate"], ["tenant", "add", "clinic"], ["key", "add"])
        self.key = key["key"]
        await self.add_channels(environment, self.places)
        await self.add_channels(environment, [self.assistant], "--assistant=scripted")


async def start_older(stand: Stand, source: Path, name: str, *arguments: str, address: str = "") -> Process:
    """`work`, or `serve --no-work` with an address."""
    bind = (address or f"http://127.0.0.1:{take_port()}").removeprefix("http://")
    environment = {**stand.environment, "PYTHONPATH": str(source), "HAILGATE_WORK_BIND": bind, "HAILGATE_BIND": bind}
    older = Process(name, ["-m", "hailgate", *arguments], environment, stand.folder, f"http://{bind}/readyz")
    stand.processes.append(older)
    await older.start()
    await older.ready()
    return older
