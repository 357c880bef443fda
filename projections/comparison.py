"""Holds the read models against the evidence: every row computed anew from the streams, in one walk over customers.

What must stay true: everything is read as of one moment and in constant memory but for the longest stream, and each
row is met: one that is missing, one that differs, one that belongs to no stream.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from psycopg import Connection

from db.queries import load
from domain.events import RecordedEvent
from domain.file import CustomerFile
from ledger import codec
from ledger.errors import DataKeyMissing, UnreadableEvent
from ledger.snapshot_keys import SnapshotKeys
from ledger.streams import StoredStream, read_streams
from projections.differences import (
    Difference,
    IdentifierRow,
    ProfileRow,
    identifier_differences,
    profile_differences,
    row_differences,
)
from projections.errors import StreamUnreadable
from projections.expected import EVERY_FOLLOWED, Followed, Row, expected_rows, json_text
from projections.moves import Positioned

__all__ = [
    "FOLLOWED",
    "INLINE",
    "Compared",
    "Difference",
    "compare",
    "hold_tables",
]

_QUERIES: Final = load("projections", "comparison.sql")
_BATCH: Final = 2000

FOLLOWED: Final = {table.name: table for table in EVERY_FOLLOWED}
"""The tables that follow the log, by name; each is compared at the position that its projection has reached."""
INLINE: Final = ("profile", "identifier")
"""The tables written with the events, compared at the streams' heads."""


class Compared(NamedTuple):
    """One customer: how many events, the rows that the tables must hold, and where they do not."""

    customer_id: UUID
    events: int
    rows: Mapping[Followed, list[Row]]
    differences: list[Difference]


class _Customer(NamedTuple):
    """A customer's events and the position of each."""

    customer_id: UUID
    events: list[RecordedEvent]
    positions: list[int | None]


Skip = Callable[[StreamUnreadable], None]


def hold_tables(connection: Connection[Any]) -> None:
    """Call it first in a transaction that will compare: a rebuild that switches tables then waits for its end.

    Without it, a snapshot taken before the switch finds tables that did not exist yet, and rows missing in them.
    """
    connection.execute(_QUERIES["hold"])


def compare(
    connection: Connection[Any],
    keys: SnapshotKeys,
    names: Collection[str] = (*FOLLOWED, *INLINE),
    *,
    customer_ids: Sequence[UUID] | None = None,
    skip: Skip | None = None,
) -> Iterator[Compared]:
    """Every customer of which there are events or rows, in the order of their ids; or some of them, in INLINE tables.

    `connection` is in one REPEATABLE READ transaction, of a role that may read everything. A customer whose stream
    cannot be read is told to `skip` and left out; without it, StreamUnreadable is raised. Raises psycopg.Error.
    """
    connection.execute(_QUERIES["speak_plainly"])
    reached = dict(connection.execute(_QUERIES["positions"]).fetchall())
    followed = [table for name, table in FOLLOWED.items() if name in names and customer_ids is None]
    positions = {table: reached.get(table.name, 0) for table in followed}
    inline = [name for name in INLINE if name in names]
    sources: list[Iterator[tuple[UUID, str, Any]]] = [
        ((stream.customer_id, "", read) for stream, read in _customers(connection, keys, customer_ids, skip)),
        *(_followed_rows(connection, table) for table in positions),
        *(_inline_rows(connection, name, customer_ids) for name in inline),
    ]
    for customer_id, group in groupby(merge(*sources, key=itemgetter(0)), key=itemgetter(0)):
        found = {name: content for _, name, content in group}
        customer = found.pop("", _Customer(customer_id, [], []))
        if customer is not None:
            yield _compared(customer, positions, inline, found)


def _compared(
    customer: _Customer, positions: Mapping[Followed, int], inline: Sequence[str], found: Mapping[str, Any]
) -> Compared:
    customer_id, events = customer.customer_id, customer.events
    rows = expected_rows(_sealed(customer), positions) if positions else {}
    differences: list[Difference] = []
    for table, expected in rows.items():
        differences += row_differences(table, customer_id, expected, found.get(table.name, ()))
    file = CustomerFile.folded(customer_id, events) if inline and events else None
    if "profile" in inline:
        differences += profile_differences(customer_id, file, next(iter(found.get("profile", ())), None))
    if "identifier" in inline:
        differences += identifier_differences(customer_id, file, events, found.get("identifier", ()))
    return Compared(customer_id, len(events), rows, differences)


def _sealed(customer: _Customer) -> list[Positioned]:
    sealed = [
        Positioned.of(position, event)
        for event, position in zip(customer.events, customer.positions, strict=True)
        if position is not None
    ]
    return sorted(sealed, key=itemgetter(0))


# --- reading --------------------------------------------------------------------------------------------------------


def _customers(
    connection: Connection[Any], keys: SnapshotKeys, customer_ids: Sequence[UUID] | None, skip: Skip | None
) -> Iterator[tuple[StoredStream, _Customer | None]]:
    """Each stream and what it says; None where it was skipped."""
    for streams in _some_at_a_time(read_streams(connection, customer_ids=customer_ids)):
        keys.hold(_subjects(streams))
        for stream in streams:
            try:
                yield stream, _Customer(stream.customer_id, list(_decoded(stream, keys)), stream.positions)
            except StreamUnreadable as error:
                if skip is None:
                    raise
                skip(error)
                yield stream, None


def _some_at_a_time(streams: Iterable[StoredStream]) -> Iterator[list[StoredStream]]:
    """As many as make a query for their keys worth while."""
    some: list[StoredStream] = []
    events = 0
    for stream in streams:
        some.append(stream)
        events += len(stream.events)
        if events >= _BATCH:
            yield some
            some, events = [], 0
    yield some


def _subjects(streams: Iterable[StoredStream]) -> set[UUID]:
    subjects: set[UUID] = set()
    for stream in streams:
        for stored in stream.events:
            with suppress(UnreadableEvent):  # told where it is decoded
                subjects |= codec.subjects_in(stored)
    return subjects


def _decoded(stream: StoredStream, keys: SnapshotKeys) -> Iterator[RecordedEvent]:
    for stored in stream.events:
        try:
            yield codec.decode(stored, keys)
        except (UnreadableEvent, DataKeyMissing) as error:
            raise StreamUnreadable(stream.customer_id, stored.originator_version, str(error)) from error


def _followed_rows(connection: Connection[Any], table: Followed) -> Iterator[tuple[UUID, str, list[Row]]]:
    with connection.cursor(f"compared_{table.name}") as cursor:
        cursor.itersize = _BATCH
        cursor.execute(_QUERIES[table.name])
        for customer_id, rows in groupby(cursor, key=itemgetter(0)):
            yield UUID(customer_id), table.name, [_plain(table, row) for row in rows]


def _plain(table: Followed, row: Row) -> Row:
    """The row with its JSON as `expected_rows` writes it; what is no object and no list is written alike."""
    for number in table.json_columns:
        text = row[number]
        if text is not None and text[0] in "{[":
            row = (*row[:number], json_text(orjson.loads(text)), *row[number + 1 :])
    return row


def _inline_rows(
    connection: Connection[Any], name: str, customer_ids: Sequence[UUID] | None
) -> Iterator[tuple[UUID, str, list[ProfileRow | IdentifierRow]]]:
    make = ProfileRow if name == "profile" else IdentifierRow
    with connection.cursor(f"compared_{name}", binary=True) as cursor:
        cursor.itersize = _BATCH
        cursor.execute(_QUERIES[name], {"customer_ids": None if customer_ids is None else list(customer_ids)})
        for customer_id, rows in groupby(cursor, key=itemgetter(0)):
            yield customer_id, name, [make(*row[1:]) for row in rows]
