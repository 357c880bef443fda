"""What must hold of each stream, a customer's or the service's own: whole, readable, in line for the log, remembered.

Walks all streams once, one after the other, and beside them what stands in the queue of the sealer and what is
remembered of requests. One damaged event hides no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from psycopg import Connection

from db.queries import load
from domain.events import Envelope
from domain.events.privacy import RECORDS_SUBJECT, ErasedContent
from ledger import codec
from ledger.epochs import OWN
from ledger.errors import DataKeyMissing, PartMissing, UnreadableEvent
from ledger.findings import Finding, place_of
from ledger.snapshot_keys import SnapshotKeys
from ledger.streams import StoredStream, read_streams
from ledger.verify_erasures import erasure_findings

_QUERIES: Final = load("ledger", "verify.sql")
_BATCH: Final = 2000
_MAC_BYTES: Final = 32
_CREATED: Final = 201
_OK: Final = 200


class _Waiting(NamedTuple):
    """A row of the sealer's queue."""

    stream: UUID
    version: int
    recorded_at: datetime | None


class _Remembered(NamedTuple):
    """A row of ledger.idempotency."""

    stream: UUID
    first_version: int
    last_version: int
    key: str
    actor: str
    mac_bytes: int
    status: int
    profile_version: int


class _Customer(NamedTuple):
    """All that is stored about one customer's stream; without events when only something else names it.

    `positions` are those of the events, by version.
    """

    customer_id: UUID
    events: Sequence[StoredEvent]
    positions: Mapping[int, int | None]
    waiting: Sequence[_Waiting]
    remembered: Sequence[_Remembered]

    def place(self, version: int) -> str:
        position = self.positions.get(version)
        return place_of(self.customer_id, version, None if position is None else position - 1)


def stream_findings(
    connection: Connection[Any], keys: SnapshotKeys, advance: Callable[[int], None]
) -> Iterator[Finding]:
    """What does not hold of the streams; `advance` is told, stream by stream, how many events were looked at."""
    for customers in _some_at_a_time(_customers(connection)):
        keys.hold(customer.customer_id for customer in customers)
        for customer in customers:
            envelopes: dict[int, Envelope] = {}
            yield from _versions(customer)
            yield from _places(customer)
            yield from _events(customer, keys, envelopes)
            yield from _queue(customer, envelopes)
            yield from _requests(customer, envelopes)
            yield from erasure_findings(connection, customer.events, keys)
            advance(len(customer.events))
    for stream, version, part in _rows(connection, "stray_parts"):
        yield Finding("payload", f"{place_of(stream, version)} part {part}", "its event is not there")


# --- what is walked -------------------------------------------------------------------------------------------------


def _customers(connection: Connection[Any]) -> Iterator[_Customer]:
    """Everything about a stream together: all three readings come in the order of the streams."""
    readings: Sequence[Iterator[StoredStream | _Waiting | _Remembered]] = (
        iter(read_streams(connection, all_kinds=True)),
        map(_Waiting._make, _rows(connection, "waiting", OWN)),
        map(_Remembered._make, _rows(connection, "remembered")),
    )
    for customer_id, group in groupby(merge(*readings, key=itemgetter(0)), key=itemgetter(0)):
        told = list(group)
        stream = next((each for each in told if isinstance(each, StoredStream)), StoredStream(customer_id, [], []))
        versions = [event.originator_version for event in stream.events]
        yield _Customer(
            customer_id,
            stream.events,
            dict(zip(versions, stream.positions, strict=True)),
            [each for each in told if isinstance(each, _Waiting)],
            [each for each in told if isinstance(each, _Remembered)],
        )


def _some_at_a_time(customers: Iterable[_Customer]) -> Iterator[list[_Customer]]:
    """As many as make a query for their keys worth while."""
    some: list[_Customer] = []
    events = 0
    for customer in customers:
        some.append(customer)
        events += len(customer.events) + 1
        if events >= _BATCH:
            yield some
            some, events = [], 0
    yield some


def _rows(
    connection: Connection[Any], query: str, params: Mapping[str, Any] | None = None
) -> Iterator[tuple[Any, ...]]:
    with connection.cursor(f"verified_{query}", binary=True) as cursor:
        cursor.itersize = _BATCH
        yield from cursor.execute(_QUERIES[query], params)


# --- what must hold -------------------------------------------------------------------------------------------------


def _versions(customer: _Customer) -> Iterator[Finding]:
    """Contiguous from 1."""
    expected = 1
    for version in customer.positions:
        if version > expected:
            missing = "is missing" + (f", as are all up to {version - 1}" if version - 1 > expected else "")
            yield Finding("versions", customer.place(expected), missing)
        elif version < expected:
            yield Finding("versions", customer.place(version), "comes before the first version")
        expected = version + 1


def _places(customer: _Customer) -> Iterator[Finding]:
    """In the log they stand in their order, and none that waits is overtaken."""
    previous, waits = 0, False
    for version, position in customer.positions.items():
        if position is None:
            waits = True
        elif waits or position < previous:
            yield Finding("order", customer.place(version), "has its place before an earlier event of the stream")
            waits = False
        previous = max(previous, position or 0)


def _events(customer: _Customer, keys: SnapshotKeys, envelopes: dict[int, Envelope]) -> Iterator[Finding]:
    """Each leads back to an event, recorded no earlier than the one before. Fills `envelopes` by version.

    What the stream has erased may be gone; of an event that was erased as a whole the envelope is not known.
    """
    latest: datetime | None = None
    refused: dict[UUID, str] = {}
    erased = codec.erasures_in(customer.events)
    for stored in customer.events:
        version = stored.originator_version
        try:
            checked = codec.checked(stored)
            refused |= _destroyed(checked.subjects, customer.customer_id, erased, keys)
            event = codec.decode_checked(checked, keys, erased)
        except DataKeyMissing:
            refused |= keys.hold(codec.subjects_in(stored))
            continue
        except UnreadableEvent as error:
            check = "payload" if isinstance(error, PartMissing) else "event"
            yield Finding(check, customer.place(version), error.detail)
            continue
        recorded_at = event.envelope.recorded_at
        if not isinstance(event.payload, ErasedContent):
            envelopes[version] = event.envelope
        if latest is not None and recorded_at < latest:
            yield Finding("recorded_at", customer.place(version), "was recorded before an earlier event of the stream")
        latest = max(latest or recorded_at, recorded_at)
    # Told once, and not of each event that needs the key.
    yield from (Finding("key", f"subject {subject}", reason) for subject, reason in sorted(refused.items()))


def _destroyed(
    subjects: set[UUID], stream: UUID, erased: codec.Erasures, keys: SnapshotKeys
) -> Iterator[tuple[UUID, str]]:
    """Those whose key was destroyed although no event of the stream has erased them."""
    keys.hold(subjects)
    for subject in subjects:
        covered = subject in erased or (stream in erased and subject != RECORDS_SUBJECT)
        if not covered and keys.destroyed(subject) is not None:
            yield subject, "has no data key any more, although no event of its stream erased it"


def _queue(customer: _Customer, envelopes: Mapping[int, Envelope]) -> Iterator[Finding]:
    """What has no place in the log waits for one: once, in order, under the time that it was recorded at."""
    met: set[int] = set()
    latest = 0
    for _, version, recorded_at in customer.waiting:
        if version not in customer.positions:
            yield Finding("queue", customer.place(version), "waits for a place in the log, but the event is not there")
        elif customer.positions[version] is not None:
            yield Finding("queue", customer.place(version), "waits for a place in the log, which it has")
        elif version in met:
            yield Finding("queue", customer.place(version), "waits twice for its place in the log")
        elif version < latest:
            yield Finding("queue", customer.place(version), "waits behind a later event of the stream")
        elif version in envelopes and envelopes[version].recorded_at != recorded_at:
            yield Finding("queue", customer.place(version), "waits under another time than it was recorded at")
        met.add(version)
        latest = max(latest, version)
    for version, position in customer.positions.items():
        if position is None and version not in met:
            yield Finding("queue", customer.place(version), "has no place in the log and does not wait for one")


def _requests(customer: _Customer, envelopes: Mapping[int, Envelope]) -> Iterator[Finding]:
    """Idempotency keys point at exactly the events recorded under them."""
    keys: dict[int, str] = {}
    head = max(customer.positions, default=0)
    for row in customer.remembered:
        versions = range(row.first_version, min(row.last_version, head) + 1)
        keys.update(dict.fromkeys(versions, row.key))
        problem = _request_problem(row, versions, customer, envelopes)
        if problem is not None:
            yield Finding("idempotency", customer.place(row.first_version), problem)
    for version, envelope in envelopes.items():
        if envelope.idempotency_key != keys.get(version):
            yield Finding("idempotency", customer.place(version), "was recorded under a key that does not lead to it")


def _request_problem(
    row: _Remembered, versions: range, customer: _Customer, envelopes: Mapping[int, Envelope]
) -> str | None:
    """What is wrong with a row; `versions` are those that it names, as far as the stream goes."""
    if row.last_version not in versions or not all(version in customer.positions for version in versions):
        return "a request is remembered for events that are not there"
    its = [envelopes[version] for version in versions if version in envelopes]
    if any(envelope.idempotency_key != row.key for envelope in its):
        return "a request is remembered under another key than its events"
    if any(envelope.actor.id != row.actor for envelope in its):
        return "a request is remembered as another actor's than its events"
    if row.status != (_CREATED if row.first_version == 1 else _OK) or not 1 <= row.profile_version <= row.last_version:
        return "a request is remembered with an answer that it cannot have had"
    if row.mac_bytes != _MAC_BYTES:
        return "a request is remembered with a code of another length"
    return None
