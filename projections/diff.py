"""The differences between two points of one customer's file, each with the events that caused it.

A point is a position of the log and a valid instant, so one function serves both axes. Only reads: states come
from read.facts, causes from read.events and read.changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from db.queries import load
from domain.facts import ABSENT, same_json
from domain.slots import parent_of, pointer
from projections.changes import approved_by
from projections.events import bodies_of
from projections.facts import HeldFact, holders_at, visible

_QUERIES: Final = load("projections", "changes.sql")


class Point(NamedTuple):
    """What is known (`position`) and the instant asked about."""

    position: int
    valid_at: datetime


async def diff(connection: AsyncConnection[Any], customer_id: UUID, left: Point, right: Point) -> list[dict[str, Any]]:
    """What differs from `left` to `right`, by path; objects are compared member by member.

    `kind` is CORRECTION where the cause corrects or retracts, LATE where it became known between the points but
    was effective before the earlier one already, else CHANGE.
    """
    sides = [await holders_at(connection, customer_id, *point) for point in (left, right)]
    shown = [visible(side) for side in sides]
    slots = [slot for slot in sorted({*shown[0], *shown[1]}) if not _same(shown[0].get(slot), shown[1].get(slot))]
    # a difference has the same causes whichever side it is looked at from
    (earlier, before), (_, after) = sorted(zip((left, right), sides, strict=True), key=lambda pair: pair[0])
    later = max(left, right)
    causes = await _Causes.between(connection, customer_id, (earlier, before), (later, after), slots)
    return [
        {**change, **causes.of(slot)}
        for slot in slots
        for change in _operations(slot, _value(shown[0], slot), _value(shown[1], slot))
    ]


@dataclass(frozen=True, slots=True)
class _Causes:
    """The events that may explain differences: the holders on both sides and the corrections between."""

    earlier: Point
    before: Mapping[str, HeldFact]
    after: Mapping[str, HeldFact]
    corrections: Mapping[str, list[int]]
    bodies: Mapping[int, dict[str, Any]]

    @classmethod
    async def between(
        cls,
        connection: AsyncConnection[Any],
        customer_id: UUID,
        earlier: tuple[Point, Mapping[str, HeldFact]],
        later: tuple[Point, Mapping[str, HeldFact]],
        slots: list[str],
    ) -> _Causes:
        (start, before), (end, after) = earlier, later
        involved = {*slots, *(parent for slot in slots if (parent := parent_of(slot)) is not None)}
        span = {"slots": sorted(involved), "after": start.position, "position": end.position}
        cursor = await connection.execute(_QUERIES["corrections_between"], {"customer_id": customer_id, **span})
        corrections: dict[str, list[int]] = {}
        for slot, version in await cursor.fetchall():
            corrections.setdefault(slot, []).append(version)
        versions = {side[slot].version for side in (before, after) for slot in involved if slot in side}
        versions.update(version for several in corrections.values() for version in several)
        return cls(start, before, after, corrections, await bodies_of(connection, customer_id, versions))

    def of(self, slot: str) -> dict[str, Any]:
        events = [self.bodies[version] for version in self._versions(slot)]
        return {
            "caused_by": [_cause(event) for event in events],
            "effective_from": events[0]["effective_from"] if events else None,
            "kind": self._kind(events[0]) if events else "CHANGE",
        }

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

    def _kind(self, event: Mapping[str, Any]) -> str:
        if event["corrects"] or event["retracts"]:
            return "CORRECTION"
        effective_from = event["effective_from"]
        if event["position"] > self.earlier.position and effective_from is not None:
            return "LATE" if datetime.fromisoformat(effective_from) < self.earlier.valid_at else "CHANGE"
        return "CHANGE"


def _cause(body: Mapping[str, Any]) -> dict[str, Any]:
    reason = body["reason"] or {}
    return {
        **{name: body[name] for name in ("event_id", "type", "version", "position")},
        "actor": body["actor"]["id"],
        "approved_by": approved_by(body),
        "reason": reason.get("text") or reason.get("code"),
    }


def _same(left: HeldFact | None, right: HeldFact | None) -> bool:
    if left is None or right is None:
        return left is right
    return same_json(left.value, right.value)


def _value(shown: Mapping[str, HeldFact], slot: str) -> Any:
    return shown[slot].value if slot in shown else ABSENT


def _operations(path: str, left: Any, right: Any) -> Iterator[dict[str, Any]]:
    """The steps from `left` to `right` at `path`, as JSON Patch names them."""
    if left is ABSENT:
        yield {"op": "add", "path": path, "to": right}
    elif right is ABSENT:
        yield {"op": "remove", "path": path, "from": left}
    elif isinstance(left, dict) and isinstance(right, dict):
        for key in sorted({*left, *right}):
            yield from _operations(path + pointer(key), left.get(key, ABSENT), right.get(key, ABSENT))
    elif not same_json(left, right):
        yield {"op": "replace", "path": path, "from": left, "to": right}
