"""The write path of the service's own streams: staff, policy, and who read what.

Small on purpose: whoever appends has read the stream and says which version it ended at. What must stay true: the
primary key of ledger.event is the arbiter between processes, as it is for customers (records.py); an event is recorded
at the database's clock, never before the one ahead of it in its stream; what `append` returns is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, cast
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from db.queries import load
from domain.decisions import NewId
from domain.events import Actor, Envelope, Evidence, Reason, RecordedEvent, Source
from domain.events.privacy import RECORDS_SUBJECT
from domain.events.service import ServicePayload
from domain.policy import Policy, first_edition
from domain.streams import stream_kind
from ledger import codec
from ledger.application import Ledger
from ledger.errors import AppendConflict, StreamMoved, translated
from ledger.keys import KeyStore
from ledger.pool import Pool
from ledger.statements import Statement

_QUERIES: Final = load(Path(__file__).parent, "service_records.sql")


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """An event to record: what happened, and what of the envelope whoever has it recorded states."""

    payload: ServicePayload
    actor: Actor
    reason: Reason | None = None
    source: Source | None = None
    evidence: tuple[Evidence, ...] = ()
    observed_at: datetime | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    request_id: str | None = None
    idempotency_key: str | None = None


class ServiceRecords:
    """Appends to the service's own streams and reads them. Safe to use from several threads.

    `pool` is of the role that writes. Everything blocks: call it in a thread of its own.
    """

    def __init__(
        self,
        ledger: Ledger,
        pool: Pool,
        keys: KeyStore,
        *,
        new_id: NewId,
        policy: Callable[[], Policy] = first_edition,
    ) -> None:
        self._ledger = ledger
        self._pool = pool
        self._keys = keys
        self._new_id = new_id
        self._policy = policy

    def read(self, stream: UUID, *, after: int = 0) -> list[RecordedEvent]:
        """The events of a stream behind a version, in order; empty when there are none.

        Raises UnreadableEvent, DataKeyMissing or Unavailable.
        """
        return self._ledger.history(stream, gt=after)

    def append(
        self,
        stream: UUID,
        expected_version: int,
        events: Sequence[ServiceEvent],
        *,
        policy_version: int | None = None,
        inline: Sequence[Statement] = (),
    ) -> list[RecordedEvent]:
        """Record events behind `expected_version` (0: the stream is new), with `inline` in the same transaction.

        `policy_version` is that of the policy they were decided under, by default the one in force. Raises StreamMoved
        when the stream does not end there, UnreadableEvent when its end is damaged, or what Ledger.save raises; then
        nothing of it is recorded, except that of Unavailable nobody knows.
        """
        require_one_stream(events)
        now = self._now(stream, expected_version)
        of_policy = self._policy().version if policy_version is None else policy_version
        recorded = [
            self._recorded(event, stream, version, now, of_policy)
            for version, event in enumerate(events, start=expected_version + 1)
        ]
        self._keys.ensure([RECORDS_SUBJECT])
        try:
            self._ledger.save(*recorded, inline=inline, recorded_at=[now.isoformat()] * len(recorded))
        except AppendConflict as error:
            if error.constraint == "event_pkey":
                raise StreamMoved(stream, expected_version) from error
            raise
        return recorded

    def _now(self, stream: UUID, expected_version: int) -> datetime:
        """The database's clock, and not before what the stream ends with. Raises StreamMoved."""
        with translated(), self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
            ((now, *last),) = cursor.execute(_QUERIES["head"], {"stream": stream}).fetchall()
        version, stored_name, entry = last
        if (version or 0) != expected_version:
            raise StreamMoved(stream, expected_version)
        if version is None:
            return cast("datetime", now)
        recorded_at = codec.recorded_at_in(StoredEvent(stream, version, stored_name, entry))
        return max(cast("datetime", now), datetime.fromisoformat(recorded_at))

    def _recorded(
        self, event: ServiceEvent, stream: UUID, version: int, now: datetime, policy_version: int
    ) -> RecordedEvent:
        envelope = Envelope(
            event_id=self._new_id(),
            customer_id=stream,
            version=version,
            recorded_at=now,
            effective_from=None,
            observed_at=event.observed_at,
            actor=event.actor,
            source=event.source,
            reason=event.reason,
            evidence=event.evidence,
            correlation_id=event.correlation_id,
            causation_id=event.causation_id,
            request_id=event.request_id,
            idempotency_key=event.idempotency_key,
            policy_version=policy_version,
        )
        return RecordedEvent(envelope, event.payload)


def require_one_stream(events: Sequence[ServiceEvent]) -> None:
    """Raise ValueError unless these may stand in one stream of the service."""
    kinds = {stream_kind(event.payload.type) for event in events}
    if len(kinds) != 1 or not all(kind.is_of_service for kind in kinds):
        raise ValueError(f"no events of one stream of the service: {', '.join(sorted(kinds)) or 'none'}")
