"""Traces: off, they cost nothing and import nothing; on, all spans of a message lie in the trace that its id names."""

import subprocess
import sys
from uuid import UUID

import pytest

from hailgate.core.errors import ConfigurationError
from hailgate.messaging.store.ids import uuid7
from hailgate.telemetry import traces
from hailgate.telemetry.traces import Span, is_traced, open_tracer, tell_span, use_tracer


@pytest.fixture
def told():
    """The spans that are told, as ``(name, message, seconds, facts)``."""
    spans: list[tuple] = []
    use_tracer(
        lambda span: spans.append((span.name, span.message, round(span.ended - span.begun, 3), dict(span.facts)))
    )
    yield spans
    use_tracer(None)


def test_without_a_tracer_nothing_is_told() -> None:
    assert not is_traced()
    tell_span("attempt", uuid7(), 1.0, {})


def test_only_known_facts_are_told(told) -> None:
    uid = uuid7()
    tell_span("attempt", uid, 1.5, {"message": str(uid), "text": "I am ill", "to": "15550100042"})
    assert told == [("attempt", uid, 1.5, {"message": str(uid)})]


def test_nothing_is_imported_where_nobody_asked() -> None:
    code = (
        "import hailgate.asgi, hailgate.telemetry.traces, sys; "
        "print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_extra_is_named_where_it_is_missing(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigurationError, match="the extra `otel`"):
        open_tracer("http://127.0.0.1:4318/v1/traces", "1")


def test_the_spans_of_a_message_share_the_trace_that_its_id_names() -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    uid = UUID("019a0000-0000-7000-8000-0000000000aa")
    tell = traces.teller(provider)
    tell(Span("accept", uid, 100.0, 100.5, {"channel": 7}, ()))
    tell(Span("attempt", uid, 101.0, 103.0, {"attempt": 1, "outcome": "sent"}, ()))
    first, second = kept.get_finished_spans()
    assert {span.context.trace_id for span in (first, second)} == {uid.int}
    assert [span.name for span in (first, second)] == ["accept", "attempt"]
    assert second.end_time - second.start_time == 2_000_000_000
    assert dict(second.attributes) == {"hailgate.attempt": 1, "hailgate.outcome": "sent"}


@pytest.mark.anyio
async def test_an_accepted_message_and_a_webhook_are_told(site, key, channel, told) -> None:
    message = {"channel": "front desk", "to": "+15550100042", "type": "text", "text": {"body": "secret"}}
    accepted = (await site.post("/v1/messages", message, key=key)).json
    [(name, uid, _, facts)] = told
    assert (name, str(uid)) == ("accept", accepted["id"])
    assert facts == {"message": accepted["id"], "channel": channel.id, "tenant": channel.tenant_id}
    assert "15550100042" not in str(told)


def test_a_status_is_told_in_the_trace_of_its_message(channel, told) -> None:
    from hailgate.core.status import Status
    from messaging import acting

    uid = uuid7()
    acting.apply(channel, acting.told(channel, Status.DELIVERED, "wamid.x", tracker=f"{uid}.1"))
    [(name, traced, _, facts)] = told
    assert (name, traced, facts["status"]) == ("status", uid, "delivered")


@pytest.mark.usefixtures("told")
def test_messages_of_one_webhook_are_traces_that_come_from_it(channel) -> None:
    from messaging import acting

    spans: list[Span] = []
    use_tracer(spans.append)
    acting.apply(channel, acting.wrote(channel), acting.wrote(channel, 2))
    first, second = spans
    assert (first.follows, second.follows) == ((), (first.message,))
    assert {row.uid for row in acting.messages(channel.tenant_id)} == {first.message, second.message}
