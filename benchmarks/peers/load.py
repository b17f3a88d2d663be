"""Posts prepared requests over keep-alive connections and reports what came back.

    python -m benchmarks.peers.load < job > report        (both are msgpack)

Closed loop: every connection posts as soon as its last answer is in. Paced: at a fixed rate, whatever the answers do,
so that a slow answer does not hide the wait of those behind it. A bare protocol on uvloop: about 15 µs per request.
"""

import asyncio
import math
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import cast

import httptools
import msgspec
import uvloop


class Job(msgspec.Struct, kw_only=True):
    """``rate`` in requests per second makes the load paced. It ends after ``count`` requests or ``seconds``."""

    port: int
    requests: list[bytes]
    connections: int = 64
    count: int | None = None
    seconds: float | None = None
    rate: float | None = None
    keep_answers: bool = False


class Answer(msgspec.Struct):
    """``at`` is when it was complete, on the machine's monotonic clock."""

    at: float
    body: bytes


class Report(msgspec.Struct, kw_only=True):
    """``failed`` counts the other answers by their status; ``answers`` are those that took the request."""

    completed: int
    failed: dict[int, int]
    begun: float
    seconds: float
    p50_ms: float
    p99_ms: float
    answers: list[Answer]

    @property
    def rate(self) -> float:
        return self.completed / self.seconds


class Load:
    def __init__(self, job: Job) -> None:
        self.job = job
        endless = cycle(job.requests)
        self._left: Iterator[bytes] = endless if job.count is None else islice(endless, job.count)
        self._deadline = math.inf
        # Longest idle first: the server ends connections that it hears nothing from, so each has its turn.
        self.idle: deque[Connection] = deque()
        self.late: deque[bytes] = deque()
        self.latencies: list[float] = []
        self.answers: list[Answer] = []
        self.failed: Counter[int] = Counter()
        self.busy = 0
        self.broken = ""
        self.begun = self.ended = 0.0
        self._all_given = job.rate is None
        self._connecting: set[asyncio.Task[None]] = set()
        self.over = asyncio.Event()

    async def run(self) -> Report:
        await asyncio.gather(*(self._connect() for _ in range(self.job.connections)))
        self.begun = time.monotonic()
        self._deadline = self.begun + (self.job.seconds or math.inf)
        if self.job.rate:
            await self._pace(self.job.rate)
        else:
            waiting, self.idle = self.idle, deque()
            for connection in waiting:
                connection.go_on()
        await self.over.wait()
        if self.broken:
            sys.exit(self.broken)
        return self._report()

    def connect_again(self) -> None:
        """For servers that close after each answer."""
        task = asyncio.create_task(self._connect())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.job.port)

    def next_request(self) -> bytes | None:
        if self.late:
            return self.late.popleft()
        if self.job.rate or not self.begun or time.monotonic() >= self._deadline:
            return None
        return next(self._left, None)

    def rest(self, connection: "Connection") -> None:
        self.idle.append(connection)
        self._end_when_done()

    async def _pace(self, rate: float) -> None:
        total = self.job.count if self.job.count is not None else round(rate * (self.job.seconds or 0))
        for place, request in enumerate(islice(cycle(self.job.requests), total)):
            wait = self.begun + place / rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            self.late.append(request)
            if self.idle:
                self.idle.popleft().go_on()
        self._all_given = True
        self._end_when_done()

    def _end_when_done(self) -> None:
        if self.begun and self._all_given and not self.busy and not self.over.is_set():
            self.ended = time.monotonic()
            self.over.set()

    def _report(self) -> Report:
        return Report(
            completed=len(self.latencies),
            failed=self.failed,
            begun=self.begun,
            seconds=self.ended - self.begun,
            p50_ms=quantile(self.latencies, 0.5) * 1000,
            p99_ms=quantile(self.latencies, 0.99) * 1000,
            answers=self.answers,
        )


class Connection(asyncio.Protocol):
    def __init__(self, load: Load) -> None:
        self._load = load
        self._body = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own kind
        self._parser = httptools.HttpResponseParser(self)
        self._awaiting = False
        self.go_on()

    def go_on(self) -> None:
        request = self._load.next_request()
        if request is None:
            self._load.rest(self)
            return
        self._load.busy += 1
        self._body = b""
        self._awaiting = True
        self._sent = time.monotonic()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if self._load.job.keep_answers:
            self._body += body

    def on_message_complete(self) -> None:
        now, load = time.monotonic(), self._load
        load.busy -= 1
        self._awaiting = False
        status = self._parser.get_status_code()
        if status >= 300:
            load.failed[status] += 1
        else:
            load.latencies.append(now - self._sent)
            if load.job.keep_answers:
                load.answers.append(Answer(now, self._body))
        if self._parser.should_keep_alive():
            self.go_on()
        else:
            self._transport.close()
            load.connect_again()

    def connection_lost(self, failed: Exception | None) -> None:
        if self._awaiting:
            self._load.broken = f"the server closed a connection instead of answering ({failed})"
            self._load.over.set()
        elif self in self._load.idle:  # unused for longer than the server keeps one
            self._load.idle.remove(self)
            self._load.connect_again()


def post(path: str, body: bytes, **headers: str) -> bytes:
    """One request, as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def quantile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of all stay under or reach; NaN of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def main() -> None:
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)

    async def run() -> Report:
        return await Load(job).run()

    sys.stdout.buffer.write(msgspec.msgpack.encode(uvloop.run(run())))


if __name__ == "__main__":
    main()
