"""Which events caused what differs between two points of files, for many customers in one set of statements.

A point is a position of the log and a valid instant, so one rule serves both axes. What must stay true: a difference
has the same causes whichever side it is looked at from. Only reads: from read.events and read.changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from db.queries import load
from domain.masking import Mask
from domain.slots import parent_of
from projections.changes import approved_by
from projections.events import bodies_of
from projections.facts import HeldFact

_QUERIES: Final = load("projections", "changes.sql")


class Point(NamedTuple):
    """What is known (`position`) and the instant asked about."""

    position: int
    valid_at: datetime


class Sides(NamedTuple):
    """A customer's holders at the earlier point and at the later one, and the slots that differ."""

    before: Mapping[str, HeldFact]
    after: Mapping[str, HeldFact]
    slots: Sequence[str]

    def involved(self) -> set[str]:
        return {*self.slots, *(parent for slot in self.slots if (parent := parent_of(slot)) is not None)}


@dataclass(frozen=True, slots=True)
class Causes:
    """The events that may explain one customer's differences: the holders on both sides, the corrections between.

    `kind` is CORRECTION where the cause corrects or retracts, LATE where it became known between the points but
    was effective before the earlier one already, else CHANGE.
    """

    earlier: Point
    before: Mapping[str, HeldFact]
    after: Mapping[str, HeldFact]
    corrections: Mapping[str, list[int]]
    bodies: Mapping[int, dict[str, Any]]

    def of(self, slot: str) -> dict[str, Any]:
        """What explains that a slot differs: `caused_by`, `effective_from`, `kind`."""
        return explained([self.bodies[version] for version in self._versions(slot)], self.earlier)

    def _versions(self, slot: str) -> list[int]:
        before, after = self.before.get(slot), self.after.get(slot)
        parent = parent_of(slot)
        if before is not None and after is not None and before.version == after.version and parent is not None:
            return self._versions(parent)
        if after is not None and self._is_news(after):
            return [after.version]
        # an older fact came to light, or nothing: what held before was taken back, or its time had run out
        if taken_back := self.corrections.get(slot):
            return taken_back
        return [fact.version for fact in (before or after,) if fact is not None]

    def _is_news(self, fact: HeldFact) -> bool:
        """Whether the fact could not have shown at the earlier point: not known yet, or not effective yet."""
        return self.bodies[fact.version]["position"] > self.earlier.position or fact.fact_from > self.earlier.valid_at


async def causes_between(
    connection: AsyncConnection[Any],
    earlier: Point,
    later: Point,
    files: Mapping[UUID, Sides],
    mask: Mask | None = None,
) -> dict[UUID, Causes]:
    """By customer, what explains the slots that differ, without what `mask` hides."""
    wanted = [(customer_id, slot) for customer_id, sides in files.items() for slot in sorted(sides.involved())]
    corrections: dict[UUID, dict[str, list[int]]] = {customer_id: {} for customer_id in files}
    params = {
        "customer_ids": [customer_id for customer_id, _ in wanted],
        "slots": [slot for _, slot in wanted],
        "after": earlier.position,
        "position": later.position,
    }
    cursor = await connection.execute(_QUERIES["corrections_between"], params)
    for customer_id, slot, version in await cursor.fetchall():
        corrections[customer_id].setdefault(slot, []).append(version)
    versions = [
        (customer_id, side[slot].version)
        for customer_id, slot in wanted
        for side in files[customer_id][:2]
        if slot in side
    ]
    versions += [
        (customer_id, version)
        for customer_id, of_slots in corrections.items()
        for several in of_slots.values()
        for version in several
    ]
    bodies = await bodies_of(connection, versions, mask)
    return {
        customer_id: Causes(earlier, sides.before, sides.after, corrections[customer_id], bodies.get(customer_id, {}))
        for customer_id, sides in files.items()
    }


def explained(events: Sequence[Mapping[str, Any]], earlier: Point) -> dict[str, Any]:
    """A difference from `earlier` on that these events caused; the first one says of which kind it is."""
    return {
        "caused_by": [_cause(event) for event in events],
        "effective_from": events[0]["effective_from"] if events else None,
        "kind": _kind(events[0], earlier) if events else "CHANGE",
    }


def _kind(event: Mapping[str, Any], earlier: Point) -> str:
    if "corrects" in event or "retracts" in event:
        return "CORRECTION"
    effective_from = event["effective_from"]
    if event["position"] > earlier.position and effective_from is not None:
        return "LATE" if datetime.fromisoformat(effective_from) < earlier.valid_at else "CHANGE"
    return "CHANGE"


def _cause(body: Mapping[str, Any]) -> dict[str, Any]:
    reason = body.get("reason", {})
    return {
        **{name: body[name] for name in ("event_id", "type", "version", "position")},
        "actor": body["actor"]["id"],
        "approved_by": approved_by(body),
        "reason": reason.get("text") or reason.get("code"),
    }
