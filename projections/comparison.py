"""Holds the read models against the evidence: every row computed anew from the streams, in one walk over customers.

What must stay true: everything is read as of one moment and in constant memory but for the longest stream, and each
row is met: one that is missing, one that differs, one that belongs to no stream. Where the computed rows are stored
anyway, as a shadow of the live ones, the server holds both tables against each other, and only what differs is read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from db.queries import load
from domain.errors import HistoryNeeded
from domain.events import RecordedEvent
from domain.events.privacy import PersonalDataErased
from domain.file import CustomerFile
from domain.streams import StreamKind
from ledger import codec
from ledger.errors import DataKeyMissing, UnreadableEvent
from ledger.snapshot_keys import SnapshotKeys
from ledger.streams import StoredStream, read_streams
from projections.checksums import TableChecksums, Tally, checksum_of
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
    "computed",
    "differences_from_shadow",
    "hold_tables",
    "live_checksums",
]

_QUERIES: Final = load("projections", "comparison.sql")
_BATCH: Final = 2000
_CUSTOMERS: Final = 200
"""So many of those that differ are looked at together."""

FOLLOWED: Final = {table.name: table for table in EVERY_FOLLOWED}
"""The tables that follow the log, by name; each is compared at the position that its projection has reached."""
INLINE: Final = ("profile", "identifier")
"""The tables written with the events, compared at the streams' heads."""


class Compared(NamedTuple):
    """One stream: how many events, the rows that the tables must hold, and where they do not.

    Not `settled` is a customer of whom something was erased that the tables have not passed yet. They may then hold the
    values of before, or not, and are not compared; when they pass the erasure, the customer is projected anew.
    """

    customer_id: UUID
    events: int
    rows: Mapping[Followed, list[Row]]
    differences: list[Difference]
    settled: bool = True
    is_customer: bool = True
    """Not so for a stream of the service itself."""


class _Customer(NamedTuple):
    """A customer's events and the position of each; or those of a stream of another kind."""

    customer_id: UUID
    events: list[RecordedEvent]
    positions: list[int | None]
    kind: StreamKind = StreamKind.CUSTOMER

    @property
    def is_customer(self) -> bool:
        return self.kind is StreamKind.CUSTOMER


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
    followed_too: bool = True,
) -> Iterator[Compared]:
    """Every customer of which there are events or rows, and every stream of the service itself, in the order of ids.

    Or some customers, in INLINE tables.

    `connection` is in one REPEATABLE READ transaction, of a role that may read everything. A customer whose stream
    cannot be read is told to `skip` and left out; without it, StreamUnreadable is raised. Without `followed_too` the
    rows of FOLLOWED tables are computed and not compared (see `differences_from_shadow`). Raises psycopg.Error.
    """
    connection.execute(_QUERIES["speak_plainly"])
    reached = dict(connection.execute(_QUERIES["positions"]).fetchall())
    followed = [table for name, table in FOLLOWED.items() if name in names and customer_ids is None]
    positions = {table: reached.get(table.name, 0) for table in followed}
    inline = [name for name in INLINE if name in names]
    sources: list[Iterator[tuple[UUID, str, Any]]] = [
        ((stream.customer_id, "", read) for stream, read in _customers(connection, keys, customer_ids, skip)),
        *(_followed_rows(connection, table) for table in positions if followed_too),
        *(_inline_rows(connection, name, customer_ids) for name in inline),
    ]
    for customer_id, group in groupby(merge(*sources, key=itemgetter(0)), key=itemgetter(0)):
        found = {name: content for _, name, content in group}
        customer = found.pop("", _Customer(customer_id, [], []))
        if customer is not None:
            rows = expected_rows(_sealed(customer), positions, customer.kind) if positions else {}
            settled = not positions or _is_settled(customer, min(positions.values()))
            differences = _followed_differences(customer_id, rows, found) if followed_too and settled else []
            differences += _inline_differences(customer, inline, found)
            yield Compared(customer_id, len(customer.events), rows, differences, settled, customer.is_customer)


def computed(
    connection: Connection[Any], keys: SnapshotKeys, position: int
) -> Iterator[tuple[CustomerFile | None, Mapping[Followed, list[Row]], int]]:
    """Every customer's file, the rows of FOLLOWED tables as of a position, and how many events it has, in their order.

    Of a stream of the service itself there is no file.

    Raises StreamUnreadable, psycopg.Error.
    """
    positions = dict.fromkeys(FOLLOWED.values(), position)
    for _, customer in _customers(connection, keys, None, None):
        if customer is not None:
            file = _file(customer) if customer.is_customer else None
            yield file, expected_rows(_sealed(customer), positions, customer.kind), len(customer.events)


def differences_from_shadow(
    live: Connection[Any],
    shadow: Connection[Any],
    tables: Collection[Followed],
    found: Callable[[Difference], None],
    unsettled: Collection[UUID] = (),
) -> list[TableChecksums]:
    """Tell where live tables are not what their shadows are, by customer; return the checksums of both.

    Nothing is told of customers that are not settled (see Compared). Each is seen by its connection's transaction;
    `live` has been used by `compare` before.
    """
    shadow.execute(_QUERIES["speak_plainly"])
    reached = dict(live.execute(_QUERIES["positions"]).fetchall())
    tallies = {table: (Tally(live, "read", table), Tally(shadow, "shadow", table)) for table in tables}
    differing = merge(*(_differing_customers(*both) for both in tallies.values()))
    customer_ids = (customer_id for customer_id, _ in groupby(differing) if customer_id not in unsettled)
    while some := list(islice(customer_ids, _CUSTOMERS)):
        wanted, held = (
            {table: dict(_rows_by_customer(connection, schema, table, some)) for table in tables}
            for connection, schema in ((shadow, "shadow"), (live, "read"))
        )
        for customer_id in some:
            rows = {table: wanted[table].get(customer_id, []) for table in tables}
            of_customer = {table.name: held[table].get(customer_id, []) for table in tables}
            for difference in _followed_differences(customer_id, rows, of_customer):
                found(difference)
    return [
        TableChecksums(table.name, reached[table.name], of_live.checksum, of_shadow.checksum)
        for table, (of_live, of_shadow) in tallies.items()
    ]


def live_checksums(live: Connection[Any], names: Collection[str]) -> list[TableChecksums]:
    """The checksums of the live tables of these names, as the transaction of `live` sees them."""
    reached = dict(live.execute(_QUERIES["positions"]).fetchall())
    return [
        TableChecksums(name, reached.get(name, 0), checksum_of(live, table))
        for name, table in FOLLOWED.items()
        if name in names
    ]


def _differing_customers(live: Tally, shadow: Tally) -> Iterator[UUID]:
    for customer_id, of_both in groupby(merge(live.digests(), shadow.digests(), key=itemgetter(0)), key=itemgetter(0)):
        first, *others = of_both
        if others != [first]:
            yield customer_id


def _followed_differences(
    customer_id: UUID, rows: Mapping[Followed, Sequence[Row]], found: Mapping[str, Any]
) -> list[Difference]:
    return [
        difference
        for table, expected in rows.items()
        for difference in row_differences(table, customer_id, expected, found.get(table.name, ()))
    ]


def _inline_differences(customer: _Customer, inline: Sequence[str], found: Mapping[str, Any]) -> list[Difference]:
    customer_id, events = customer.customer_id, customer.events
    differences: list[Difference] = []
    file = _file(customer) if inline and events and customer.is_customer else None
    if "profile" in inline:
        differences += profile_differences(customer_id, file, next(iter(found.get("profile", ())), None))
    if "identifier" in inline:
        differences += identifier_differences(customer_id, file, events, found.get("identifier", ()))
    return differences


def _is_settled(customer: _Customer, position: int) -> bool:
    """Whether every erasure among the events is known at a position of the log."""
    erasures = [
        place
        for event, place in zip(customer.events, customer.positions, strict=True)
        if isinstance(event.payload, PersonalDataErased)
    ]
    return all(place is not None and place <= position for place in erasures)


def _file(customer: _Customer) -> CustomerFile:
    try:
        return CustomerFile.folded(customer.customer_id, customer.events, keep_history=False)
    except HistoryNeeded:
        return CustomerFile.folded(customer.customer_id, customer.events)


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
    streams = read_streams(connection, customer_ids=customer_ids, all_kinds=customer_ids is None)
    for some in _some_at_a_time(map(_checked, streams)):
        keys.hold({subject for stream in some for event in stream.events for subject in event.subjects})
        for stream, events, error in some:
            try:
                yield (
                    stream,
                    _Customer(stream.customer_id, _decoded(events, keys, error), stream.positions, stream.kind),
                )
            except StreamUnreadable as unreadable:
                if skip is None:
                    raise
                skip(unreadable)
                yield stream, None


class _Checked(NamedTuple):
    """A stream and its events before decryption, up to the one that is the reason why it cannot be read."""

    stream: StoredStream
    events: list[codec.Checked]
    error: StreamUnreadable | None


def _checked(stream: StoredStream) -> _Checked:
    events: list[codec.Checked] = []
    for stored in stream.events:
        try:
            events.append(codec.checked(stored))
        except UnreadableEvent as error:
            return _Checked(stream, events, _unreadable(stream.customer_id, stored.originator_version, error))
    return _Checked(stream, events, None)


def _decoded(
    events: Sequence[codec.Checked], keys: SnapshotKeys, error: StreamUnreadable | None
) -> list[RecordedEvent]:
    decoded: list[RecordedEvent] = []
    erased = codec.erasures_in(events)
    for event in events:
        try:
            decoded.append(codec.decode_checked(event, keys, erased))
        except (UnreadableEvent, DataKeyMissing) as reason:
            raise _unreadable(event.stream, event.version, reason) from reason
    if error is not None:
        raise error
    return decoded


def _unreadable(customer_id: UUID, version: int, reason: Exception) -> StreamUnreadable:
    return StreamUnreadable(customer_id, version, str(reason))


def _some_at_a_time(streams: Iterable[_Checked]) -> Iterator[list[_Checked]]:
    """As many as make a query for their keys worth while."""
    some: list[_Checked] = []
    events = 0
    for checked in streams:
        some.append(checked)
        events += len(checked.events)
        if events >= _BATCH:
            yield some
            some, events = [], 0
    yield some


def _followed_rows(connection: Connection[Any], table: Followed) -> Iterator[tuple[UUID, str, list[Row]]]:
    for customer_id, rows in _rows_by_customer(connection, "read", table):
        yield customer_id, table.name, rows


def _rows_by_customer(
    connection: Connection[Any], schema: str, table: Followed, customer_ids: Sequence[UUID] | None = None
) -> Iterator[tuple[UUID, list[Row]]]:
    with connection.cursor(f"compared_{table.name}") as cursor:
        cursor.itersize = _BATCH
        some = {"customer_ids": None if customer_ids is None else list(customer_ids)}
        cursor.execute(_of_table(table.name, schema, table), some)
        for customer_id, rows in groupby(cursor, key=itemgetter(0)):
            yield UUID(customer_id), [_plain(table, row) for row in rows]


def _of_table(query: str, schema: str, table: Followed) -> Composed:
    return SQL(_QUERIES[query]).format(table=Identifier(schema, table.name))


def _plain(table: Followed, row: Row) -> Row:
    """The row with its JSON as `expected_rows` writes it; what is no object and no list is written alike.

    Nor is what is no JSON: it differs from everything.
    """
    row = table.told(row)
    for number in table.json_columns:
        text = row[number]
        if text and text[0] in "{[":
            with suppress(orjson.JSONDecodeError):
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
