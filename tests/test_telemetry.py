"""Log lines have constant names and allow-listed facts; metrics carry no one's number."""

import ast
import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.metrics import MetricWrapperBase

import hailgate
from hailgate.telemetry import logs, metrics
from hailgate.telemetry.events import FACTS, Event
from hailgate.telemetry.logs import LONGEST_VALUE, configure_logging
from hailgate.telemetry.metrics import DROPPED_FACTS, render_metrics

SOURCE = Path(hailgate.__file__).parent
Tell = Callable[..., list[str]]


@pytest.fixture
def lines() -> Iterator[Callable[..., Any]]:
    """Configures logging and returns what has been written since."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.BytesIO()

    def begin(form: str = "json", level: str = "debug") -> Callable[[], list[str]]:
        configure_logging(level, form, written)
        return lambda: [line.decode() for line in written.getvalue().splitlines()]

    yield begin
    structlog.configure(**before)
    vars(logs.log).pop("bind", None)  # what it cached under this configuration
    root.handlers[:], root.level = handlers, level
    logging.raiseExceptions = True


def fresh_log() -> Any:
    """A logger that has not been bound under another configuration."""
    return structlog.get_logger()


def test_a_line_is_one_json_object_with_its_frame(lines) -> None:
    read = lines()
    fresh_log().info(Event.MESSAGE_SENT, message="m1", attempt=2)
    [line] = map(json.loads, read())
    assert line.pop("time").endswith("Z")
    assert line == {"event": "message.sent", "level": "info", "message": "m1", "attempt": 2}


def test_facts_that_are_not_on_the_list_are_dropped_and_counted(lines) -> None:
    read = lines()
    before = DROPPED_FACTS._value.get()
    fresh_log().info(Event.MESSAGE_SENT, text="I am ill", phone="15550100042", token="t", message="m1")
    assert DROPPED_FACTS._value.get() == before + 3
    assert "ill" not in read()[0]
    assert "15550100042" not in read()[0]


@pytest.mark.parametrize(
    "value",
    ["a\r\nb", "\x1b[31mred", '"}\n{"event": "forged"', "\u2028", "\0", "\ud800", "é" * 300, "x" * 1_000_000,
     object(), {"a": "b"}, 2**70, float("nan"), None, b"\xff"],
)  # fmt: skip
@pytest.mark.parametrize("form", ["json", "text"])
def test_no_value_breaks_out_of_its_line(lines, form: str, value: Any) -> None:
    read = lines(form)
    fresh_log().info(Event.WEBHOOK_REJECTED, note=value)
    [line] = read()
    assert len(line) < LONGEST_VALUE * 12
    assert "\x1b" not in line
    if form == "json":
        assert json.loads(line)["event"] == "webhook.rejected"


@given(st.text())
@settings(max_examples=1_000, deadline=None)
def test_any_text_is_one_valid_line(text: str) -> None:
    line = logs.keep_facts(None, "info", {"event": Event.MESSAGE_SENT, "note": text})
    rendered = logs._render_json(None, "info", line)
    assert b"\n" not in rendered
    assert json.loads(rendered)["event"] == "message.sent"


def test_levels_below_the_least_are_not_written(lines) -> None:
    read = lines(level="warning")
    fresh_log().info(Event.MESSAGE_SENT)
    fresh_log().warning(Event.MESSAGE_DEAD)
    assert [json.loads(line)["event"] for line in read()] == ["message.dead"]


def test_libraries_are_heard_without_their_words(lines) -> None:
    read = lines()
    try:
        raise ValueError("Ada 15550100042")
    except ValueError:
        logging.getLogger("some.package").exception("cannot handle %s", "15550100042")
    [line] = map(json.loads, read())
    assert (line["event"], line["logger"], line["error"]) == ("library.logged", "some.package", "ValueError")
    assert line["at"].startswith("test_telemetry.py:")
    assert "15550100042" not in str(line)


@pytest.mark.parametrize("name", ["aiohttp.access", "asyncio", "urllib3.connectionpool", "httpx"])
def test_libraries_that_name_every_url_are_silent_below_warning(lines, name: str) -> None:
    read = lines()
    logging.getLogger(name).info("GET https://example.org/?token=1")
    assert read() == []


def test_a_request_id_in_the_context_is_on_every_line(lines) -> None:
    read = lines()
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        fresh_log().info(Event.MESSAGE_SENT)
    assert json.loads(read()[0])["request_id"] == "r1"


@pytest.mark.parametrize("event", Event)
def test_every_event_is_documented(event: Event) -> None:
    assert event.sentence.endswith(".")
    assert len(event.sentence) > 20


def _log_calls() -> Iterator[tuple[str, ast.Call]]:
    for path in SOURCE.rglob("*.py"):
        if "simulator" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"))):
                    yield f"{path.relative_to(SOURCE)}:{node.lineno}", node


CALLS = dict(_log_calls())


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_every_line_in_the_source_passes_only_facts_of_the_list(call: ast.Call) -> None:
    """`**facts` is built from the list in telemetry itself."""
    assert {keyword.arg for keyword in call.keywords if keyword.arg} <= FACTS.keys()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_every_line_in_the_source_has_a_constant_name(call: ast.Call) -> None:
    name = call.args[1 if call.func.attr == "log" else 0]
    text = ast.unparse(name)
    assert (
        text.startswith(("Event.", "_EVENTS["))
        or text in {"event", "self._event"}
        or (isinstance(name, ast.Constant) and name.value in set(Event))
    )


def test_metrics_are_on_a_registry_of_their_own_and_named_alike() -> None:
    shown = render_metrics().decode()
    for name in (
        "hailgate_messages_accepted_total", "hailgate_webhook_events_total", "hailgate_attempts_total",
        "hailgate_send_seconds", "hailgate_accept_to_send_seconds", "hailgate_ingested_total", "hailgate_turns_total",
        "hailgate_work_rows", "hailgate_oldest_ready_seconds", "hailgate_gate_waiting",
        "hailgate_rejected_webhooks_total", "hailgate_worker_taken_over_total", "hailgate_forgotten_heads_total",
    ):  # fmt: skip
        assert f"# HELP {name} " in shown


def test_no_label_can_carry_a_person() -> None:
    ours = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    assert len(ours) > 30
    assert {label for metric in ours for label in metric._labelnames} == {
        "gate", "state", "result", "provider", "outcome", "kind", "status", "tenant", "channel", "code", "by", "part",
        "what",
    }  # fmt: skip


def test_channels_beyond_the_bound_share_their_labels(monkeypatch) -> None:
    monkeypatch.setattr(metrics, "_channels", {})
    monkeypatch.setattr(metrics, "MOST_CHANNELS", 2)
    monkeypatch.setattr(metrics, "_tenants", set())
    assert [metrics.of_tenant(tenant) for tenant in (1, 2, 3, 1)] == ["1", "2", "other", "1"]
    assert metrics.of_channel(1, 7) == {"tenant": "1", "channel": "7"}
    assert metrics.of_channel(1, 8) == {"tenant": "1", "channel": "8"}
    assert metrics.of_channel(2, 9) == {"tenant": "other", "channel": "other"}
    assert metrics.of_channel(1, 7) == {"tenant": "1", "channel": "7"}


@pytest.mark.parametrize("code", ["15550100042", "Ada is ill", "a" * 61, "", "+1555", "été"])
def test_a_code_that_looks_like_none_is_no_label(code: str) -> None:
    assert metrics.of_code(code) == "other"


def test_codes_are_bounded(monkeypatch) -> None:
    monkeypatch.setattr(metrics, "_codes", set())
    monkeypatch.setattr(metrics, "MOST_CODES", 1)
    assert [metrics.of_code(code) for code in ("rejected", "expired", "rejected")] == [
        "rejected",
        "other",
        "rejected",
    ]


def test_a_start_does_not_load_what_draws_pictures_on_a_console() -> None:
    """It is half of a start, where something brings it, and no line of ours is drawn with it."""
    code = "import hailgate.asgi, sys; print([name for name in sys.modules if name.startswith('rich')])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
