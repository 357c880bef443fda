"""The audit trail of all customers, searched: who changed what, when, from what, to what.

What must stay true: a page costs no more than MOST_LOOKED_AT events looked at, however many there are and however few
fit; what is left is behind the place where it stopped. Pages follow the log, so none is missed or met twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from db.queries import load
from projections.basis import position_known_by
from projections.events import items_of

MOST_LOOKED_AT: Final = 20_000
_FIRST_LOOK: Final = 250
_LOOK_AGAIN: Final = 5
"""How many times as many each time; what is asked for is mostly found at once."""

_MOST_SLOTS: Final = 20
"""Slots that one path may stand for to be followed each along its index; else all events are looked at."""

_JUST_BEFORE: Final = timedelta(microseconds=1)
_QUERIES: Final = load("projections", "audit.sql")


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What is searched for; everything that is set must hold of an event, and `path`, `old` and `new` of one change.

    `type` may end in `*`; `path` is a slot or what slots begin with; `old` and `new` are JSON texts, compared by type.
    `since` (inclusive) and `until` (exclusive) are about recorded_at; `overlaps` is a half-open period of valid time.
    """

    actor: str | None = None
    type: str | None = None
    path: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    overlaps: tuple[datetime, datetime] | None = None
    old: str | None = None
    new: str | None = None
    customer_id: UUID | None = None

    def parameters(self) -> dict[str, Any]:
        is_prefix = self.type is not None and self.type.endswith("*")
        return {
            "type": None if is_prefix else self.type,
            "type_prefix": self.type.removesuffix("*") if self.type is not None and is_prefix else None,
            "path": self.path.rstrip("/") if self.path else None,
            "actor": self.actor,
            "since": self.since,
            "until": self.until,
            "overlaps_from": self.overlaps[0] if self.overlaps else None,
            "overlaps_to": self.overlaps[1] if self.overlaps else None,
            "old": self.old,
            "new": self.new,
            "customer_id": self.customer_id,
        }


class Found(NamedTuple):
    """Events as histories show them, in the order of the log; `go_on_after` is None where there is nothing left."""

    items: list[dict[str, Any]]
    go_on_after: int | None


async def search(
    connection: AsyncConnection[Any],
    position: int,
    wanted: AuditFilter,
    *,
    limit: int,
    after: int = 0,
    most_looked_at: int = MOST_LOOKED_AT,
) -> Found:
    """The next events that fit, up to `position` and behind the one at `after`.

    There may be fewer than `limit`, even none, and others behind them.
    """
    statement, slots = await _way(connection, wanted)
    if wanted.since is not None:
        # known_at is never earlier than recorded_at; that a later event was recorded earlier cannot be ruled out
        after = max(after, await position_known_by(connection, wanted.since - _JUST_BEFORE))
    params = {**wanted.parameters(), "slots": slots, "up_to": position}
    places: list[tuple[UUID, int]] = []
    most, looked_at = min(max(_FIRST_LOOK, limit), most_looked_at), 0
    while True:
        page = {"after": after, "most": most, "limit": limit - len(places)}
        # unprepared: planned for the filters that are there, not for all that could be
        cursor = await connection.execute(_QUERIES[statement], {**params, **page}, prepare=False)
        rows = await cursor.fetchall()
        *_, number, last = rows[0]
        found = [row for row in rows if row[0] is not None]
        places += [(customer_id, version) for customer_id, version, *_ in found]
        looked_at += number
        if len(places) == limit:
            return Found(await items_of(connection, places), found[-1][2])
        if number < most:
            return Found(await items_of(connection, places), None)
        if looked_at >= most_looked_at:
            return Found(await items_of(connection, places), last)
        after, most = last, min(most * _LOOK_AGAIN, most_looked_at - looked_at)


async def _way(connection: AsyncConnection[Any], wanted: AuditFilter) -> tuple[str, list[str]]:
    """The statement whose candidates are the fewest, as far as that can be told, and the slots that it follows."""
    if wanted.customer_id is not None:
        return "by_customer", []
    if wanted.path is not None:
        params = {"path": wanted.path.rstrip("/"), "most": _MOST_SLOTS + 1}
        rows = await (await connection.execute(_QUERIES["slots_below"], params)).fetchall()
        if len(rows) <= _MOST_SLOTS:
            return "by_slots", [slot for (slot,) in rows]
    return ("by_position" if wanted.actor is None else "by_actor"), []
