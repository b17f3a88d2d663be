"""Traces, where somebody asked for them. Nothing is imported and nothing is done otherwise.

The trace of a message is its id: 128 bits that every process knows, whoever accepts, sends or hears of it, so no
context has to travel through the store. Spans are told when they are over, with ids and codes as their facts, as in
log lines.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from hailgate.core.errors import ConfigurationError
from hailgate.telemetry import FACTS

Facts = Mapping[str, object]
Tell = Callable[[str, UUID, float, float, Facts], None]

_tell: Tell | None = None
_HALF: Final = (1 << 64) - 1


def use_tracer(tell: Tell | None) -> None:
    """Called by the composition root; None ends it."""
    global _tell  # noqa: PLW0603 -- one process tells one place
    _tell = tell


def is_traced() -> bool:
    """Asked before anything is put together for a span."""
    return _tell is not None


def tell_span(name: str, message: UUID, seconds: float, facts: Facts, *, ended_ago: float = 0.0) -> None:
    """A part of a message's way that is over, ``ended_ago`` seconds ago."""
    if _tell is not None:
        ended = time.time() - ended_ago
        _tell(name, message, ended - max(0.0, seconds), ended, {k: v for k, v in facts.items() if k in FACTS})


def open_tracer(url: str, version: str) -> tuple[Tell, Callable[[], None]]:
    """Spans go to an OTLP collector over HTTP, in batches, from a thread of their own; and the function that ends it.

    Raises ConfigurationError where the extra is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise ConfigurationError(["HAILGATE_TRACES_URL needs OpenTelemetry: pip install 'hailgate[otel]'"]) from None
    provider = TracerProvider(resource=Resource({"service.name": "hailgate", "service.version": version}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    return teller(provider), provider.shutdown


def teller(provider: Any) -> Tell:
    """Through an SDK's provider of tracers."""
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    tracer = provider.get_tracer("hailgate")

    def tell(name: str, message: UUID, begun: float, ended: float, facts: Facts) -> None:
        root = SpanContext(message.int, message.int & _HALF, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        whole = set_span_in_context(NonRecordingSpan(root))
        attributes: Any = {f"hailgate.{fact}": value for fact, value in facts.items()}
        span = tracer.start_span(name, context=whole, start_time=int(begun * 1e9), attributes=attributes)
        span.end(int(ended * 1e9))

    return tell
