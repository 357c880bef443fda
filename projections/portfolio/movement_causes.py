"""Why customers entered, left or moved: of a page of movements, the events behind each, in one set of statements.

What must stay true: a movement has the same causes whichever way it is looked at; who moved from one value to another
has the causes that the differences of that one file name. Who entered or left has those of the conditions that hold
at one point alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from domain.facts import ABSENT
from domain.masking import Mask
from projections.causes import Causes, Point, Sides, causes_between, explained
from projections.events import bodies_of
from projections.facts import HeldFact, holders_of
from projections.portfolio.movement import QUERIES, Moved, Movements
from projections.portfolio.paths import Decided
from projections.portfolio.query import Condition
from projections.portfolio.verdict import meets

_Holders = Mapping[UUID, Mapping[str, HeldFact]]
_NOTHING: dict[str, Any] = {"caused_by": [], "effective_from": None, "kind": "CHANGE"}


class _Beginning(NamedTuple):
    """The fact that a file begins with."""

    slot: str
    version: int
    start: datetime


class _StateDecision(NamedTuple):
    version: int
    is_archived: bool


@dataclass(frozen=True, slots=True)
class _Decisions:
    """What is no slot: what a file was registered and decided by, and what it begins with; empty where nobody asks."""

    registered: Mapping[UUID, int]
    """By customer the position."""
    states: tuple[Mapping[UUID, _StateDecision], Mapping[UUID, _StateDecision]]
    """At the earlier point and at the later one."""
    beginnings: tuple[Mapping[UUID, _Beginning], Mapping[UUID, _Beginning]]

    def versions(self) -> Iterator[tuple[UUID, int]]:
        yield from ((customer_id, 1) for customer_id in self.registered)
        for of_side in (*self.states, *self.beginnings):
            yield from ((customer_id, found.version) for customer_id, found in of_side.items())


async def explain(
    connection: AsyncConnection[Any],
    question: Movements,
    left: Point,
    right: Point,
    moved: Sequence[Moved],
    *,
    mask: Mask | None = None,
) -> list[dict[str, Any]]:
    """By movement `caused_by`, `effective_from` and `kind`, in their order, without what `mask` hides."""
    if not moved:
        return []
    earlier, later = sorted((left, right))
    ids = [each.customer_id for each in moved]
    decisions = await _decisions(connection, question, earlier, later, ids)
    slots = {*question.slots, *(found.slot for of_side in decisions.beginnings for found in of_side.values())}
    before, after = [await holders_of(connection, ids, slots, *point) for point in (earlier, later)]
    files = {customer_id: Sides(before[customer_id], after[customer_id], sorted(slots)) for customer_id in ids}
    causes = await causes_between(connection, earlier, later, files, mask)
    bodies = await bodies_of(connection, decisions.versions(), mask)
    explaining = _Explaining(question, earlier, later, decisions, causes, bodies)
    return [explaining.of(each) for each in moved]


async def _decisions(
    connection: AsyncConnection[Any], question: Movements, earlier: Point, later: Point, ids: Sequence[UUID]
) -> _Decisions:
    async def ask(name: str, position: int = 0) -> list[tuple[Any, ...]]:
        params = {"customer_ids": ids, "position": position}
        return await (await connection.execute(QUERIES[name], params)).fetchall()

    registered: dict[UUID, int] = {}
    states: list[dict[UUID, _StateDecision]] = [{}, {}]
    beginnings: list[dict[UUID, _Beginning]] = [{}, {}]
    if question.is_of_existence:
        registered = dict(await ask("registrations"))
        for found, point in zip(beginnings, (earlier, later), strict=True):
            found.update({row[0]: _Beginning(*row[1:]) for row in await ask("beginnings", point.position)})
    if question.names(Decided.FILE_STATE):
        for decided, point in zip(states, (earlier, later), strict=True):
            decided.update({row[0]: _StateDecision(*row[1:]) for row in await ask("state_decisions", point.position)})
    return _Decisions(registered, (states[0], states[1]), (beginnings[0], beginnings[1]))


@dataclass(frozen=True, slots=True)
class _Explaining:
    question: Movements
    earlier: Point
    later: Point
    decisions: _Decisions
    causes: Mapping[UUID, Causes]
    bodies: Mapping[UUID, Mapping[int, dict[str, Any]]]

    def of(self, moved: Moved) -> dict[str, Any]:
        customer_id = moved.customer_id
        if moved.movement == "MOVED":
            path = self.question.path
            assert path is not None  # noqa: S101 - without a path nobody moves
            return self._of_slot(customer_id, path.slot) if path.slot else self._of_state(customer_id)
        if self.question.is_of_existence and (found := self._of_existence(customer_id)):
            return found
        conditions = [each for each in self.question.where if self._is_turned(customer_id, each)]
        slots = dict.fromkeys(each.path.slot for each in conditions if each.path.slot)
        parts = [self._of_slot(customer_id, slot) for slot in slots]
        if any(each.path.decided is Decided.FILE_STATE for each in conditions):
            parts.append(self._of_state(customer_id))
        return _joined(parts)

    def _of_slot(self, customer_id: UUID, slot: str) -> dict[str, Any]:
        return self.causes[customer_id].of(slot)

    def _of_event(self, customer_id: UUID, version: int) -> dict[str, Any]:
        return explained([self.bodies[customer_id][version]], self.earlier)

    def _of_state(self, customer_id: UUID) -> dict[str, Any]:
        return self._of_event(customer_id, self.decisions.states[1][customer_id].version)

    def _of_existence(self, customer_id: UUID) -> dict[str, Any] | None:
        """What made the customer be there, or not be there any more; None if it is there at both points."""
        if self.decisions.registered[customer_id] > self.earlier.position:
            return self._of_event(customer_id, 1)
        first, last = (beginnings.get(customer_id) for beginnings in self.decisions.beginnings)
        was, is_now = (
            found is None or found.start <= point.valid_at
            for found, point in ((first, self.earlier), (last, self.later))
        )
        beginning = (last or first) if is_now else (first or last)
        if was == is_now or beginning is None:
            return None
        told = self._of_slot(customer_id, beginning.slot)
        return told if told["caused_by"] else self._of_event(customer_id, beginning.version)

    def _is_turned(self, customer_id: UUID, condition: Condition) -> bool:
        """Whether the condition holds at one point alone."""
        path = condition.path
        if path.slot:
            causes = self.causes[customer_id]
            sides = [_value(side.get(path.slot)) for side in (causes.before, causes.after)]
        elif path.decided is Decided.FILE_STATE:
            sides = [_file_state(states.get(customer_id)) for states in self.decisions.states]
        else:
            return False
        return meets(sides[0], condition) != meets(sides[1], condition)


def _value(held: HeldFact | None) -> Any:
    return ABSENT if held is None else held.value


def _file_state(decision: _StateDecision | None) -> str:
    return "ARCHIVED" if decision and decision.is_archived else "LIVE"


def _joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Several reasons as one: all events by their place; the reason that was recorded last says of which kind it is."""
    known = [part for part in parts if part["caused_by"]]
    if not known:
        return _NOTHING
    last = max(known, key=lambda part: part["caused_by"][0]["position"])
    causes = {cause["position"]: cause for part in known for cause in part["caused_by"]}
    return {**last, "caused_by": [causes[position] for position in sorted(causes)]}
