"""The process that `make demo` is: it starts the others, says when they answer, and looks after them."""

import fcntl
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from hailgate.commands.demo.children import Child
from hailgate.commands.demo.guide import tell_guide
from hailgate.commands.demo.http_client import is_ready, register_channels
from hailgate.commands.demo.layout import HOST, Layout, read_document
from hailgate.commands.output import print_note, tell
from hailgate.core.errors import ConfigurationError

READY_WITHIN_S = 60.0  # the first start of all, on a slow machine
LOOK_EVERY_S = 0.03
WATCH_EVERY_S = 0.2
SERVER_ENDS_WITHIN_S = 3.0
SIMULATOR_ENDS_WITHIN_S = 1.5


def run_demo(layout: Layout, *, as_json: bool) -> int:
    """Until SIGTERM or Ctrl-C. Raises ConfigurationError where a port or the folder is taken."""
    began = time.monotonic()
    os.umask(0o077)  # the files of all its processes hold what people write
    with _alone(layout), _stopping() as stop:
        _check_ports(layout)
        simulator = Child("simulator", ["-m", "hailgate.simulator", *_simulator_options(layout)], layout)
        server = Child("server", ["-m", "hailgate", "demo-server"], layout)
        try:
            simulator.start()
            server.start()
            if not _wait_until_ready(layout, (simulator, server), stop):
                return 0 if stop.is_set() else 1
            register_channels(layout)
            _announce(layout, time.monotonic() - began, as_json=as_json)
            _watch(layout, (simulator, server), stop)
        finally:
            server.end(SERVER_ENDS_WITHIN_S)
            simulator.end(SIMULATOR_ENDS_WITHIN_S)
    print_note("Stopped. The next start goes on where this one ended.")
    return 0


def _simulator_options(layout: Layout) -> list[str]:
    return ["--host", HOST, "--port", str(layout.sim_port), "--home", str(layout.home / "simulator")]


def _wait_until_ready(layout: Layout, children: tuple[Child, ...], stop: Event) -> bool:
    deadline = time.monotonic() + READY_WITHIN_S
    while not is_ready(layout):
        for child in children:
            if death := child.find_death():
                print_note(f"The {child.name} did not start ({death}). It said:\n\n{child.last_words()}")
                return False
        if time.monotonic() > deadline:
            print_note(f"Not ready within {READY_WITHIN_S:g} s. What was said is in {layout.log_folder}.")
            return False
        if stop.wait(LOOK_EVERY_S):
            return False
    return True


def _announce(layout: Layout, took: float, *, as_json: bool) -> None:
    summary = read_document(layout.summary)
    tell(summary, tell_guide(layout, summary, took), as_json=as_json)


def _watch(layout: Layout, children: tuple[Child, ...], stop: Event) -> None:
    """Start again what died, after a pause that grows, and say when all is well again."""
    mending = False
    while not stop.wait(WATCH_EVERY_S):
        for child in children:
            if death := child.find_death():
                print_note(f"The {child.name} ended ({death}) and is started again; its log: {child.log}")
                mending = True
            if child.is_due():
                child.start()
        if mending and is_ready(layout):
            print_note("Everything answers again.")
            mending = False


@contextmanager
def _stopping() -> Iterator[Event]:
    """An event that SIGTERM, SIGHUP and Ctrl-C set."""
    stop = Event()
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    former = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """One demo in one folder: two would hand the same channels to different ports."""
    layout.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(layout.home / "demo.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ConfigurationError([f"A demo runs in {layout.home} already; end it, or set HAILGATE_HOME."]) from None
    else:
        yield
    finally:
        os.close(descriptor)


def _check_ports(layout: Layout) -> None:
    if layout.port == layout.sim_port:
        raise ConfigurationError(["HAILGATE_PORT and HAILGATE_SIM_PORT must differ."])
    ports = {"HAILGATE_PORT": layout.port, "HAILGATE_SIM_PORT": layout.sim_port}
    taken = [(name, port) for name, port in ports.items() if _is_taken(port)]
    if taken:
        raise ConfigurationError(
            [
                f"Port {port} is taken by another program: set {name}, for example {name}={port + 10}."
                for name, port in taken
            ]
        )


def _is_taken(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError:
            return True
    return False
