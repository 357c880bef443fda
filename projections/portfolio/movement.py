"""Who entered, left or moved in a segment between two points: found in the database, explained by the events behind it.

Only reads. What must stay true: who is in a segment at a point is who a query with the same conditions lists there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg import AsyncConnection
from psycopg.abc import AdaptContext
from psycopg.sql import SQL, Composable, Composed, Placeholder

from db.queries import load
from projections.causes import Point
from projections.portfolio.parts import Parts, family_of, is_classified
from projections.portfolio.paths import Decided, Path
from projections.portfolio.query import Condition, Operator

QUERIES: Final = load("projections.portfolio", "movement.sql")
_NAMED: Final = re.compile(rb"%\((\w+)\)s")
_NOBODY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Movements:
    """The segment's conditions, and what is compared within it: nothing if `path` is None."""

    where: tuple[Condition, ...] = ()
    path: Path | None = None

    @property
    def paths(self) -> list[Path]:
        return [*(condition.path for condition in self.where), *([self.path] if self.path else [])]

    @property
    def slots(self) -> list[str]:
        return sorted({path.slot for path in self.paths if path.slot})

    @property
    def is_of_existence(self) -> bool:
        """Whether one can be in the segment without any value: by being there."""
        return all(
            not condition.path.slot or (condition.operator is Operator.EXISTS and not condition.operand)
            for condition in self.where
        )

    def names(self, decided: Decided) -> bool:
        return any(path.decided is decided for path in self.paths)


@dataclass(frozen=True, slots=True)
class Moved:
    """A customer's movement; `before` and `after` are its values, None where it is outside, or has no value."""

    customer_id: UUID
    movement: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Cell:
    """How many customers made the same movement."""

    movement: str
    before: Any
    after: Any
    count: int


@dataclass(frozen=True, slots=True)
class Found:
    """A page of movements, and all of them counted."""

    moved: list[Moved]
    cells: list[Cell]


async def movements(
    connection: AsyncConnection[Any],
    question: Movements,
    left: Point,
    right: Point,
    *,
    limit: int,
    after: UUID | None = None,
    most: int,
) -> Found:
    """At most `limit` movements from `left` to `right`, in the order of ids behind `after`; at most `most` cells."""
    if left == right:
        return Found([], [])
    statement, params = _laid(question, left, right)
    params |= {"place": after or _NOBODY, "limit": limit, "most": most}
    async with connection.transaction():
        await connection.execute(QUERIES["join_whole"])
        # unprepared: planned for the values that are asked for
        rows = await (await connection.execute(statement, params, prepare=False)).fetchall()
    found = Found([], [])
    for customer_id, movement, *values, count in rows:
        before, since = (None if value is None else orjson.loads(value) for value in values)
        if customer_id is not None:
            found.moved.append(Moved(customer_id, movement, before, since))
        else:
            found.cells.append(Cell(movement, before, since, count))
    found.moved.sort(key=lambda moved: moved.customer_id)
    return found


def _laid(question: Movements, left: Point, right: Point) -> tuple[Composed, dict[str, Any]]:
    earlier, later = sorted((left, right))
    candidates = _candidates(question, earlier, later)
    params = _candidate_params(question, earlier, later)
    sides: list[Composable] = []
    for name, point in (("left", left), ("right", right)):
        segment, of_segment = _segment(question, point, is_narrowed=candidates is not None)
        params |= {f"{name}_{key}": value for key, value in of_segment.items()}
        side: Composable = _Side(segment, name)
        sides.append(side if candidates is None else _composed("narrowed", segment=side))
    composed = _composed(
        "movements",
        candidates=_composed("nobody") if candidates is None else SQL(" UNION ALL ").join(candidates),
        before=sides[0],
        after=sides[1],
        place=Placeholder("place"),
        limit=Placeholder("limit"),
        most=Placeholder("most"),
    )
    return composed, params


def _segment(question: Movements, point: Point, *, is_narrowed: bool) -> tuple[Composed, dict[str, Any]]:
    """Who is in the segment at a point, and of each the value that is compared: null for all if none is."""
    parts = Parts(*point, everyone=_composed("candidates_there") if is_narrowed else None)
    parts.begin(question.where)
    value = parts.value(question.path, optional=True) if question.path else SQL("NULL::jsonb")
    return _composed("segment", value=value, candidates=parts.relations, conditions=parts.conditions), parts.params


def _candidates(question: Movements, earlier: Point, later: Point) -> Sequence[Composable] | None:
    """Relations that hold everyone who can differ; None where looking at all of the segment is the best there is."""
    is_known_apart, is_valid_apart = earlier.position != later.position, earlier.valid_at != later.valid_at
    if not all(map(is_classified, question.slots)):
        return None if is_valid_apart else [_composed("recorded_between")]
    slots = [
        {"slot": Placeholder(f"slot{number}"), "family": family_of(slot)} for number, slot in enumerate(question.slots)
    ]
    found: list[Composable] = []
    if is_valid_apart:
        pairs = (("earlier", "later"), ("later", "earlier"))
        found += [_composed("held_at_one", **slot, **_points(*pair)) for slot in slots for pair in pairs]
    else:
        found += [_composed(name, **slot) for slot in slots for name in ("opened_between", "closed_between")]
    if is_known_apart and (question.is_of_existence or question.names(Decided.FILE_STATE)):
        found.append(_composed("recorded_between"))
    if is_valid_apart and question.is_of_existence:
        found.append(_composed("begun_between"))
    return found or [_composed("nobody")]


def _candidate_params(question: Movements, earlier: Point, later: Point) -> dict[str, Any]:
    first, last = sorted((earlier.valid_at, later.valid_at))
    return {
        "earlier_position": earlier.position,
        "earlier_valid_at": earlier.valid_at,
        "later_position": later.position,
        "later_valid_at": later.valid_at,
        "first_valid_at": first,
        "last_valid_at": last,
        **{f"slot{number}": slot for number, slot in enumerate(question.slots)},
    }


def _points(name: str, other: str) -> dict[str, Placeholder]:
    return {
        "position": Placeholder(f"{name}_position"),
        "valid_at": Placeholder(f"{name}_valid_at"),
        "other_position": Placeholder(f"{other}_position"),
        "other_valid_at": Placeholder(f"{other}_valid_at"),
    }


class _Side(Composable):
    """A statement whose parameters' names begin with that of a side, so that two stand in one statement."""

    def __init__(self, statement: Composable, name: str) -> None:
        super().__init__(statement)
        self._name = name.encode()

    def as_bytes(self, context: AdaptContext | None = None) -> bytes:
        return _NAMED.sub(rb"%%(%s_\1)s" % self._name, self._obj.as_bytes(context))


def _composed(name: str, **parts: Composable) -> Composed:
    return SQL(QUERIES[name]).format(**parts)
