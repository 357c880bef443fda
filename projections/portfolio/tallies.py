"""read.tally: counts of customers by tier at points of both times, from which counts at other points are not far.

Owns the table. What must stay true: a tally says what the rectangles say at its point. What is known at a position
stays so, whatever is learnt later about whatever day; so a tally, once right, stays right, until somebody replaces
rectangles that were there already (a rebuild, an erasure). Who does that calls `forget` in the same transaction, and
the runner makes tallies anew when it has nothing else to do. Without any, counts cost what counting costs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection, Connection

from db.queries import load
from domain.code_schemes import tier_schemes
from domain.slots import pointer

_QUERIES: Final = load("projections.portfolio", "tallies.sql")
_FIRST: Final = 1024
_SHARE: Final = 32
"""Positions of tallies are a thirty-second of the log apart: about a hundred and fifty in a log of a million events."""
_INSTANTS: Final = 64
_LOOK_SECONDS: Final = 10.0


def slots() -> Iterator[str]:
    """The slots that are tallied: of few codes."""
    return (pointer("tier", scheme) for scheme in tier_schemes())


def places(reached: int) -> Iterator[int]:
    """The positions at which tallies are made in a log that has got so far, last first."""
    found = []
    position = _FIRST
    while position <= reached:
        found.append(position)
        position += max(_FIRST, position // _SHARE)
    return reversed(found)


async def count(
    connection: AsyncConnection[Any], slot: str, position: int, valid_at: datetime
) -> dict[str, int] | None:
    """How many customers have which code there; None where no tally helps."""
    params = {"slot": slot, "position": position, "valid_at": valid_at}
    row = await (await connection.execute(_QUERIES["count"], params)).fetchone()
    if row is None:
        return None
    codes, numbers = row
    return {code: number for code, number in zip(codes, numbers, strict=True) if number}


def forget(connection: Connection[Any]) -> None:
    """Delete all tallies, as rectangles that they counted are being replaced; they come back by themselves."""
    connection.execute(_QUERIES["forget"])


class Tallies:
    """Makes what is missing, a little at a time."""

    def __init__(self) -> None:
        self._missing: list[tuple[str, int]] = []
        self._look_at = 0.0

    def make_one(self, connection: Connection[Any], reached: int) -> bool:
        """Make the tallies of one slot at one position, if any are missing; `reached` is where read.facts stands.

        Looks for what is missing every ten seconds. In the runner's turn, where nobody else replaces rectangles.
        """
        if not self._missing:
            if time.monotonic() < self._look_at:
                return False
            self._missing = list(_missing(connection, reached))
            self._look_at = time.monotonic() + _LOOK_SECONDS
        if not self._missing:
            return False
        make(connection, *self._missing.pop(0))
        return True


def make_all(connection: Connection[Any], reached: int) -> None:
    """Make all that are missing."""
    for slot, position in _missing(connection, reached):
        make(connection, slot, position)


def make(connection: Connection[Any], slot: str, position: int) -> None:
    """Make the tallies of a slot at a position that read.facts has passed, and where there are none."""
    connection.execute(_QUERIES["make"], {"slot": slot, "position": position, "instants": _INSTANTS})


def _missing(connection: Connection[Any], reached: int) -> Iterator[tuple[str, int]]:
    for slot in slots():
        there = {position for (position,) in connection.execute(_QUERIES["positions"], {"slot": slot})}
        yield from ((slot, position) for position in places(reached) if position not in there)
