"""The log of requests: a line of JSON for each, in the form of all our lines, written by a thread of its own.

The usual way of a line costs as much as a tenth of a read, and whoever reads our standard error may be slow. What must
stay true: a request never waits for the log; what cannot be written in time is dropped and counted; and a line holds
ids, names of routes and numbers: no path, no query, no header but the caller's own id of the request, no body.
"""

from __future__ import annotations

import select
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import orjson

_MOST_LINES: Final = 20_000
_OPTIONS: Final = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


class RequestLog:
    """`write` is given whole lines, and may block. Lines taken come out after `flush`, or when it is stopped."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._lines: deque[bytes] = deque()
        self._wake = threading.Event()
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self.dropped = 0

    def start(self) -> None:
        self._thread.start()

    def take(self, members: dict[str, Any]) -> None:
        """One line; "event", "level" and "timestamp" are added to its members."""
        if len(self._lines) >= _MOST_LINES:
            self.dropped += 1
            return
        members |= {"event": "request", "level": "info", "timestamp": datetime.now(UTC)}
        self._lines.append(orjson.dumps(members, option=_OPTIONS))

    def flush(self) -> None:
        """Have written what there is; does not wait for it."""
        if self._lines:
            self._wake.set()

    def stop(self, patience_seconds: float = 1.0) -> None:
        self._is_ending = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(patience_seconds)

    def _run(self) -> None:
        while not self._is_ending or self._lines:
            self._wake.wait()
            if not self._is_ending:
                self._wake.clear()
            while self._lines:
                self._write(self._next())

    def _next(self) -> bytes:
        """Some lines, as many as reach a pipe in one piece: other processes write into it, too."""
        size = 0
        some: list[bytes] = []
        while self._lines and (not some or size + len(self._lines[0]) <= select.PIPE_BUF):
            some.append(self._lines.popleft())
            size += len(some[-1])
        return b"".join(some)
