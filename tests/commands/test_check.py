"""`hailgate check`: what leans on what, told line by line, with what to do."""

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit

import pytest

import given
from hailgate.commands import probes
from hailgate.commands.check import _examine_home, _examine_settings, _examine_spool, examine
from hailgate.commands.open_home import find_opened
from hailgate.env import Environment
from hailgate.messaging.assistants.registry import add_assistant
from hailgate.messaging.channels.hooks import add_hook
from messaging.acting import new_worker


def findings(run) -> dict[str, dict[str, str]]:
    return {found["subject"]: found for found in json.loads(run("check", "--json").stdout)["findings"]}


def test_an_empty_installation_is_well_and_lacks_a_channel(run, store) -> None:
    checked = run("check")
    assert checked.exit_code == 0
    told = findings(run)
    assert [told[subject]["state"] for subject in ("settings", "database", "redis", "rabbitmq", "assistant")] == [
        "ok"
    ] * 5
    assert told["channels"]["state"] == "warn"
    assert told["redis"]["detail"] == "not configured, not needed"


def test_who_answers_is_told_with_the_models_that_are_asked(run, tenant) -> None:
    add_assistant(tenant.pk, "front", {"vendor": "openai", "model": "gpt-5", "api_key": "a-key"})
    add_assistant(tenant.pk, "night", {"vendor": "scripted"})
    told = findings(run)
    assert (
        told[f"assistant {tenant.name}/front"]["detail"]
        == "asks openai gpt-5; `hailgate assistant check front` tries it"
    )
    assert told[f"assistant {tenant.name}/night"]["detail"] == "answers by its script"


def test_a_provider_that_is_told_no_address_is_warned_of(run, tenant) -> None:
    add_hook(tenant.pk, "twilio", {"auth_token": "a-token"})
    assert findings(run)[f"webhook {tenant.name}/twilio"]["detail"] == "its provider is told no address"


def test_a_provider_is_asked_whether_it_posts_to_our_address(run, channel, monkeypatch) -> None:
    """A server that is paired with a phone knows where it posts to, and says whether that is here."""
    from hailgate.messaging.channels.credentials import ChannelCredentials
    from hailgate.settings import ENV

    connect, told = ChannelCredentials.connect, []

    def note(credentials, transport, public_url="", **given):
        told.append(public_url)
        return connect(credentials, transport, public_url, **given)

    monkeypatch.setattr(ChannelCredentials, "connect", note)
    monkeypatch.setattr("hailgate.settings.ENV", ENV.model_copy(update={"public_url": given.DEAD_END}))
    findings(run)
    assert told == [given.DEAD_END]


def test_that_no_worker_runs_is_warned_of(run, store) -> None:
    assert findings(run)["worker"]["detail"] == "none is running: messages wait"
    new_worker()
    assert findings(run)["worker"]["state"] == "ok"


def test_a_home_that_others_can_read_fails(tmp_path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    assert _examine_home(Environment(home=home)).state == "ok"
    (home / "secret_keys").touch(mode=0o644)
    found = _examine_home(Environment(home=home))
    assert (found.state, "secret_keys" in found.detail) == ("fail", True)
    home.chmod(0o700)
    assert _examine_home(Environment(home=home)).state == "ok"


def test_a_home_that_is_not_there_yet_is_open_to_nobody(tmp_path):
    """`serve` beside a database that was migrated elsewhere makes it."""
    assert find_opened(tmp_path / "home") is None


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_home_that_others_can_write_to_fails_whatever_lies_there(tmp_path, mode: int) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(mode)
    found = _examine_home(Environment(home=home))
    assert (found.state, found.detail) == ("fail", f"others on this machine can write to {home}")


def test_what_fails_makes_the_exit_code_one_and_says_what_to_do(run, channel) -> None:
    checked = run("check")
    assert checked.exit_code == 1
    assert f"FAIL  channel clinic/{channel.name}: No connection to the provider." in checked.stdout
    assert "hailgate channel set" in checked.stdout


def test_a_server_that_does_not_run_is_no_failure(run, channel) -> None:
    assert findings(run)["webhook clinic/cloud"]["state"] == "warn"


def test_no_secret_is_told(run, channel, hook) -> None:
    told = run("check").output + run("check", "--json").output
    secrets = (given.APP_SECRET, given.VERIFY_TOKEN, "an access token", hook.token)
    assert [secret for secret in secrets if secret in told] == []


def test_whether_templates_are_listed_is_told_where_a_channel_has_some(run, channel) -> None:
    from hailgate.core.errors import ChannelUnauthorized
    from hailgate.messaging.channels.admin import get_channel_row
    from hailgate.messaging.templates.sync import claim_business, record_list, record_not_listed, take_business

    subject = f"templates clinic/{channel.name}"
    assert subject not in findings(run)
    run("channel", "set", channel.name, "--set", "waba_id=102000000000001")
    assert findings(run)[subject]["detail"] == "not listed yet"
    record_not_listed(claim_business(), ChannelUnauthorized())
    assert findings(run)[subject]["detail"].startswith("could not be listed: ")
    record_list(take_business(get_channel_row(channel.tenant_id, channel.name)), [])
    assert (findings(run)[subject]["state"], findings(run)[subject]["advice"]) == ("ok", "")


@pytest.mark.parametrize(
    ("columns", "state"), [({}, "ok"), ({"paused_at": 0.0, "paused_reason": "paused_by_hand"}, "warn")]
)
def test_a_channel_is_judged_by_its_provider_and_by_its_own_state(run, channel, columns, state) -> None:
    from hailgate.messaging.models import Channel

    ours = Channel.objects.filter(tenant_id=channel.tenant_id, pk=channel.id)
    with answering(lambda _: http(200, '{"id": "1", "display_phone_number": "+1", "verified_name": "Clinic"}')) as port:
        run("channel", "set", channel.name, "--set", f"api_url=http://127.0.0.1:{port}")
        ours.update(**columns)
        assert findings(run)[f"channel clinic/{channel.name}"]["state"] == state


def test_a_version_that_ends_is_a_warning_beside_what_the_provider_says(run, channel) -> None:
    subject = f"settings of clinic/{channel.name}"
    assert subject not in findings(run)
    run("channel", "set", channel.name, "--set", "version=v17.0")
    assert findings(run)[subject]["state"] == "warn"
    assert findings(run)[subject]["detail"] == "Graph API v17.0 has ended. Set version to v25.0."


def echo(request: bytes) -> bytes:
    """As our own door answers a handshake."""
    query = parse_qs(urlsplit(request.split(b" ")[1].decode()).query)
    assert query["hub.verify_token"] == [given.VERIFY_TOKEN]
    return http(200, query["hub.challenge"][0])


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (echo, "ok"),
        (lambda _: b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "fail"),
        (lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello", "fail"),
        (lambda _: b"", "warn"),
    ],
    ids=["ours", "not found", "another program", "nobody"],
)
def test_a_webhook_makes_its_round_trip(run, hook, monkeypatch, answer, state) -> None:
    with answering(answer) as port:
        monkeypatch.setattr(Environment, "reached_at", f"http://127.0.0.1:{port}")
        assert findings(run)["webhook clinic/cloud"]["state"] == state


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"public_url": "https://chat.example/", "bind": "0.0.0.0:1"}, "https://chat.example"),
        ({"bind": "0.0.0.0:8000"}, "http://127.0.0.1:8000"),
        ({"bind": "[::]:8000"}, "http://[::1]:8000"),
        ({"bind": "[::1]:8000"}, "http://[::1]:8000"),
        ({"bind": "127.0.0.1:8000"}, "http://127.0.0.1:8000"),
    ],
)
def test_our_own_address_is_the_public_one_or_this_machines(settings, address) -> None:
    assert Environment(**settings).reached_at == address


@pytest.mark.parametrize(
    ("settings", "in_clear"),
    [
        ({"bind": "127.0.0.1:8000"}, False),
        ({"bind": "[::1]:8000"}, False),
        ({"bind": "0.0.0.0:8000"}, True),
        ({"bind": "[::]:8000"}, True),
        ({"bind": "192.0.2.7:8000"}, True),
        ({"bind": "0.0.0.0:8000", "public_url": "https://chat.example"}, False),
        ({"bind": "127.0.0.1:8000", "public_url": "http://chat.example"}, True),
    ],
)
def test_what_crosses_a_network_in_clear_is_warned_of(settings, in_clear) -> None:
    env = Environment(**settings)
    assert env.in_clear is in_clear
    assert ("encryption" in {finding.subject for finding in _examine_settings(env)}) is in_clear


def test_the_spool_is_tried_where_somebody_needs_it(tmp_path) -> None:
    assert _examine_spool(Environment(spool="never")).detail.startswith("not needed")
    folder = tmp_path / "spool"
    env = Environment(spool="always", spool_folder=folder)
    assert (_examine_spool(env).state, list(folder.iterdir())) == ("ok", [])
    folder.rmdir()
    folder.write_text("no folder")
    told = _examine_spool(env)
    assert (told.state, told.detail, bool(told.advice)) == ("fail", f"no webhook can be kept in {folder}", True)


def test_faulty_settings_are_told_one_by_one(monkeypatch) -> None:
    from hailgate.core.errors import ConfigurationError, StoreUnavailable

    for refused, subjects in (
        (ConfigurationError(["One.", "Two."]), ["settings"] * 2),
        (StoreUnavailable(), ["database"]),
    ):
        monkeypatch.setattr("hailgate.commands.check.open_store", raising(refused))
        told = list(examine())
        assert [found.subject for found in told] == subjects
        assert all(found.state == "fail" and found.advice for found in told)


def raising(error: Exception):
    def refuse():
        raise error

    return refuse


# --- Redis and RabbitMQ -----------------------------------------------------------------------------------------------


def redis(request: bytes) -> bytes:
    return b"+PONG\r\n" if b"PING" in request else b"+OK\r\n"


def locked_redis(request: bytes) -> bytes:
    return b"-NOAUTH Authentication required.\r\n" if b"PING" in request else b"-WRONGPASS\r\n"


def rabbitmq(request: bytes) -> bytes:
    return b"\x01\x00\x00" if request == b"AMQP\x00\x00\x09\x01" else b"HTTP/1.1 400"


@pytest.mark.parametrize(
    ("probe", "scheme", "server", "sentence"),
    [
        (probes.ping_redis, "redis://", redis, None),
        (probes.ping_redis, "redis://:word@", redis, None),
        (probes.ping_redis, "redis://user:word@", redis, None),
        (probes.ping_redis, "redis://", locked_redis, "Redis asks for a password"),
        (probes.ping_redis, "redis://:word@", locked_redis, "Redis refuses the password"),
        (probes.ping_redis, "redis://", lambda _: b"HTTP/1.1 400", "not to PING"),
        (probes.ping_redis, "rediss://", lambda _: b"HTTP/1.1 400", "No secure connection"),
        (probes.ping_redis, "http://", redis, "must begin with redis://"),
        (probes.greet_rabbitmq, "amqp://", rabbitmq, None),
        (probes.greet_rabbitmq, "amqp://", lambda _: b"HTTP/1.1 400", "no AMQP 0-9-1 broker"),
        (probes.greet_rabbitmq, "amqp://", lambda _: b"", "no AMQP 0-9-1 broker"),
    ],
)
def test_a_neighbour_is_greeted_in_its_own_tongue(probe, scheme, server, sentence) -> None:
    with answering(server) as port:
        told = outcome(probe, f"{scheme}127.0.0.1:{port}")
    assert (told is None) == (sentence is None)
    assert (sentence or "") in (told or "")


@pytest.mark.parametrize("url", ["redis://127.0.0.1:9", "redis://127.0.0.1:99999", "redis://no-such-host.invalid"])
def test_a_neighbour_that_is_away_is_told_without_its_address(url) -> None:
    sentence = outcome(probes.ping_redis, url)
    assert sentence.startswith("No connection")
    assert "127.0.0.1" not in sentence


def outcome(probe: Callable[[str], None], url: str) -> str | None:
    try:
        probe(url)
    except probes.Unwell as unwell:
        return str(unwell)
    return None


@contextmanager
def answering(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """A server that answers whatever it is sent; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        done = threading.Event()
        thread = threading.Thread(target=serve, args=(listener, answer, done))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            thread.join()


def serve(listener: socket.socket, answer: Callable[[bytes], bytes], done: threading.Event) -> None:
    while not done.is_set():
        try:
            line, _ = listener.accept()
        except TimeoutError:
            continue
        with line, suppress(ConnectionError):
            line.settimeout(5)
            while request := line.recv(4096):
                if not (answered := answer(request)):
                    break
                line.sendall(answered)


def http(status: int, body: str) -> bytes:
    return f"HTTP/1.1 {status} OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


def test_to_look_makes_no_database_and_no_keys(run, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HAILGATE_HOME", str(tmp_path / "new"))
    monkeypatch.setenv("HAILGATE_DATABASE_URL", "")
    told = run("check")
    assert (told.exit_code, told.stdout.count("FAIL")) == (1, 1)
    assert "hailgate migrate" in told.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("missing", "setting", "subject"),
    [
        ("apprise", {"alarm_urls": ("json://127.0.0.1",)}, "alarms"),
        ("opentelemetry", {"traces_url": "http://127.0.0.1:9/"}, "traces"),
    ],
)
def test_what_serve_would_refuse_is_refused_here(monkeypatch, missing, setting, subject) -> None:
    from hailgate.commands.check import _examine_extras
    from hailgate.env import load_environment

    monkeypatch.setitem(sys.modules, missing, None)
    for name in [name for name in sys.modules if name.startswith(f"{missing}.")]:
        monkeypatch.setitem(sys.modules, name, None)
    [told] = _examine_extras(load_environment(**setting))
    assert (told.subject, told.state) == (subject, "fail")
    assert "make install" in told.detail
