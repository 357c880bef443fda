"""A policy's own file: its editions, and the revisions that were proposed; folded from its stream.

What must stay true: while the stream is empty the first edition is in force; an edition that today's code cannot read
is never passed over for an older one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.events import RecordedEvent
from domain.events.policies import (
    PolicyRevised,
    RevisionApproved,
    RevisionProposed,
    RevisionRejected,
    RevisionWithdrawn,
)
from domain.policy import Policy, first_edition, read_document
from domain.values import EARLIEST


class RevisionState(StrEnum):
    OPEN = "OPEN"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"


_ENDS = {
    RevisionApproved: RevisionState.APPROVED,
    RevisionRejected: RevisionState.REJECTED,
    RevisionWithdrawn: RevisionState.WITHDRAWN,
}


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision that was proposed, and what became of it; `edition` is the one that it came to be."""

    revision_id: UUID
    based_on: int
    document: dict[str, Any]
    expires_at: datetime
    requester: str
    requester_for: str | None
    reason: str | None
    proposed_at: datetime
    state: RevisionState = RevisionState.OPEN
    decided_by: str | None = None
    decided_at: datetime | None = None
    comment: str | None = None
    edition: int | None = None


@dataclass(frozen=True, slots=True)
class Edition:
    """An edition that came into force, by whom."""

    number: int
    document: dict[str, Any]
    revision_id: UUID
    proposer: str
    approver: str
    since: datetime


@dataclass(slots=True)
class PolicyFile:
    """`version` is that of the stream's last event, 0 of an empty one."""

    version: int = 0
    recorded_at: datetime = EARLIEST
    editions: list[Edition] = field(default_factory=list)
    revisions: dict[UUID, Revision] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Iterable[RecordedEvent], known_at: datetime | None = None) -> PolicyFile:
        """The file from its stream, as known at a moment (default: as the events say)."""
        file = cls()
        for event in events:
            if known_at is None or event.envelope.recorded_at <= known_at:
                file.apply(event)
        return file

    def copy(self) -> PolicyFile:
        return PolicyFile(self.version, self.recorded_at, list(self.editions), dict(self.revisions))

    @property
    def number(self) -> int:
        """The number of the edition in force."""
        return self.editions[-1].number if self.editions else first_edition().version

    @property
    def document(self) -> dict[str, Any]:
        """What the edition in force says, as JSON."""
        return self.editions[-1].document if self.editions else first_edition().document.model_dump(mode="json")

    def policy(self) -> Policy:
        """The edition in force. Raises InvalidField when today's code cannot read it."""
        if not self.editions:
            return first_edition()
        return Policy(self.number, read_document(self.editions[-1].document))

    def open_revisions(self) -> list[Revision]:
        return [revision for revision in self.revisions.values() if revision.state is RevisionState.OPEN]

    def apply(self, event: RecordedEvent) -> None:
        """Take one recorded event in."""
        envelope = event.envelope
        match event.payload:
            case RevisionProposed() as proposed:
                self.revisions[proposed.revision_id] = _proposed(proposed, event)
            case RevisionApproved() | RevisionRejected() | RevisionWithdrawn() as answer:
                if (revision := self.revisions.get(answer.revision_id)) is not None:
                    self.revisions[answer.revision_id] = replace(
                        revision,
                        state=_ENDS[type(answer)],
                        decided_by=envelope.actor.id,
                        decided_at=envelope.recorded_at,
                        comment=answer.comment,
                    )
            case PolicyRevised() as revised:
                self.editions.append(_edition(revised, envelope.recorded_at))
                if (revision := self.revisions.get(revised.revision_id)) is not None:
                    self.revisions[revised.revision_id] = replace(revision, edition=revised.edition)
            case _:
                pass
        self.version, self.recorded_at = envelope.version, envelope.recorded_at


def _proposed(proposed: RevisionProposed, event: RecordedEvent) -> Revision:
    envelope = event.envelope
    return Revision(
        proposed.revision_id,
        proposed.based_on,
        proposed.document,
        proposed.expires_at,
        envelope.actor.id,
        envelope.actor.on_behalf_of,
        envelope.reason.text if envelope.reason else None,
        envelope.recorded_at,
    )


def _edition(revised: PolicyRevised, since: datetime) -> Edition:
    return Edition(revised.edition, revised.document, revised.revision_id, revised.proposer, revised.approver_id, since)
