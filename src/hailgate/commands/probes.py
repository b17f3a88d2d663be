"""Does the other side answer? Small handshakes with what an installation leans on."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import SplitResult, unquote

from hailgate.core.urls import find_parts

TIMEOUT_S = 3.0
AMQP_HEADER = b"AMQP\x00\x00\x09\x01"
METHOD_FRAME = 1


class Unwell(Exception):  # noqa: N818 - it reads as what happened
    """A sentence for a person. It never holds the address or the password."""


class Door(NamedTuple):
    """How a scheme is spoken: its usual port, and whether inside TLS."""

    port: int
    tls: bool


DOORS = {
    "redis": Door(6379, tls=False),
    "rediss": Door(6379, tls=True),
    "amqp": Door(5672, tls=False),
    "amqps": Door(5671, tls=True),
}


def ping_redis(url: str) -> None:
    """Raises Unwell unless Redis lets us in and answers PING."""
    parts = _split(url)
    with _connection(parts) as line:
        if parts.password:
            names = [unquote(part) for part in (parts.username, parts.password) if part]
            _expect(_command(line, "AUTH", *names), b"+OK", "Redis refuses the password")
        _expect(_command(line, "PING"), b"+PONG", "Redis answers, but not to PING")


def greet_rabbitmq(url: str) -> None:
    """Raises Unwell unless an AMQP 0-9-1 broker greets us."""
    with _connection(_split(url)) as line:
        line.sendall(AMQP_HEADER)
        if line.recv(1)[:1] != bytes([METHOD_FRAME]):
            raise Unwell("Something answers there, but it is no AMQP 0-9-1 broker")


def _split(url: str) -> SplitResult:
    if (parts := find_parts(url)) is None:
        raise Unwell("No connection: the URL has no sound host or port")
    return parts


@contextmanager
def _connection(parts: SplitResult) -> Iterator[socket.socket]:
    door = DOORS.get(parts.scheme)
    if door is None:
        raise Unwell(f"The URL must begin with {' or '.join(f'{scheme}://' for scheme in DOORS)}")
    try:
        with socket.create_connection((parts.hostname or "localhost", parts.port or door.port), TIMEOUT_S) as plain:
            context = ssl.create_default_context() if door.tls else None
            yield context.wrap_socket(plain, server_hostname=parts.hostname) if context else plain
    except TimeoutError:
        raise Unwell(f"No answer within {TIMEOUT_S:g} s") from None
    except ssl.SSLError as failed:
        raise Unwell(f"No secure connection: {failed.reason}") from None
    except (OSError, ValueError) as failed:
        reason = failed.strerror if isinstance(failed, OSError) and failed.strerror else type(failed).__name__
        raise Unwell(f"No connection: {reason}") from None


def _command(line: socket.socket, *words: str) -> bytes:
    """One command in Redis's own protocol; its first bytes of answer."""
    encoded = [word.encode() for word in words]
    parts = [b"*%d" % len(encoded), *(b"$%d\r\n%s" % (len(word), word) for word in encoded)]
    line.sendall(b"\r\n".join(parts) + b"\r\n")
    return line.recv(256)


def _expect(answer: bytes, wanted: bytes, sentence: str) -> None:
    if answer.startswith(b"-NOAUTH"):
        raise Unwell("Redis asks for a password")
    if not answer.startswith(wanted):
        raise Unwell(sentence)
