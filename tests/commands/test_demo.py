"""`hailgate demo` as a visitor has it: real processes, a phone that is answered, and all still there tomorrow."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import HTTPCookieProcessor, Request, build_opener, urlopen

import pytest

PHONE = "15550100042"
PATIENCE_S = 30.0
STOPS_WITHIN_S = 5.0
SAID = "said"
Found = TypeVar("Found")


class Demo:
    """A demo that is ready; `summary` is its `demo.json`."""

    def __init__(self, process: "subprocess.Popen[str]", took: float) -> None:
        self.process, self.took = process, took
        self.summary = json.loads(process.stdout.readline())

    @property
    def number(self) -> str:
        return self.summary["channels"][0]["number"]

    def write(self, text: str) -> None:
        message = {"to": self.number, "message": {"type": "text", "text": {"body": text}}}
        call(f"{self.summary['sim_url']}/_sim/phones/{PHONE}/send", message)

    def chat(self) -> list[dict[str, Any]]:
        return call(f"{self.summary['sim_url']}/_sim/phones/{PHONE}/messages?after=0")

    def answer_with(self, words: str) -> dict[str, Any] | None:
        received = [entry for entry in self.chat() if entry["direction"] == "to_phone"]
        return next((entry for entry in received if words in entry["message"]["text"]["body"]), None)

    def children(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def child(self, words: str) -> int | None:
        named = ((pid, Path(f"/proc/{pid}/cmdline").read_text()) for pid in self.children())
        return next((pid for pid, command in named if words in command), None)


def test_a_visitor_is_answered_and_the_next_start_goes_on(tmp_path, record_property) -> None:
    ports = free_ports()
    with running(tmp_path, *ports) as first:
        first.write("Hello")
        wait_for(lambda: first.answer_with("scripted assistant"))
        accepted = call(f"{first.summary['console_url']}/v1/messages", to_ana("From the API"), first.summary["api_key"])
        assert accepted["status"] == "queued"
        wait_for(lambda: first.answer_with("From the API"))
    with running(tmp_path, *ports) as second:
        assert without_link(second.summary) == without_link(first.summary)
        assert signs_in(second.summary["sign_in_url"])
        assert second.answer_with("From the API")
        second.write("When are you open?")
        wait_for(lambda: second.answer_with("When are you open?"))
    record_property("seconds until ready", {"first start": first.took, "second start": second.took})


def test_the_demo_moves_to_other_ports_with_its_data(tmp_path) -> None:
    with running(tmp_path, *free_ports()) as first:
        key = first.summary["api_key"]
    with running(tmp_path, *free_ports()) as moved:
        assert moved.summary["api_key"] == key
        moved.write("Hello")
        wait_for(lambda: moved.answer_with("scripted assistant"))


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("name", ["demo-server", "hailgate.simulator"])
def test_a_process_that_was_killed_is_started_again(tmp_path, name) -> None:
    with running(tmp_path, *free_ports()) as demo:
        demo.write("Hello")
        killed = demo.child(name)
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: (now := demo.child(name)) and now != killed)
        wait_for(lambda: survives(lambda: demo.answer_with("scripted assistant")))
    assert "killed by SIGKILL" in (tmp_path / SAID).read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_it_stops_cleanly_and_leaves_no_process_behind(tmp_path, number) -> None:
    with running(tmp_path, *free_ports()) as demo:
        children = demo.children()
        asked = time.monotonic()
        demo.process.send_signal(number)
        assert demo.process.wait(PATIENCE_S) == 0
        assert time.monotonic() - asked < STOPS_WITHIN_S
        assert len(children) == 2
        assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []


def test_secrets_are_for_the_owner_alone(tmp_path) -> None:
    with running(tmp_path, *free_ports()):
        modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.rglob("*") if path.is_file()}
    assert {"demo.json", "demo.header", "secret_keys", "hailgate.db", "simulator.db"} <= set(modes)
    assert [name for name, mode in modes.items() if mode and name != SAID] == []


def test_a_taken_port_is_named_before_anything_starts(tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal(hailgate_demo(tmp_path, port, free_ports()[1]), tmp_path)
    assert f"Port {port} is taken by another program: set HAILGATE_PORT" in said
    assert list(tmp_path.glob("*.db")) == []


def test_two_demos_do_not_share_a_folder(tmp_path) -> None:
    with running(tmp_path, *free_ports()):
        assert "A demo runs in" in refusal(hailgate_demo(tmp_path, *free_ports()), tmp_path)


@contextmanager
def running(home: Path, port: int, sim_port: int) -> Iterator[Demo]:
    began = time.monotonic()
    process = hailgate_demo(home, port, sim_port, "--json")
    try:
        yield Demo(process, time.monotonic() - began)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def hailgate_demo(home: Path, port: int, sim_port: int, *options: str) -> "subprocess.Popen[str]":
    settings = {"HAILGATE_HOME": home, "HAILGATE_PORT": port, "HAILGATE_SIM_PORT": sim_port, "HAILGATE_DEBOUNCE_S": 0}
    with (home / SAID).open("w") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "hailgate", "demo", *options],
            env={"PATH": os.environ["PATH"], **{name: str(value) for name, value in settings.items()}},
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )


def refusal(process: "subprocess.Popen[str]", home: Path) -> str:
    """What was said by one that does not start."""
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    return (home / SAID).read_text()


def without_link(summary: dict[str, Any]) -> dict[str, Any]:
    """Each start has a sign-in link of its own."""
    return {name: value for name, value in summary.items() if name != "sign_in_url"}


def signs_in(url: str) -> bool:
    browser = build_opener(HTTPCookieProcessor())
    with browser.open(url, timeout=PATIENCE_S) as page:
        return page.url.endswith("/console/conversations") and b'id="rows"' in page.read()


def to_ana(text: str) -> dict[str, Any]:
    return {"channel": "cloud", "to": f"+{PHONE}", "type": "text", "text": {"body": text}}


def call(url: str, body: Any = None, key: str = "") -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, headers), timeout=PATIENCE_S) as answer:
        return json.load(answer)


def survives(look: Callable[[], Found]) -> Found | None:
    """None while the other side is away."""
    try:
        return look()
    except OSError:
        return None


def wait_for(look: Callable[[], Found]) -> Found:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]
