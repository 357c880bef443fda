"""Who has one value in a slot that customers are classified by: pages of ids, several questions by one statement.

Only reads. What must stay true: it lists whom `answers.page` lists for a question with that one condition.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

import orjson
from psycopg import AsyncConnection
from psycopg.sql import SQL

from db import arrays
from db.queries import load
from projections.portfolio.parts import family_of, is_classified, whole_value
from projections.portfolio.query import Listing, Operator, SortPlace

_QUERIES: Final = load("projections.portfolio", "portfolio.sql")
_NOBODY: Final = UUID(int=0)


class MembersAsked(NamedTuple):
    """`value` is JSON. At most `limit` customers, in the order of ids, behind `after`."""

    slot: str
    value: bytes
    position: int
    valid_at: datetime
    limit: int
    after: UUID | None

    @classmethod
    def by(
        cls, query: Listing, position: int, valid_at: datetime, *, limit: int, after: UUID | SortPlace | None
    ) -> Self | None:
        """What brings the page of a question; None where it takes more than ids and the value that is asked for."""
        if query.sort is not None or len(query.where) != 1 or isinstance(after, SortPlace):
            return None
        (condition,) = query.where
        slot = condition.path.slot
        if condition.operator is not Operator.EQ or not is_classified(slot):
            return None
        if any(not path.is_customer_id and path.slot != slot for path in query.columns):
            return None
        value = orjson.dumps(whole_value(condition.path, condition.operand))
        return cls(slot, value, position, valid_at, limit, after)


async def members(connection: AsyncConnection[Any], asked: Collection[MembersAsked]) -> dict[MembersAsked, list[str]]:
    """The ids of each page."""
    families: dict[str, list[MembersAsked]] = {}
    for one in asked:
        families.setdefault(one.slot.split("/", 2)[1], []).append(one)
    found: dict[MembersAsked, list[str]] = {}
    for wanted in families.values():
        params = {
            "slots": arrays.texts([one.slot for one in wanted]),
            "values": arrays.jsonbs([one.value for one in wanted]),
            "positions": arrays.bigints([one.position for one in wanted]),
            "valid_at": arrays.timestamps([one.valid_at for one in wanted]),
            "limits": arrays.bigints([one.limit for one in wanted]),
            "after": arrays.uuids([one.after or _NOBODY for one in wanted]),
        }
        statement = SQL(_QUERIES["members"]).format(family=family_of(wanted[0].slot))
        cursor = await connection.cursor(binary=True).execute(statement, params)
        found |= {wanted[place - 1]: ids or [] for place, ids in await cursor.fetchall()}
    return found
