"""Which request took effect under an idempotency key: from the record itself, which remembers it for ever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from db.queries import load

_QUERIES: Final = load("projections", "idempotency.sql")


@dataclass(frozen=True, slots=True)
class UsedKey:
    """`position` is that of the last event, None while it is not sealed. `status` is what was answered at first."""

    actor: str
    customer_id: UUID
    first_version: int
    last_version: int
    status: int
    recorded_at: str
    position: int | None


async def used_key(connection: AsyncConnection[Any], key: str) -> UsedKey | None:
    """None for a key under which nothing took effect, which is no proof that nobody tried."""
    row = await (await connection.cursor(binary=True).execute(_QUERIES["by_key"], {"key": key})).fetchone()
    if row is None:
        return None
    actor, customer_id, first, last, status, entry, position = row
    return UsedKey(actor, customer_id, first, last, status, orjson.loads(entry)["recorded_at"], position)
