"""Whole streams, one after another, as they are stored: what verifying and rebuilding start from.

Owns how a statement tells customers' streams from the others. Nothing is decoded here, so that bytes that lead back to
no event can still be reported by whoever tries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count, groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from psycopg import Connection

from db.queries import load
from domain.streams import StreamKind, stream_kind
from ledger.epochs import OWN
from ledger.frame import framed

_QUERIES: Final = load("ledger", "streams.sql")
_NUMBERS: Final = count(1)

_OTHERS: Final = [f"{kind}.%" for kind in StreamKind if kind is not StreamKind.CUSTOMER]
OF_CUSTOMERS: Final = {**OWN, "others": _OTHERS}
"""For statements that are about customers: the stream of the log, and what the stored names of others are like."""
OF_ALL: Final = {**OWN, "others": list[str]()}
"""For the same statements about all streams but the log's."""


class StoredStream(NamedTuple):
    """A stream's events in the order of their versions, and the position of each; None: not sealed yet.

    `customer_id` is the stream's id, also where it is no customer's.
    """

    customer_id: UUID
    events: list[StoredEvent]
    positions: list[int | None]

    @property
    def kind(self) -> StreamKind:
        return stream_kind(self.events[0].topic) if self.events else StreamKind.CUSTOMER


def read_streams(
    connection: Connection[Any],
    *,
    customer_ids: Sequence[UUID] | None = None,
    all_kinds: bool = False,
    batch: int = 2000,
) -> Iterator[StoredStream]:
    """Every customer's stream, or those of some, in the order of their ids; a customer without events has none.

    `all_kinds`: those of the service itself too.

    Reads in the caller's transaction, which is REPEATABLE READ when all of it must be of one moment, `batch` rows at
    a time: no more than that and the stream at hand are held. Parts that were erased are missing from their events.
    """
    wanted = OF_ALL if all_kinds else OF_CUSTOMERS
    with connection.cursor(f"streams_{next(_NUMBERS)}", binary=True) as cursor:
        cursor.itersize = batch
        if customer_ids is None:
            connection.execute(_QUERIES["prefer_merging"])
            cursor.execute(_QUERIES["every_stream"], wanted)
            connection.execute(_QUERIES["plan_freely"])
        else:
            cursor.execute(_QUERIES["some_streams"], {**wanted, "streams": list(customer_ids)})
        for customer_id, rows in groupby(cursor, key=itemgetter(0)):
            yield _stream(customer_id, rows)


def _stream(customer_id: UUID, rows: Iterable[tuple[Any, ...]]) -> StoredStream:
    stream = StoredStream(customer_id, [], [])
    for version, rows_of_event in groupby(rows, key=itemgetter(1)):
        first, *others = rows_of_event
        _, _, stored_name, entry, position, part, _ = first
        parts = [] if part is None else [(row[5], row[6]) for row in (first, *others)]
        stream.events.append(StoredEvent(customer_id, version, stored_name, framed(entry, parts)))
        stream.positions.append(position)
    return stream
