"""The differences between two points of one customer's file, each with the events that caused it.

One function serves both axes. Only reads: states come from read.facts; projections/causes.py says what the causes are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from domain.facts import ABSENT, same_json
from domain.masking import Mask
from domain.slots import pointer
from projections.causes import Point, Sides, causes_between
from projections.facts import HeldFact, holders_at, visible


async def diff(
    connection: AsyncConnection[Any], customer_id: UUID, left: Point, right: Point, *, mask: Mask | None = None
) -> list[dict[str, Any]]:
    """What differs from `left` to `right`, by path; objects are compared member by member.

    Of what `mask` hides it is said that it differs.
    """
    sides = [await holders_at(connection, customer_id, *point) for point in (left, right)]
    shown = [visible(side) for side in sides]
    slots = [slot for slot in sorted({*shown[0], *shown[1]}) if not _same(shown[0].get(slot), shown[1].get(slot))]
    # a difference has the same causes whichever side it is looked at from
    (earlier, before), (later, after) = sorted(zip((left, right), sides, strict=True), key=lambda pair: pair[0])
    causes = await causes_between(connection, earlier, later, {customer_id: Sides(before, after, slots)}, mask)
    return [
        {**change, **causes[customer_id].of(slot)}
        for slot in slots
        for change in _seen(slot, _value(shown[0], slot), _value(shown[1], slot), mask)
    ]


def _same(left: HeldFact | None, right: HeldFact | None) -> bool:
    if left is None or right is None:
        return left is right
    return same_json(left.value, right.value)


def _value(shown: Mapping[str, HeldFact], slot: str) -> Any:
    return shown[slot].value if slot in shown else ABSENT


def _seen(slot: str, left: Any, right: Any, mask: Mask | None) -> Iterator[dict[str, Any]]:
    """The steps from value to value of a slot; one for all, if either is hidden."""
    values = {"from": left, "to": right}
    sides = {name: value for name, value in values.items() if value is not ABSENT}
    if mask is None or not any(mask.level(slot, value) for value in sides.values()):
        yield from _operations(slot, left, right)
    else:
        operation = "add" if left is ABSENT else "remove" if right is ABSENT else "replace"
        shown = {name: mask.value(slot, value) for name, value in sides.items()}
        yield {"op": operation, "path": mask.pointer(slot), **shown}


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
