"""Members of staff in the ledger: what is recorded of them, and the one path on which it is.

A change is decided against the member's whole stream and appended at the version seen; who comes second reads again and
decides anew. The same request under the same idempotency key leads to the same event for ever. Everything blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from db.queries import load
from domain.decisions import NewId
from domain.decisions.staff import StaffCase, StaffCommand, decide
from domain.events import Actor, RecordedEvent
from domain.events.service import ServicePayload
from domain.staff import StaffFile, StaffMember
from domain.streams import StreamKind, stream_named
from ledger import codec
from ledger.errors import AppendConflict, DataKeyMissing, Overloaded, StreamMoved, UnreadableEvent, translated
from ledger.keys import KeyStore
from ledger.pool import Pool
from ledger.service_records import ServiceEvent, ServiceRecords
from ledger.service_requests import ServiceRequest, ServiceRequests
from ledger.streams import read_streams

_QUERIES: Final = load(Path(__file__).parent, "staff_records.sql")
_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class StaffOrder:
    """A command about a member of staff, by whom; `digest` tells it from others under the same idempotency key."""

    subject: str
    command: StaffCommand
    actor: Actor
    idempotency_key: str
    digest: bytes
    request_id: str | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class StaffReceipt:
    """The event that was recorded, and the file with it. `replayed`: it had been, under the same key."""

    event: RecordedEvent
    file: StaffFile
    replayed: bool = False


def stream_of(subject: str) -> UUID:
    """The stream of a member of staff."""
    return stream_named(StreamKind.STAFF, subject)


class StaffRecords:
    """Safe to use from several threads."""

    def __init__(self, records: ServiceRecords, pool: Pool, keys: KeyStore, *, new_id: NewId) -> None:
        self._records = records
        self._requests = ServiceRequests(pool, keys)
        self._pool = pool
        self._keys = keys
        self._new_id = new_id

    def events(self, subject: str) -> list[RecordedEvent]:
        """All that was recorded of a member; empty for somebody who is none. Raises what ServiceRecords.read does."""
        return self._records.read(stream_of(subject))

    def record(self, order: StaffOrder, colleague: Callable[[str], StaffMember | None]) -> StaffReceipt:
        """Decide and append. `colleague` tells of others as they are now.

        Raises a Refusal, Overloaded when others keep changing the same member, or what ServiceRecords does.
        """
        for _ in range(_ATTEMPTS):
            try:
                return self._attempt(order, colleague)
            except (StreamMoved, AppendConflict):  # by the same request too, sent twice at once
                continue
        raise Overloaded("others keep changing what is known of this member of staff")

    def _attempt(self, order: StaffOrder, colleague: Callable[[str], StaffMember | None]) -> StaffReceipt:
        stream = stream_of(order.subject)
        request = ServiceRequest(order.idempotency_key, order.actor.id, order.digest)
        earlier = self._requests.version_of(request, stream)
        events = self._records.read(stream)
        file = StaffFile.of(events)
        if earlier is not None:
            return StaffReceipt(events[earlier - 1], file, replayed=True)
        now = max(datetime.now(UTC), file.recorded_at)
        case = StaffCase(order.subject, file, order.actor, now, colleague)
        payload = decide(order.command.with_ids(self._new_id), case)
        remembered = self._requests.remember(request, stream, file.version + 1)
        (event,) = self._records.append(stream, file.version, [_to_record(order, payload)], inline=[remembered])
        file.apply(event)
        return StaffReceipt(event, file)

    # For whoever keeps all of them at hand

    def heads(self) -> Mapping[UUID, int]:
        """Every member's stream and the version at which it ends."""
        with translated(), self._pool.connection() as connection:
            return dict(connection.execute(_QUERIES["heads"]).fetchall())

    def read(self, streams: Iterable[UUID]) -> dict[UUID, StaffFile | None]:
        """The files of these streams; None for one that cannot be read."""
        with translated(), self._pool.connection() as connection, connection.transaction():
            stored = list(read_streams(connection, customer_ids=sorted(streams), all_kinds=True))
        files: dict[UUID, StaffFile | None] = {}
        for stream in stored:
            try:
                files[stream.customer_id] = StaffFile.of(codec.decode(event, self._keys) for event in stream.events)
            except (UnreadableEvent, DataKeyMissing):
                files[stream.customer_id] = None
        return files


def _to_record(order: StaffOrder, payload: ServicePayload) -> ServiceEvent:
    return ServiceEvent(
        payload,
        order.actor,
        reason=order.command.reason,
        request_id=order.request_id,
        correlation_id=order.trace_id,
        idempotency_key=order.idempotency_key,
    )
