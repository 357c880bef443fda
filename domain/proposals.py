"""Proposals that wait for a second person, as a file knows them.

Immutable, so that drafts of a file share them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.erased import Erased
from domain.events.base import RecordedEvent
from domain.events.envelope import Proposed
from domain.events.privacy import PersonalDataErased
from domain.events.proposals import ChangeProposed, ProposalApproved, ProposalRejected, ProposalWithdrawn

Proposals = Mapping[UUID, "OpenProposal"]


@dataclass(frozen=True, slots=True)
class OpenProposal:
    """A proposal that nobody has decided: what it says, and who made it with which event."""

    content: ChangeProposed
    requester: str
    requester_for: str | None
    event_id: UUID
    version: int
    reason: str | None = None

    @property
    def proposal_id(self) -> UUID:
        return self.content.proposal_id

    @property
    def expires_at(self) -> datetime:
        return self.content.expires_at

    @property
    def link(self) -> Proposed:
        """What the envelopes of the events say that follow from it."""
        return Proposed(
            proposal_id=self.proposal_id,
            event_id=self.event_id,
            proposer=self.requester,
            on_behalf_of=self.requester_for,
        )


def after(proposals: Proposals, event: RecordedEvent) -> Proposals | None:
    """The open proposals after an event; None for an event that opens and ends none.

    Of a person who is erased nobody proposes anything any more: what spoke of them is over, as what it said is gone.
    """
    match event.payload:
        case ChangeProposed(proposal_id=proposal_id) as content:
            if isinstance(content.changes, Erased):  # and with it all that could be agreed to
                return None
            return {**proposals, proposal_id: _open(content, event)}
        case (
            ProposalApproved(proposal_id=known)
            | ProposalRejected(proposal_id=known)
            | ProposalWithdrawn(proposal_id=known)
        ):
            return {each: proposal for each, proposal in proposals.items() if each != known}
        case PersonalDataErased(subject=subject):
            if subject == event.envelope.customer_id:
                return {}
            return {each: proposal for each, proposal in proposals.items() if proposal.content.subject != subject}
        case _:
            return None


def _open(content: ChangeProposed, event: RecordedEvent) -> OpenProposal:
    envelope = event.envelope
    return OpenProposal(
        content,
        envelope.actor.id,
        envelope.actor.on_behalf_of,
        envelope.event_id,
        envelope.version,
        envelope.reason.text if envelope.reason else None,
    )
