"""A pool that tells "too many want a connection" from "there is none": the one passes by itself, the other may not."""

from __future__ import annotations

import time

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests


class BusyPool(AsyncConnectionPool[AsyncConnection[TupleRow]]):
    """Raises TooManyRequests, also, to who waited in vain while others were given connections that work."""

    _lent_at = 0.0

    async def getconn(self, timeout: float | None = None) -> AsyncConnection[TupleRow]:  # noqa: ASYNC109 - its own
        asked_at = time.monotonic()
        try:
            connection = await super().getconn(timeout)
        except PoolTimeout as error:
            if self._lent_at > asked_at:
                raise TooManyRequests("others were faster, all the time") from error
            raise
        self._lent_at = time.monotonic()
        return connection
