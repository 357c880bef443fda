"""When did we know: per value that a slot ever had, who told it first and last, and whether it is still believed.

Reads read.facts and the events. A value is known from the position on from which it holds the slot for some valid
instant, and believed as long as it does. Absence is no value here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from db.queries import load
from domain.events.envelope import Certainty
from domain.masking import Mask
from projections.events import bodies_of

_QUERIES: Final = load("projections", "knowledge.sql")


class ValuePlace(NamedTuple):
    """A value's place among those of its slot: where it was first known, and by which event."""

    opened: int
    version: int


class _Telling(NamedTuple):
    """The event that told a value, from which position and instant on it was known, and over which valid time."""

    version: int
    position: int
    known_at: datetime
    valid: str


class _Ending(NamedTuple):
    """From where on a value is known no more, and by which event; all None while it is believed."""

    position: int | None
    known_at: datetime | None
    version: int | None


async def knowledge(
    connection: AsyncConnection[Any],
    customer_id: UUID,
    position: int,
    slot: str,
    *,
    value: str | None = None,
    limit: int,
    after: ValuePlace | None = None,
    mask: Mask | None = None,
) -> list[tuple[ValuePlace, dict[str, Any]]]:
    """A page of the distinct values of `slot` known by `position`, or the one equal to the JSON text `value`.

    Each with its place, in whose order they are; behind `after`. Fewer than `limit` are the last. What `mask` hides
    is not said.
    """
    params = {
        "customer_id": customer_id,
        "position": position,
        "slot": slot,
        "value": value,
        "limit": limit,
        "after_opened": after.opened if after else None,
        "after_version": after.version if after else None,
    }
    # unprepared: planned for the slot that is asked about
    cursor = await connection.execute(_QUERIES["knowledge"], params, prepare=False)
    rows = [(row[0], _Telling(*row[1:5]), _Telling(*row[5:9]), _Ending(*row[9:])) for row in await cursor.fetchall()]
    versions = {told.version for row in rows for told in row[1:3]}
    versions |= {ending.version for *_, ending in rows if ending.version is not None}
    told = await bodies_of(connection, ((customer_id, version) for version in versions), mask)
    bodies = told.get(customer_id, {})
    return [
        (
            ValuePlace(first.position, first.version),
            {
                "customer_id": customer_id,
                "path": slot if mask is None else mask.pointer(slot),
                "value": orjson.loads(text) if mask is None else mask.value(slot, orjson.loads(text)),
                "first": _told(first, bodies),
                "last": _told(last, bodies),
                "still_believed": ending.position is None,
                "ended": _ended(ending, bodies),
            },
        )
        for text, first, last, ending in rows
    ]


def _told(telling: _Telling, bodies: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    return {
        "position": telling.position,
        "known_at": telling.known_at,
        "valid": list(_spans(telling.valid)),
        "event": _event(bodies[telling.version]),
    }


def _ended(ending: _Ending, bodies: Mapping[int, dict[str, Any]]) -> dict[str, Any] | None:
    if ending.version is None:
        return None
    return {"position": ending.position, "known_at": ending.known_at, "event": _event(bodies[ending.version])}


def _spans(text: str) -> Iterator[dict[str, datetime | None]]:
    for start, end in orjson.loads(text):
        until = None if end is None else datetime.fromisoformat(end)
        yield {"valid_from": datetime.fromisoformat(start), "valid_to": until}


def _event(body: Mapping[str, Any]) -> dict[str, Any]:
    """Who told it, when, why and on what grounds."""
    kept = ("event_id", "type", "version", "position", "recorded_at")
    actor = body["actor"]
    return {
        **{name: body[name] for name in kept},
        "observed_at": body.get("observed_at"),
        "actor": actor["id"],
        "on_behalf_of": actor.get("on_behalf_of"),
        "source": body.get("source"),
        "reason": body.get("reason"),
        "evidence": body.get("evidence", []),
        "certainty": body.get("certainty", Certainty.FACT),
    }
