"""A slot's whole story: what it said for which valid instants, and from when to when that was known.

Reads read.facts. What must stay true: at any (position, valid instant) up to the position asked about, the one
rectangle that covers both holds what the state function of time.md 4 says; absences are told, and whether a slot's
contact or need shows is not looked at.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from db.queries import load

_QUERIES: Final = load("projections", "timelines.sql")
_BRIEFLY: Final = ("event_id", "type", "version", "position", "recorded_at", "actor")


class RectanglePlace(NamedTuple):
    """A rectangle's place among a file's: no other has the same slot, begins to be known and to hold with it."""

    slot: str
    opened: int
    valid_from: datetime


async def timeline(
    connection: AsyncConnection[Any],
    customer_id: UUID,
    position: int,
    *,
    path: str | None = None,
    valid_at: datetime | None = None,
    limit: int,
    after: RectanglePlace | None = None,
) -> list[dict[str, Any]]:
    """A page of rectangles known by `position`, of `path` and below or of all, and only those that cover `valid_at`.

    By RectanglePlace, behind `after`. Fewer than `limit` are the last.
    """
    params = {
        "customer_id": customer_id,
        "position": position,
        "path": path.rstrip("/") if path else None,
        "valid_at": valid_at,
        "limit": limit,
        "after_slot": after.slot if after else None,
        "after_opened": after.opened if after else None,
        "after_valid_from": after.valid_from if after else None,
    }
    # unprepared: planned for the slot that is asked about
    cursor = await connection.execute(_QUERIES["rectangles"], params, prepare=False)
    return [_rectangle(customer_id, row) for row in await cursor.fetchall()]


def _rectangle(customer_id: UUID, row: tuple[Any, ...]) -> dict[str, Any]:
    slot, value, absent, valid_from, valid_to, opened, closed, known_from, known_to, *setter = row
    said = {"absent": True} if absent else {"value": orjson.loads(value)}
    return {
        "customer_id": customer_id,
        "path": slot,
        **said,
        "valid_from": valid_from,
        "valid_to": valid_to,
        "position_from": opened,
        "position_to": closed,
        "known_from": known_from,
        "known_to": known_to,
        "set_by": dict(zip(_BRIEFLY, setter, strict=True)),
    }
