"""A PostgreSQL server of the harness's own: it can be hurt, the machine's cannot."""

import asyncio
import os
import pwd
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from .processes import die_with_parent, take_port
from .stores import PostgresqlStore

# It has to read its log again after a crash, and after a SIGKILL it waits for the last of its old processes.
STARTS_WITHIN_S = 30.0
LOOK_S = 0.05
ENCODING = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")


class Postmaster:
    """PostgreSQL refuses to run as root: then it runs as the user that its package made."""

    def __init__(self, programs: Path) -> None:
        # Where only some are linked onto the PATH, the others lie beside the linked ones.
        self._programs = (programs / "initdb").resolve().parent
        self._owner = "postgres" if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="hailgate-postgresql-"))
        self.port = take_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._running: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        if self._owner:
            account = pwd.getpwnam(self._owner)
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        await self._call("initdb", "-D", str(self._folder / "data"), *ENCODING)
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.thaw()
        await self.end(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def start(self) -> None:
        """Returns when it lets somebody in."""
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not await self._answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{self._log.read_text(encoding='utf-8')[-2000:]}")
            if self._running is None or self._running.returncode is not None:
                await self._spawn()
            await asyncio.sleep(LOOK_S)

    async def end(self, how: signal.Signals) -> None:
        """SIGINT is a fast stop, SIGQUIT an immediate one without a checkpoint, SIGKILL is SIGKILL."""
        if self._running is not None and self._running.returncode is None:
            self._running.send_signal(how)
            await self._running.wait()

    def freeze(self) -> None:
        """The server and every process that it has made: connections stay open, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    async def adopt(self, original: PostgresqlStore) -> "AdoptedStore":
        """A copy of a database of the machine's server."""
        copy = AdoptedStore(self.url)
        await copy.create()
        dump = str(self._folder / f"{copy.name}.sql")
        await self._call("pg_dump", f"--dbname={original.url}", f"--file={dump}")
        await self._call("psql", "-qX", "-v", "ON_ERROR_STOP=1", f"--dbname={copy.url}", f"--file={dump}")
        return copy

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    async def _spawn(self) -> None:
        data = str(self._folder / "data")
        with self._log.open("ab") as log:
            self._running = await asyncio.create_subprocess_exec(
                str(self._programs / "postgres"), "-D", data, "-p", str(self.port), "-k", data,
                user=self._owner, cwd="/", stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=die_with_parent,
            )  # fmt: skip

    async def _answers(self) -> bool:
        try:
            connection = await psycopg.AsyncConnection.connect(self.url, connect_timeout=3)
        except psycopg.OperationalError:
            return False
        await connection.close()
        return True

    async def _call(self, program: str, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            str(self._programs / program), *arguments,
            user=self._owner, cwd="/", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, errors = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{program}: {errors.decode()[-1000:]}")

    def _signal(self, number: signal.Signals) -> None:
        if self._running is None or self._running.returncode is not None:
            return
        os.kill(self._running.pid, number)  # first the one that could make more of them
        for child in _children(self._running.pid):
            os.kill(child, number)


class AdoptedStore(PostgresqlStore):
    async def drop(self) -> None:
        """It goes with its server."""


def _children(pid: int) -> Iterator[int]:
    yield from map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split())
