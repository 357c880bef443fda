"""A policy in the ledger: the one path on which its stream grows, and how it is read.

A change is decided against the whole stream, which is short, and appended at the version seen; who comes second reads
again and decides anew. The same request under the same idempotency key leads to the same events for ever. Everything
blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from domain.decisions import NewId
from domain.decisions.policies import PolicyCase, PolicyCommand
from domain.events import Actor, RecordedEvent
from domain.events.service import ServicePayload
from domain.policy import POLICY_NAME
from domain.policy_file import PolicyFile
from domain.streams import StreamKind, stream_named
from ledger.errors import AppendConflict, Overloaded, StreamMoved
from ledger.keys import KeyStore
from ledger.pool import Pool
from ledger.service_records import ServiceEvent, ServiceRecords
from ledger.service_requests import ServiceRequest, ServiceRequests

POLICY_STREAM: Final[UUID] = stream_named(StreamKind.POLICY, POLICY_NAME)
_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class PolicyOrder:
    """A command about the policy, by whom; `digest` tells it from others under the same idempotency key."""

    command: PolicyCommand
    actor: Actor
    idempotency_key: str
    digest: bytes
    request_id: str | None = None
    trace_id: str | None = None
    deputy_of: frozenset[str] = frozenset()
    """In whose place the actor may act by a delegation in force."""


@dataclass(frozen=True, slots=True)
class PolicyReceipt:
    """The events that were recorded, and the file with them. `replayed`: they had been, under the same key."""

    events: tuple[RecordedEvent, ...]
    file: PolicyFile
    replayed: bool = False


class PolicyRecords:
    """Safe to use from several threads."""

    def __init__(self, records: ServiceRecords, pool: Pool, keys: KeyStore, *, new_id: NewId) -> None:
        self._records = records
        self._requests = ServiceRequests(pool, keys)
        self._new_id = new_id

    def events(self, *, after: int = 0) -> list[RecordedEvent]:
        """What was recorded of the policy behind a version. Raises what ServiceRecords.read does."""
        return self._records.read(POLICY_STREAM, after=after)

    def record(self, order: PolicyOrder) -> PolicyReceipt:
        """Decide and append. Raises a Refusal, Overloaded when others keep changing it, or what ServiceRecords does."""
        for _ in range(_ATTEMPTS):
            try:
                return self._attempt(order)
            except (StreamMoved, AppendConflict):  # by the same request too, sent twice at once
                continue
        raise Overloaded("others keep changing the policy")

    def _attempt(self, order: PolicyOrder) -> PolicyReceipt:
        request = ServiceRequest(order.idempotency_key, order.actor.id, order.digest)
        earlier = self._requests.version_of(request, POLICY_STREAM)
        events = self.events()
        file = PolicyFile.of(events)
        if earlier is not None:
            return PolicyReceipt(_of_one_request(events[earlier - 1 :]), file, replayed=True)
        case = PolicyCase(file, order.actor, max(datetime.now(UTC), file.recorded_at), order.deputy_of)
        payloads = order.command.with_ids(self._new_id).decide(case)
        recorded = self._records.append(
            POLICY_STREAM,
            file.version,
            [_to_record(order, payload, is_first=number == 0) for number, payload in enumerate(payloads)],
            policy_version=file.number,
            inline=[self._requests.remember(request, POLICY_STREAM, file.version + 1)],
        )
        for event in recorded:
            file.apply(event)
        return PolicyReceipt(tuple(recorded), file)


def _to_record(order: PolicyOrder, payload: ServicePayload, *, is_first: bool) -> ServiceEvent:
    """The key stands in the first event of a request; those that follow it carry none."""
    return ServiceEvent(
        payload,
        order.actor,
        reason=order.command.reason,
        request_id=order.request_id,
        correlation_id=order.trace_id,
        idempotency_key=order.idempotency_key if is_first else None,
    )


def _of_one_request(events: Sequence[RecordedEvent]) -> tuple[RecordedEvent, ...]:
    first, *others = events
    found = [first]
    for event in others:
        if event.envelope.idempotency_key is not None:
            break
        found.append(event)
    return tuple(found)
