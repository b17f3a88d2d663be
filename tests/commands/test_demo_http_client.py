"""What the demo says when the simulator refuses, and which providers it takes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from hailgate.commands.demo.http_client import list_spoken, register_channels
from hailgate.commands.demo.layout import Layout
from hailgate.core.errors import Unavailable

WANTED = [{"provider": "pigeon", "number": "15550100000", "webhook_url": "http://x/"}]


@contextmanager
def simulator(*answers: tuple[int, object]) -> Iterator[int]:
    """Gives these answers one after the other; yields its port."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            status, document = left.pop(0)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        do_PUT = do_GET  # noqa: N815 - the name that the server calls

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def test_the_simulators_own_sentence_is_kept(tmp_path) -> None:
    sentence = "`provider` of 15550100000 is 'pigeon'; the simulator speaks: cloud."
    (tmp_path / "demo-simulator.json").write_text(json.dumps(WANTED))
    with simulator((200, {"channels": []}), (422, {"detail": sentence})) as port, pytest.raises(Unavailable) as refused:
        register_channels(Layout(tmp_path, 1, port))
    assert str(refused.value) == f"The simulator did not take the demo's channels. {sentence}"


def test_channels_that_it_knows_are_not_put_again(tmp_path) -> None:
    (tmp_path / "demo-simulator.json").write_text(json.dumps(WANTED))
    with simulator((200, {"channels": WANTED})) as port:
        register_channels(Layout(tmp_path, 1, port))


def test_a_simulator_that_starts_later_is_waited_for(tmp_path) -> None:
    with simulator((503, {}), (200, [{"name": "cloud", "api_url": "http://x"}])) as port:
        assert list_spoken(Layout(tmp_path, 1, port)) == {"cloud": {"name": "cloud", "api_url": "http://x"}}
