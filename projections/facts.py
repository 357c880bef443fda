"""read.facts: every value a slot ever had, as rectangles of valid time by position of the log.

Owns the table. What must stay true: at any (position, valid instant) the one rectangle that covers both says
what the state function of time.md 4 says, and no two cover the same point: the table's triggers refuse it; a value is
null where, and only where, the row of the event that holds the slot shares the very text (long_texts.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg import AsyncConnection, Connection
from psycopg.sql import SQL, Identifier

from db.queries import load
from domain.facts import ABSENT, Absent, Fact, Segment
from domain.fold import History
from domain.slots import parent_of
from domain.streams import StreamKind
from domain.values import EARLIEST
from projections.errors import RectanglesOverlap
from projections.long_texts import left_to_event
from projections.moves import Closing, Open, Positioned, Rectangle
from projections.portfolio import tallies
from projections.projection import Batch

_QUERIES: Final = load("projections", "facts.sql")


class Facts:
    """The projection."""

    name = "facts"
    follows = StreamKind.CUSTOMER

    def apply(self, connection: Connection[Any], batch: Batch) -> None:
        # The events are there already: their rows say which values need not be kept again.
        # Closings first: what is added is looked at as soon as it is there.
        _close(connection, batch.moves.closings)
        _insert(connection, batch.moves.rectangles)

    def forget(self, connection: Connection[Any], customer_id: UUID) -> None:
        connection.execute(_QUERIES["forget"], {"customer_id": customer_id})
        tallies.forget(connection)  # they may have counted the customer


def load_open(
    connection: Connection[Any], position: int, entries: Iterable[Positioned], histories: Mapping[UUID, History]
) -> list[Open]:
    """The rectangles known at `position` that Moves needs for these entries and histories."""
    touched = _touched(entries, histories)
    if not touched:
        return []
    keys = sorted(touched)
    params = {
        "customer_ids": [customer_id for customer_id, _ in keys],
        "slots": [slot for _, slot in keys],
        "instants": [touched[key] for key in keys],
        "position": position,
    }
    return [_open(row) for row in connection.execute(_QUERIES["load_open"], params)]


def refuse_overlaps(connection: Connection[Any], table: Identifier) -> None:
    """Look at all rectangles of a table that was filled without its triggers. Raises RectanglesOverlap."""
    found = connection.execute(SQL(_QUERIES["overlap"]).format(table=table)).fetchone()
    if found is not None:
        raise RectanglesOverlap(*found)


def _touched(entries: Iterable[Positioned], histories: Mapping[UUID, History]) -> dict[tuple[UUID, str], datetime]:
    """Per slot touched, from when on; for a customer with a history the whole slot."""
    touched: dict[tuple[UUID, str], datetime] = {}
    for entry in entries:
        envelope = entry.event.envelope
        history = histories.get(envelope.customer_id)
        for fact in entry.facts:
            key = (envelope.customer_id, fact.slot)
            start = fact.effective_from if history is None else EARLIEST
            touched[key] = min(start, touched.get(key, start))
        target = envelope.corrects or envelope.retracts
        if history is not None and target in history.events:
            for fact in history.events[target].facts:
                touched[envelope.customer_id, fact.slot] = EARLIEST
    return touched


def _open(row: Sequence[Any]) -> Open:
    customer_id, slot, value, absent, start, end, fact_from, rank, version, place = row
    fact = Fact(slot, ABSENT if absent else orjson.loads(value), fact_from, None, rank, version)
    return Open(customer_id, Segment(start, end, fact), place)


def _close(connection: Connection[Any], closings: Sequence[Closing]) -> None:
    if closings:
        rows, positions = zip(*closings, strict=True)
        connection.execute(_QUERIES["close"], {"rows": list(rows), "positions": list(positions)})


def _insert(connection: Connection[Any], rectangles: Sequence[Rectangle]) -> None:
    if not rectangles:
        return
    facts = [rectangle.segment.fact for rectangle in rectangles]
    columns = {
        "customer_ids": [rectangle.customer_id for rectangle in rectangles],
        "slots": [fact.slot for fact in facts],
        "values": ["null" if fact.value is ABSENT else orjson.dumps(fact.value).decode() for fact in facts],
        "long": [left_to_event(fact.slot, fact.value) is not None for fact in facts],
        "absent": [fact.value is ABSENT for fact in facts],
        "starts": [rectangle.segment.start for rectangle in rectangles],
        "ends": [rectangle.segment.end for rectangle in rectangles],
        "opened": [rectangle.opened for rectangle in rectangles],
        "closed": [rectangle.closed for rectangle in rectangles],
        "facts_from": [fact.effective_from for fact in facts],
        "ranks": [fact.rank for fact in facts],
        "versions": [fact.version for fact in facts],
    }
    connection.execute(_QUERIES["insert"], columns)


@dataclass(frozen=True, slots=True)
class HeldFact:
    """A fact that holds its slot in [start, end); `fact_from` is its own effective_from, `start` may be later."""

    slot: str
    value: Any | Absent
    version: int
    fact_from: datetime
    start: datetime
    end: datetime | None


async def holders_at(
    connection: AsyncConnection[Any], customer_id: UUID, position: int, valid_at: datetime
) -> dict[str, HeldFact]:
    """Per slot the fact that holds it, absences and orphans included."""
    params = {"customer_id": customer_id, "position": position, "valid_at": valid_at}
    cursor = await connection.execute(_QUERIES["state_at"], params)
    return {
        slot: HeldFact(slot, ABSENT if absent else orjson.loads(value), *place)
        for slot, value, absent, *place in await cursor.fetchall()
    }


async def holders_of(
    connection: AsyncConnection[Any],
    customer_ids: Sequence[UUID],
    slots: Iterable[str],
    position: int,
    valid_at: datetime,
) -> dict[UUID, dict[str, HeldFact]]:
    """The same of several customers, and of some slots only."""
    params = {
        "customer_ids": list(customer_ids),
        "slots": sorted(set(slots)),
        "position": position,
        "valid_at": valid_at,
    }
    holders: dict[UUID, dict[str, HeldFact]] = {customer_id: {} for customer_id in customer_ids}
    cursor = await connection.execute(_QUERIES["states_at"], params)
    for customer_id, slot, value, absent, *place in await cursor.fetchall():
        holders[customer_id][slot] = HeldFact(slot, ABSENT if absent else orjson.loads(value), *place)
    return holders


def visible(holders: Mapping[str, HeldFact]) -> dict[str, HeldFact]:
    """What shows among holders: no absences, no child without its parent (as domain.fold.visible)."""
    present = {slot: fact for slot, fact in holders.items() if fact.value is not ABSENT}
    return {slot: fact for slot, fact in present.items() if (parent := parent_of(slot)) is None or parent in present}
