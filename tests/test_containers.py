"""What containers and services are made of: bounded, unprivileged, with no secret in it, and started as it is here."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import yaml

from conftest import SERVER
from hailgate.accounts.seal import Sealer
from hailgate.key_file import make_sealing_key
from hailgate.providers import list_providers

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
TOOLS = ROOT / ".venv-tools" / "bin"
UNITS = ("hailgate.service", "hailgate-worker@.service", "hailgate-backup.service")
OURS = ("web", "worker")
UNIT = re.compile(r"\bhailgate[\w@-]*\.(?:service|timer)\b")


def load(name: str):
    class Loader(yaml.SafeLoader):
        """`!override` is Compose's own."""

    Loader.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))
    return yaml.load((DEPLOY / name).read_text(), Loader)


def tool(name: str) -> str:
    """Of `make tools`."""
    found = TOOLS / name
    if not found.exists():
        pytest.skip(f"{name} is missing: make tools")
    return str(found)


@pytest.mark.parametrize("file", ["compose.yml", "compose.sqlite.yml", "compose.providers.yml"])
def test_every_container_is_pinned_bounded_and_keeps_its_logs_small(file):
    for name, service in load(file)["services"].items():
        assert re.search(r":v?\d", service["image"]) or name in OURS, name
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= set(limits), name
        assert service["logging"]["options"]["max-size"], name
        assert "no-new-privileges:true" in service["security_opt"], name


@pytest.mark.parametrize("file", ["compose.yml", "compose.sqlite.yml"])
def test_only_tls_is_reached_from_outside(file):
    open_ports = {name for name, service in load(file)["services"].items() if service.get("ports")}
    assert open_ports == {"caddy"}


def test_ours_have_a_root_that_nobody_writes_and_no_capability():
    for file in ("compose.yml", "compose.sqlite.yml"):
        services = load(file)["services"]
        for name in OURS:
            if name in services:
                assert (services[name]["read_only"], services[name]["cap_drop"]) == (True, ["ALL"])
                assert int(services[name]["stop_grace_period"].rstrip("s")) > 30


def test_secrets_are_files_and_stand_in_no_environment():
    compose = load("compose.yml")
    made = (DEPLOY / "make-secrets").read_text()
    for name, secret in compose["secrets"].items():
        assert secret["file"] == f"./secrets/{name}"
        assert f"keep {name}" in made
    for service in compose["services"].values():
        for name in service.get("environment", {}):
            assert not re.search(r"PASSWORD$|TOKEN$|KEYS$|DATABASE_URL$|REDIS_URL$|RABBITMQ_URL$", name)


def test_secrets_are_made_once(tmp_path):
    shutil.copy(DEPLOY / "make-secrets", tmp_path)
    subprocess.run(["sh", tmp_path / "make-secrets"], check=True, capture_output=True)
    first = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    subprocess.run(["sh", tmp_path / "make-secrets"], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == first
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    sealer = Sealer([first["secret_keys"]])
    assert sealer.unseal(sealer.seal("a value")) == "a value"


OVER = (["compose.yml"], ["compose.yml", "compose.local.yml"], ["compose.yml", "compose.large.yml"],
        ["compose.sqlite.yml"], ["compose.sqlite.yml", "compose.local.yml"], ["compose.providers.yml"])  # fmt: skip


@pytest.mark.parametrize("files", OVER, ids="+".join)
def test_compose_itself_takes_the_files(files, tmp_path):
    given = {
        "HAILGATE_DOMAIN": "x.test", "WPPCONNECT_SECRET_KEY": "x", "EVOLUTION_API_KEY": "x",
        "EVOLUTION_DB_PASSWORD": "x",
    }  # fmt: skip
    named = [argument for file in files for argument in ("-f", str(DEPLOY / file))]
    command = [tool("docker-compose"), *named, "config", "--format", "json"]
    said = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | given)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["services"]


def test_compose_says_what_is_not_set():
    command = [tool("docker-compose"), "-f", str(DEPLOY / "compose.yml"), "config", "-q"]
    said = subprocess.run(command, check=False, capture_output=True, text=True)
    assert said.returncode != 0
    assert "set HAILGATE_DOMAIN" in said.stderr


def test_the_image_is_built_as_its_linter_likes_it():
    said = subprocess.run([tool("hadolint"), str(DEPLOY / "Dockerfile")], check=False, capture_output=True, text=True)
    assert said.stdout + said.stderr == ""


def test_the_image_runs_as_nobody_in_particular_and_tells_its_health():
    last = (DEPLOY / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    for word in ("HEALTHCHECK", "STOPSIGNAL SIGTERM", "ENTRYPOINT", "org.opencontainers.image.licenses"):
        assert word in last


def test_the_image_and_the_compose_files_are_of_this_version():
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert f"ARG VERSION={version}" in (DEPLOY / "Dockerfile").read_text()
    for file in ("compose.yml", "compose.sqlite.yml"):
        assert load(file)["services"]["web"]["image"].endswith(f":{version}}}")


def test_locked_requirements_of_the_server_leave_out_voice_alone():
    def names(file):
        return set(re.findall(r"^([a-z0-9_.-]+)==", (ROOT / "requirements" / file).read_text(), re.MULTILINE))

    assert names("extras.txt") - names("server.txt") == {"av"}
    assert names("runtime.txt") <= names("server.txt")


# --- systemd ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def units(tmp_path):
    """As they are, but for a program that is there on this machine."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing")
    for path in (DEPLOY / "systemd").iterdir():
        text = path.read_text().replace("/opt/hailgate/bin/hailgate", "/bin/true")
        (tmp_path / path.name.replace("@.", "@1.")).write_text(text)
    return tmp_path


def test_systemd_takes_the_units(units):
    for path in sorted(units.iterdir()):
        said = subprocess.run(["systemd-analyze", "verify", path], check=False, capture_output=True, text=True)
        assert (said.returncode, said.stderr) == (0, ""), path.name


def test_the_pages_name_units_that_there_are():
    named = {found for page in ROOT.glob("docs/how-to/*.md") for found in UNIT.findall(page.read_text())}
    there = {path.name for path in (DEPLOY / "systemd").iterdir()}
    assert named
    assert {re.sub(r"@\w*", "@", name) for name in named} <= there


@pytest.mark.parametrize("name", UNITS)
def test_units_are_exposed_to_little(units, name):
    path = units / name.replace("@.", "@1.")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=30", "--no-pager", path]
    said = subprocess.run(command, check=False, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout[-300:]


# --- behind TLS -------------------------------------------------------------------------------------------------------


def test_the_proxy_lets_through_what_the_largest_webhook_may_hold():
    [told] = re.findall(r"max_size (\d+)MB", (DEPLOY / "caddy" / "Caddyfile").read_text())
    [nginx] = re.findall(r"client_max_body_size (\d+)m;", (ROOT / "docs/how-to/reverse-proxy.md").read_text())
    largest = max(spec.capabilities.max_webhook_body for spec in list_providers())
    assert int(told) * 1000**2 >= largest
    assert int(nginx) * 1024**2 >= largest


@pytest.fixture
def database_url(request):
    """One of its own on the server of the tests; empty for SQLite."""
    if request.param == "sqlite":
        yield ""
        return
    name = f"hailgate_tls_{os.getpid()}"
    try:
        with psycopg.connect(SERVER, autocommit=True, connect_timeout=3) as server:
            server.execute(f"CREATE DATABASE {name}")
    except psycopg.OperationalError:
        pytest.skip("PostgreSQL is not there")
    yield f"{SERVER.rpartition('/')[0]}/{name}"
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.faults
@pytest.mark.timeout(400)
@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_what_compose_starts_answers_a_person_over_tls(database_url, tmp_path):
    """The entry points as plain processes; what an engine adds (networks, restarts, limits) is not in this."""
    given = {"CADDY": tool("caddy"), "HAILGATE_SECRET_KEYS": make_sealing_key()}
    if database_url:
        given["HAILGATE_DATABASE_URL"] = database_url
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HAILGATE_")}
    said = subprocess.run(
        ["bash", ROOT / "scripts" / "behind-tls", tmp_path, "hailgate"],
        check=False, capture_output=True, text=True, env=environment | given | {"PATH": path}, timeout=380,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr[-2000:]
    metrics, plain, report, *ended = said.stdout.splitlines()
    assert metrics == "metrics from outside: 404"
    assert plain.startswith("plain http: 308 to https://")
    told = json.loads(report)
    assert told["status"] in {"sent", "delivered", "read"}
    assert told["hsts"].startswith("max-age=")
    assert told["answer"]
    assert [line.startswith("SIGTERM: ended with 0 after") for line in ended] == [True] * (2 if database_url else 1)
