"""Reads by key, gathered: who asks while a statement is under way is served by the next, together with all others.

A statement costs this process and the server about as much for one row as for ten. Where that is much, it waits for as
many as the last one had (decision 0018). What must stay true: what is read for somebody is read after they asked;
nobody waits longer than `wait_seconds`, nor among more than `most_waiting`, and whoever waits for a statement under way
counts.
"""

from __future__ import annotations

import asyncio
import time
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
_LONGEST_PATIENCE_SECONDS: Final = 0.01


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
        waits_for_company: bool = False,
    ) -> None:
        """`most_keys` are brought by one statement: fewer of what is long, as all are held until the last is there.

        With `waits_for_company` a statement waits for as many as the last had, at most half as long as that took, or
        until one that is under way has ended, and never longer than 10 ms: a lone caller waits for nobody.
        """
        self._pool = pool
        self._bring = bring
        self._wait_seconds = wait_seconds
        self._most_waiting = most_waiting
        self._most_keys = most_keys
        self._waits_for_company = waits_for_company
        self._company = 1
        self._patience_seconds = 0.0
        self._impatience: asyncio.TimerHandle | None = None
        self._waiting: deque[tuple[Key, Future[Row | None]]] = deque()
        self._asking = 0
        self._is_beginning = False
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
        self._look()
        overdue = loop.call_later(self._wait_seconds, _give_up, answer)
        self._asking += 1
        try:
            return await answer
        finally:
            self._asking -= 1
            overdue.cancel()

    def _look(self) -> None:
        """Begin a statement if it is time for one; else see to it that it will be."""
        if self._is_beginning or not self._waiting or len(self._under_way) >= _AT_ONCE:
            return
        if len(self._waiting) >= self._company:
            self._begin()
        elif self._impatience is None:
            seconds = _LONGEST_PATIENCE_SECONDS if self._under_way else self._patience_seconds
            self._impatience = asyncio.get_running_loop().call_later(seconds, self._begin)

    def _begin(self) -> None:
        self._be_patient()
        self._is_beginning = True
        self._under_way.add(asyncio.get_running_loop().create_task(self._bring_next()))

    def _be_patient(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None

    async def _bring_next(self) -> None:
        """Carry out one statement, for all who have asked until now."""
        self._is_beginning = False
        asked = self._next()
        try:
            if asked:
                self._look()  # there may be more than one statement brings
                began = time.monotonic()
                await self._bring_some(asked)
                if self._waits_for_company:
                    self._patience_seconds = min((time.monotonic() - began) / 2, _LONGEST_PATIENCE_SECONDS)
        finally:
            # At once: who asks between here and the end of the task must find that nobody will come for them.
            self._under_way.discard(cast("asyncio.Task[None]", asyncio.current_task()))
        self._be_patient()  # from now on, it is not the end of this one that is waited for
        self._look()

    async def _bring_some(self, asked: Sequence[tuple[Key, Future[Row | None]]]) -> None:
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
        taken = [self._waiting.popleft() for _ in range(min(self._most_keys, len(self._waiting)))]
        asked = [(key, answer) for key, answer in taken if not answer.done()]
        if self._waits_for_company:
            self._company = max(1, len(asked))
        return asked


def _give_up(answer: Future[Row | None]) -> None:
    if not answer.done():
        answer.set_exception(PoolTimeout("the rows did not come in time"))
