"""A closed-loop HTTP client: so many connections, each sends its next request when the last was answered.

Written straight on the event loop's transports, because the client shares the machine with what it measures: it
costs about a tenth of what the fastest of our servers needs for a request (`python -m bench --only client` shows it).
Any answer that its caller does not expect ends the run: errors are never counted as throughput.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import uvloop

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_STATUS = slice(9, 12)
_PATIENCE_SECONDS = 30.0


class LoadFailed(Exception):
    """The server closed a connection, or answered what it should not have."""


class Caller(Protocol):
    """One connection's user: says what is sent next and looks at what came back."""

    def request(self) -> bytes:
        """The next request, whole."""

    def take(self, status: int, head: bytes, body: bytes) -> None:
        """Look at the answer; `head` is the status line and the headers. Raises LoadFailed for a wrong one."""


@dataclass(frozen=True)
class Tally:
    """What was answered within the measured time."""

    seconds: float
    latencies: Sequence[float]
    """Seconds from sending to the whole answer, sorted."""
    statuses: Counter[int]

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """Seconds within which that share of the requests was answered."""
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)]


def load(address: tuple[str, int], callers: Sequence[Caller], *, seconds: float, warm_up_seconds: float = 0.5) -> Tally:
    """Let every caller send over a connection of its own. Raises LoadFailed, or OSError when nothing listens."""
    return uvloop.run(_load(address, callers, seconds, warm_up_seconds))


class _Run:
    """The state that all connections of a run share."""

    def __init__(self) -> None:
        self.measuring = False
        self.stopping = False
        self.latencies: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(self, error: Exception) -> None:
        if not self.failure.done():
            self.failure.set_exception(error)


async def _load(address: tuple[str, int], callers: Sequence[Caller], seconds: float, warm_up_seconds: float) -> Tally:
    loop = asyncio.get_running_loop()
    run = _Run()
    connections = [_Connection(run, caller) for caller in callers]
    for connection in connections:
        await loop.create_connection(lambda made=connection: made, *address)  # type: ignore[misc]
    for connection in connections:
        connection.send_next()
    await _pass(run, warm_up_seconds)
    run.measuring, started = True, time.perf_counter()
    await _pass(run, seconds)
    run.measuring, elapsed = False, time.perf_counter() - started
    run.stopping = True
    # What was sent is answered before the next run begins, which must not pay for it.
    await asyncio.wait_for(asyncio.gather(*(connection.closed for connection in connections)), _PATIENCE_SECONDS)
    if not run.latencies:
        raise LoadFailed("nothing was answered within the measured time")
    return Tally(elapsed, sorted(run.latencies), run.statuses)


async def _pass(run: _Run, seconds: float) -> None:
    """Wait so long, unless a connection fails before."""
    done, _ = await asyncio.wait([run.failure], timeout=seconds)
    for failed in done:
        failed.result()


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run, caller: Caller) -> None:
        self._run = run
        self._caller = caller
        self._received = b""
        self._sent_at = 0.0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send_next(self) -> None:
        request = self._caller.request()
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data if self._received else data
        head_end = received.find(_HEAD_END)
        if head_end < 0:
            return
        body_start = head_end + len(_HEAD_END)
        if len(received) < body_start + _content_length(received, head_end):
            return
        now = time.perf_counter()
        self._received = b""
        run = self._run
        status = int(received[_STATUS])
        if run.measuring:
            run.latencies.append(now - self._sent_at)
            run.statuses[status] += 1
        try:
            self._caller.take(status, received[:head_end], received[body_start:])
        except LoadFailed as error:
            run.fail(error)
            return
        if run.stopping:
            self._transport.close()
        else:
            self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        if not self._run.stopping:
            self._run.fail(LoadFailed(f"the server closed a connection: {exc or 'without a word'}"))


def _content_length(received: bytes, head_end: int) -> int:
    """The length of the body; the servers measured here always state it, in this spelling, but for an empty 304."""
    start = received.find(_LENGTH, 0, head_end)
    if start < 0:
        return 0
    end = received.find(b"\r\n", start)
    return int(received[start + len(_LENGTH) : end])
