"""A span for each request, by OpenTelemetry, when the extra is installed and tracing was asked for.

It stands between the guard and the application. A request that brings a ``traceparent`` goes on with that trace. Spans
say the route, the namespace, the status and the code; no address, name or value is in them. Where they go is for the
library's own settings (``OTEL_EXPORTER_OTLP_ENDPOINT`` and its like).
"""

from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from budwood.errors import FrameworkMissing
from budwood.server.exchange import Exchange, exchange_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

NAME: Final = "budwood"
_CARRIED: Final = ("traceparent", "tracestate")


def provider(version: str) -> "TracerProvider":
    """Sends spans where the library's settings say. Raises FrameworkMissing."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise FrameworkMissing("Traces need OpenTelemetry.", hint="pip install 'budwood[otel]'") from error
    made = TracerProvider(resource=Resource.create({"service.name": NAME, "service.version": version}))
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


class Traced:
    """The application with a span around each request."""

    def __init__(self, app: ASGIApp, spans: "TracerProvider") -> None:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._app = app
        self._tracer = spans.get_tracer(NAME)
        self._server = SpanKind.SERVER
        self._context = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        carried = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        context = self._context.extract({key: carried[key] for key in _CARRIED if key in carried})
        span = self._tracer.start_span(scope["method"], context, kind=self._server)
        try:
            await self._app(scope, receive, send)
        except BaseException as crash:
            exchange.crash = exchange.crash or crash
            raise
        finally:
            _describe(span, exchange)
            span.end()


def _describe(span: "Span", exchange: Exchange) -> None:
    from opentelemetry.trace import StatusCode

    span.update_name(f"{exchange.method} {exchange.route}" if exchange.route else exchange.method)
    said: dict[str, str | int] = {
        "http.request.method": exchange.method,
        "http.route": exchange.route,
        "http.response.status_code": exchange.status,
        "budwood.namespace": exchange.namespace,
        "error.type": exchange.code or (type(exchange.crash).__name__ if exchange.crash else ""),
        "budwood.request_id": exchange.request_id,
    }
    span.set_attributes({key: value for key, value in said.items() if value})
    if exchange.crash is not None or exchange.status >= 500:
        span.set_status(StatusCode.ERROR)
