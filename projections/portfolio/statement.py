"""How a question becomes one statement, and what the columns of its rows are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.sql import SQL, Composable, Composed, Identifier

from projections.portfolio.parts import Parts, composed, is_classified
from projections.portfolio.query import Grouping, Listing, SortPlace


@dataclass(frozen=True, slots=True)
class Statement:
    text: Composed
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Laid:
    """A listing's statement, and what its columns are.

    After the id comes the SortPlace, if there is a sort; then the values of slots that the candidates came with; then
    kind, state, and the other slots as one object, each null if it is not wanted.
    """

    statement: Statement
    is_sorted: bool
    values: tuple[str, ...]


def listing(
    query: Listing, position: int, valid_at: datetime, *, limit: int | None, after: UUID | SortPlace | None
) -> Laid:
    """The statement of a page behind `after`, or of all if `limit` is None."""
    parts = Parts(position, valid_at, one_by_one=limit is not None)
    if limit is not None and query.sort is None and len(query.where) == 1 and not isinstance(after, SortPlace):
        parts.take_first(limit, after)
    parts.begin(query.where)
    wanted = {path.slot: path for path in query.columns if path.slot}
    order = parts.sorted(query.sort) if query.sort else [SQL("c0.customer_id")]
    parts.behind(after, order, query.sort)
    values = tuple(slot for slot in wanted if slot in parts.values)
    others = [slot for slot in wanted if slot not in parts.values]
    selected: list[Composable] = [SQL("c0.customer_id")]
    if query.sort:
        selected += [SQL("{} AS {}").format(part, Identifier(f"s{number}")) for number, part in enumerate(order[:-1])]
    selected += [
        SQL("({})::text AS {}").format(parts.values[slot], Identifier(f"v{number}"))
        for number, slot in enumerate(values)
    ]
    direction = SQL(" DESC" if query.sort and query.sort.descending else "")
    names = [Identifier("page", f"s{number}") for number in range(len(order) - 1)]
    names.append(Identifier("page", "customer_id"))
    statement = composed(
        "listing",
        wanted=SQL(", ").join(parts.described(query.columns, others)),
        selected=SQL(", ").join(selected),
        candidates=parts.relations,
        conditions=parts.conditions,
        order=SQL(", ").join(part + direction for part in order),
        limit=parts.put(limit),
        page_order=SQL(", ").join(name + direction for name in names),
    )
    return Laid(Statement(statement, parts.params), len(order) > 1, values)


def grouping(query: Grouping, position: int, valid_at: datetime, *, limit: int) -> Statement:
    """The statement of the groups: the values they have in common, then the measures."""
    parts = Parts(position, valid_at)
    parts.begin(query.where, [path for path in query.by if is_classified(path.slot)][:1])
    keys = [parts.key(path) for path in query.by]
    measures = [parts.measured(measure) for measure in query.measures]
    statement = composed(
        "grouping",
        selected=SQL(", ").join([*(SQL("to_jsonb({})::text").format(key) for key in keys), *measures]),
        candidates=parts.relations,
        conditions=parts.conditions,
        keys=SQL(", ").join(keys) if keys else SQL("()"),
        limit=parts.put(limit),
    )
    return Statement(statement, parts.params)
