"""Traces: one span a request, which goes on with the caller's trace and holds nothing of what was asked."""

import asyncio
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.types import Receive, Scope, Send

from budwood.server.exchange import EXCHANGE, Exchange
from budwood.server.tracing import Traced

PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def traced(app: Any, headers: list[tuple[bytes, bytes]]) -> Any:
    """The span of one request to ``app``."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    exchange = Exchange("r1", "GET", 0.0)
    scope: Scope = {"type": "http", "method": "GET", "headers": headers, EXCHANGE: exchange}

    async def nothing(*_: Any) -> Any:
        return None

    async def run() -> None:
        try:
            await Traced(app, provider)(scope, nothing, nothing)
        except ZeroDivisionError:
            return

    asyncio.run(run())
    (span,) = kept.get_finished_spans()
    return span


async def answers(scope: Scope, receive: Receive, send: Send) -> None:
    exchange = scope[EXCHANGE]
    exchange.route, exchange.status, exchange.namespace = "versions.get", 404, "ours"
    exchange.code, exchange.principal = "version_not_found", "mara"


async def crashes(scope: Scope, receive: Receive, send: Send) -> None:
    raise ZeroDivisionError("bw_secret")


def test_a_span_goes_on_with_the_callers_trace() -> None:
    span = traced(answers, [(b"traceparent", PARENT), (b"authorization", b"Bearer bw_x")])
    assert format(span.context.trace_id, "032x") == "0af7651916cd43dd8448eb211c80319c"
    assert format(span.parent.span_id, "016x") == "b7ad6b7169203331"
    assert span.name == "GET versions.get"
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "http.route": "versions.get",
        "http.response.status_code": 404,
        "budwood.namespace": "ours",
        "error.type": "version_not_found",
        "budwood.request_id": "r1",
    }


def test_a_crash_is_an_error_without_its_words() -> None:
    span = traced(crashes, [(b"traceparent", b"nonsense")])
    assert not span.status.is_ok
    assert span.attributes["error.type"] == "ZeroDivisionError"
    assert "secret" not in span.to_json()
