"""Erasure and legal hold: asked for by one privacy officer, decided by another (domain.md 2.3; rule I24).

An erasure is carried out by the order that approves it, or, where the file is held, by the order that lifts the last
hold. What must stay true: nothing is erased under a hold, and nobody decides alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Self
from uuid import UUID

from pydantic import StrictBool

from domain.access import Action, Role, has_role
from domain.decisions.base import Case, Command, Draft, NewId
from domain.erasure import erased_slots, subjects_in
from domain.errors import (
    FieldError,
    FourEyesViolation,
    HistoryNeeded,
    InvalidField,
    NoChange,
    RoleRequired,
    SubjectErased,
    SubjectNotErasable,
    UnderLegalHold,
    UnknownItem,
)
from domain.events.base import Payload
from domain.events.envelope import ActorKind, Reason
from domain.events.lifecycle import CustomerKind
from domain.events.privacy import (
    EVERYTHING,
    ErasureApproved,
    ErasureRejected,
    ErasureRequested,
    ErasureWithdrawn,
    HoldBasis,
    LegalBasis,
    LegalHoldLifted,
    LegalHoldPlaced,
    PersonalDataErased,
)
from domain.fold import History
from domain.privacy import ErasureRequest
from domain.second_person import Asker, objections
from domain.values import Line, Text

PRIVACY_OFFICER = Role.PRIVACY


class _OfPrivacy(Command):
    on_archived_file: ClassVar[bool] = True


class RequestErasure(_OfPrivacy):
    """Of a contact person's values, or of everything about a customer that is an individual."""

    records: ClassVar[type[ErasureRequested]] = ErasureRequested
    action: ClassVar[Action] = Action.REQUEST_ERASURE

    request_id: UUID | None = None
    subject: UUID
    legal_basis: LegalBasis

    def with_ids(self, new_id: NewId) -> Self:
        return self.model_copy(update={"request_id": self.request_id or new_id()})

    def decide(self, case: Case) -> Iterator[Draft]:
        _require_officer(case)
        if self.legal_basis is LegalBasis.ERASED_BEFORE:
            raise InvalidField(
                "nobody asks for this", FieldError("/legal_basis", "is what a restore says of erasures that it lost")
            )
        if self.request_id in case.file.privacy.requests:
            raise InvalidField("another open request has this id", FieldError("/request_id", "choose another, or none"))
        self._require_erasable(case)
        for request in case.file.privacy.requests.values():
            if request.subject == self.subject:
                raise NoChange(
                    "the same has been asked for", FieldError("/subject", f"by the open request {request.request_id}")
                )
        yield Draft(
            ErasureRequested(
                request_id=self.request_id or case.file.customer_id, subject=self.subject, legal_basis=self.legal_basis
            )
        )

    def _require_erasable(self, case: Case) -> None:
        if self.subject in case.file.privacy.erased:
            raise SubjectErased("the subject was erased before", FieldError("/subject", "there is nothing left of it"))
        if self.subject == case.file.customer_id:
            if case.file.kind is not CustomerKind.INDIVIDUAL:
                raise SubjectNotErasable(
                    "an organisation is no data subject; name a contact person of its file",
                    FieldError("/subject", "is the customer, which is no individual"),
                )
        elif self.subject not in _history(case).proposed_about and not any(
            self.subject in subjects_in(known.event.payload) for known in _history(case).events.values()
        ):
            raise SubjectNotErasable(
                "that is nobody whose data this file holds",
                FieldError("/subject", "is no contact person that the file knows or knew"),
            )


class _Answer(_OfPrivacy):
    request_id: UUID
    comment: Text | None = None

    def _open_request(self, case: Case) -> ErasureRequest:
        request = case.file.privacy.requests.get(self.request_id)
        if request is None:
            raise UnknownItem("no such open request on this file", FieldError("/request_id", "unknown or answered"))
        return request


class ApproveErasure(_Answer):
    """By another human with the role privacy, not the requester nor whom either acts for. It erases at once.

    Of a file under legal hold nothing is erased: `after_hold` approves all the same, to be carried out when the last
    hold is lifted.
    """

    records: ClassVar[type[ErasureApproved]] = ErasureApproved
    action: ClassVar[Action] = Action.DECIDE_ERASURE
    also_records: ClassVar[tuple[type[Payload], ...]] = (PersonalDataErased,)

    after_hold: StrictBool = False

    def decide(self, case: Case) -> Iterator[Draft]:
        request = self._open_request(case)
        _require_second_person(case, request.requester, request.requester_for, f"request {request.request_id}")
        held = case.file.privacy.holds
        if held and not self.after_hold:
            references = ", ".join(hold.reference for hold in held.values())
            raise UnderLegalHold(
                f"the file is held for {references}; nothing of it may be erased",
                FieldError("/after_hold", "true approves it for when the last hold is lifted"),
            )
        if request.approver is not None:
            raise NoChange("the request is approved already", FieldError("/request_id", f"by {request.approver}"))
        erasure = None if held else _erasure(case, request, case.actor.id)
        yield Draft(
            ErasureApproved(request_id=self.request_id, after_hold=erasure is None, comment=self.comment),
        )
        if erasure is not None:
            yield erasure


class RejectErasure(_Answer):
    records: ClassVar[type[ErasureRejected]] = ErasureRejected
    action: ClassVar[Action] = Action.DECIDE_ERASURE

    def decide(self, case: Case) -> Iterator[Draft]:
        request = self._open_request(case)
        _require_second_person(case, request.requester, request.requester_for, f"request {request.request_id}")
        yield Draft(ErasureRejected(request_id=self.request_id, comment=self.comment))


class WithdrawErasure(_Answer):
    """By whoever made the request."""

    records: ClassVar[type[ErasureWithdrawn]] = ErasureWithdrawn
    action: ClassVar[Action] = Action.REQUEST_ERASURE

    def decide(self, case: Case) -> Iterator[Draft]:
        request = self._open_request(case)
        if request.requester != case.actor.id:
            raise FourEyesViolation(
                "only the requester can withdraw a request", FieldError("/request_id", f"made by {request.requester}")
            )
        yield Draft(ErasureWithdrawn(request_id=self.request_id, comment=self.comment))


class PlaceLegalHold(_OfPrivacy):
    """From here on nothing of the file is erased. `reference` names the case outside, such as a file number."""

    records: ClassVar[type[LegalHoldPlaced]] = LegalHoldPlaced
    action: ClassVar[Action] = Action.HOLD

    hold_id: UUID | None = None
    basis: HoldBasis = HoldBasis.LEGAL_HOLD
    reference: Line

    def with_ids(self, new_id: NewId) -> Self:
        return self.model_copy(update={"hold_id": self.hold_id or new_id()})

    def decide(self, case: Case) -> Iterator[Draft]:
        _require_officer(case)
        if self.hold_id in case.file.privacy.holds:
            raise InvalidField("another hold has this id", FieldError("/hold_id", "choose another, or none"))
        yield Draft(
            LegalHoldPlaced(hold_id=self.hold_id or case.file.customer_id, basis=self.basis, reference=self.reference)
        )


class LiftLegalHold(_OfPrivacy):
    """By another privacy officer than who placed it. Erasures approved meanwhile are carried out with the last hold."""

    records: ClassVar[type[LegalHoldLifted]] = LegalHoldLifted
    action: ClassVar[Action] = Action.HOLD
    also_records: ClassVar[tuple[type[Payload], ...]] = (PersonalDataErased,)

    hold_id: UUID

    def decide(self, case: Case) -> Iterator[Draft]:
        hold = case.file.privacy.holds.get(self.hold_id)
        if hold is None:
            raise UnknownItem("no such hold on this file", FieldError("/hold_id", "unknown or lifted"))
        _require_second_person(case, hold.placer, hold.placer_for, f"hold {hold.hold_id}")
        yield Draft(LegalHoldLifted(hold_id=self.hold_id))
        if case.file.privacy.holds:
            return
        for request in list(case.file.privacy.requests.values()):
            if request.approver is not None and request.request_id in case.file.privacy.requests:
                yield _erasure(case, request, request.approver)


def _erasure(case: Case, request: ErasureRequest, approver: str) -> Draft:
    return Draft(
        PersonalDataErased(
            subject=request.subject,
            legal_basis=request.legal_basis,
            fields=_fields(case, request.subject),
            request_id=request.request_id,
            approver_id=approver,
        ),
        reason=Reason(code=request.legal_basis.value, text=request.reason),
    )


def _fields(case: Case, subject: UUID) -> tuple[str, ...]:
    """The slots that had shown a value of the subject, wherever it has been taken away since."""
    history = _history(case)
    if subject == case.file.customer_id:
        return (EVERYTHING,)
    return tuple(sorted({slot for known in history.events.values() for slot in erased_slots(known.event, subject)}))


def _history(case: Case) -> History:
    if case.file.history is None:
        raise HistoryNeeded("/")
    return case.file.history


def _require_officer(case: Case) -> None:
    if case.actor.kind is not ActorKind.HUMAN:
        raise FourEyesViolation("only a human decides", FieldError("", f"{case.actor.id} is no human"))
    if not has_role(case.actor.roles, PRIVACY_OFFICER):
        raise RoleRequired(
            "this is for privacy officers",
            FieldError("", f"{case.actor.id} does not have the role {PRIVACY_OFFICER}"),
            role=PRIVACY_OFFICER,
        )


def _require_second_person(case: Case, first: str, first_for: str | None, what: str) -> None:
    found = objections(case.actor, Asker(first, first_for), (PRIVACY_OFFICER,), deputy_of=case.deputy_of)
    if found:
        broken = [FieldError("/approver", why) for why in found]
        raise FourEyesViolation(f"{case.actor.id} may not decide {what}", *broken)
