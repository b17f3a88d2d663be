"""An installation with the plug-in, its server beside it: what a test of real processes gets."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from faults.blueprint import Blueprint, environment_of, run_commands
from faults.processes import Process
from faults.stand import Stand

TESTS = Path(__file__).parents[1]
SECRET, ACCOUNT = "a secret of the server's", "desk"
ENTRY = "[hailgate.providers]\nopposite = opposite.provider:SPEC\n"
METADATA = "Metadata-Version: 2.1\nName: opposite\nVersion: 2.0\n"


def install_plugin(folder: Path) -> str:
    """As pip would, but for the code, which stays where it is; the path on which Python finds both."""
    facts = folder / "opposite-2.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(METADATA)
    (facts / "entry_points.txt").write_text(ENTRY)
    return f"{folder}:{TESTS}"


class OppositeBlueprint(Blueprint):
    """One tenant with a key, a hook and one channel, whose number only its pairing will tell."""

    async def draw(self) -> None:
        (self._folder / "kept").mkdir(parents=True)
        await self._template.create()
        self.path = install_plugin(self._folder / "plugin")
        environment = environment_of(self._folder, self._template.url) | {"PYTHONPATH": self.path}
        _, _, key, hook = await run_commands(
            environment,
            ["migrate"],
            ["tenant", "add", "clinic"],
            ["key", "add"],
            ["hook", "add", "--provider=opposite", f"--set=secret={SECRET}"],
        )
        address = f"http://127.0.0.1:{self.simulator_port}"
        settings = {"account": ACCOUNT, "key": "a key", "api_url": address}
        [channel] = await run_commands(
            environment,
            ["channel", "add", "--provider=opposite", f"--hook={hook['id']}", "--name=opposite",
             *(f"--set={name}={value}" for name, value in settings.items())],
        )  # fmt: skip
        self.key, self.hook, self.hook_id, self.channel = key["key"], hook["path"], hook["id"], channel["id"]


class OppositeStand(Stand):
    """Doors and worker are apart: what a killed worker leaves is taken by the next one, and webhooks are stored."""

    blueprint: OppositeBlueprint

    async def _start_simulator(self) -> None:
        """The plug-in's server in its place."""
        self.environment |= {"PYTHONPATH": self.blueprint.path, "HAILGATE_PUBLIC_URL": self.web}
        self.server = f"http://127.0.0.1:{self.blueprint.simulator_port}"
        port = str(self.blueprint.simulator_port)
        arguments = ["-m", "opposite.server", "--port", port, "--secret", SECRET]
        server = self._process("server", arguments, f"{self.server}/_control/ledger", {})
        await server.start()
        await server.ready()

    async def control(self, method: str, path: str, **facts: Any) -> Any:
        async with self.session.request(method, f"{self.server}/_control/{path}", json=facts) as answer:
            answer.raise_for_status()
            return await answer.json() if answer.status == 200 else None

    async def ledger(self) -> list[dict[str, Any]]:
        """What the server was given to send, in its order."""
        told: dict[str, list[dict[str, Any]]] = await self.control("GET", "ledger")
        return told.get(ACCOUNT, [])

    async def again(self, worker: Process, **settings: str) -> None:
        """SIGKILL, and another life."""
        await worker.kill()
        await worker.start(**settings)
        await worker.ready()


@asynccontextmanager
async def installed(kind: str, folder: Path) -> AsyncIterator[OppositeStand]:
    blueprint = OppositeBlueprint(kind, folder)
    try:
        await blueprint.draw()
        async with OppositeStand(blueprint, folder / "stand") as stand:
            yield stand
            complaints = stand.complaints()
            assert "traceback" not in complaints, complaints
    finally:
        await blueprint.erase()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
