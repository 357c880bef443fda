"""How a policy changes: proposed by one administrator, agreed to by another (I6).

What must stay true: whoever decides alone decides nothing here either; and a document that names what does not exist is
never in force.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field

from domain.access import Role, has_role
from domain.decisions.base import NewId
from domain.errors import (
    EffectiveDateOutOfRange,
    FieldError,
    FourEyesViolation,
    InvalidField,
    NoChange,
    ReasonRequired,
    RequestStale,
    RoleRequired,
    UnknownItem,
)
from domain.events import Actor, ActorKind, Reason
from domain.events.policies import (
    EditionNumber,
    PolicyRevised,
    RevisionApproved,
    RevisionProposed,
    RevisionRejected,
    RevisionWithdrawn,
)
from domain.events.service import ServicePayload
from domain.policy import PolicyDocument, read_document
from domain.policy_file import PolicyFile, Revision, RevisionState
from domain.second_person import Asker, objections
from domain.values import Instant, JsonContent, Text, Value


@dataclass(frozen=True, slots=True)
class PolicyCase:
    """All that a decision may look at."""

    file: PolicyFile
    actor: Actor
    now: datetime
    deputy_of: frozenset[str] = frozenset()
    """In whose place the actor may act by a delegation in force."""


class PolicyCommand(Value, ABC):
    """What an administrator asks for; `reason` goes into the envelope."""

    reason: Reason | None = None

    @abstractmethod
    def decide(self, case: PolicyCase) -> Sequence[ServicePayload]:
        """What would be recorded, or a Refusal."""

    def with_ids(self, _new_id: NewId) -> Self:
        return self


class ProposeRevision(PolicyCommand):
    """The whole document of the next edition; `based_on` is the edition in force that was looked at."""

    revision_id: UUID | None = None
    based_on: EditionNumber
    document: Annotated[dict[str, JsonContent], Field(min_length=1)]
    expires_at: Instant | None = None

    def with_ids(self, new_id: NewId) -> Self:
        return self.model_copy(update={"revision_id": self.revision_id or new_id()})

    def decide(self, case: PolicyCase) -> Sequence[ServicePayload]:
        _require_administrator(case)
        if self.reason is None:
            raise ReasonRequired("a revision of the policy needs a reason", FieldError("/reason", "say why"))
        if self.revision_id is None or self.revision_id in case.file.revisions:
            raise InvalidField("another revision has this id", FieldError("/revision_id", "choose another, or none"))
        if self.based_on != case.file.number:
            raise RequestStale(
                "the policy has moved on", FieldError("/based_on", f"edition {case.file.number} is in force")
            )
        document = read_document(self.document)
        if in_full(document) == case.file.document:
            raise NoChange("this is what the policy says already", FieldError("/document", "nothing would change"))
        if self.expires_at is not None and self.expires_at <= case.now:
            raise EffectiveDateOutOfRange("already over", FieldError("/expires_at", "must lie in the future"))
        return [
            RevisionProposed(
                revision_id=self.revision_id,
                based_on=self.based_on,
                document=in_full(document),
                expires_at=self.expires_at or case.now + timedelta(days=document.approval.valid_days),
            )
        ]


class AnswerRevision(PolicyCommand):
    """Base of what is said to an open revision."""

    revision_id: UUID
    comment: Text | None = None

    def _open_revision(self, case: PolicyCase) -> Revision:
        revision = case.file.revisions.get(self.revision_id)
        if revision is None or revision.state is not RevisionState.OPEN:
            raise UnknownItem("no such open revision", FieldError("/revision_id", "unknown or answered"))
        return revision

    def _require_second_person(self, case: PolicyCase, revision: Revision) -> None:
        asker = Asker(revision.requester, revision.requester_for)
        found = objections(case.actor, asker, (Role.ADMINISTRATOR,), deputy_of=case.deputy_of)
        if found:
            broken = [FieldError("/approver", why) for why in found]
            raise FourEyesViolation(f"{case.actor.id} may not decide revision {revision.revision_id}", *broken)


class ApproveRevision(AnswerRevision):
    """By another administrator: not the proposer, nor whom either acts for. The edition is in force at once."""

    def decide(self, case: PolicyCase) -> Sequence[ServicePayload]:
        revision = self._open_revision(case)
        self._require_second_person(case, revision)
        if case.now >= revision.expires_at:
            raise RequestStale("the revision has expired", FieldError("/revision_id", f"on {revision.expires_at}"))
        if revision.based_on != case.file.number:
            raise RequestStale(
                "the policy has moved on", FieldError("/revision_id", f"edition {case.file.number} is in force")
            )
        document = self._still_valid(revision)
        return [
            RevisionApproved(revision_id=self.revision_id, comment=self.comment),
            PolicyRevised(
                edition=case.file.number + 1,
                document=in_full(document),
                revision_id=self.revision_id,
                proposer=revision.requester,
                proposer_for=revision.requester_for,
                approver_id=case.actor.id,
            ),
        ]

    def _still_valid(self, revision: Revision) -> PolicyDocument:
        try:
            return read_document(revision.document)
        except InvalidField as error:
            raise RequestStale(
                "what was proposed is no policy any more", FieldError("/revision_id", error.detail)
            ) from error


class RejectRevision(AnswerRevision):
    """By whoever could approve it."""

    def decide(self, case: PolicyCase) -> Sequence[ServicePayload]:
        self._require_second_person(case, self._open_revision(case))
        return [RevisionRejected(revision_id=self.revision_id, comment=self.comment)]


class WithdrawRevision(AnswerRevision):
    """By whoever proposed it."""

    def decide(self, case: PolicyCase) -> Sequence[ServicePayload]:
        revision = self._open_revision(case)
        if revision.requester != case.actor.id:
            raise FourEyesViolation(
                "only the proposer can withdraw a revision",
                FieldError("/revision_id", f"made by {revision.requester}"),
            )
        return [RevisionWithdrawn(revision_id=self.revision_id, comment=self.comment)]


def in_full(document: PolicyDocument) -> dict[str, Any]:
    """The document as JSON, with what was left out as what leaving it out means: a changed default changes nothing."""
    return document.model_dump(mode="json")


def _require_administrator(case: PolicyCase) -> None:
    if case.actor.kind is not ActorKind.HUMAN:
        raise FourEyesViolation("only a human decides", FieldError("", f"{case.actor.id} is no human"))
    if not has_role(case.actor.roles, Role.ADMINISTRATOR):
        raise RoleRequired(
            "the policy is for administrators",
            FieldError("", f"{case.actor.id} does not have the role {Role.ADMINISTRATOR}"),
            role=Role.ADMINISTRATOR,
        )
