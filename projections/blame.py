"""Blame: per slot, the event that holds it, who made it and why, and what had been there before.

Only reads: rectangles, events and changes, by one statement for many customers. What must stay true: an item stands for
a slot whose value shows, and for no other; items are made into JSON by the server, once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from psycopg import AsyncConnection

from db import arrays
from db.queries import load
from domain.slots import parent_of
from projections.basis import Stand
from projections.changes import approved_by

_QUERIES: Final = load("projections", "blame.sql")
_NEITHER: Final = b'null},"last_verified":null}'
"""How the item of nearly every slot ends: nobody approved, nobody verified."""


class BlameAsked(NamedTuple):
    """Whose slots, as known and as valid when; None stands for the latest that the read models know, and for now."""

    customer_id: UUID
    position: int | None = None
    valid_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Blamed:
    """The items of one customer, by slot, and how things stood when they were read. `whole` is all, commas between."""

    stand: Stand
    items: Mapping[str, bytes]
    whole: bytes

    def at(self, path: str | None) -> bytes:
        """The items at `path` and below, or all."""
        if path is None:
            return self.whole
        wanted = path.rstrip("/")
        return b",".join(item for slot, item in self.items.items() if slot == wanted or slot.startswith(wanted + "/"))


async def blamed(connection: AsyncConnection[Any], asked: Collection[BlameAsked]) -> dict[BlameAsked, Blamed]:
    """Who set what shows, per slot in its order; nothing for a customer of whose slots none has a value.

    `previous` is what had shown when the setting event became effective, as known before it; null if nothing.
    `last_verified` is the last verification of the very value that shows, null if there is none.
    """
    wanted = list(asked)
    params = {
        "customer_ids": arrays.uuids([one.customer_id for one in wanted]),
        "positions": arrays.bigints([one.position for one in wanted]),
        "valid_at": arrays.timestamps([one.valid_at for one in wanted]),
    }
    cursor = await connection.cursor(binary=True).execute(_QUERIES["blame"], params)
    return {wanted[row[0] - 1]: _blamed(row[1:]) for row in await cursor.fetchall()}


def _blamed(row: Sequence[Any]) -> Blamed:
    stand, (slots, begun, contents, event_ids, told) = Stand(*row[:4]), row[4:]
    verified = {} if told is None else {(slot, event): said for slot, event, said in orjson.loads(told)}
    shown = set(slots)
    items: dict[str, bytes] = {}
    for number, slot in enumerate(slots):
        if (parent := parent_of(slot)) is not None and parent not in shown:
            continue
        content, end = contents[number], _NEITHER
        if content is not None or event_ids is not None:
            verification = verified.get((slot, event_ids[number])) if event_ids is not None else None
            end = _end(content, verification)
        items[slot] = begun[number] + end
    return Blamed(stand, items, b",".join(items.values()))


def _end(content: str | None, verification: str | None) -> bytes:
    approver = None if content is None else approved_by({"data": orjson.loads(content)})
    return b'%b},"last_verified":%b}' % (orjson.dumps(approver), (verification or "null").encode())
