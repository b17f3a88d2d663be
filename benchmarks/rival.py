"""The baseline, started and ended: gunicorn, Celery and a Redis of its own, from an environment of its own."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Self

from benchmarks.ends import tail
from benchmarks.machine import LOAD_CORE, PRODUCT_CORE, ROOT, Process, free_port, wait_for_port
from benchmarks.stores import Postgresql
from benchmarks.webhooks import APP_SECRET

PROGRAMS = ROOT / ".venv-bench" / "bin"
WEB_WORKERS = 3
TASK_WORKERS = 2


def why_absent() -> str | None:
    """What the baseline lacks to run here."""
    if not (PROGRAMS / "celery").exists():
        return "the baseline's libraries are not installed: `make bench` does that"
    if not shutil.which("redis-server"):
        return "no redis-server is installed"
    return None


class Baseline:
    path = "/webhook"

    def __init__(self, folder: Path, database: Postgresql, api_url: str) -> None:
        folder.mkdir(parents=True)
        self.port, redis_port = free_port(), free_port()
        environment = {
            "DJANGO_SETTINGS_MODULE": "benchmarks.baseline.settings",
            "BASELINE_DATABASE_URL": database.url,
            "BASELINE_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            "BASELINE_APP_SECRET": APP_SECRET,
            "BASELINE_TWILIO_URL": api_url,
        }
        self._make_tables(environment)
        log = folder / "log"
        self._redis = Process(
            ["redis-server", "--port", str(redis_port), "--dir", folder, "--appendonly", "yes", "--save", ""],
            core=LOAD_CORE,
        )
        wait_for_port(redis_port, self._redis)
        self._web = Process(
            [
                PROGRAMS / "gunicorn",
                "-w",
                str(WEB_WORKERS),
                "-b",
                f"127.0.0.1:{self.port}",
                "--no-control-socket",
                "benchmarks.baseline.wsgi",
            ],
            core=PRODUCT_CORE,
            environment=environment,
            log=log,
        )
        self._tasks = Process(
            [PROGRAMS / "celery", "-A", "benchmarks.baseline.tasks", "worker", "-c", str(TASK_WORKERS), "-l", "error"],
            core=PRODUCT_CORE,
            environment=environment,
            log=log,
        )
        try:
            wait_for_port(self.port, self._web)
        except RuntimeError:
            self.stop()
            raise RuntimeError(f"the baseline did not start:\n{tail(log)}") from None

    def cpu_seconds(self) -> float:
        """Of the application alone: not of Redis, not of PostgreSQL."""
        return self._web.cpu_seconds() + self._tasks.cpu_seconds()

    def memory_mib(self) -> float:
        return self._web.memory_mib() + self._tasks.memory_mib()

    def stop(self) -> None:
        for process in (self._web, self._tasks, self._redis):
            process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _make_tables(self, environment: dict[str, str]) -> None:
        subprocess.run(
            [PROGRAMS / "python", "-m", "django", "migrate", "--run-syncdb"],
            cwd=ROOT,
            env={**os.environ, **environment},
            check=True,
            capture_output=True,
        )
