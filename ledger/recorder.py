"""The eventsourcing library's recorders on our tables: append, read a stream, read the log.

What must stay true: an append is one transaction and one round trip, takes no lock of its own and notifies nobody;
the order in which events get their place in the log is not its business but the sealer's. Positions (the library's
notification ids) therefore come later, and `insert_events` returns None.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, ClassVar, Final, NamedTuple
from uuid import UUID

from eventsourcing.persistence import ApplicationRecorder, DataError, Notification, ProgrammingError, StoredEvent
from psycopg import Connection
from psycopg.rows import TupleRow

from db import arrays
from db.queries import load
from ledger import codec
from ledger.errors import MalformedFrame, translated
from ledger.frame import framed, unframed
from ledger.pool import Pool
from ledger.statements import Joinable, Statement, joined
from ledger.subscription import LogSubscription

QUERIES: Final = load("ledger", "ledger.sql")

_LAST_VERSION: Final = 2**63 - 1


class Appended(NamedTuple):
    """An event to append, its frame taken apart. `recorded_at` is None where the entry is not ours."""

    stream: UUID
    version: int
    type: str
    entry: bytes
    parts: tuple[tuple[int, bytes], ...]
    recorded_at: str | None


class LedgerRecorder(ApplicationRecorder):
    """Appends to the ledger and reads from it, through `pool`."""

    _completes: ClassVar = False
    """Whether `_complete` adds to the transaction."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Append all events, or none; `inline` are statements to run in the same transaction.

        `recorded_at` says of each event when it was recorded, for who knows it without opening the entry; into the
        list `entry_hashes` go the hashes by which the log will know the events. The events of a stream are given in
        the order of their versions. Raises AppendConflict, ConcurrencyFailure, Unavailable, or another of the
        library's persistence errors.
        """
        recorded_at = kwargs.get("recorded_at") or [None] * len(stored_events)
        appended = list(map(_taken_apart, stored_events, recorded_at))
        _require_version_order(appended)
        if (hashes := kwargs.get("entry_hashes")) is not None:
            hashes += [codec.entry_hash(event.entry) for event in appended]
        statements = _few([append_statement(appended)] if appended else [], kwargs.get("inline", ()))
        with translated(), self._pool.connection() as connection:
            if len(statements) == 1 and connection.autocommit and not self._completes:
                connection.execute(*statements[0])  # a transaction of its own
                return None
            # BEGIN and COMMIT by hand: `transaction()` would wait for each of them. What fails leaves the block by
            # an exception, on which the pool rolls back.
            with connection.pipeline():
                if connection.autocommit:
                    connection.execute("BEGIN")
                for statement in statements:
                    connection.execute(*statement)
                answer = self._complete(connection, appended, **kwargs)
                # If we die before the commit nothing is there; after it everything is, in line for the sealer.
                connection.execute("COMMIT")
            return answer

    def _complete(
        self, connection: Connection[TupleRow], appended: Sequence[Appended], **kwargs: Any
    ) -> Sequence[int] | None:
        """What a subclass adds to the transaction, and what it answers."""
        del connection, appended, kwargs
        return None

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of a stream with gt < version <= lte, as they were appended; erased parts are missing."""
        rows = self._rows(
            "select_last_events" if desc else "select_events",
            {
                "stream": _stream_of(originator_id),
                "after": -1 if gt is None else gt,
                "up_to": _LAST_VERSION if lte is None else lte,
                "limit": limit,
            },
        )
        return [
            StoredEvent(originator_id, version, stored_name, state)
            for _, version, stored_name, state, _ in _events_in(rows)
        ]

    def select_erasures(self, streams: Iterable[UUID]) -> dict[UUID, dict[UUID, UUID]]:
        """What was erased of these streams so far (codec.Erasures); only those of which anything was."""
        rows = self._rows("select_erasures", {"streams": sorted(set(streams))})
        events = (StoredEvent(stream, version, stored_name, entry) for stream, version, stored_name, entry in rows)
        return {
            stream: codec.erasures_in(erasures) for stream, erasures in groupby(events, attrgetter("originator_id"))
        }

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Sealed events from position `start` to `stop`; gap-free unless `topics` leaves some out."""
        first = 0 if start is None else start - 1 if inclusive_of_start else start
        last = _LAST_VERSION if stop is None else stop - 1
        parameters = {"first": first, "last": last, "types": list(topics) or None, "limit": limit}
        return [
            Notification(stream, version, stored_name, state, position)
            for stream, version, stored_name, state, (position,) in _events_in(
                self._rows("select_notifications", parameters)
            )
        ]

    def max_notification_id(self) -> int | None:
        """The position of the last sealed event."""
        ((position,),) = self._rows("select_head", {})
        return None if position is None else int(position)

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> LogSubscription:
        """Sealed events after position `gt`, then new ones as they are sealed."""
        return LogSubscription(self, self._pool, gt=gt, topics=topics)

    def _rows(self, statement: str, parameters: dict[str, Any]) -> list[TupleRow]:
        with translated(), self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
            return cursor.execute(QUERIES[statement], parameters).fetchall()


def _few(append: list[Statement], inline: Sequence[Statement]) -> list[Statement]:
    """What can be one statement is one; the others follow in their order."""
    if not append:
        return list(inline)
    joinable = [statement for statement in inline if isinstance(statement, Joinable)]
    return [joined(append[0], joinable), *(statement for statement in inline if not isinstance(statement, Joinable))]


def append_statement(appended: Sequence[Appended]) -> Statement:
    """Everything the ledger itself keeps of an append."""
    parts = [(event.stream, event.version, *part) for event in appended for part in event.parts]
    part_streams, part_versions, numbers, ciphertexts = zip(*parts, strict=True) if parts else ((),) * 4
    columns = {
        "types": arrays.texts([event.type for event in appended]),
        "entries": arrays.byteas([event.entry for event in appended]),
        "recorded_at": arrays.texts([event.recorded_at for event in appended]),
        "part_streams": arrays.uuids(part_streams),
        "part_versions": arrays.bigints(part_versions),
        "parts": arrays.smallints(numbers),
        "ciphertexts": arrays.byteas(ciphertexts),
    }
    return Statement(QUERIES["append_events"], {**keys_of(appended), **columns})


def keys_of(events: Sequence[Appended]) -> dict[str, arrays.Array]:
    streams, versions = [event.stream for event in events], [event.version for event in events]
    return {"streams": arrays.uuids(streams), "versions": arrays.bigints(versions)}


def _taken_apart(event: StoredEvent, recorded_at: str | None) -> Appended:
    try:
        entry, parts = unframed(event.state)
    except ValueError as error:
        raise MalformedFrame(event.originator_id, event.originator_version, str(error)) from error
    if recorded_at is None and parts:
        recorded_at = codec.recorded_at_in(event)
    stream = _stream_of(event.originator_id)
    return Appended(stream, event.originator_version, event.topic, entry, parts, recorded_at)


def _stream_of(originator_id: UUID | str) -> UUID:
    if isinstance(originator_id, UUID):
        return originator_id
    try:
        return UUID(originator_id)
    except ValueError as error:
        raise DataError(f"a stream's id is a UUID, not {originator_id!r}") from error


def _require_version_order(appended: Iterable[Appended]) -> None:
    """The queue keeps the order given, so a stream's versions must not go back in it."""
    versions: dict[UUID, int] = {}
    for event in appended:
        if event.version < versions.get(event.stream, event.version):
            raise ProgrammingError(f"version {event.version} of {event.stream} is given after a later one")
        versions[event.stream] = event.version


def _events_in(rows: Iterable[TupleRow]) -> Iterator[tuple[UUID, int, str, bytes, TupleRow]]:
    """Join the rows of each event: stream, version, type, state, and what follows the part's columns."""
    for (stream, version, stored_name), group in groupby(rows, key=lambda row: row[:3]):
        rows_of_event = list(group)
        parts = [(row[4], row[5]) for row in rows_of_event if row[4] is not None]
        yield stream, version, stored_name, framed(rows_of_event[0][3], parts), rows_of_event[0][6:]
