"""The answers to questions about all customers: pages, whole tables and groups, as of one position and instant.

Only reads. Rows are JSON values in the order of the columns; where a customer has no value, and where that is the JSON
null, there is None.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from projections.portfolio import tallies
from projections.portfolio.paths import Decided, Path
from projections.portfolio.query import Grouping, Listing, Measure, MeasureKind, SortPlace
from projections.portfolio.statement import Laid, Statement, grouping, listing

_BATCH: Final = 1000

Row = list[Any]


class Page(NamedTuple):
    """`next_place` is where the next page begins: None if this one is not full."""

    rows: list[Row]
    next_place: UUID | SortPlace | None


async def page(
    connection: AsyncConnection[Any],
    query: Listing,
    position: int,
    valid_at: datetime,
    *,
    limit: int,
    after: UUID | SortPlace | None = None,
) -> Page:
    """At most `limit` customers behind `after`."""
    laid = listing(query, position, valid_at, limit=limit, after=after)
    found = await _all(connection, laid.statement)
    is_full = bool(found) and len(found) == limit
    return Page([_row(laid, query.columns, each) for each in found], _place(laid, found[-1]) if is_full else None)


async def whole(
    connection: AsyncConnection[Any], query: Listing, position: int, valid_at: datetime
) -> AsyncGenerator[list[Row], None]:
    """All of them, some at a time, by one statement and so from one snapshot; its transaction ends with the iterator.

    A snapshot of before the statement would not do: a rebuild could put other tables in the place of these meanwhile.
    """
    laid = listing(query, position, valid_at, limit=None, after=None)
    async with connection.transaction(), connection.cursor("portfolio") as cursor:
        await cursor.execute(laid.statement.text, laid.statement.params)
        while some := await cursor.fetchmany(_BATCH):
            yield [_row(laid, query.columns, each) for each in some]


async def groups(
    connection: AsyncConnection[Any], query: Grouping, position: int, valid_at: datetime, *, most: int
) -> list[Row]:
    """The groups in the order of what they have in common, at most so many; then their measures."""
    slot = _tallied(query)
    if slot is not None and (counted := await tallies.count(connection, slot, position, valid_at)) is not None:
        return [[code, number] for code, number in sorted(counted.items(), key=lambda group: orjson.dumps(group[0]))]
    found = await _all(connection, grouping(query, position, valid_at, limit=most))
    keys = len(query.by)
    rows = [[*map(orjson.loads, each[:keys]), *each[keys:]] for each in found]
    return sorted(rows, key=lambda row: [orjson.dumps(key, option=orjson.OPT_SORT_KEYS) for key in row[:keys]])


def _tallied(query: Grouping) -> str | None:
    """The slot by whose codes all customers are counted, where its counts are tallied."""
    if query.where or len(query.by) != 1 or query.measures != (Measure(MeasureKind.COUNT),):
        return None
    (path,) = query.by
    return path.slot if path.member == ("code",) and path.slot in tallies.slots() else None


async def _all(connection: AsyncConnection[Any], statement: Statement) -> Sequence[Sequence[Any]]:
    # unprepared: planned for the values that are asked for
    cursor = await connection.execute(statement.text, statement.params, prepare=False)
    return await cursor.fetchall()


def _row(laid: Laid, columns: Sequence[Path], found: Sequence[Any]) -> Row:
    first = 4 if laid.is_sorted else 1
    kind, state, others = found[-3:]
    slots = {slot: orjson.loads(value) for slot, value in zip(laid.values, found[first:], strict=False) if value}
    if others:
        slots |= orjson.loads(others)
    decided = {Decided.CUSTOMER_KIND: kind, Decided.FILE_STATE: state}
    return [_value(path, found[0], slots, decided) for path in columns]


def _value(path: Path, customer_id: UUID, slots: dict[str, Any], decided: dict[Decided, str | None]) -> Any:
    if path.is_customer_id:
        return str(customer_id)
    if path.decided is not None:
        text = decided[path.decided]
        return None if text is None else orjson.loads(text)
    return member_of(slots.get(path.slot), path.member)


def member_of(value: Any, member: Sequence[str]) -> Any:
    """A member of a slot's value; None where there is none."""
    for name in member:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _place(laid: Laid, found: Sequence[Any]) -> UUID | SortPlace:
    customer_id: UUID = found[0]
    if not laid.is_sorted:
        return customer_id
    is_missing, number, text = found[1:4]
    return SortPlace(is_missing, str(number), text, customer_id)
