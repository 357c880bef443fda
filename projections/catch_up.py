"""Waiting until the read models have caught up: one look at the database, every now and then, for all who wait.

What must stay true: nobody who waits holds a connection, so however many wait, other reads go on.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import Future
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from db.queries import load
from projections.errors import ReadModelsBehind

_QUERIES: Final = load("projections", "basis.sql")
_LOOK_SECONDS: Final = 0.02

_Event = tuple[UUID, int]


@dataclass(slots=True)
class _Awaited:
    """What one caller waits for; `position` is None until the event has one."""

    event: _Event | None
    position: int | None
    deadline: float


class CatchUp:
    """Looks through a connection of `pool`, briefly, while anybody waits. One event loop at a time.

    `statement` brings how far we are, and the positions of some events: of the read models, unless it is another one.
    """

    def __init__(
        self, pool: AsyncConnectionPool[AsyncConnection[TupleRow]], statement: str = _QUERIES["passed"]
    ) -> None:
        self._pool = pool
        self._statement = statement
        self._awaited: dict[Future[None], _Awaited] = {}
        self._looking: asyncio.Task[None] | None = None

    async def passes(self, behind: ReadModelsBehind, deadline: float) -> None:
        """Return once the read models have passed what they were behind.

        Raises ReadModelsBehind when that is not before `deadline` (monotonic), and what keeps us from looking.
        """
        if time.monotonic() >= deadline:
            raise behind
        future: Future[None] = asyncio.get_running_loop().create_future()
        self._awaited[future] = _Awaited(behind.event, behind.position, deadline)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            await future
        finally:
            self._awaited.pop(future, None)

    async def _look(self) -> None:
        while self._awaited:
            await asyncio.sleep(_LOOK_SECONDS)  # whoever waits has just seen for itself
            try:
                async with self._pool.connection() as connection:
                    unsealed = {item.event for item in self._awaited.values() if item.position is None and item.event}
                    reached, positions = await _progress(connection, self._statement, sorted(unsealed))
            except Exception as error:  # noqa: BLE001 - it is the answer of all who wait
                self._tell_all(error)
            else:
                self._tell(reached, positions)

    def _tell(self, reached: int, positions: Mapping[_Event, int | None]) -> None:
        """Wake those whose event is passed, and those whose time is up."""
        now = time.monotonic()
        for future, item in self._awaited.items():
            if item.position is None and item.event is not None:
                item.position = positions.get(item.event)
            if future.done():
                continue
            if item.position is not None and item.position <= reached:
                future.set_result(None)
            elif now >= item.deadline:
                future.set_exception(ReadModelsBehind(item.position, reached, item.event))

    def _tell_all(self, error: Exception) -> None:
        for future in self._awaited:
            if not future.done():
                future.set_exception(error)


async def _progress(
    connection: AsyncConnection[Any], statement: str, events: list[_Event]
) -> tuple[int, dict[_Event, int | None]]:
    """How far we are, and the positions of those events; of one snapshot."""
    params = {"streams": [stream for stream, _ in events], "versions": [version for _, version in events]}
    row = await (await connection.execute(statement, params)).fetchone()
    assert row is not None  # noqa: S101 - this statement always brings a row
    reached, positions = row
    return int(reached), dict(zip(events, positions, strict=True))
