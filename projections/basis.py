"""What "when" means for a read: which events are known (a position of the log) and which instant is asked about.

Three ways to say what is known: an instant, a position, or the latest. All become a position once per request;
what is answered from a position stays the same for ever. Each way is one statement. Read models must have passed the
position: what does not hold is raised, nothing here waits for it (`catch_up` does, without a connection).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from db import arrays
from db.queries import load
from projections.errors import EventUnknown, NotKnownYet, PositionNotSealed, ReadModelsBehind
from projections.landmarks import Landmarks

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


class KnownBy(NamedTuple):
    """What an instant means: its last position, whether that is final, how far the read models are, the clock."""

    position: int
    is_final: bool
    reached: int
    now: datetime

    def basis(self, known_at: datetime, valid_at: datetime | None) -> Basis:
        """Raises NotKnownYet for an instant in the future, ReadModelsBehind."""
        if known_at > self.now:
            raise NotKnownYet(known_at, self.now)
        _require_reached(self.reached, self.position)
        return Basis(known_at, self.position, valid_at or known_at, self.is_final)


class Stand(NamedTuple):
    """The end of the log, how far the read models are, the clock, and from when on that position is known."""

    sealed: int
    reached: int
    now: datetime
    reached_at: datetime | None

    def basis(self, valid_at: datetime | None) -> Basis:
        """The latest that the read models know."""
        # behind the log, the instant is that of the last event projected: the clock would claim what is not shown
        is_behind = self.reached < self.sealed
        known_at = self.reached_at if is_behind and self.reached_at is not None else self.now
        return Basis(known_at, self.reached, valid_at or self.now, stable=False)


async def latest(connection: AsyncConnection[Any], valid_at: datetime | None = None) -> Basis:
    """The latest that the read models know, valid now (by the database's clock) unless told otherwise."""
    return Stand(*await _one(connection, "latest")).basis(valid_at)


async def known_by(connection: AsyncConnection[Any], known_at: datetime, valid_at: datetime | None = None) -> Basis:
    """Everything known by `known_at`, inclusive. Raises NotKnownYet for an instant in the future, ReadModelsBehind."""
    # one statement, one snapshot: were the position read first, what is sealed in between could pass for final
    return KnownBy(*await _one(connection, "known_by", known_at=known_at)).basis(known_at, valid_at)


async def all_known_by(
    connection: AsyncConnection[Any], instants: Collection[datetime], landmarks: Landmarks
) -> dict[datetime, KnownBy]:
    """What each of some instants means."""
    wanted = list(instants)
    around = [landmarks.around(instant) for instant in wanted]
    params = {
        "known_at": arrays.timestamps(wanted),
        "low": arrays.bigints([low for low, _ in around]),
        "high": arrays.bigints([high for _, high in around]),
    }
    rows = await (await connection.cursor(binary=True).execute(_QUERIES["all_known_by"], params)).fetchall()
    if rows:
        await landmarks.keep_up(connection, rows[0][3])
    return {wanted[row[0] - 1]: KnownBy(*row[1:]) for row in rows}


async def at_position(connection: AsyncConnection[Any], position: int, valid_at: datetime | None = None) -> Basis:
    """Everything up to a position. Raises PositionNotSealed for one that is not in the log, ReadModelsBehind."""
    sealed, reached, known_at = await _one(connection, "at_position", position=position)
    if not 1 <= position <= sealed:
        raise PositionNotSealed(position, sealed)
    _require_reached(reached, position)
    return Basis(known_at, position, valid_at or known_at, stable=True)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far what follows the writes has got: events that wait for the sealer, log, signatures, read models."""

    unsealed: int
    sealed: int
    signed: int
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


async def position_known_by(connection: AsyncConnection[Any], instant: datetime) -> int:
    """The last position known by an instant (0: none), whether it is over or not."""
    position: int = (await _one(connection, "known_by", known_at=instant))[0]
    return position


async def reached_position(connection: AsyncConnection[Any]) -> int:
    """The position that all read models have passed."""
    reached: int = (await _one(connection, "reached"))[0]
    return reached


async def require_passed(connection: AsyncConnection[Any], customer_id: UUID, version: int) -> int:
    """The position of an event that the read models have passed. Raises EventUnknown, ReadModelsBehind."""
    position = await position_of(connection, customer_id, version)
    reached = await reached_position(connection)
    if position is None or reached < position:
        raise ReadModelsBehind(position, reached, (customer_id, version))
    return position


def _require_reached(reached: int, position: int) -> None:
    if reached < position:
        raise ReadModelsBehind(position, reached)


async def _one(connection: AsyncConnection[Any], query: str, **params: Any) -> tuple[Any, ...]:
    cursor = await connection.cursor(binary=True).execute(_QUERIES[query], params)
    row: tuple[Any, ...] | None = await cursor.fetchone()
    assert row is not None  # noqa: S101 - these statements always bring a row
    return row
