"""One installation of the product with its simulator: what a scenario gets, and what is gone after it."""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from .blueprint import METRICS_TOKEN, Blueprint, Place, environment_of, run_commands, run_inside
from .processes import Process, take_port
from .simulator import Simulator
from .stores import Store

# The simulator repeats an unanswered webhook far sooner than Meta does, since a run has minutes and not days.
RETRIES = ("--webhook-retry-first", "0.2", "--webhook-retry-cap", "1")
PAGE = 100
# After a fault of the store the API may be away for this long.
UNAVAILABLE_S = 20.0
# What the product may say at any time without anything being wrong with it.
HARMLESS = frozenset({"info", "debug"})


class Stand:
    """Starts nothing of the product by itself."""

    store: Store
    simulator: Simulator
    session: aiohttp.ClientSession
    # What is started from now on: the product, or the product in one of the guises of inside.py.
    program: tuple[str, ...] = ("-m", "hailgate")

    def __init__(self, blueprint: Blueprint, folder: Path) -> None:
        self.blueprint, self.folder = blueprint, folder
        self.web = f"http://127.0.0.1:{take_port()}"
        self.processes: list[Process] = []

    async def __aenter__(self) -> Self:
        self.folder.mkdir()
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=30)
        )
        self.store = await self.blueprint.build(self.folder)
        self.environment = environment_of(self.folder, self.store.url) | {
            "HAILGATE_BIND": self.web.removeprefix("http://")
        }
        if self.blueprint.setup.needs_public_url:
            self.environment["HAILGATE_PUBLIC_URL"] = self.web
        await self._start_simulator()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self.processes):
            if process.running:
                await process.kill()
        await self.session.close()
        await self.store.drop()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    async def move(self, store: Store) -> None:
        """To another database, before anything of the product runs."""
        await self.store.drop()
        self.store = store
        self.environment["HAILGATE_DATABASE_URL"] = store.url

    async def serve(self, *options: str, ready: bool = True, **settings: str) -> Process:
        """`hailgate serve`; with `--no-work` the doors alone."""
        name = "web" if "--no-work" in options else "whole"
        return await self._begin(name, ["serve", *options], self.web, {}, settings, ready=ready)

    async def serve_beside(self, name: str, address: str = "", *, ready: bool = True, **settings: str) -> Process:
        """More doors, at an address of their own."""
        address = address or f"http://127.0.0.1:{take_port()}"
        bind = {"HAILGATE_BIND": address.removeprefix("http://")}
        return await self._begin(name, ["serve", "--no-work"], address, bind, settings, ready=ready)

    async def migrate(self, **settings: str) -> Process:
        """`hailgate migrate`, under way."""
        migration = self._process("migrate", [*self.program, "migrate"], "", settings)
        await migration.start()
        return migration

    async def work(self, name: str, address: str = "", *, ready: bool = True, **settings: str) -> Process:
        """`hailgate work`."""
        address = address or f"http://127.0.0.1:{take_port()}"
        bind = {"HAILGATE_WORK_BIND": address.removeprefix("http://")}
        return await self._begin(name, ["work"], address, bind, settings, ready=ready)

    async def point_channels_at(self, address: str, places: Iterable[Place]) -> None:
        """Let these channels reach their provider through another address."""
        change = f"--set=api_url={address}"
        await run_commands(self.environment, *(["channel", "set", place.name, change] for place in places))

    async def add_channels(self, places: list[Place]) -> None:
        await self.blueprint.add_channels(self.environment, places)
        await self.introduce(*self.blueprint.places, self.blueprint.assistant, *places)

    async def introduce(self, *places: Place) -> None:
        await self.simulator.put_channels([self.blueprint.terms(place, self.web) for place in places])

    async def let_time_pass(self, seconds: float) -> None:
        await run_inside(self.environment, "age", str(seconds))

    async def post_webhook(self, body: bytes, web: str = "") -> int:
        """As the provider would; the answer's status."""
        address = (web or self.web) + self.blueprint.hook
        async with self.session.post(address, data=body, headers=self.blueprint.sign(body)) as answer:
            return answer.status

    async def ask(self, path: str, **parameters: str | int) -> Any:
        """A question to the API, again after a 503. Raises aiohttp.ClientError for anything but a good answer."""
        headers = {"Authorization": f"Bearer {self.blueprint.key}"}
        deadline = time.monotonic() + UNAVAILABLE_S
        while True:
            async with self.session.get(self.web + path, headers=headers, params=parameters) as answer:
                if answer.status != 503 or time.monotonic() > deadline:
                    answer.raise_for_status()
                    return await answer.json()
            await asyncio.sleep(0.2)

    async def download(self, media: str) -> bytes:
        """A file that the product keeps."""
        headers = {"Authorization": f"Bearer {self.blueprint.key}"}
        async with self.session.get(f"{self.web}/v1/media/{media}", headers=headers, raise_for_status=True) as answer:
            return await answer.read()

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> int:
        """A call to the API, again after a 503; the answer's status."""
        headers = {"Authorization": f"Bearer {self.blueprint.key}"}
        deadline = time.monotonic() + UNAVAILABLE_S
        while True:
            async with self.session.post(self.web + path, headers=headers, json=body) as answer:
                if answer.status != 503 or time.monotonic() > deadline:
                    return answer.status
            await asyncio.sleep(0.2)

    async def pages(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """Everything that a list of the API holds, page by page."""
        parameters: dict[str, str | int] = {"limit": PAGE}
        while True:
            page = await self.ask(path, **parameters)
            for item in page["items"]:
                yield item
            if not page["next"]:
                return
            parameters["cursor"] = page["next"]

    async def metric(self, process: Process, name: str) -> float:
        """As this process shows it; with labels in the name, or summed over all of them. Absent is zero."""
        address, headers = process.probe.replace("/readyz", "/metrics"), {"Authorization": f"Bearer {METRICS_TOKEN}"}
        async with self.session.get(address, headers=headers, raise_for_status=True) as answer:
            lines = (await answer.text()).splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if name in {line.rpartition(" ")[0], line.partition("{")[0]}
        )

    def complaints(self) -> dict[str, int]:
        """How often the product said what: warnings and worse by their event, and tracebacks."""
        counted: Counter[str] = Counter()
        for process in self.processes:
            for line in process.log.read_bytes().splitlines():
                if complaint := _complaint(line):
                    counted[complaint] += 1
        return dict(counted.most_common())

    async def _start_simulator(self) -> None:
        port = str(self.blueprint.simulator_port)
        url = f"http://127.0.0.1:{port}"
        home = ["--home", str(self.folder / "simulator")]
        arguments = ["-m", "hailgate.simulator", "--port", port, *home, "--no-window", *RETRIES]
        simulator = self._process("simulator", arguments, f"{url}/_sim/state", {})
        await simulator.start()
        await simulator.ready()
        self.simulator = Simulator(self.session, url)
        spoken = {each["name"] for each in await self.simulator.call("GET", "/_sim/providers")}
        if self.blueprint.provider not in spoken:
            raise RuntimeError(f"the simulator speaks {', '.join(sorted(spoken))}, not {self.blueprint.provider}")
        await self.introduce(*self.blueprint.places, self.blueprint.assistant)

    async def _begin(
        self,
        name: str,
        arguments: list[str],
        address: str,
        bind: Mapping[str, str],
        settings: Mapping[str, str],
        *,
        ready: bool,
    ) -> Process:
        process = self._process(name, [*self.program, *arguments], f"{address}/readyz", {**bind, **settings})
        await process.start()
        if ready:
            await process.ready()
        return process

    def _process(self, name: str, arguments: list[str], probe: str, settings: Mapping[str, str]) -> Process:
        process = Process(name, arguments, {**self.environment, **settings}, self.folder, probe)
        self.processes.append(process)
        return process


def _complaint(line: bytes) -> str | None:
    if line.startswith(b"Traceback"):
        return "traceback"
    try:
        said = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not isinstance(said, dict) or said.get("level", "info") in HARMLESS:
        return None
    return " ".join(str(said[name]) for name in ("event", "part", "error") if name in said)


async def gather_all(*work: Any) -> list[Any]:
    """All of them or, at the first failure, none any more."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
    return [task.result() for task in tasks]
