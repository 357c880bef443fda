"""Connections that nobody waits on for ever.

A server that is held still, frozen with its machine or out of reach behind a proxy does not answer, while the kernel at
the other end still does: TCP notices nothing. What must stay true: each wait for the server ends within
`patience_seconds`, by what was waited for or by an OperationalError; and a connection that was given up is closed, for
nobody knows what it might still say. A connection that has just answered is believed to be well, unless something came
unasked: the end of the other side does, and so does what a server says before it goes.
"""

from __future__ import annotations

import math
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from psycopg import AsyncConnection, Connection, OperationalError
from psycopg.abc import RV, PQGen
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, ConnectionPool

CHECK_SECONDS: Final = 3.0
"""How long an idle connection may take to say that it is well."""

BELIEVED_SECONDS: Final = 1.0
"""How long after an answer a connection is lent again without a question of its own, which costs as much as a read."""

_LOOK_SECONDS: Final = 0.1


class PatientConnection(Connection[TupleRow]):
    """Waits a minute for the server: more than any batch takes."""

    patience_seconds: float = 60.0
    answered_at: float = -math.inf

    def wait(self, gen: PQGen[RV], interval: float = _LOOK_SECONDS, timeout: float | None = None) -> RV:
        """Do what psycopg has to wait for. Whoever sets a timeout of its own knows what to do when it is over."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        deadline = time.monotonic() + self.patience_seconds
        try:
            answer = super().wait(gen, interval, self.patience_seconds)
        except OperationalError:
            if time.monotonic() >= deadline:
                self.pgconn.finish()
            raise
        self.answered_at = time.monotonic()
        return answer


class AnsweringConnection(PatientConnection):
    """Somebody waits for the answer; no statement of the app takes longer than its statement_timeout of 5 s."""

    patience_seconds: float = 10.0


class PatientAsyncConnection(AsyncConnection[TupleRow]):
    """The same for async callers, who answer people: what takes longer than this is a fault."""

    patience_seconds: float = 15.0
    answered_at: float = -math.inf

    async def wait(self, gen: PQGen[RV], interval: float = _LOOK_SECONDS, timeout: float | None = None) -> RV:  # noqa: ASYNC109
        if timeout is not None:
            return await super().wait(gen, interval, timeout)
        deadline = time.monotonic() + self.patience_seconds
        try:
            answer = await super().wait(gen, interval, self.patience_seconds)
        except OperationalError:
            if time.monotonic() >= deadline:
                self.pgconn.finish()
            raise
        self.answered_at = time.monotonic()
        return answer


def check(connection: Connection[TupleRow]) -> None:
    """Raise OperationalError unless the server answers within CHECK_SECONDS, or answered just now."""
    if not _is_believed(connection):
        with _hurried(connection):
            ConnectionPool.check_connection(connection)


async def check_async(connection: AsyncConnection[TupleRow]) -> None:
    """Do the same for async callers."""
    if not _is_believed(connection):
        with _hurried(connection):
            await AsyncConnectionPool.check_connection(connection)


def _is_believed(connection: Connection[TupleRow] | AsyncConnection[TupleRow]) -> bool:
    """Whether the server answered just now, and has not spoken since."""
    assert isinstance(connection, PatientConnection | PatientAsyncConnection)  # noqa: S101 - our pools have no others
    if time.monotonic() - connection.answered_at > BELIEVED_SECONDS:
        return False
    socket = select.poll()
    socket.register(connection.pgconn.socket, select.POLLIN)
    return not socket.poll(0)


@contextmanager
def _hurried(connection: Connection[TupleRow] | AsyncConnection[TupleRow]) -> Iterator[None]:
    assert isinstance(connection, PatientConnection | PatientAsyncConnection)  # noqa: S101 - our pools have no others
    patience_seconds = connection.patience_seconds
    connection.patience_seconds = CHECK_SECONDS
    try:
        yield
    finally:
        connection.patience_seconds = patience_seconds
