"""What the supervisor asks its children over HTTP, with nothing that is slow to import."""

import json
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any

from hailgate.commands.demo.layout import HOST, Layout, read_document
from hailgate.core.errors import Unavailable

TIMEOUT_S = 5.0


def is_ready(layout: Layout) -> bool:
    """Both answer, the product with its worker and its database."""
    return _ask(layout.sim_port, "GET", "/_sim/state") is not None and _ask(layout.port, "GET", "/readyz") is not None


def register_channels(layout: Layout) -> None:
    """Tell the simulator of our channels, unless it knows them from an earlier start.

    It takes the whole list at once, so a visitor's own channels there outlive every start but one that moved a port.
    """
    wanted = read_document(layout.registration)
    state = _ask(layout.sim_port, "GET", "/_sim/state") or {"channels": []}
    known = {(channel["number"], channel["webhook_url"]) for channel in state["channels"]}
    if {(channel["number"], channel["webhook_url"]) for channel in wanted} <= known:
        return
    if _ask(layout.sim_port, "PUT", "/_sim/channels", json.dumps(wanted).encode()) is None:
        raise Unavailable("The simulator did not take the demo's channels.")


def _ask(port: int, method: str, path: str, body: bytes | None = None) -> Any:
    """The JSON of a 200; None for every other answer, and for none."""
    with closing(HTTPConnection(HOST, port, timeout=TIMEOUT_S)) as line:
        try:
            line.request(method, path, body, {"Content-Type": "application/json"})
            answer = line.getresponse()
            content = answer.read()
        except (OSError, HTTPException):
            return None
        return _parsed(content) if answer.status == 200 else None


def _parsed(content: bytes) -> Any:
    """A probe may answer in plain words."""
    try:
        return json.loads(content)
    except ValueError:
        return content
