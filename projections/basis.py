"""What "when" means for a read: which events are known (a position of the log) and which instant is asked about.

Three ways to say what is known: an instant, a position, or the latest. All become a position once per request;
what is answered from a position stays the same for ever. Read models must have passed the position: nothing here
waits for that (`catch_up` does, without a connection).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection

from db.queries import load
from projections.errors import EventUnknown, PositionNotSealed, ReadModelsBehind

_QUERIES: Final = load("projections", "basis.sql")


@dataclass(frozen=True, slots=True)
class Basis:
    """`position`: the last event known (0: none). `known_at`: an instant that position belongs to.

    `stable`: no event can come to be known at `known_at` any more, so the same question gets the same answer.
    """

    known_at: datetime
    position: int
    valid_at: datetime
    stable: bool


async def latest(connection: AsyncConnection[Any], valid_at: datetime | None = None) -> Basis:
    """The latest that the read models know, valid now (by the database's clock) unless told otherwise."""
    sealed, reached, now = await _one(connection, "now")
    # behind the log, the instant is that of the last event projected: the clock would claim what is not shown
    known_at = now if reached >= sealed or reached == 0 else await _known_at(connection, reached)
    return Basis(known_at, reached, valid_at or now, stable=False)


async def known_by(connection: AsyncConnection[Any], known_at: datetime, valid_at: datetime | None = None) -> Basis:
    """Everything known by `known_at`, inclusive; an instant in the future is the caller's to refuse."""
    # one statement, one snapshot: were the position read first, what is sealed in between could pass for final
    position, is_final = await _one(connection, "known_by", known_at=known_at)
    return Basis(known_at, position, valid_at or known_at, is_final)


async def at_position(connection: AsyncConnection[Any], position: int, valid_at: datetime | None = None) -> Basis:
    """Everything up to a position. Raises PositionNotSealed for one that is not in the log."""
    sealed, _, _ = await _one(connection, "now")
    if not 1 <= position <= sealed:
        raise PositionNotSealed(position, sealed)
    known_at = await _known_at(connection, position)
    return Basis(known_at, position, valid_at or known_at, stable=True)


async def clock(connection: AsyncConnection[Any]) -> datetime:
    """The database's clock, by which everything is recorded."""
    now: datetime = (await _one(connection, "now"))[2]
    return now


@dataclass(frozen=True, slots=True)
class Progress:
    """How far what follows the writes has got: events that wait for the sealer, the log, the read models."""

    unsealed: int
    sealed: int
    reached: int
    is_followed: bool
    """Whether a sealer and a runner of read models are at work, on whatever machine."""


async def progress(connection: AsyncConnection[Any]) -> Progress:
    return Progress(*await _one(connection, "progress"))


async def position_of(connection: AsyncConnection[Any], customer_id: UUID, version: int) -> int | None:
    """An event's position; None while it is not sealed. Raises EventUnknown."""
    params = {"customer_id": customer_id, "version": version}
    row = await (await connection.execute(_QUERIES["position_of"], params)).fetchone()
    if row is None:
        raise EventUnknown(customer_id, version)
    position: int | None = row[0]
    return position


async def reached_position(connection: AsyncConnection[Any]) -> int:
    """The position that all read models have passed."""
    _, reached, _ = await _one(connection, "now")
    return int(reached)


async def require_reached(connection: AsyncConnection[Any], position: int) -> None:
    """Raise ReadModelsBehind unless the read models have passed `position`."""
    reached = await reached_position(connection)
    if reached < position:
        raise ReadModelsBehind(position, reached)


async def require_passed(connection: AsyncConnection[Any], customer_id: UUID, version: int) -> int:
    """The position of an event that the read models have passed. Raises EventUnknown, ReadModelsBehind."""
    position = await position_of(connection, customer_id, version)
    reached = await reached_position(connection)
    if position is None or reached < position:
        raise ReadModelsBehind(position, reached, (customer_id, version))
    return position


async def _known_at(connection: AsyncConnection[Any], position: int) -> datetime:
    known_at: datetime = (await _one(connection, "known_at", position=position))[0]
    return known_at


async def _one(connection: AsyncConnection[Any], query: str, **params: Any) -> tuple[Any, ...]:
    cursor = await connection.execute(_QUERIES[query], params)
    row: tuple[Any, ...] | None = await cursor.fetchone()
    assert row is not None  # noqa: S101 - these statements always bring a row
    return row
