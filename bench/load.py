"""A closed-loop HTTP client: so many connections, each sends its next request when the last was answered.

Written straight on the event loop's transports, because the client shares the machine with what it measures; what it
could send at most is measured beside every figure of B1 and B2 (see `exchange`). Any answer that its caller does not
expect ends the run: errors are never counted as throughput.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

import uvloop

from cli.processes import allow_many_files

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_STATUS = slice(9, 12)
_PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_WARM_UP_SECONDS = 0.5


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


def load(address: tuple[str, int], callers: Sequence[Caller], *, seconds: float) -> Tally:
    """Let every caller send over a connection of its own. Raises LoadFailed, or OSError when nothing listens."""
    allow_many_files()
    return uvloop.run(_load(address, callers, seconds, min(_WARM_UP_SECONDS, seconds)))


def exchange(address: tuple[str, int], caller: Caller) -> bytes:
    """Have one request sent; the whole answer, byte for byte. Raises LoadFailed or OSError."""
    with socket.create_connection(address, timeout=_PATIENCE_SECONDS) as connection:
        connection.sendall(caller.request())
        received = b""
        while not (parts := _parted(received)):
            if not (data := connection.recv(65536)):
                raise LoadFailed("the server closed a connection: without a word")
            received += data
    caller.take(*parts)
    return received


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
    made: list[tuple[asyncio.Transport, _Connection]] = []
    try:
        for caller in callers:
            opening = loop.create_connection(partial(_Connection, run, caller), *address)
            made.append(await opening)
        connections = [connection for _, connection in made]
        for connection in connections:
            connection.send_next()
        return await _measured(run, connections, seconds, warm_up_seconds)
    finally:
        # After a failure the others would go on for ever, and closing the loop waits for them.
        run.stopping = True
        for transport, _ in made:
            transport.abort()


async def _measured(run: _Run, connections: Sequence[_Connection], seconds: float, warm_up_seconds: float) -> Tally:
    await _pass(run, warm_up_seconds)
    run.measuring, started = True, time.perf_counter()
    await _pass(run, seconds)
    # A slow server is given the time for one answer: no figure is made of none.
    while not run.latencies and time.perf_counter() - started < _PATIENCE_SECONDS:
        await _pass(run, _LOOK_SECONDS)
    if not run.latencies:
        raise LoadFailed(f"the server answered nothing for {_PATIENCE_SECONDS:.0f} s")
    run.measuring, elapsed = False, time.perf_counter() - started
    run.stopping = True
    # What was sent is answered before the next run begins, which must not pay for it.
    await _pass(run, _PATIENCE_SECONDS, until=asyncio.gather(*(connection.closed for connection in connections)))
    return Tally(elapsed, sorted(run.latencies), run.statuses)


async def _pass(run: _Run, seconds: float, until: asyncio.Future[Any] | None = None) -> None:
    """Wait so long, or until something that must come before. Raises LoadFailed, also when a connection fails."""
    awaited = {run.failure} if until is None else {run.failure, until}
    done, _ = await asyncio.wait(awaited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if run.failure in done:
        run.failure.result()
    if until is not None and until not in done:
        raise LoadFailed(f"the server left requests unanswered for {seconds:.0f} s")


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
        parts = _parted(received)
        if parts is None:
            return
        now = time.perf_counter()
        self._received = b""
        run = self._run
        if run.measuring:
            run.latencies.append(now - self._sent_at)
            run.statuses[parts[0]] += 1
        try:
            self._caller.take(*parts)
        except Exception as error:  # noqa: BLE001 - it ends the run
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


def _parted(received: bytes) -> tuple[int, bytes, bytes] | None:
    """Status, head and body of an answer; None while it is not whole."""
    head_end = received.find(_HEAD_END)
    if head_end < 0:
        return None
    body_start = head_end + len(_HEAD_END)
    if len(received) < body_start + _content_length(received, head_end):
        return None
    return int(received[_STATUS]), received[:head_end], received[body_start:]


def _content_length(received: bytes, head_end: int) -> int:
    """The length of the body; the servers measured here always state it, in this spelling, but for an empty 304."""
    start = received.find(_LENGTH, 0, head_end)
    if start < 0:
        return 0
    end = received.find(b"\r\n", start)
    return int(received[start + len(_LENGTH) : end])
