"""HTTP connections: what a client may send on one, and how long it may keep us waiting.

Extends uvicorn's protocol, which bounds neither the head of a request, nor the requests sent ahead of their answers,
nor the time that a client takes to send or to read. What must stay true: a connection either waits for us, or has a
limit in seconds; what it makes us hold has a limit in bytes; a refusal is a problem like any other, comes in its turn,
and ends the connection.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api import refusals
from api.errors import Problem
from api.refusals import LONGEST_HEAD_BYTES, LONGEST_URL_BYTES, MOST_HEADERS

MOST_AHEAD: Final = 32
"""Requests that one connection may send while an earlier one is answered."""

_CROWDED_IDLE_SECONDS: Final = 5.0
_LINGER_SECONDS: Final = 2.0
"""How long a refused client may go on sending: were the connection closed at once, the refusal could get lost."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process allows its clients; see the settings of the same names."""

    connections: int
    answer_bytes: int
    head_seconds: float
    body_seconds: float
    answer_seconds: float
    idle_seconds: float


@dataclass(slots=True)
class Load:
    """What the connections of one process hold together."""

    unread_bytes: int = 0
    """Of answers that wait for clients to read them, where it is more than the transport's own buffer is meant for."""
    connections: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Refusals of connections themselves, by problem: what is refused here has no account."""


class _Turn(Enum):
    """Whose turn it is on a connection: OURS, or the client's, to do what the name says."""

    OURS = auto()
    READ = auto()
    SEND_HEAD = auto()
    SEND_BODY = auto()
    ASK_AGAIN = auto()
    GO = auto()


class _Receiving(Enum):
    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `load` is shared by all of the process."""

    def __init__(self, *, limits: Limits, load: Load, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._limits = limits
        self._load = load
        self._is_surplus = False
        self._receiving = _Receiving.NOTHING
        self._requests = 0
        self._unanswered: deque[RequestResponseCycle] = deque()
        self._between_bytes = 0
        self._keeps_alive = False
        self._unread_bytes = 0
        self._refusal: Problem | None = None
        self._watched: tuple[_Turn, int] | None = None
        self._since = 0.0

    # The connection

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._load.connections = len(self.connections)
        self._is_surplus = len(self.connections) > self._limits.connections
        if len(self.connections) > 2 * self._limits.connections:  # not even a refusal can be afforded
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_unread()
        self._give_up(*self._unanswered)
        super().connection_lost(exc)
        self._load.connections = len(self.connections)
        self._unset_keepalive_if_required()  # uvicorn leaves it, and us with it, when the connection was reset

    def pause_writing(self) -> None:
        self._unread_bytes = self.transport.get_write_buffer_size()
        self._load.unread_bytes += self._unread_bytes
        super().pause_writing()

    def resume_writing(self) -> None:
        self._forget_unread()
        self._watched = None  # it has read what we held: a long answer may take long, as long as it goes on
        super().resume_writing()

    def _forget_unread(self) -> None:
        self._load.unread_bytes -= self._unread_bytes
        self._unread_bytes = 0

    def _give_up(self, *unanswered: RequestResponseCycle) -> None:
        """Nobody will read these answers; uvicorn says so to the newest alone, and the others would fail to write."""
        for cycle in unanswered:
            cycle.disconnected = True
            cycle.message_event.set()

    def shutdown(self) -> None:
        self._keeps_alive = False  # nor is it to be restored when the body has come
        if self._refusal is not None and not self._unanswered:
            self.transport.close()
        else:
            super().shutdown()

    # Receiving; the parser calls the on_... methods from within feed_data

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._unset_keepalive_if_required()
        self._between_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # there is nothing to upgrade to: the request is answered as it is
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Problem) else refusals.malformed())
        else:
            if self._between_bytes > LONGEST_HEAD_BYTES:
                self._refuse(refusals.url_too_long() if self._is_in_url() else refusals.head_too_large())

    def _is_in_url(self) -> bool:
        return self._receiving is _Receiving.HEAD and len(self.url) > LONGEST_URL_BYTES and not self.headers

    def on_message_begin(self) -> None:
        self._between_bytes = 0
        self._requests += 1
        self._receiving = _Receiving.HEAD
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._receiving is _Receiving.BODY:
            return  # a trailer; nothing here reads them
        if len(self.headers) == MOST_HEADERS:
            raise refusals.head_too_large()
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._require_acceptable()
        super().on_headers_complete()
        self._receiving = _Receiving.BODY
        self._unanswered.append(self.cycle)
        self._keeps_alive = self.cycle.keep_alive
        if self.expect_100_continue:
            # If the answer comes without the body having been asked for, nobody knows whether the body still comes.
            self.cycle.keep_alive = False

    def _require_acceptable(self) -> None:
        """Raise Problem for a request that is not even looked at."""
        if len(self.url) > LONGEST_URL_BYTES:
            raise refusals.url_too_long()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > LONGEST_HEAD_BYTES:
            raise refusals.head_too_large()
        if self._is_surplus:
            raise refusals.overloaded("Too many connections")
        if len(self._unanswered) > MOST_AHEAD:
            raise refusals.overloaded("Too many requests ahead of their answers")
        if self._load.unread_bytes > self._limits.answer_bytes:
            raise refusals.overloaded("Too many answers wait to be read")

    def on_body(self, body: bytes) -> None:
        self._between_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._between_bytes = 0
        self._receiving = _Receiving.NOTHING
        if self.expect_100_continue and not self.cycle.response_started:
            self.cycle.keep_alive = self._keeps_alive
        super().on_message_complete()

    # Answering

    def on_response_complete(self) -> None:
        self._unanswered.popleft().body = bytearray()  # what was not read of it, and would stay until the next request
        super().on_response_complete()
        if len(self._unanswered) > 1:  # uvicorn would read on, and hold ever more requests
            self.flow.pause_reading()
        if self._refusal is not None and not self._unanswered:
            self._say(self._refusal)

    def _refuse(self, problem: Problem) -> None:
        """Look at nothing more that comes, and say why as soon as everything before is answered."""
        self._refusal = problem
        self._load.refused[problem.slug] += 1
        if self._receiving is _Receiving.BODY and self.cycle.response_started:
            self._give_up(*self._unanswered)
            self.transport.close()  # the request is answered, so there is nothing more to say
            return
        if self._receiving is _Receiving.BODY:
            self._abandon_request()
        if not self._unanswered:
            self._say(problem)

    def _abandon_request(self) -> None:
        """The refusal is the answer to the request whose body will not come any more."""
        self._give_up(self._unanswered.pop())
        if self.pipeline:
            self.pipeline.popleft()

    def _say(self, problem: Problem) -> None:
        """Send the refusal and our end of the stream; what the client still sends is taken and thrown away."""
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        self.transport.write(refusals.as_answer(problem, self.server_state.default_headers))
        self.flow.resume_reading()
        self.transport.write_eof()

    # Time

    def check(self, now: float) -> None:
        """Called every now and then: end what has been the client's turn for too long."""
        turn = self._turn()
        if (turn, self._requests) != self._watched:
            self._watched, self._since = (turn, self._requests), now
        elif turn is not _Turn.OURS and now - self._since > self._seconds_for(turn):
            self._cut(turn)

    def _turn(self) -> _Turn:
        if self.transport.get_write_buffer_size():
            return _Turn.READ
        if self._refusal is not None and not self._unanswered:
            return _Turn.GO
        if self._receiving is not _Receiving.NOTHING and not self.flow.read_paused:
            return _Turn.SEND_HEAD if self._receiving is _Receiving.HEAD else _Turn.SEND_BODY
        return _Turn.OURS if self._unanswered else _Turn.ASK_AGAIN

    def _seconds_for(self, turn: _Turn) -> float:
        match turn:
            case _Turn.SEND_HEAD:
                return self._limits.head_seconds
            case _Turn.SEND_BODY:
                return self._limits.body_seconds
            case _Turn.READ:
                return self._limits.answer_seconds
            case _Turn.ASK_AGAIN if len(self.connections) > self._limits.connections // 2:
                return min(self._limits.idle_seconds, _CROWDED_IDLE_SECONDS)
            case _Turn.ASK_AGAIN:
                return self._limits.idle_seconds
            case _:
                return _LINGER_SECONDS

    def _cut(self, turn: _Turn) -> None:
        match turn:
            case _Turn.SEND_HEAD:
                self._refuse(refusals.too_slow("the head"))
            case _Turn.SEND_BODY:
                self._refuse(refusals.too_slow("the body"))
            case _Turn.ASK_AGAIN:
                self.transport.close()
            case _:
                self.transport.abort()


def bounded(limits: Limits, load: Load) -> type[HttpToolsProtocol]:
    """The protocol with those limits, as uvicorn wants to make it."""
    return cast("type[HttpToolsProtocol]", partial(BoundedProtocol, limits=limits, load=load))


def cut_overdue(connections: Iterable[object]) -> None:
    """Call it often: ends the connections whose clients keep us waiting too long."""
    now = time.monotonic()
    for connection in list(connections):
        if isinstance(connection, BoundedProtocol):
            connection.check(now)
