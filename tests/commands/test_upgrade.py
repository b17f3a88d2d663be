"""What version 0.1.0 left goes on: nothing that waited is lost, and what was sealed is read.

It was killed with three messages in hand and three webhooks in its spool, which it had answered with 200.
"""

import gzip
import hashlib
import hmac
import json
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import psycopg
import pytest

from conftest import SERVER

MADE = Path(__file__).parents[1] / "fixtures" / "v0.1.0"


PATIENCE_S = 120.0
# What is sealed in its database: the address of its hook, and what webhooks are signed with.
HOOK, APP_SECRET = "7E0YsS_CY6ydTDQfT3X0Mg403r0p6JYZEWiqm5sWrqE", b"a-secret-of-the-fixture"


@pytest.fixture
def home(tmp_path):
    """A copy of what 0.1.0 left: database, sealing keys, spool, and the lock file of its worker."""
    (tmp_path / "hailgate.db").write_bytes(gzip.decompress((MADE / "hailgate.db.gz").read_bytes()))
    shutil.copy(MADE / "secret_keys", tmp_path)
    for folder in ("spool", "workers"):
        shutil.copytree(MADE / folder, tmp_path / folder)
    return tmp_path


@pytest.fixture
def environment(home):
    given = {name: value for name, value in os.environ.items() if not name.startswith("HAILGATE_")}
    return given | {"HAILGATE_HOME": str(home)}


@pytest.fixture
def hailgate(home, environment):
    def hailgate(*arguments: str):
        command = [sys.executable, "-m", "hailgate", *arguments, "--json"]
        said = subprocess.run(
            command, check=False, cwd=home, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert said.returncode == 0, said.stdout + said.stderr
        return json.loads(said.stdout)

    return hailgate


@pytest.mark.timeout(300)
def test_a_database_of_the_first_version_is_brought_to_this_one(hailgate):
    planned = hailgate("migrate", "--plan")["planned"]
    assert planned
    assert hailgate("migrate", "--plan")["planned"] == planned
    assert hailgate("migrate")["applied"] == planned
    assert hailgate("migrate", "--wait") == {"applied": []}
    channel = hailgate("channel", "show", "front")
    assert (channel["number"], channel["provider"]) == ("15550100000", "cloud")
    assert hailgate("restore", "--in-place") == {"unknown": 3, "turns": 0}
    assert hailgate("deadletters", "revive", "--all-restored") == {"revived": 3}


@pytest.fixture
def on_postgresql(environment):
    """The same of 0.1.0 on PostgreSQL, with three messages that wait."""
    name = f"hailgate_older_{secrets.token_hex(4)}"
    try:
        server = psycopg.connect(SERVER, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        pytest.skip("PostgreSQL does not answer")
    address = f"{SERVER.rpartition('/')[0]}/{name}"
    with server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            with psycopg.connect(address, autocommit=True) as older:
                older.execute(gzip.decompress((MADE / "postgresql.sql.gz").read_bytes()))
            keys = (MADE / "secret_keys").read_text().strip()
            environment |= {"HAILGATE_DATABASE_URL": address, "HAILGATE_SECRET_KEYS": keys}
            yield
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.timeout(300)
def test_a_postgresql_database_of_the_first_version_is_brought_to_this_one(on_postgresql, hailgate):
    planned = hailgate("migrate", "--plan")["planned"]
    assert planned
    assert hailgate("migrate")["applied"] == planned
    channel = hailgate("channel", "show", "front")
    assert (channel["number"], channel["provider"]) == ("15550100000", "cloud")
    assert hailgate("restore", "--in-place") == {"unknown": 3, "turns": 0}
    assert hailgate("deadletters", "revive", "--all-restored") == {"revived": 3}


@pytest.mark.timeout(300)
def test_its_database_is_backed_up_as_it_is_and_brought_back_to_this_version(hailgate, home, environment):
    """`deploy/upgrade` makes its backup before it migrates, with the new program."""
    with closing(sqlite3.connect(home / "hailgate.db")) as store, store:
        store.execute(
            "INSERT INTO messaging_webhookevent "
            "(uid, tenant_id, hook_id, received_at, headers, body, state, tries, outcome)"
            " VALUES ('0123456789abcdef0123456789abcdef', 1, 1, 1795680000, '', x'7b7d', 1, 1, '')"
        )
    key = hailgate("backup", "key")
    made = hailgate("backup", "--recipient", key["recipient"])
    assert (made["messages"], made["spooled"]) == (3, 3)
    assert hailgate("migrate", "--plan")["planned"]
    (home / "identity.txt").write_text(key["identity"])
    environment |= {"HAILGATE_HOME": str(home / "restored")}
    told = hailgate("restore", made["file"], "--identity", str(home / "identity.txt"))
    assert (told["messages"], told["unknown"], told["spooled"]) == (3, 3, 3)
    assert hailgate("migrate", "--plan") == {"planned": []}


@pytest.mark.timeout(300)
def test_webhooks_in_its_spool_are_there_once_and_its_worker_is_known_to_be_gone(hailgate, home, environment):
    hailgate("migrate")
    hailgate("restore", "--in-place")  # held: what it had in hand stays here
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    serving = subprocess.Popen(
        [sys.executable, "-m", "hailgate", "serve"], cwd=home, env=environment | {"HAILGATE_BIND": address}
    )
    try:
        wait_until(lambda: answers(f"http://{address}/readyz"))
        assert post_signed(f"http://{address}/hooks/{HOOK}") == 200
        wait_until(lambda: count(home, "messaging_message WHERE provider_id LIKE 'wamid.spooled-%'") == 3)
        wait_until(lambda: not list(home.glob("spool/*/*.segment")))
        wait_until(lambda: count(home, "messaging_worker WHERE alive") == 1)
    finally:
        serving.terminate()
    assert serving.wait(60) == 0


def wait_until(holds):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


def answers(url):
    try:
        return urlopen(url, timeout=10).status == 200
    except (URLError, OSError):
        return False


def post_signed(url):
    body = b'{"object": "whatsapp_business_account", "entry": []}'
    signature = hmac.new(APP_SECRET, body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}
    return urlopen(Request(url, body, headers), timeout=30).status


def count(home, what):
    with closing(sqlite3.connect(home / "hailgate.db", timeout=10)) as store:
        return store.execute(f"SELECT count(*) FROM {what}").fetchone()[0]
