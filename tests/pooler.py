"""A PgBouncer of the tests' own before their PostgreSQL server, in transaction mode.

``python -m tests.pooler pytest --database=postgresql tests/messaging`` runs a command behind it.
"""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
LISTENS_WITHIN_S = 30.0
# Far fewer than a process opens: that they are shared is what is to be tried.
POOL = 8


@contextmanager
def open_pooler(server: str, pool: int = POOL) -> Iterator[str]:
    """``host:port``, from which every database of the server is reached. Raises FileNotFoundError without PgBouncer."""
    if PGBOUNCER is None:
        raise FileNotFoundError("PgBouncer is not installed")
    folder = Path(tempfile.mkdtemp(prefix="hailgate-pgbouncer-"))
    try:
        port = _write_config(folder, urlsplit(server), pool)
        process = subprocess.Popen(
            [PGBOUNCER, "-q", str(folder / "pgbouncer.ini")], cwd=folder, **_as_nobody(folder), stdin=subprocess.DEVNULL
        )
        try:
            _wait_until_it_listens(process, port, folder / "pgbouncer.log")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def through(pooler: str, url: str) -> str:
    """The same database by way of the pooler."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}@{pooler}").geturl()


def _write_config(folder: Path, server: SplitResult, pool: int) -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    (folder / "users.txt").write_text(f'"{server.username}" "{server.password or ""}"\n', encoding="utf-8")
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={server.hostname} port={server.port or 5432}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {folder}/users.txt\npool_mode = transaction\ndefault_pool_size = {pool}\n"
        f"max_client_conn = 500\nlogfile = {folder}/pgbouncer.log\npidfile = {folder}/pgbouncer.pid\n",
        encoding="utf-8",
    )
    return port


def _as_nobody(folder: Path) -> dict[str, object]:
    """It refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for path in (folder, *folder.iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return {"user": "nobody", "group": nobody.pw_gid, "extra_groups": []}


def _wait_until_it_listens(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """No more than that: a connection that it makes before the migration lacks the role's defaults."""
    deadline = time.monotonic() + LISTENS_WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=3).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PgBouncer does not listen: {log.read_text(encoding='utf-8')}") from None
            time.sleep(0.1)
        else:
            return


def main() -> int:
    server = os.environ.get("HAILGATE_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres")
    with open_pooler(server) as pooler:
        environment = os.environ | {"HAILGATE_TEST_POOLER": pooler, "PYTHONPATH": "tests"}
        return subprocess.run([sys.executable, "-m", *sys.argv[1:]], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
