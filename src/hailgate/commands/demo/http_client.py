"""What the demo's processes ask each other over HTTP, with nothing that is slow to import."""

import json
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any, NamedTuple

from hailgate.commands.demo.layout import HOST, Layout, read_document
from hailgate.core.errors import Unavailable

TIMEOUT_S = 5.0
SPEAKS_WITHIN_S = 30.0  # the simulator, from when the product wants to know its providers
LOOK_EVERY_S = 0.05


class HttpAnswer(NamedTuple):
    """`document` is the JSON of a 200, None for every other answer and for none; `refusal` says in words why."""

    document: Any = None
    refusal: str = ""


def is_ready(layout: Layout) -> bool:
    """Both answer, the product with its worker and its database."""
    ports = ((layout.sim_port, "/_sim/state"), (layout.port, "/readyz"))
    return all(_ask(port, "GET", path).document is not None for port, path in ports)


def list_spoken(layout: Layout) -> dict[str, dict[str, Any]]:
    """The providers that the simulator speaks, by name, once it answers. Raises Unavailable."""
    deadline = time.monotonic() + SPEAKS_WITHIN_S
    while (answer := _ask(layout.sim_port, "GET", "/_sim/providers")).document is None:
        if time.monotonic() > deadline:
            raise Unavailable(f"The simulator does not say which providers it speaks. {answer.refusal}".strip())
        time.sleep(LOOK_EVERY_S)
    return {spoken["name"]: spoken for spoken in answer.document}


def register_channels(layout: Layout) -> None:
    """Tell the simulator of our channels, unless it knows them from an earlier start.

    It takes the whole list at once, so a visitor's own channels there outlive every start but one that moved a port.
    Raises Unavailable with the simulator's own sentence.
    """
    wanted = read_document(layout.registration)
    state = _ask(layout.sim_port, "GET", "/_sim/state").document or {"channels": []}
    known = {(channel["number"], channel["webhook_url"]) for channel in state["channels"]}
    if {(channel["number"], channel["webhook_url"]) for channel in wanted} <= known:
        return
    answer = _ask(layout.sim_port, "PUT", "/_sim/channels", json.dumps(wanted).encode())
    if answer.document is None:
        raise Unavailable(f"The simulator did not take the demo's channels. {answer.refusal}".strip())


def _ask(port: int, method: str, path: str, body: bytes | None = None) -> HttpAnswer:
    with closing(HTTPConnection(HOST, port, timeout=TIMEOUT_S)) as line:
        try:
            line.request(method, path, body, {"Content-Type": "application/json"})
            answer = line.getresponse()
            content = answer.read()
        except (OSError, HTTPException):
            return HttpAnswer()
    document = _parsed(content)
    return HttpAnswer(document) if answer.status == 200 else HttpAnswer(refusal=_find_sentence(document))


def _find_sentence(document: Any) -> str:
    """Of problem details (RFC 9457)."""
    return str(document.get("detail", "")) if isinstance(document, dict) else ""


def _parsed(content: bytes) -> Any:
    """A probe may answer in plain words."""
    try:
        return json.loads(content)
    except ValueError:
        return content
