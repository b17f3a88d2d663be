"""Metrics: every figure that a process tells Prometheus, and the labels that it tells them by."""

import re
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client import PlatformCollector as _Platform
from prometheus_client import ProcessCollector as _Process

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
SOURCES_REFUSED: Final = _counter(
    "sources_refused_total", "Requests refused with 429 for the address they came from: open, failed or sign_in.", "by"
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
FLOODS: Final = _counter(
    "flooded_total", "Messages of people that assistants did not answer, by the rule: contact, group or tenant.", "what"
)
CONSUMED: Final = _counter(
    "consumed_total", "Messages taken from the broker: accepted, repeated, refused or held.", "outcome"
)
PUBLISHED: Final = _counter("published_total", "Messages to the broker: event, letter or returned.", "what")
BROKER_UP: Final = _gauge("broker_up", "1 while this process reads from the broker, or writes to it.", "part")
BROKER_PAUSED: Final = _gauge("broker_paused", "1 while too many messages wait for the queue to be read.")
HELD: Final = _gauge("held_tenants", "Tenants whose messages wait because nobody can say who they are.")
OUTBOX: Final = _gauge("outbox", "Messages to the broker that wait, read from the store.", "state")
TENANT_FETCHES: Final = _counter("tenant_fetches_total", "Calls to the tenant service by outcome.", "outcome")
TENANT_CACHE: Final = _counter("tenant_cache_total", "Look-ups of a tenant: hit, miss or stale.", "outcome")
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
