"""Requests as spans: below the caller's, with what was asked and answered, and sent to who collects them."""

from __future__ import annotations

import asyncio
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.requests import Request

from api.accounts import Accounts
from api.counts import Counts
from api.spans import Spans, sent_to
from tests.api.test_trace_context import SPAN, TRACE


class _Route:
    path = "/v1/customers/{customer_id}"


def _answered(spans: Spans, status: int, **headers: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Account for one request; the headers that it is answered with, and the line of the log."""
    lines: list[dict[str, Any]] = []

    async def answer() -> dict[str, str]:
        accounts = Accounts(Counts(), lines.append, request_seconds=60, begin_span=spans.begin)
        stated = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": "GET", "path": "/v1/customers/17", "headers": stated, "route": _Route}
        account = accounts.open(Request(scope))
        told = {name.decode(): value.decode() for name, value in account.headers}
        accounts.close(account, scope, status)
        return told

    return asyncio.run(answer()), lines[0]


def _ended(exporter: InMemorySpanExporter) -> ReadableSpan:
    (span,) = exporter.get_finished_spans()
    exporter.clear()
    return span


def test_a_span_is_below_the_callers() -> None:
    exporter = InMemorySpanExporter()
    spans = Spans(SimpleSpanProcessor(exporter), "1")
    told, line = _answered(spans, 200, traceparent=f"00-{TRACE}-{SPAN}-01", tracestate="a=1")
    span = _ended(exporter)
    assert span.parent is not None
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    assert span.name == "GET /v1/customers/{customer_id}"
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/v1/customers/{customer_id}",
        "http.response.status_code": 200,
    }
    assert span.context is not None
    assert told["traceparent"] == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert line["trace_id"] == TRACE


def test_without_a_caller_a_trace_begins_and_a_fault_is_an_error() -> None:
    exporter = InMemorySpanExporter()
    spans = Spans(SimpleSpanProcessor(exporter), "1")
    told, line = _answered(spans, 503)
    span = _ended(exporter)
    assert (span.parent, span.status.is_ok) == (None, False)
    assert span.context is not None
    assert line["trace_id"] == f"{span.context.trace_id:032x}"
    assert "traceparent" not in told


def test_what_the_caller_does_not_sample_is_not_collected() -> None:
    exporter = InMemorySpanExporter()
    told, _ = _answered(Spans(SimpleSpanProcessor(exporter), "1"), 200, traceparent=f"00-{TRACE}-{SPAN}-00")
    assert exporter.get_finished_spans() == ()
    assert told["traceparent"].startswith(f"00-{TRACE}-")


def test_spans_are_sent_by_otlp() -> None:
    sent: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        spans = Spans(sent_to(f"http://127.0.0.1:{server.server_port}/v1/traces"), "1")
        _answered(spans, 200)
        spans.close()
        server.shutdown()
    (request,) = map(ExportTraceServiceRequest.FromString, sent)
    (span,) = request.resource_spans[0].scope_spans[0].spans
    assert span.name == "GET /v1/customers/{customer_id}"
