"""The product as a person would run it: `hailgate serve` on its own core, with a database of its own."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import msgspec

from benchmarks.ends import ask, tail
from benchmarks.machine import LOAD_CORE, PRODUCT_CORE, ROOT, Process, free_port, python, wait_until
from benchmarks.stores import Store

SETTINGS = {
    "HAILGATE_SECRET_KEYS": "bench:c2VhbGVkIGJ5IHRlc3RzIGFuZCBub2JvZHkgZWxzZS4=",
    "HAILGATE_DEBOUNCE_S": "0",
    "HAILGATE_DEBOUNCE_MAX_S": "0",
    "DJANGO_SETTINGS_MODULE": "hailgate.settings",
}


class Product:
    """One installation: a home, a database, one tenant with a key, one hook, one channel without limits."""

    def __init__(self, home: Path, store: Store, api_url: str) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home, self.store = home, store
        self.log = home / "log"
        self.port = free_port()
        self._environment = {
            **SETTINGS,
            "HAILGATE_HOME": str(home),
            "HAILGATE_DATABASE_URL": store.url,
            "HAILGATE_BIND": f"127.0.0.1:{self.port}",
        }
        world = self.inside("world", api_url)
        self.hook_path: str = world["path"]
        self.key: str = world["key"]
        self.channel: str = world["channel"]

    def inside(self, task: str, *arguments: object) -> Any:
        """Run a task of ``benchmarks.inside`` on this installation, on the load's core."""
        return self._run_inside(task, LOAD_CORE, *arguments)

    def measured_inside(self, task: str, *arguments: object) -> Any:
        """The same where the product would run."""
        return self._run_inside(task, PRODUCT_CORE, *arguments)

    def serve(self, *, work: bool = True, **settings: str) -> "Serving":
        """Running when this returns, with these settings besides; ``with`` ends it."""
        return Serving(self, ["serve"] if work else ["serve", "--no-work"], self._environment | settings)

    def _run_inside(self, task: str, core: set[int], *arguments: object) -> Any:
        done = subprocess.run(
            ["taskset", "-c", ",".join(map(str, core)), *python("benchmarks.inside", task, *arguments)],
            cwd=ROOT,
            env={**os.environ, **self._environment},
            check=True,
            stdout=subprocess.PIPE,
        )
        return msgspec.json.decode(done.stdout.splitlines()[-1])


class Serving:
    def __init__(self, product: Product, command: list[str], environment: dict[str, str]) -> None:
        self._product = product
        begun = time.monotonic()
        self.process = Process(
            python("hailgate", *command), core=PRODUCT_CORE, environment=environment, log=product.log
        )
        try:
            wait_until(self._ready, 30.0, "a ready product")
        except TimeoutError:
            self.process.stop()
            raise RuntimeError(f"the product did not start:\n{tail(product.log)}") from None
        self.started_in = time.monotonic() - begun

    def cpu_seconds(self) -> float:
        return self.process.cpu_seconds()

    def memory_mib(self) -> float:
        return self.process.memory_mib()

    def wait_idle(self, patience: float = 60.0) -> None:
        """Until every webhook is understood and no work is left."""
        wait_until(self._idle, patience, "an empty queue")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    def _ready(self) -> bool:
        if not self.process.alive:
            raise RuntimeError(f"the product ended:\n{tail(self._product.log)}")
        try:
            return ask(self._product.port, "GET", "/readyz")[0] == 200
        except OSError:
            return False

    def _idle(self) -> bool:
        store = self._product.store
        return not store.run("SELECT 1 FROM messaging_webhookevent WHERE state = 0 LIMIT 1") and not store.run(
            "SELECT 1 FROM messaging_work LIMIT 1"
        )
