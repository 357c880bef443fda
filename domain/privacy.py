"""What a file knows of erasures and holds: requests still open, holds in force, and whose values are gone.

Immutable, so that drafts of a file share it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from domain.events.base import RecordedEvent
from domain.events.envelope import Envelope
from domain.events.privacy import (
    ErasureApproved,
    ErasureRejected,
    ErasureRequested,
    ErasureWithdrawn,
    LegalBasis,
    LegalHoldLifted,
    LegalHoldPlaced,
    PersonalDataErased,
)


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """A request that is neither carried out nor turned down. `approver` has approved it while the file was held."""

    request_id: UUID
    subject: UUID
    legal_basis: LegalBasis
    requester: str
    requester_for: str | None
    event_id: UUID
    version: int
    reason: str | None = None
    approver: str | None = None


@dataclass(frozen=True, slots=True)
class LegalHold:
    hold_id: UUID
    reference: str
    placer: str
    placer_for: str | None
    event_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Privacy:
    """`erased`: by subject the event that erased its values."""

    requests: Mapping[UUID, ErasureRequest] = field(default_factory=dict)
    holds: Mapping[UUID, LegalHold] = field(default_factory=dict)
    erased: Mapping[UUID, UUID] = field(default_factory=dict)

    def after(self, event: RecordedEvent) -> Privacy | None:
        """The same after an event; None for an event about something else."""
        match event.payload:
            case ErasureRequested(request_id=request_id) as request:
                return replace(self, requests={**self.requests, request_id: _open(request, event)})
            case ErasureApproved() as approval:
                return replace(self, requests=self._approved(approval, event.envelope.actor.id))
            case ErasureRejected(request_id=request_id) | ErasureWithdrawn(request_id=request_id):
                return replace(self, requests=_without(self.requests, request_id))
            case PersonalDataErased() as erasure:
                return self._erased(erasure, event.envelope)
            case LegalHoldPlaced() | LegalHoldLifted() as hold:
                return replace(self, holds=self._held(hold, event))
            case _:
                return None

    def _approved(self, approval: ErasureApproved, approver: str) -> Mapping[UUID, ErasureRequest]:
        request = self.requests.get(approval.request_id)
        if request is None or not approval.after_hold:  # it is carried out by the very next event
            return self.requests
        return {**self.requests, approval.request_id: replace(request, approver=approver)}

    def _erased(self, erasure: PersonalDataErased, envelope: Envelope) -> Privacy:
        """Other requests about the subject have nothing left to ask for."""
        requests = {
            known: request
            for known, request in _without(self.requests, erasure.request_id).items()
            if erasure.subject not in (request.subject, envelope.customer_id)
        }
        return replace(self, requests=requests, erased={erasure.subject: envelope.event_id, **self.erased})

    def _held(self, hold: LegalHoldPlaced | LegalHoldLifted, event: RecordedEvent) -> Mapping[UUID, LegalHold]:
        others = {known: placed for known, placed in self.holds.items() if known != hold.hold_id}
        return {**others, hold.hold_id: _placed(hold, event)} if isinstance(hold, LegalHoldPlaced) else others


def _without(requests: Mapping[UUID, ErasureRequest], request_id: UUID) -> dict[UUID, ErasureRequest]:
    return {known: request for known, request in requests.items() if known != request_id}


def _open(request: ErasureRequested, event: RecordedEvent) -> ErasureRequest:
    envelope = event.envelope
    return ErasureRequest(
        request.request_id,
        request.subject,
        request.legal_basis,
        envelope.actor.id,
        envelope.actor.on_behalf_of,
        envelope.event_id,
        envelope.version,
        envelope.reason.text if envelope.reason else None,
    )


def _placed(hold: LegalHoldPlaced, event: RecordedEvent) -> LegalHold:
    envelope = event.envelope
    return LegalHold(
        hold.hold_id,
        hold.reference,
        envelope.actor.id,
        envelope.actor.on_behalf_of,
        envelope.event_id,
        envelope.version,
    )
