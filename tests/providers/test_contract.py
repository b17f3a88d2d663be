"""Settings, secrets and the registry."""

import importlib.metadata
import pickle
from dataclasses import replace

import msgspec
import pytest

from hailgate import providers
from hailgate.core.errors import ConfigurationError, InputError
from hailgate.providers import PROVIDERS, fake, get_provider
from hailgate.providers.config import Secret, parse_config


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    token: Secret
    port: int = 80
    secure: bool = True
    second: Secret | None = None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"token": "t"}, Settings(token=Secret("t"))),
        ({"token": " t\n"}, Settings(token=Secret("t"))),
        (
            {"token": "t", "port": "8080", "secure": "false", "second": "s"},
            Settings(token=Secret("t"), port=8080, secure=False, second=Secret("s")),
        ),
    ],
)
def test_settings_are_read_as_typed(given, expected):
    assert parse_config(Settings, given) == expected


@pytest.mark.parametrize(
    ("given", "field", "sentence"),
    [
        ({}, "token", "Setting token is missing."),
        ({"token": ""}, "token", "Setting token is empty."),
        ({"token": "t", "port": ""}, "port", "Setting port is empty."),
        ({"token": "t", "port": "many"}, "port", "Setting port is not valid."),
        (
            {"tocken": "t"},
            "tocken",
            "Setting 'tocken' is unknown; known settings: port, second, secure, token.",
        ),
    ],
)
def test_a_setting_that_is_wrong_is_named(given, field, sentence):
    with pytest.raises(InputError) as raised:
        parse_config(Settings, given)
    assert (raised.value.field, raised.value.detail) == (field, sentence)


def test_a_secret_shows_itself_only_when_asked():
    secret = Secret("hunter2")
    shown = f"{secret} {secret!r} {[secret]} {Settings(token=secret)} {str(secret)!s:>20}"
    assert "hunter2" not in shown
    assert secret.reveal() == "hunter2"
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)


def test_secrets_compare_by_value():
    assert Secret("ä") == Secret("ä")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a") != "a"
    assert not Secret("")
    assert pickle.loads(pickle.dumps(Secret("a"))) == Secret("a")


def test_each_provider_is_found_by_its_name():
    for spec in PROVIDERS:
        assert get_provider(spec.name) is spec
        assert spec.name.isidentifier()
        assert spec.name == spec.name.lower()


def test_an_unknown_provider_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="cloud") as raised:
        get_provider("clowd")
    assert raised.value.field == "provider"


@pytest.fixture
def installed(monkeypatch):
    """Installs what entry points would load, for one test."""

    def install(*loaded):
        class Point:
            name = "third-party"

            def __init__(self, spec):
                self.spec = spec

            def load(self):
                return self.spec

        monkeypatch.setattr(providers, "entry_points", lambda **_: [Point(spec) for spec in loaded])
        providers._installed.cache_clear()

    yield install
    monkeypatch.undo()
    providers._installed.cache_clear()


def test_a_third_partys_provider_is_found(installed):
    installed(fake.SPEC)
    assert get_provider("fake") is fake.SPEC


@pytest.mark.parametrize(
    "loaded", ["not a spec", replace(fake.SPEC, name="cloud"), replace(fake.SPEC, contract=1)], ids=str
)
def test_a_third_partys_provider_that_does_not_fit_stops_the_start(installed, loaded):
    installed(loaded)
    with pytest.raises(ConfigurationError):
        get_provider("cloud")


def test_the_registry_needs_no_network_library():
    """What only receives does not pay for what sends."""
    import subprocess
    import sys

    program = "import sys, hailgate.providers; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_group_of_entry_points_is_the_documented_one():
    assert providers.ENTRY_POINTS == "hailgate.providers"
    assert importlib.metadata.entry_points(group=providers.ENTRY_POINTS) is not None
