"""What of a file waits for a second person, of whatever kind: as the profile lists it, and the inbox of all files.

What must stay true: it says who asked and what for, and no value of anybody's; what was asked for in detail stands in
the event of the request.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.file import CustomerFile, TierRequest
from domain.privacy import ErasureRequest
from domain.proposals import OpenProposal
from domain.slots import pointer


class RequestKind(StrEnum):
    TIER = "TIER"
    ERASURE = "ERASURE"
    PROPOSAL = "PROPOSAL"


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """An open request. `paths`: the slots that it would move; `subject`: whom it speaks of, or would erase.

    `approved_by`: it is approved, and waits for the last hold to be lifted.
    """

    kind: RequestKind
    request_id: UUID
    requester: str
    requester_for: str | None
    reason: str | None
    expires_at: datetime | None
    event_id: UUID
    version: int
    paths: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    subject: UUID | None = None
    approved_by: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def pending_requests(file: CustomerFile) -> list[PendingRequest]:
    """In the order in which they were made."""
    return sorted(_open(file), key=lambda request: request.version)


def _open(file: CustomerFile) -> Iterator[PendingRequest]:
    yield from map(of_tier, file.requests.values())
    yield from map(of_erasure, file.privacy.requests.values())
    yield from map(of_proposal, file.proposals.values())


def of_tier(request: TierRequest) -> PendingRequest:
    return PendingRequest(
        RequestKind.TIER,
        request.request_id,
        request.requester,
        request.requester_for,
        request.reason,
        request.expires_at,
        request.event_id,
        request.version,
        paths=(pointer("tier", request.scheme),),
    )


def of_erasure(request: ErasureRequest) -> PendingRequest:
    return PendingRequest(
        RequestKind.ERASURE,
        request.request_id,
        request.requester,
        request.requester_for,
        request.reason,
        None,
        request.event_id,
        request.version,
        subject=request.subject,
        approved_by=request.approver,
    )


def of_proposal(proposal: OpenProposal) -> PendingRequest:
    content = proposal.content
    return PendingRequest(
        RequestKind.PROPOSAL,
        proposal.proposal_id,
        proposal.requester,
        proposal.requester_for,
        proposal.reason,
        proposal.expires_at,
        proposal.event_id,
        proposal.version,
        paths=content.slots,
        commands=content.commands,
        subject=content.subject,
    )
