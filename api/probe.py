"""Whether a database answers, and how far everything is, for whoever asks /readyz and /metrics.

Asked over a connection of its own, opened at the first question: who waits for one of the pool's waits for its other
clients too, and a service that is only busy must not be taken for one that is broken. What must stay true: one
question is under way at a time, however many ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from psycopg import AsyncConnection, InterfaceError, OperationalError
from psycopg.rows import TupleRow

from db.pool import Role, connect_async
from projections import basis
from projections.basis import Progress
from projections.lags import Lags, lags

_PATIENCE_SECONDS: Final = 2.0

Headway = tuple[Progress, Lags]
"""How far everything is, and how far each is behind."""
Told = TypeVar("Told")
Question = Callable[[AsyncConnection[TupleRow]], Awaitable[Told]]


async def headway(connection: AsyncConnection[TupleRow]) -> Headway:
    """Ask the ledger's database."""
    return await basis.progress(connection), await lags(connection)


async def answers(connection: AsyncConnection[TupleRow]) -> bool:
    """Ask any database whether it is there."""
    await connection.execute("SELECT 1")
    return True


class Probe(Generic[Told]):
    """Asks the database of `conninfo`, in that role, one question. One event loop at a time."""

    def __init__(self, conninfo: str, role: Role, question: Question[Told]) -> None:
        self._conninfo = conninfo
        self._role = role
        self._question = question
        self._connection: AsyncConnection[TupleRow] | None = None
        self._asked: asyncio.Task[Told | None] | None = None

    async def answer(self) -> Told | None:
        """What the database says; None when it does not answer, or not soon."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._ask())
        asked = self._asked
        # Not cancelled when it takes long: that would wait for the database again.
        await asyncio.wait({asked}, timeout=_PATIENCE_SECONDS)
        return asked.result() if asked.done() else None

    async def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _ask(self) -> Told | None:
        if self._connection is not None and (found := await self._try()):
            return found
        return await self._try()  # over a new connection: the old one may be from before a restart of the server

    async def _try(self) -> Told | None:
        try:
            if self._connection is None:
                self._connection = await connect_async(self._conninfo, self._role, autocommit=True)
            return await self._question(self._connection)
        except (OperationalError, InterfaceError):
            await self.close()
            return None
