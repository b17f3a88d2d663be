"""What the program tells of itself: log lines with constant names and allow-listed facts, and metrics.

A line is one JSON object. Its ``event`` is a name from ``Event``; its facts are names from ``FACTS``. Whatever else a
caller passes is dropped and counted: no message text, phone number or token reaches a log by accident.
"""

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from enum import StrEnum
from typing import Any, BinaryIO, Final, Literal, Self

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client import PlatformCollector as _Platform
from prometheus_client import ProcessCollector as _Process

Line = MutableMapping[str, Any]


class Event(StrEnum):
    """Every event that is logged, with the sentence that documents it."""

    sentence: str

    def __new__(cls, name: str, sentence: str) -> Self:
        event = str.__new__(cls, name)
        event._value_, event.sentence = name, sentence
        return event

    MESSAGE_RECEIVED = "message.received", "A person's message was stored in its conversation."
    MESSAGE_ACCEPTED = "message.accepted", "A message to send was stored and will be delivered."
    MESSAGE_SENT = "message.sent", "The provider took a message."
    MESSAGE_STATUS = "message.status", "A provider reported how far a message has come."
    MESSAGE_RETRIED = "message.retried", "An attempt failed or was throttled; the message is tried again later."
    MESSAGE_DEAD = "message.dead", "A message will not be tried again by itself; it is a dead letter."
    MESSAGE_CANCELLED = "message.cancelled", "Somebody took back a message before it was sent."
    MESSAGE_UNKNOWN = "message.unknown", "The provider may or may not have taken a message; it is parked."
    CHANNEL_PAUSED = "channel.paused", "A channel sends nothing until somebody resumes it; `code` says why."
    CHANNEL_RESUMED = "channel.resumed", "Somebody let a paused channel send again."
    WEBHOOK_STORED = "webhook.stored", "A provider's webhook was verified and stored."
    WEBHOOK_REJECTED = "webhook.rejected", "A call to a hook was refused: its signature does not hold."
    WEBHOOK_BURIED = "webhook.buried", "A stored webhook could not be understood and was set aside."
    SPOOL_BEGAN = "spool.began", "The database is away: webhooks are kept on disk from now on."
    SPOOL_ENDED = "spool.ended", "Every webhook that was kept on disk is in the database."
    SPOOL_ADOPTED = "spool.adopted", "Webhooks were found on disk that a process left which is gone."
    SPOOL_TORN = "spool.torn", "A file of webhooks ends with a part that is not whole; it was never answered."
    SPOOL_KEPT = (
        "spool.kept",
        "The database refused webhooks that were kept on disk; their file stays, with the ending `refused`.",
    )
    SPOOL_FAILED = "spool.failed", "The disk does not take webhooks, or does not give them back; `error` says why."
    WORKER_STARTED = "worker.started", "A worker registered and claims work."
    WORKER_STOPPED = "worker.stopped", "A worker stopped and gave back what it held."
    WORKER_LOST = "worker.lost", "A worker was declared dead while it ran; it stopped everything at once."
    WORKER_TOOK_OVER = "worker.took_over", "The work of a worker that ended was made ready again."
    STORE_UNAVAILABLE = "store.unavailable", "The database did not answer."
    GATE_ROW_REFUSED = "gate.row_refused", "The database refused one row of a batch; its caller was told."
    TURN_ANSWERED = "turn.answered", "The assistant answered a person, or had nothing to say."
    TURN_FAILED = "turn.failed", "The assistant failed; it is asked again, or a person takes over."
    FILE_FETCHED = "file.fetched", "A file that a person sent was fetched from the provider and stored."
    FILE_UPLOADED = (
        "file.uploaded",
        "A file of a message was given to the provider, for this message and those after it.",
    )
    FILES_REMOVED = "files.removed", "Files that outlived HAILGATE_MEDIA_KEPT_DAYS were removed."
    ORPHANS_REMOVED = (
        "files.orphans_removed",
        "Files of uploads that were killed before they were recorded were removed.",
    )
    FILE_NOT_FETCHED = "file.not_fetched", "An attempt to fetch a file failed; it is tried again, or listed as failed."
    TEMPLATES_LISTED = "templates.listed", "The templates of an account were read from its provider."
    TEMPLATES_NOT_LISTED = "templates.not_listed", "The templates of an account could not be read; tried again later."
    CONVERSATION_HANDED_OVER = "conversation.handed_over", "Somebody else answers a conversation from now on."
    PROVIDER_ERROR = "provider.error", "A provider's adapter failed in a way that it does not know."
    HTTP_FAILED = "http.request_failed", "A request ended in an error of our own; its caller saw a 500."
    HTTP_OVERLOADED = "http.overloaded", "Requests were refused because too many were waiting."
    ALARM_RAISED = "alarm.raised", "Something that an operator must know; `code` says what, `subject` of whom."
    ALARM_CLEARED = "alarm.cleared", "The cause of an alarm is gone."
    ALARM_NOT_TOLD = "alarm.not_told", "A notice of an alarm could not be sent out; it is tried again."
    SERVER_STARTED = "server.started", "The HTTP server accepts connections."
    SERVER_STOPPED = "server.stopped", "The HTTP server closed its last connection."
    SERVER_CUT_OFF = (
        "server.cut_off",
        "A stopping process ended in the middle of its work: its store, or a call, held it longer than it may take.",
    )
    LOOP_FAILED = "loop.failed", "Something that nobody waits for ended in an error."
    LIBRARY_LOGGED = "library.logged", "A library logged something; `at` says where in its code."


FACTS: Final = {
    "at": "module and line of the code that logged or failed",
    "attempt": "number of the attempt, from 1",
    "bind": "address and port of a listener",
    "channel": "id of a channel",
    "code": "stable code of an error",
    "conversation": "id of a conversation",
    "count": "how many",
    "duration_s": "seconds it took",
    "error": "type of an exception",
    "hook": "id of a hook",
    "key": "id of an API key",
    "logger": "name of a library's logger",
    "message": "id of a message",
    "method": "HTTP method",
    "note": "a constant sentence of ours or of the HTTP server",
    "other": "id of another worker",
    "outcome": "what it came to",
    "part": "part of the program",
    "process": "id of the process",
    "provider": "name of a provider",
    "provider_code": "the provider's own code of an error",
    "replies": "how many messages the assistant composed",
    "request_id": "id of the HTTP request, as in X-Request-Id",
    "reviewed": "whether the assistant's answer was kept or dropped",
    "route": "the route's pattern, without its values",
    "size": "bytes",
    "status": "status of a message, or of an HTTP answer",
    "subject": "what an alarm is about: a kind and an id",
    "tenant": "id of a tenant",
    "turn": "id of a turn",
    "version": "version of the program",
    "worker": "id of a worker",
}
# Set by ourselves on every line, whatever the caller passes.
FRAME: Final = ("event", "level", "time")
LONGEST_VALUE: Final = 200
# What every reader of JSON understands exactly.
LARGEST_NUMBER: Final = 2**53

log: Any = structlog.get_logger()


# --- metrics ----------------------------------------------------------------------------------------------------------

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY: Final = CollectorRegistry()
_Process(registry=REGISTRY)
_Platform(registry=REGISTRY)

# A process tells so many channels apart, the first that it meets, and so many codes; all others together.
MOST_CHANNELS: Final = 500
MOST_CODES: Final = 200
OTHER: Final = "other"

# From a fast answer of a provider (50 ms) to the end of its time-out (20 s); beyond: hours of retries.
_SEND_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 20.0)
# From a commit on a good disk (1 ms) to the patience of a provider.
_DOOR_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_WAIT_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 3600.0, 86_400.0)


def _counter(name: str, help_: str, *labels: str) -> Counter:
    return Counter(f"hailgate_{name}", help_, labels, registry=REGISTRY)


def _gauge(name: str, help_: str, *labels: str) -> Gauge:
    return Gauge(f"hailgate_{name}", help_, labels, registry=REGISTRY)


ACCEPTED: Final = _counter(
    "messages_accepted_total", "Messages accepted for delivery, after their commit.", "tenant", "channel"
)
SENT: Final = _counter("messages_sent_total", "Messages that the provider took.", "tenant", "channel")
STATUSES: Final = _counter(
    "message_statuses_total", "What providers told of messages: sent, delivered, read, played, failed.",
    "tenant", "channel", "status",
)  # fmt: skip
RETRIED: Final = _counter("messages_retried_total", "Attempts that failed and are made again.", "tenant", "channel")
DEAD: Final = _counter("messages_dead_total", "Messages given up, by the code of the end.", "tenant", "channel", "code")
PARKED: Final = _counter(
    "messages_parked_total", "Messages parked: the provider may or may not have taken them.", "tenant", "channel"
)
RATE_LIMITED: Final = _counter(
    "rate_limited_total",
    "Sends put off by a limit: the provider's answer, or the recipient's own limit.",
    "tenant", "channel", "by",
)  # fmt: skip
CALLERS_REFUSED: Final = _counter(
    "callers_refused_total", "Requests refused with 429, by tenant and whose limit it was.", "tenant", "by"
)
WEBHOOKS: Final = _counter("webhook_events_total", "Calls to hooks by result.", "result")
WEBHOOK_SECONDS: Final = Histogram(
    "hailgate_webhook_seconds",
    "From a provider's call to its answer, after the commit.",
    registry=REGISTRY,
    buckets=_DOOR_BUCKETS,
)
REJECTED_WEBHOOKS: Final = _counter("rejected_webhooks_total", "Calls to hooks whose signature did not hold.")
FETCHES: Final = _counter("fetches_total", "Attempts to fetch a file that a person sent, by outcome.", "outcome")
MEDIA_BYTES: Final = _counter(
    "media_bytes_total", "Bytes of files: stored, served, fetched, uploaded, removed.", "kind"
)
ATTEMPTS: Final = _counter("attempts_total", "Attempts to send by provider and outcome.", "provider", "outcome")
INGESTED: Final = _counter("ingested_total", "What stored webhooks held, applied for the first time.", "kind")
TURNS: Final = _counter("turns_total", "Turns of assistants by outcome.", "outcome")
TAKEN_OVER: Final = _counter("worker_taken_over_total", "Workers whose work this process took over.")
FORGOTTEN_HEADS: Final = _counter("forgotten_heads_total", "Rows that only the slow sweep made ready; should stay 0.")
ALARMS: Final = _counter("alarms_raised_total", "Alarms raised, by code.", "code")
DROPPED_FACTS: Final = _counter("log_facts_dropped_total", "Facts that callers passed and no log line may carry.")
SEND_SECONDS: Final = Histogram(
    "hailgate_send_seconds", "One call to a provider.", ("provider",), registry=REGISTRY, buckets=_SEND_BUCKETS
)
ACCEPT_TO_SEND_SECONDS: Final = Histogram(
    "hailgate_accept_to_send_seconds",
    "From a message's acceptance to its provider's answer.",
    registry=REGISTRY,
    buckets=_WAIT_BUCKETS,
)
WORK_ROWS: Final = _gauge("work_rows", "Work rows by kind and state, read from the store.", "kind", "state")
OLDEST_READY: Final = _gauge("oldest_ready_seconds", "Age of the oldest row that could run now, read from the store.")
QUEUE_DEPTH: Final = _gauge(
    "queue_depth", "Deliveries by where they stand, read from the store.", "tenant", "channel", "state"
)
QUEUE_OLDEST: Final = _gauge(
    "queue_oldest_seconds",
    "How long the oldest delivery waits that is still to be sent, whatever holds it; read from the store.",
    "tenant", "channel",
)  # fmt: skip
BREAKER: Final = _gauge(
    "breaker_state", "Breaker of a channel: 0 closed, 1 probing, 2 open; read from the store.", "tenant", "channel"
)
PAUSED: Final = _gauge(
    "channel_paused", "1 where a channel sends nothing until somebody resumes it.", "tenant", "channel"
)
PENDING_WEBHOOKS: Final = _gauge("webhooks_pending", "Stored webhooks not yet understood, read from the store.")
OLDEST_WEBHOOK: Final = _gauge(
    "webhooks_oldest_pending_seconds", "Age of the oldest stored webhook not yet understood, read from the store."
)
STANDING_ALARMS: Final = _gauge("alarms_standing", "Alarms that stand, read from the store.", "code")
STORE_UP: Final = _gauge("store_up", "1 where the database answered when its figures were last wanted.")
SPOOLED: Final = _counter(
    "webhooks_spooled_total", "Webhooks that were kept on disk because the database was away, or behind such."
)
SPOOL_WEBHOOKS: Final = _gauge("spool_webhooks", "Webhooks on disk that are still to be brought to the database.")
SPOOL_BYTES: Final = _gauge("spool_bytes", "Their size on disk.")
SPOOL_FAILING: Final = _gauge("spool_failing", "1 where the disk did not take the last webhook, or the last trial.")
GATE_WAITING: Final = _gauge("gate_waiting", "Callers that wait for a commit.", "gate")


_channels: dict[tuple[int, int], dict[str, str]] = {}
_tenants: set[int] = set()
_codes: set[str] = set()
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,59}")


def of_channel(tenant_id: int, channel_id: int) -> dict[str, str]:
    """The labels of a channel: ids, as in log lines. A name is its owner's words, and may be a phone number."""
    place = (tenant_id, channel_id)
    if place not in _channels:
        if len(_channels) >= MOST_CHANNELS:
            return {"tenant": OTHER, "channel": OTHER}
        _channels[place] = {"tenant": str(tenant_id), "channel": str(channel_id)}
    return _channels[place]


def of_tenant(tenant_id: int) -> str:
    """The label of a tenant, of as many as there may be channels."""
    if tenant_id not in _tenants:
        if len(_tenants) >= MOST_CHANNELS:
            return OTHER
        _tenants.add(tenant_id)
    return str(tenant_id)


def of_code(code: str) -> str:
    """The label of a code: one of ours, or a plug-in's if it looks like a code and there are not too many."""
    if code not in _codes:
        if len(_codes) >= MOST_CODES or not _CODE.fullmatch(code):
            return OTHER
        _codes.add(code)
    return code


def render_metrics() -> bytes:
    """Prometheus' text format."""
    return generate_latest(REGISTRY)


# --- logs -------------------------------------------------------------------------------------------------------------


def configure_logging(level: str, form: Literal["json", "text"], stream: BinaryIO | None = None) -> None:
    """Called once by a composition root; every line goes to ``stream``, by default standard error."""
    rank = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            keep_facts,
            _render_json if form == "json" else _render_text,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(rank),
        logger_factory=structlog.BytesLoggerFactory(stream or sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    _adopt_libraries(rank)


def keep_facts(_logger: Any, _method: str, line: Line) -> Line:
    """The wall between the program and its logs: known names pass, with short plain values; the rest is counted."""
    kept = {name: line[name] for name in FRAME if name in line}
    for name, value in line.items():
        if name in FACTS:
            kept[name] = _plain(value)
        elif name not in FRAME:
            DROPPED_FACTS.inc()
    return kept


def where(failed: BaseException) -> str:
    """The innermost place of an exception, which says much and quotes nothing."""
    frames = traceback.extract_tb(failed.__traceback__)
    return f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""


class LibraryLog(logging.Handler):
    """Lines of libraries, without their texts: those may quote an address, a URL or a value of a row."""

    def emit(self, record: logging.LogRecord) -> None:
        facts: dict[str, Any] = {"logger": record.name, "at": f"{record.module}:{record.lineno}"}
        if record.name.startswith("uvicorn"):
            facts["note"] = str(record.msg)
        if record.exc_info and record.exc_info[1]:
            facts["error"] = type(record.exc_info[1]).__name__
            facts["at"] = where(record.exc_info[1])
        log.log(record.levelno, Event.LIBRARY_LOGGED, **facts)


# These name every URL or every connection at "info".
_TALKATIVE = ("aiohttp", "asyncio", "httpx", "urllib3", "uvicorn")


def _adopt_libraries(rank: int) -> None:
    logging.basicConfig(level=rank, handlers=[LibraryLog()], force=True)
    logging.raiseExceptions = False
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(rank, logging.WARNING))


def _plain(value: Any) -> Any:
    if isinstance(value, float | None) or (isinstance(value, int) and abs(value) < LARGEST_NUMBER):
        return value
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


_encode = msgspec.json.Encoder().encode


def _render_json(_logger: Any, _method: str, line: Line) -> bytes:
    try:
        return _encode(line)
    except UnicodeEncodeError:  # a lone surrogate, for which JSON in UTF-8 has no place
        return _encode({name: _sound(value) for name, value in line.items()})


def _render_text(_logger: Any, _method: str, line: Line) -> bytes:
    time, level, event = line.pop("time"), line.pop("level"), line.pop("event")
    facts = " ".join(f"{name}={_visible(value)}" for name, value in line.items())
    return f"{time} {level:<7} {event} {facts}".rstrip().encode()


def _sound(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _visible(value: Any) -> str:
    """No line break and no terminal escape gets out of a value."""
    text = str(value)
    return text if text.isprintable() and " " not in text else ascii(text)
