"""The environment: read from variables, `.env` and secret files; all faults at once, as sentences; keys made once."""

import os
import re
import sqlite3
import stat
import subprocess
import sys
from base64 import urlsafe_b64encode
from contextlib import closing
from pathlib import Path

import pytest

from hailgate.accounts.seal import Sealer
from hailgate.core.errors import ConfigurationError
from hailgate.database import WAL_KEPT, database_settings
from hailgate.env import SAMPLE_SECRETS, SECRET_FIELDS, Environment, load_environment, split_bind
from hailgate.key_file import KEYS_FILE, make_sealing_key

KEY = f"k1:{urlsafe_b64encode(bytes(range(32))).decode()}"


@pytest.fixture(autouse=True)
def _bare(monkeypatch, tmp_path) -> None:
    """No variable of ours is set, and the working directory holds no ``.env``."""
    for name in [name for name in os.environ if name.startswith("HAILGATE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HAILGATE_HOME", str(tmp_path / "home"))


def load(monkeypatch, **variables: object) -> Environment:
    for name, value in variables.items():
        monkeypatch.setenv(f"HAILGATE_{name.upper()}", str(value))
    return load_environment()


def faults_of(monkeypatch, **variables: object) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as refused:
        load(monkeypatch, **variables)
    return refused.value.faults


# --- where values come from -------------------------------------------------------------------------------------------


def test_nothing_has_to_be_set(tmp_path):
    env = load_environment()
    assert env.on_sqlite
    assert env.database == f"sqlite:///{tmp_path / 'home' / 'hailgate.db'}"
    assert env.host_and_port == ("127.0.0.1", 8000)


def test_a_variable_is_read(monkeypatch):
    assert load(monkeypatch, poll_s="0.25").poll_s == 0.25


def test_the_names_of_the_system_that_publishes_do_where_ours_are_not_set(monkeypatch):
    theirs = {
        "RABBITMQ_HOST": "broker", "RABBITMQ_USER": "us er", "RABBITMQ_PASSWORD": "p@ss/word",
        "TENANT_SERVICE_URL": "https://tenants.example/", "TENANT_SERVICE_TOKEN": "a token",
    }  # fmt: skip
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    env = load_environment()
    assert env.rabbitmq == "amqp://us%20er:p%40ss%2Fword@broker:5672/%2Fwhatsapp"
    assert env.tenant_service_url == "https://tenants.example"
    assert env.tenant_service_token.get_secret_value() == "a token"
    monkeypatch.setenv("RABBITMQ_PORT", "5673")
    monkeypatch.setenv("RABBITMQ_VHOST", "plain")
    assert load_environment().rabbitmq == "amqp://us%20er:p%40ss%2Fword@broker:5673/plain"
    ours = load(monkeypatch, rabbitmq_url="amqp://ours/", tenant_service_url="https://ours.example")
    assert (ours.rabbitmq, ours.tenant_service_url) == ("amqp://ours/", "https://ours.example")


def test_an_empty_variable_is_as_if_not_set(monkeypatch):
    assert load(monkeypatch, poll_s="", bind="", database_url="").poll_s == 1.0


def test_the_file_beside_is_read_and_variables_win(monkeypatch):
    Path(".env").write_text("HAILGATE_POLL_S=3\nHAILGATE_HOLD_S=7\nSOMETHING_ELSE=x\n")
    env = load(monkeypatch, hold_s=9)
    assert (env.poll_s, env.hold_s) == (3.0, 9.0)


def test_what_is_given_in_code_wins_over_everything(monkeypatch):
    monkeypatch.setenv("HAILGATE_POLL_S", "3")
    assert load_environment(poll_s=4).poll_s == 4.0


def test_settings_cannot_be_changed(monkeypatch):
    with pytest.raises(ValueError, match="frozen"):
        load(monkeypatch).poll_s = 9.0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("database_url", "postgresql://u:p@host/name"),
        ("redis_url", "redis://:p@host"),
        ("rabbitmq_url", "amqp://u:p@host"),
        ("secret_keys", KEY),
        ("metrics_token", "a token"),
    ],
)
def test_a_secret_may_lie_in_a_file(monkeypatch, tmp_path, field, value):
    file = tmp_path / "secret"
    file.write_text(f"  {value}\n")
    env = load(monkeypatch, **{f"{field}_file": file})
    told = getattr(env, field)
    assert [key.get_secret_value() for key in (told if isinstance(told, tuple) else (told,))] == [value]


def test_every_secret_has_its_file_variant():
    secret = {name for name, field in Environment.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert secret == set(SECRET_FIELDS)


def test_secrets_do_not_show_themselves(monkeypatch):
    env = load(monkeypatch, database_url="postgresql://u:hush@h/n", metrics_token="hush", secret_keys=KEY)
    assert "hush" not in f"{env} {env!r}"
    assert KEY.partition(":")[2] not in f"{env} {env!r}"


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"poll_s": "0"}, "HAILGATE_POLL_S Input should be greater than 0"),
        ({"poll_s": "soon"}, "HAILGATE_POLL_S Input should be a valid number"),
        ({"web_threads": "0"}, "HAILGATE_WEB_THREADS Input should be greater than or equal to 1"),
        ({"log_level": "loud"}, "HAILGATE_LOG_LEVEL Input should be 'debug', 'info', 'warning' or 'error'"),
        ({"public_url": "ftp://x"}, "HAILGATE_PUBLIC_URL must begin with https://"),
        ({"bind": "8000"}, "HAILGATE_BIND must be address:port"),
        ({"bind": "127.0.0.1:99999"}, "HAILGATE_BIND must be address:port"),
        ({"bind": ":8000"}, "HAILGATE_BIND must be address:port"),
        ({"work_bind": "x:y"}, "HAILGATE_WORK_BIND must be address:port"),
        ({"database_url": "mysql://h/n"}, "HAILGATE_DATABASE_URL must begin with sqlite:/// or postgresql://"),
        ({"database_url": "sqlite:relative.db"}, "HAILGATE_DATABASE_URL must begin with sqlite:/// or postgresql://"),
        ({"database_url": "postgresql://u:p@h:port/n"}, "HAILGATE_DATABASE_URL"),
        ({"database_url": "postgresql://u:p@[::1/n"}, "HAILGATE_DATABASE_URL"),
        ({"renew_s": "10", "lease_s": "15"}, "HAILGATE_RENEW_S must be at most half of HAILGATE_LEASE_S"),
        ({"debounce_s": "9"}, "HAILGATE_DEBOUNCE_S must not be above HAILGATE_DEBOUNCE_MAX_S"),
        ({"secret_keys": "change-me"}, "HAILGATE_SECRET_KEYS holds a sample value"),
    ],
)
def test_a_fault_is_a_sentence_that_names_its_variable(monkeypatch, variables, sentence):
    (fault,) = faults_of(monkeypatch, **variables)
    assert fault.startswith(sentence)


def test_all_faults_are_told_at_once(monkeypatch, tmp_path):
    """Also those of secret files, and of what holds between variables."""
    faults = faults_of(
        monkeypatch,
        poll_s="0",
        bind="nowhere",
        public_url="ftp://x",
        redis_url_file=tmp_path / "missing",
        metrics_token_file=tmp_path / "missing too",
    )
    assert {fault.split()[0] for fault in faults} == {
        "HAILGATE_POLL_S",
        "HAILGATE_BIND",
        "HAILGATE_PUBLIC_URL",
        "HAILGATE_REDIS_URL_FILE",
        "HAILGATE_METRICS_TOKEN_FILE",
    }


def test_faults_between_variables_are_told_together(monkeypatch):
    faults = faults_of(monkeypatch, renew_s=10, debounce_s=9, secret_keys="change-me")
    assert [fault.split()[0] for fault in faults] == [
        "HAILGATE_RENEW_S",
        "HAILGATE_DEBOUNCE_S",
        "HAILGATE_SECRET_KEYS",
    ]


def test_no_fault_repeats_a_secret(monkeypatch):
    faults = faults_of(monkeypatch, database_url="mysql://u:hush@h/n", secret_keys="changeme", poll_s="hush")
    assert "hush" not in "".join(faults)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b" \n"], ids=["not text", "empty", "blank"])
def test_a_secret_file_that_says_nothing_is_a_fault(monkeypatch, tmp_path, content):
    """A forgotten mount must not end in keys of our own making."""
    file = tmp_path / "secret"
    file.write_bytes(content)
    (fault,) = faults_of(monkeypatch, secret_keys_file=file)
    assert fault.startswith("HAILGATE_SECRET_KEYS_FILE")


@pytest.mark.parametrize("sample", sorted(SAMPLE_SECRETS))
def test_samples_of_secrets_are_refused_outside_the_demo(monkeypatch, sample):
    for spelling in (sample, sample.upper(), f"k1:{sample}", f"{KEY},{sample}"):
        assert "sample" in faults_of(monkeypatch, secret_keys=spelling)[0]
    assert load(monkeypatch, secret_keys=sample, demo="1").demo


# --- the database -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "name"),
    [("sqlite:////data/h.db", "/data/h.db"), ("sqlite:///h.db", "h.db"), ("sqlite:///", None)],
)
def test_sqlite_keeps_what_was_committed(monkeypatch, tmp_path, url, name):
    told = database_settings(load(monkeypatch, database_url=url))
    assert told["NAME"] == (name or str(tmp_path / "home" / "hailgate.db"))
    assert "synchronous=FULL" in told["OPTIONS"]["init_command"]
    assert told["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_sqlites_log_is_cut_back_after_a_long_reader(monkeypatch, tmp_path):
    database = tmp_path / "h.db"
    begin = database_settings(load(monkeypatch, database_url=f"sqlite:///{database}"))["OPTIONS"]["init_command"]
    log = database.with_name("h.db-wal")
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        writer.executescript(f"{begin} PRAGMA synchronous=OFF; CREATE TABLE t (b BLOB); INSERT INTO t VALUES (0)")
        with closing(sqlite3.connect(database, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT b FROM t").fetchone()
            writer.execute("INSERT INTO t VALUES (zeroblob(?))", [WAL_KEPT + 1_000_000])
        assert log.stat().st_size > WAL_KEPT
        for _ in range(2):  # a checkpoint copies all of it back, and the next write begins anew
            writer.execute("INSERT INTO t VALUES (1)")
        assert log.stat().st_size <= WAL_KEPT


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_postgresql_is_read_from_its_url(monkeypatch, scheme):
    url = f"{scheme}://us%40er:p%2Fw@db.example:6543/na%20me?sslmode=require"
    told = database_settings(load(monkeypatch, database_url=url))
    assert [told[name] for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME")] == [
        "us@er", "p/w", "db.example", "6543", "na me",
    ]  # fmt: skip
    assert told["OPTIONS"]["sslmode"] == "require"


def test_a_socket_is_told_in_the_query(monkeypatch):
    told = database_settings(load(monkeypatch, database_url="postgresql:///name?host=/run/postgresql&port=5433"))
    assert (told["HOST"], told["PORT"], told["NAME"]) == ("/run/postgresql", "5433", "name")


def test_the_pool_holds_a_connection_for_each_thread_and_four_more(monkeypatch):
    env = load(monkeypatch, database_url="postgresql://h/n", web_threads=3, database_threads=5)
    assert database_settings(env)["OPTIONS"]["pool"]["max_size"] == 12


@pytest.mark.parametrize(
    ("bind", "host_and_port"),
    [("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:8000", ("::1", 8000)), ("box.local:1", ("box.local", 1))],
)
def test_an_address_is_split(monkeypatch, bind, host_and_port):
    assert split_bind(load(monkeypatch, bind=bind).bind) == host_and_port


# --- keys -------------------------------------------------------------------------------------------------------------


def test_several_keys_come_newest_first(monkeypatch):
    other = KEY.replace("k1", "k0")
    assert load(monkeypatch, secret_keys=f" {KEY}, ,{other} ").sealing_keys == (KEY, other)


def test_on_sqlite_a_key_is_made_once_for_its_owner_alone(monkeypatch, tmp_path):
    first = load(monkeypatch).sealing_keys
    assert load(monkeypatch).sealing_keys == first
    file = tmp_path / "home" / KEYS_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == [KEYS_FILE]
    assert Sealer(first).unseal(Sealer(first).seal("x")) == "x"


def test_keys_in_the_file_are_read_newest_first(monkeypatch, tmp_path):
    other = KEY.replace("k1", "k0")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / KEYS_FILE).write_text(f"{KEY}\n\n{other}\n")
    assert load(monkeypatch).sealing_keys == (KEY, other)


def test_a_file_of_keys_that_is_empty_is_a_fault_and_is_not_filled(monkeypatch, tmp_path):
    """What was sealed with the keys that were in it would be lost for good."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / KEYS_FILE).write_text("\n")
    with pytest.raises(ConfigurationError) as refused:
        _ = load(monkeypatch).sealing_keys
    assert KEYS_FILE in refused.value.detail
    assert (tmp_path / "home" / KEYS_FILE).read_text() == "\n"


def test_on_postgresql_no_key_is_made(monkeypatch, tmp_path):
    env = load(monkeypatch, database_url="postgresql://h/n")
    with pytest.raises(ConfigurationError, match="HAILGATE_SECRET_KEYS is not set"):
        _ = env.sealing_keys
    assert not (tmp_path / "home").exists()


def test_on_postgresql_a_file_of_keys_that_is_there_is_read(monkeypatch, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / KEYS_FILE).write_text(KEY)
    assert load(monkeypatch, database_url="postgresql://h/n").sealing_keys == (KEY,)


def test_processes_that_start_together_end_with_the_same_keys(tmp_path):
    """Four real processes wait for one line, then race."""
    code = (
        "import sys; from hailgate.env import load_environment; env = load_environment(); print(flush=True);"
        "sys.stdin.readline(); print(*env.sealing_keys)"
    )
    environ = os.environ | {"HAILGATE_HOME": str(tmp_path / "raced")}
    racing = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
        )
        for _ in range(4)
    ]
    for process in racing:
        process.stdout.readline()
    told = {process.communicate("go\n", timeout=30)[0].strip() for process in racing}
    assert len(told) == 1
    assert [path.name for path in (tmp_path / "raced").iterdir()] == [KEYS_FILE]


def test_a_key_of_ours_is_one_that_seals():
    key = make_sealing_key()
    assert re.fullmatch(r"k[0-9a-f]{6}:[\w-]{43}=", key)
    assert Sealer([key]).unseal(Sealer([key]).seal("x")) == "x"


@pytest.mark.parametrize(
    ("spool", "repeats", "spools"),
    [
        ("needed", True, False),
        ("needed", False, True),
        ("always", True, True),
        ("always", False, True),
        ("never", True, False),
        ("never", False, False),
    ],
)
def test_webhooks_are_spooled_of_whom_it_is_asked_for(spool: str, repeats: bool, spools: bool) -> None:
    env = Environment(spool=spool)
    assert env.spools(repeats=repeats) is spools
    assert env.spool_path == env.home / "spool"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("HAILGATE_PUBLIC_ULR", "HAILGATE_PUBLIC_ULR is no setting; is HAILGATE_PUBLIC_URL meant?"),
        ("HAILGATE_DATABASE", "HAILGATE_DATABASE is no setting; is HAILGATE_DATABASE_URL meant?"),
        ("HAILGATE_QQQQQQ", "HAILGATE_QQQQQQ is no setting."),
        ("HAILGATE_PUBLIC_URL", None),
        ("HAILGATE_SECRET_KEYS_FILE", None),
        ("HAILGATE_TEST_REQUIRE", None),
        ("HAILGATE_SIM_PORT", None),
    ],
)
def test_a_name_that_is_no_setting_is_told_with_the_nearest(monkeypatch, name, sentence) -> None:
    from hailgate.env import find_unknown_names

    monkeypatch.setenv(name, "x")
    assert [told for told in find_unknown_names() if told.startswith(f"{name} ")] == ([sentence] if sentence else [])
