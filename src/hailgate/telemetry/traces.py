"""Traces, where somebody asked for them. Nothing is imported and nothing is done otherwise.

The trace of a message is its id: 128 bits that every process knows, whoever accepts, sends or hears of it, so no
context has to travel through the store. What a person writes has the id of the webhook that told it, and with it its
trace; an assistant's answer is a trace that is linked to what it answers. Spans are told when they are over, with ids
and codes as their facts, as in log lines.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from hailgate.core.errors import ConfigurationError
from hailgate.telemetry.events import FACTS

Facts = Mapping[str, object]


class Span(NamedTuple):
    """A part of a message's way that is over. ``follows`` are the traces that it comes from."""

    name: str
    message: UUID
    begun: float
    ended: float
    facts: Facts
    follows: Sequence[UUID]


Tell = Callable[[Span], None]

_tell: Tell | None = None
_HALF: Final = (1 << 64) - 1


def use_tracer(tell: Tell | None) -> None:
    """Called by the composition root; None ends it."""
    global _tell  # noqa: PLW0603 -- one process tells one place
    _tell = tell


def is_traced() -> bool:
    """Asked before anything is put together for a span."""
    return _tell is not None


def tell_span(
    name: str,
    message: UUID,
    seconds: float,
    facts: Facts,
    *,
    ended_ago: float = 0.0,
    follows: Sequence[UUID] = (),
) -> None:
    """A part of a message's way that is over, ``ended_ago`` seconds ago; ``follows`` are the traces it comes from."""
    if _tell is not None:
        ended = time.time() - ended_ago
        known = {k: v for k, v in facts.items() if k in FACTS}
        _tell(Span(name, message, ended - max(0.0, seconds), ended, known, follows))


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
        raise ConfigurationError(
            ["HAILGATE_TRACES_URL needs OpenTelemetry, the extra `otel`: `make install` brings it"]
        ) from None
    provider = TracerProvider(resource=Resource({"service.name": "hailgate", "service.version": version}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    return teller(provider), provider.shutdown


def teller(provider: Any) -> Tell:
    """Through an SDK's provider of tracers."""
    from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    tracer = provider.get_tracer("hailgate")

    def root_of(message: UUID) -> SpanContext:
        sampled = TraceFlags(TraceFlags.SAMPLED)
        return SpanContext(message.int, message.int & _HALF, is_remote=True, trace_flags=sampled)

    def tell(span: Span) -> None:
        whole = set_span_in_context(NonRecordingSpan(root_of(span.message)))
        attributes: Any = {f"hailgate.{fact}": value for fact, value in span.facts.items()}
        links = [Link(root_of(other)) for other in span.follows]
        begun = int(span.begun * 1e9)
        told = tracer.start_span(span.name, context=whole, start_time=begun, attributes=attributes, links=links)
        told.end(int(span.ended * 1e9))

    return tell
