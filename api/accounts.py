"""What is kept of each request while it is answered: who asked under which id, since when, and what came of it.

Every request has an account, opened before it is looked at and closed when it is answered: counted, and told to the
log. It is in the request's scope, and its id in a context variable, for lines that are logged on the way.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import Scope

from api import trace_context
from api.counts import UNMATCHED, Counts
from api.trace_context import REQUEST_ID, TraceContext

SCOPE_KEY: Final = "dossier.account"

_WELL_FORMED_ID: Final = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}")

_PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked by machines every few seconds, and told of only when they are refused."""


class Span(Protocol):
    """What is told of a request to who collects traces."""

    span_id: str
    trace_id: str

    def end(self, method: str, route: str, status: int) -> None: ...


BeginSpan = Callable[[TraceContext | None], Span]


class Account:
    """`stated_id` is the request's id where the caller gave it one that is well-formed; else one is made.

    `trace` is None where the caller named none. `task` answers the request.
    """

    __slots__ = (
        "began",
        "is_overdue",
        "principal",
        "problem",
        "request_id",
        "rule",
        "span",
        "stated_id",
        "task",
        "trace",
    )

    def __init__(self, headers: Headers) -> None:
        self.began = time.perf_counter()
        stated = headers.get("x-request-id")
        self.stated_id = stated if stated is not None and _WELL_FORMED_ID.fullmatch(stated) else None
        self.trace = _trace_of(headers) if "traceparent" in headers else None
        self.request_id = self.stated_id or trace_context.new_trace_id()
        self.principal: str | None = None
        self.problem = self.rule = ""
        self.is_overdue = False
        self.span: Span | None = None
        self.task: asyncio.Task[Any] | None = asyncio.current_task()

    @property
    def stated_trace_id(self) -> str | None:
        """The trace that the caller named."""
        return None if self.trace is None or self.trace.parent_id is None else self.trace.trace_id

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the answer says of it: its id, and to who named a trace, our span in it."""
        told = [(b"x-request-id", self.request_id.encode())]
        if self.trace is not None:
            span_id = trace_context.new_span_id() if self.span is None else self.span.span_id
            told.append((b"traceparent", self.trace.parent(span_id).encode()))
            if self.trace.state:
                told.append((b"tracestate", self.trace.state.encode()))
        return told


def _trace_of(headers: Headers) -> TraceContext:
    """The trace that the caller names, or one that begins here where that is none."""
    found = trace_context.read(headers.getlist("traceparent"), headers.getlist("tracestate"))
    return found or TraceContext(trace_context.new_trace_id())


class Accounts:
    """The accounts of one process. One event loop at a time.

    `request_seconds` is how long a request may take until its answer begins; one that takes longer is cancelled.
    """

    def __init__(
        self,
        counts: Counts,
        tell: Callable[[dict[str, Any]], object] | None,
        *,
        request_seconds: float,
        begin_span: BeginSpan | None = None,
    ) -> None:
        self._counts = counts
        self._tell = tell
        self._request_seconds = request_seconds
        self._begin_span = begin_span
        self._under_way: dict[Account, None] = {}

    def open(self, request: Request) -> Account:
        """To be closed, once; called in the task that answers the request."""
        account = Account(request.headers)
        request.scope[SCOPE_KEY] = account
        REQUEST_ID.set(account.request_id)
        if self._begin_span is not None:
            account.span = self._begin_span(account.trace)
        self._under_way[account] = None
        return account

    def answering(self, account: Account) -> None:
        """The answer begins: from now on the request takes as long as the reader of the answer does."""
        self._under_way.pop(account, None)

    def close(self, account: Account, scope: Scope, status: int) -> None:
        self._under_way.pop(account, None)
        seconds = time.perf_counter() - account.began
        route: str = getattr(scope.get("route"), "path", UNMATCHED)
        method: str = scope["method"] if route != UNMATCHED else ""
        self._counts.answered(method, route, status, seconds)
        if account.problem:
            self._counts.refused(account.problem, account.rule)
        if account.span is not None:
            account.span.end(method, route, status)
        if self._tell is not None and (route not in _PROBES or account.problem):
            self._tell(_told(account, scope, route, status, seconds))

    def cut_overdue(self) -> None:
        """Call it often: has those that take too long cancelled; they are in the order in which they began."""
        before = time.perf_counter() - self._request_seconds
        for account in self._under_way:
            if account.began > before:
                return
            if not account.is_overdue and account.task is not None:
                account.is_overdue = True
                account.task.cancel()


def account_of(scope: Scope) -> Account | None:
    """The account of a request; None where nobody keeps one."""
    account: Account | None = scope.get(SCOPE_KEY)
    return account


def _told(account: Account, scope: Scope, route: str, status: int, seconds: float) -> dict[str, Any]:
    told = {
        "request_id": account.request_id,
        "principal": account.principal,
        "method": scope["method"],
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 2),
    }
    if (trace := account.span or account.trace) is not None:
        told["trace_id"] = trace.trace_id
    if account.problem:
        told["problem"] = account.problem
    return told
