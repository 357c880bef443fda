"""Receipts: where the log has an event, and the proof of it against a signed checkpoint.

What must stay true: whoever waits for one holds no connection meanwhile.
"""

from __future__ import annotations

import time
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from db.queries import load
from ledger import published, tree
from ledger.evidence_errors import NotSealedYet
from ledger.log_errors import NotSigned
from ledger.notes import base64
from ledger.proofs import inclusion_text
from projections.catch_up import CatchUp
from projections.errors import EventUnknown, ReadModelsBehind

_QUERIES: Final = load("ledger", "receipts.sql")

Proved = dict[str, Any]
"""Of one event: version, position, entry_hash and proof, as answers show them."""


class Receipts:
    """Reads through `pool`, and waits at most `wait_seconds`. One event loop at a time."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[TupleRow]], wait_seconds: float) -> None:
        self._pool = pool
        self._wait_seconds = wait_seconds
        self._signing = CatchUp(pool, _QUERIES["signed"])

    async def wait_for(self, customer_id: UUID, first: int, last: int) -> list[Proved]:
        """The receipts of these versions. Raises EventUnknown, NotSealedYet."""
        found = await self._look(customer_id, first, last)
        if found is not None:
            return found
        await self._require_event(customer_id, last)
        deadline = time.monotonic() + self._wait_seconds
        try:
            await self._signing.passes(ReadModelsBehind(None, 0, (customer_id, last)), deadline)
            found = await self._look(customer_id, first, last)
        except ReadModelsBehind:
            found = None
        if found is None:
            raise NotSealedYet(f"no signed checkpoint covers version {last} yet")
        return found

    async def _look(self, customer_id: UUID, first: int, last: int) -> list[Proved] | None:
        """The receipts, if a signed checkpoint covers all of them."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(_QUERIES["places"], {"stream": customer_id, "first": first, "last": last})
            places = await cursor.fetchall()
            try:
                signed = await published.newest(connection)
            except NotSigned:
                return None
            if len(places) <= last - first or places[-1][1] >= signed.size:
                return None
            return [await _proved(connection, signed, *place) for place in places]

    async def _require_event(self, customer_id: UUID, version: int) -> None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_QUERIES["event_exists"], {"stream": customer_id, "version": version})
            if await cursor.fetchone() != (True,):
                raise EventUnknown(customer_id, version)


async def _proved(
    connection: AsyncConnection[Any], signed: published.SignedSize, version: int, index: int, leaf: bytes
) -> Proved:
    hashes = await tree.ask_async(connection, tree.inclusion(index, signed.size))
    return {
        "version": version,
        "position": index + 1,
        "entry_hash": base64(leaf),
        "proof": inclusion_text(index, hashes, signed.note),
    }
