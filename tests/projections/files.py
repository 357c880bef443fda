"""Small streams that several tests begin with."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from domain.events import Actor, Payload
from domain.events.classification import TierBasis, TierDirection, TierReassigned
from domain.events.lifecycle import CustomerKind, CustomerRegistered
from projections.blame import BlameAsked, blamed
from tests.make import Stream

BOSS = Actor(id="u-301", on_behalf_of="u-300")


def tier(code: str, **fields: Any) -> Payload:
    return TierReassigned(
        scheme="VALUE",
        from_code=None,
        to_code=code,
        direction=TierDirection.RAISED,
        basis=TierBasis.APPROVED,
        **fields,
    )


def registered() -> Stream:
    stream = Stream()
    stream.add(CustomerRegistered(customer_kind=CustomerKind.ORGANISATION))
    return stream


async def blame(
    connection: AsyncConnection[Any], customer_id: UUID, position: int, valid_at: datetime, path: str | None = None
) -> list[dict[str, Any]]:
    """The items of blame, taken apart again."""
    asked = BlameAsked(customer_id, position, valid_at)
    found = (await blamed(connection, [asked])).get(asked)
    return [] if found is None else list(orjson.loads(b"[%b]" % found.at(path)))
