"""Requests as spans for who collects traces (OpenTelemetry). Imported only where an endpoint is set.

What must stay true: a span says which route was asked and what was answered, and nothing that a client wrote; and a
collector that is away costs nobody an answer: spans wait in a bounded queue, and are dropped behind it.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)

from api.trace_context import TraceContext

_NAME: Final = "dossier"


class RequestSpan:
    """The span of one request."""

    def __init__(self, span: Span) -> None:
        context = span.get_span_context()
        self._span = span
        self.span_id = format_span_id(context.span_id)
        self.trace_id = format_trace_id(context.trace_id)

    def end(self, method: str, route: str, status: int) -> None:
        self._span.update_name(f"{method} {route}".strip())
        self._span.set_attributes(
            {"http.request.method": method, "http.route": route, "http.response.status_code": status}
        )
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class Spans:
    """Begins spans, below the caller's where it named one, and hands them to `processor` when they end."""

    def __init__(self, processor: SpanProcessor, version: str) -> None:
        self._provider = TracerProvider(resource=Resource({SERVICE_NAME: _NAME, SERVICE_VERSION: version}))
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(_NAME, version)

    def begin(self, trace: TraceContext | None) -> RequestSpan:
        below = None if trace is None or trace.parent_id is None else set_span_in_context(_parent(trace))
        return RequestSpan(self._tracer.start_span("request", below, SpanKind.SERVER))

    def close(self) -> None:
        """Hand over what is still waiting."""
        self._provider.shutdown()


def sent_to(endpoint: str) -> SpanProcessor:
    """Sends spans by OTLP over HTTP, some at a time, from a thread of its own."""
    return BatchSpanProcessor(OTLPSpanExporter(endpoint))


def _parent(trace: TraceContext) -> Span:
    return NonRecordingSpan(
        SpanContext(
            int(trace.trace_id, 16),
            int(trace.parent_id or "0", 16),
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED if trace.is_sampled else TraceFlags.DEFAULT),
            trace_state=TraceState.from_header([trace.state]),
        )
    )
