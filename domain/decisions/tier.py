"""The tier: assigned directly where policy allows, else requested and approved by a second person (I5, I6)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Self
from uuid import UUID

from domain.access import Action
from domain.code_schemes import require_code, tier_edition
from domain.decisions.base import Case, Command, Draft, NewId, change, checks
from domain.decisions.protection import is_protected
from domain.errors import (
    EffectiveDateOutOfRange,
    EvidenceRequired,
    FieldError,
    FourEyesViolation,
    InvalidField,
    NoChange,
    ReasonRequired,
    RequestStale,
    UnknownItem,
)
from domain.events.base import Payload
from domain.events.classification import (
    TierBasis,
    TierDirection,
    TierReassigned,
    TierReassignmentApproved,
    TierReassignmentRejected,
    TierReassignmentRequested,
    TierReassignmentWithdrawn,
)
from domain.events.envelope import ActorKind, Evidence, Proposed, Reason
from domain.facts import ABSENT
from domain.file import TierRequest
from domain.second_person import Asker, objections
from domain.slots import pointer
from domain.values import Code, Instant, Text


@change
class AssignTier(Command):
    """`basis` RULE is for service accounts; it needs no second person, a person's choice may."""

    records: ClassVar[type[TierReassigned]] = TierReassigned
    action: ClassVar[Action] = Action.ASSIGN_TIER

    scheme: Code = "VALUE"
    to_code: Code
    basis: TierBasis = TierBasis.MANUAL

    def decide(self, case: Case) -> Iterator[Draft]:
        before = _current(case, self.scheme, case.effective_from)
        payload = _reassigned(self.scheme, before, self.to_code, self.basis, case.effective_from)
        require_reason(case)
        if case.proposed is not None:
            second = {"request_id": case.proposed.proposal_id, "approver_id": case.actor.id}
            yield Draft(payload.model_copy(update={"basis": TierBasis.APPROVED, **second}))
            return
        self._require_own_basis(case)
        if self.basis is TierBasis.MANUAL and is_protected(
            case.policy, self.scheme, before, self.to_code, case.effective_from
        ):
            raise FourEyesViolation.alone(
                case.file.customer_id,
                "this change of tier needs a second person",
                FieldError("/to_code", "make a tier request or a proposal instead"),
            )
        yield Draft(payload)

    def _require_own_basis(self, case: Case) -> None:
        """A rule is a service's, which acts for nobody then: whoever has it act would decide in its place."""
        is_person = case.actor.kind is ActorKind.HUMAN or case.actor.on_behalf_of is not None
        if self.basis is TierBasis.APPROVED or (self.basis is TierBasis.RULE) == is_person:
            raise FourEyesViolation(
                "this basis is not yours to claim",
                FieldError("/basis", "people assign MANUAL, service accounts RULE; APPROVED follows from a request"),
            )


class RequestTierReassignment(Command):
    records: ClassVar[type[TierReassignmentRequested]] = TierReassignmentRequested
    action: ClassVar[Action] = Action.REQUEST_TIER

    request_id: UUID | None = None
    scheme: Code = "VALUE"
    to_code: Code
    takes_effect: Instant | None = None
    expires_at: Instant | None = None

    def with_ids(self, new_id: NewId) -> Self:
        return self.model_copy(update={"request_id": self.request_id or new_id()})

    def decide(self, case: Case) -> Iterator[Draft]:
        if self.request_id in case.file.requests:
            raise InvalidField("another open request has this id", FieldError("/request_id", "choose another, or none"))
        effective = self.takes_effect or case.now
        _require_known(self.scheme, self.to_code, effective)
        before = _current(case, self.scheme, effective)
        if before == self.to_code:
            raise NoChange("the file already has this tier", FieldError("/to_code", f"is {before}"))
        require_reason(case)
        self._require_times(case, effective)
        yield Draft(
            TierReassignmentRequested(
                request_id=self.request_id or case.file.customer_id,
                scheme=self.scheme,
                from_code=before,
                to_code=self.to_code,
                takes_effect=self.takes_effect,
                expires_at=self.expires_at or case.now + case.policy.request_valid,
            )
        )

    def _require_times(self, case: Case, effective: datetime) -> None:
        back, ahead = case.policy.second_person, case.policy.future
        if not case.now - back <= effective <= case.now + ahead:
            raise EffectiveDateOutOfRange(
                "out of range", FieldError("/takes_effect", f"within {back.days} days back and {ahead.days} ahead")
            )
        if self.expires_at is not None and self.expires_at <= case.now:
            raise EffectiveDateOutOfRange("already over", FieldError("/expires_at", "must lie in the future"))


class _Answer(Command):
    request_id: UUID
    comment: Text | None = None

    def _open_request(self, case: Case) -> TierRequest:
        request = case.file.requests.get(self.request_id)
        if request is None:
            raise UnknownItem("no such open request on this file", FieldError("/request_id", "unknown or answered"))
        return request


class ApproveTierReassignment(_Answer):
    """By another human with the role tier:approve: not the requester, their delegate, or the account owner."""

    records: ClassVar[type[TierReassignmentApproved]] = TierReassignmentApproved
    action: ClassVar[Action] = Action.DECIDE_TIER

    def decide(self, case: Case) -> Iterator[Draft]:
        request = self._open_request(case)
        _require_second_person(case, request)
        effective = request.takes_effect or case.now
        current = _current(case, request.scheme, effective)
        if case.now >= request.expires_at:
            raise RequestStale("the request has expired", FieldError("/request_id", f"on {request.expires_at}"))
        if current != request.from_code:
            raise RequestStale("the file has moved on", FieldError("/request_id", f"the tier is now {current}"))
        yield Draft(TierReassignmentApproved(request_id=self.request_id, comment=self.comment))
        payload = _reassigned(request.scheme, current, request.to_code, TierBasis.APPROVED, effective)
        yield Draft(
            payload.model_copy(update={"request_id": self.request_id, "approver_id": case.actor.id}),
            effective_from=effective,
            reason=Reason(text=request.reason) if request.reason else None,
            evidence=(Evidence(note=f"tier request {request.request_id}, event {request.event_id}"),),
            proposed=Proposed(
                proposal_id=request.request_id,
                event_id=request.event_id,
                proposer=request.requester,
                on_behalf_of=request.requester_for,
            ),
            backdating_settled=True,
        )


class RejectTierReassignment(_Answer):
    records: ClassVar[type[TierReassignmentRejected]] = TierReassignmentRejected
    action: ClassVar[Action] = Action.DECIDE_TIER

    def decide(self, case: Case) -> Iterator[Draft]:
        _require_second_person(case, self._open_request(case))
        yield Draft(TierReassignmentRejected(request_id=self.request_id, comment=self.comment))


class WithdrawTierReassignment(_Answer):
    """By whoever made the request."""

    records: ClassVar[type[TierReassignmentWithdrawn]] = TierReassignmentWithdrawn
    action: ClassVar[Action] = Action.REQUEST_TIER

    def decide(self, case: Case) -> Iterator[Draft]:
        request = self._open_request(case)
        if request.requester != case.actor.id:
            raise FourEyesViolation(
                "only the requester can withdraw a request", FieldError("/request_id", f"made by {request.requester}")
            )
        yield Draft(TierReassignmentWithdrawn(request_id=self.request_id, comment=self.comment))


@checks(TierReassigned)
def check_tier(payload: TierReassigned, case: Case) -> Payload:
    _require_known(payload.scheme, payload.to_code, case.effective_from)
    direction = _direction(payload.scheme, payload.from_code, payload.to_code, case.effective_from)
    return payload.model_copy(update={"direction": direction})


def require_reason(case: Case) -> None:
    """Rule I5: a reason in words and a piece of evidence; an initial load is exempt from required fields."""
    stated, least = case.circumstances, case.policy.reason_characters
    if stated.initial_load:
        return
    if stated.reason is None or len(stated.reason.text or "") < least:
        raise ReasonRequired(
            "a change of tier needs a reason", FieldError("/reason/text", f"at least {least} characters")
        )
    if not stated.evidence:
        raise EvidenceRequired("a change of tier needs evidence", FieldError("/evidence", "name at least one piece"))


def _require_second_person(case: Case, request: TierRequest) -> None:
    owner = case.file.value(pointer("owner", "ACCOUNT_MANAGER"), case.now)
    asker = Asker(request.requester, request.requester_for)
    found = objections(case.actor, asker, case.policy.approver_roles, owner, deputy_of=case.deputy_of)
    if found:
        broken = [FieldError("/approver", why) for why in found]
        raise FourEyesViolation(f"{case.actor.id} may not decide request {request.request_id}", *broken)


def _reassigned(scheme: str, before: str | None, after: str, basis: TierBasis, at: datetime) -> TierReassigned:
    _require_known(scheme, after, at)
    direction = _direction(scheme, before, after, at)
    return TierReassigned(scheme=scheme, from_code=before, to_code=after, direction=direction, basis=basis)


def _direction(scheme: str, before: str | None, after: str, at: datetime) -> TierDirection:
    if before is None:
        return TierDirection.INITIAL
    codes = tier_edition(scheme, at).codes
    raised = before in codes and codes.index(after) > codes.index(before)
    return TierDirection.RAISED if raised else TierDirection.LOWERED


def _require_known(scheme: str, code: str, at: datetime) -> None:
    require_code(tier_edition(scheme, at), code, "/to_code")


def _current(case: Case, scheme: str, at: datetime) -> str | None:
    tier_edition(scheme, at)
    value = case.file.value(pointer("tier", scheme), at)
    return None if value is ABSENT else str(value["code"])
