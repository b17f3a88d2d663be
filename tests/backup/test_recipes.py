"""The page's recipe with PostgreSQL's own tools, command by command: what waited is unknown, and the store is held.

Litestream's is not run here: its program is no dependency. It was tried by hand with the version that the page names.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from hailgate.key_file import make_sealing_key

SERVER = os.environ.get("HAILGATE_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres")
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "back-up.md"
DUMP, RESTORE, HOLD = re.search(
    r"```sh\n(pg_dump .*)\n(pg_restore .*?) +#.*\n(hailgate restore --in-place)\n```", PAGE.read_text(encoding="utf-8")
).groups()


@pytest.fixture
def databases():
    """The addresses of two empty ones."""
    if shutil.which("pg_dump") is None:
        pytest.skip("pg_dump is missing")
    names = [f"hailgate_recipe_{secrets.token_hex(4)}" for _ in range(2)]
    try:
        server = psycopg.connect(SERVER, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        pytest.skip("PostgreSQL does not answer")
    with server:
        for name in names:
            server.execute(f"CREATE DATABASE {name}")
    yield [f"{SERVER.rpartition('/')[0]}/{name}" for name in names]
    with psycopg.connect(SERVER, autocommit=True) as server:
        for name in names:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.timeout(300)
def test_a_dump_is_brought_back_and_held(databases, tmp_path):
    before, after = databases
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HAILGATE_")}
    clean |= {"PATH": f"{Path(sys.executable).parent}:{clean['PATH']}", "HAILGATE_HOME": str(tmp_path)}
    clean["HAILGATE_SECRET_KEYS"] = make_sealing_key()

    def run(database, *commands):
        environment = clean | {"HAILGATE_DATABASE_URL": database}
        said = subprocess.run(
            ["bash", "-euc", "\n".join(commands)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode == 0, said.stdout + said.stderr
        return said.stdout

    settings = "--set phone_number_id=1 --set access_token=t --set api_url=http://127.0.0.1:9"
    run(
        before,
        "hailgate migrate",
        "hailgate tenant add clinic",
        f"hailgate channel add --provider cloud --name front --number 15550100000 {settings}",
        "hailgate send --channel front --to 15550100001 --text Hello",
        DUMP,
    )
    assert run(after, RESTORE, HOLD).startswith("1 messages are unknown. It is held")
    (unknown,) = json.loads(run(after, "hailgate deadletters list --json"))
    assert unknown["state"] == "unknown"
