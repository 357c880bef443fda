"""Reads by key, gathered: who asks while a statement is under way is served by the next, together with all others.

A statement costs this process and the server about as much for one row as for ten. What must stay true: what is read
for somebody is read after they asked; nobody waits longer than `wait_seconds`, nor among more than `most_waiting`, and
whoever waits for a statement under way counts.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final, Generic, TypeVar, cast

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

Key = TypeVar("Key")
Row = TypeVar("Row")

_AT_ONCE: Final = 2
"""Statements under way: while one is carried out, the rows of the other are made into answers."""

_MOST_KEYS: Final = 100


class Gathering(Generic[Key, Row]):
    """Has `bring` bring the rows there are for some keys, through a connection of `pool`. One event loop at a time.

    Whoever holds a connection of the same pool must not ask: if all do, nobody is answered.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection[TupleRow]],
        bring: Callable[[AsyncConnection[TupleRow], Collection[Key]], Awaitable[Mapping[Key, Row]]],
        *,
        wait_seconds: float,
        most_waiting: int,
        most_keys: int = _MOST_KEYS,
    ) -> None:
        """`most_keys` are brought by one statement: fewer of what is long, as all are held until the last is there."""
        self._pool = pool
        self._bring = bring
        self._wait_seconds = wait_seconds
        self._most_waiting = most_waiting
        self._most_keys = most_keys
        self._waiting: deque[tuple[Key, Future[Row | None]]] = deque()
        self._asking = 0
        self._under_way: set[asyncio.Task[None]] = set()

    async def get(self, key: Key) -> Row | None:
        """The row of a key; None if there is none.

        Raises TooManyRequests at once, PoolTimeout when no answer comes in time, and what `bring` raises.
        """
        if self._asking >= self._most_waiting:
            raise TooManyRequests(f"{self._asking} reads are waiting already")
        loop = asyncio.get_running_loop()
        answer: Future[Row | None] = loop.create_future()
        self._waiting.append((key, answer))
        if len(self._under_way) < _AT_ONCE:
            self._under_way.add(loop.create_task(self._bring_all()))
        overdue = loop.call_later(self._wait_seconds, _give_up, answer)
        self._asking += 1
        try:
            return await answer
        finally:
            self._asking -= 1
            overdue.cancel()

    async def _bring_all(self) -> None:
        try:
            while self._waiting:
                await self._bring_some(self._next())
        finally:
            # At once: who asks between here and the end of the task must find that nobody will come for them.
            self._under_way.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _bring_some(self, asked: Sequence[tuple[Key, Future[Row | None]]]) -> None:
        if not asked:
            return
        try:
            async with self._pool.connection(self._wait_seconds) as connection:
                rows = await self._bring(connection, {key for key, _ in asked})
        except Exception as error:  # noqa: BLE001 - it is the answer of all who asked
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for key, answer in asked:
                if not answer.done():
                    answer.set_result(rows.get(key))

    def _next(self) -> list[tuple[Key, Future[Row | None]]]:
        """Those who still wait, the first of them."""
        asked = [self._waiting.popleft() for _ in range(min(self._most_keys, len(self._waiting)))]
        return [(key, answer) for key, answer in asked if not answer.done()]


def _give_up(answer: Future[Row | None]) -> None:
    if not answer.done():
        answer.set_exception(PoolTimeout("the rows did not come in time"))
