"""The compose file for the servers of unofficial providers: pinned, inside, and with no secret in it."""

from pathlib import Path

import yaml

FILE = Path(__file__).parents[1] / "deploy" / "compose.providers.yml"
SERVICES = yaml.safe_load(FILE.read_text())["services"]


def test_every_image_is_pinned():
    for service in SERVICES.values():
        _, _, tag = service["image"].rpartition(":")
        assert tag[:1].isdigit() or tag[:2] == "v2", service["image"]


def test_ports_are_those_of_the_servers_and_bound_to_this_machine():
    bound = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert sorted(bound) == ["127.0.0.1:21465:21465", "127.0.0.1:8080:8080"]


def test_secrets_come_from_whoever_starts_it():
    text = FILE.read_text()
    for name in ("WPPCONNECT_SECRET_KEY", "EVOLUTION_API_KEY", "EVOLUTION_DB_PASSWORD"):
        assert f"${{{name}:?" in text


def test_what_evidence_needs_is_on():
    settings = SERVICES["evolution"]["environment"]
    assert settings["DATABASE_SAVE_DATA_NEW_MESSAGE"] == "true"
    assert settings["TELEMETRY_ENABLED"] == "false"


def test_every_volume_is_declared():
    document = yaml.safe_load(FILE.read_text())
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert used == document["volumes"].keys()
