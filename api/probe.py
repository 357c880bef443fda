"""Whether the database answers, and how far everything is, for whoever asks /readyz and /metrics.

Asked over a connection of its own, opened at the first question: who waits for one of the pool's waits for its other
clients too, and a service that is only busy must not be taken for one that is broken. What must stay true: one
question is under way at a time, however many ask.
"""

from __future__ import annotations

import asyncio
from typing import Final

from psycopg import AsyncConnection, InterfaceError, OperationalError
from psycopg.rows import TupleRow

from db.pool import connect_async
from projections import basis
from projections.basis import Progress
from projections.lags import Lags, lags

_PATIENCE_SECONDS: Final = 2.0


class Probe:
    """Asks the database of `conninfo`. One event loop at a time."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: AsyncConnection[TupleRow] | None = None
        self._question: asyncio.Task[tuple[Progress, Lags] | None] | None = None

    async def progress(self) -> Progress | None:
        """How far everything is; None when the database does not answer, or not soon."""
        return (await self.standing())[0]

    async def standing(self) -> tuple[Progress, Lags] | tuple[None, None]:
        """The same, and how far each is behind."""
        if self._question is None or self._question.done():
            self._question = asyncio.create_task(self._ask())
        question = self._question
        # Not cancelled when it takes long: that would wait for the database again.
        await asyncio.wait({question}, timeout=_PATIENCE_SECONDS)
        return (question.result() if question.done() else None) or (None, None)

    async def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _ask(self) -> tuple[Progress, Lags] | None:
        if self._connection is not None and (found := await self._try()):
            return found
        return await self._try()  # over a new connection: the old one may be from before a restart of the server

    async def _try(self) -> tuple[Progress, Lags] | None:
        try:
            if self._connection is None:
                self._connection = await connect_async(self._conninfo, "dossier_reader", autocommit=True)
            return await basis.progress(self._connection), await lags(self._connection)
        except (OperationalError, InterfaceError):
            await self.close()
            return None
