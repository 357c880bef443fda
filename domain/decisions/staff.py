"""What may be recorded of members of staff, and by whom: a command, a case, and the events or a Refusal.

What must stay true: nobody changes what the service knows of themselves, nor lets themselves act in somebody's place;
only people and programs that are recorded and at work are named as managers and deputies; only roles that there are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Self
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from domain.access import Action, Role
from domain.decisions.base import NewId
from domain.errors import (
    EffectiveDateOutOfRange,
    EffectivePeriodInvalid,
    FieldError,
    NoChange,
    OwnStaffRecord,
    ReasonRequired,
    StaffUnknown,
    UnknownItem,
)
from domain.events import Actor, Reason
from domain.events.service import ServicePayload
from domain.events.staff import (
    MOST_ACTIONS,
    MOST_ROLES,
    Deactivated,
    Delegated,
    DelegationEnded,
    ManagerAssigned,
    MemberRecorded,
    Reactivated,
    RolesAssigned,
    StaffKind,
    TrainingCompleted,
)
from domain.staff import StaffFile, StaffMember, midnight
from domain.values import BUSINESS_TIMEZONE, Code, Day, Instant, Line, StaffId, Value

_LONGEST_DELEGATION: Final = timedelta(days=366)
_FURTHEST_BACK: Final = timedelta(days=365)
_FURTHEST_AHEAD: Final = timedelta(days=366)


def _addressable(subject: str) -> str:
    """A subject is a segment of a URL, and must not look like another one."""
    if not subject.isprintable() or "/" in subject or "?" in subject or "#" in subject:
        raise PydanticCustomError("subject", "the id of a member of staff is printable and has no / ? or #")
    return subject


Subject = Annotated[StaffId, AfterValidator(_addressable)]


@dataclass(frozen=True, slots=True)
class StaffCase:
    """All that a decision may look at: the member's file, who asks, the moment, and the others as of now."""

    subject: str
    file: StaffFile
    actor: Actor
    now: datetime
    colleague: Callable[[str], StaffMember | None]

    @property
    def member(self) -> StaffMember:
        """The member as of now. Raises StaffUnknown."""
        return self.member_at(self.now)

    def member_at(self, instant: datetime) -> StaffMember:
        member = self.file.at(instant)
        if member is None:
            raise StaffUnknown(f"nobody is recorded as {self.subject}")
        return member

    def require_at_work(self, subject: str, field: str) -> None:
        """StaffUnknown unless somebody else of that id is recorded and active."""
        colleague = None if subject == self.subject else self.colleague(subject)
        if colleague is None or not colleague.active:
            raise StaffUnknown("a colleague is needed who is recorded and active", FieldError(field, subject))


class StaffCommand(Value, ABC):
    """What an administrator asks for. `reason` is required where the event it records says so."""

    records: ClassVar[type[ServicePayload]]

    reason: Reason | None = None

    @abstractmethod
    def decide(self, case: StaffCase) -> ServicePayload:
        """What is to be recorded. Raises a Refusal."""

    def with_ids(self, _new_id: NewId) -> Self:
        """Itself with the ids of new items filled in, for those the caller did not choose."""
        return self


def decide(command: StaffCommand, case: StaffCase) -> ServicePayload:
    """The event that a command leads to. Raises a Refusal; pure."""
    if case.subject in (case.actor.id, case.actor.on_behalf_of):
        raise OwnStaffRecord("nobody changes their own staff record; another administrator does")
    if command.records.needs_reason and command.reason is None:
        raise ReasonRequired("this change needs a reason", FieldError("/reason", "is required"))
    return command.decide(case)


class RecordMember(StaffCommand):
    """Record a member of staff, or what has changed of them."""

    records = MemberRecorded

    subject: Subject
    name: Line
    kind: StaffKind = StaffKind.HUMAN
    team: Line | None = None

    def decide(self, case: StaffCase) -> ServicePayload:
        stated = MemberRecorded(subject=self.subject, name=self.name, kind=self.kind, team=self.team)
        known = case.file.at(case.now)
        if known and (known.name, known.kind, known.team) == (stated.name, stated.kind, stated.team):
            raise NoChange("this is what is recorded of them already")
        return stated


class AssignRoles(StaffCommand):
    """Give a member of staff these roles, and take all others away."""

    records = RolesAssigned

    roles: Annotated[tuple[Role, ...], Field(max_length=MOST_ROLES)]
    effective_from: Instant | None = None
    effective_to: Instant | None = None

    def decide(self, case: StaffCase) -> ServicePayload:
        start = _started(self.effective_from, self.effective_to, case.now)
        roles = tuple(sorted(set(map(str, self.roles))))
        held = case.member_at(start)
        if self.effective_to is None and held.roles == roles:
            raise NoChange("these are their roles already", FieldError("/roles", "nothing would change"))
        return RolesAssigned(roles=roles, effective_from=start, effective_to=self.effective_to)


class AssignManager(StaffCommand):
    """Say to whom a member of staff reports."""

    records = ManagerAssigned

    manager: StaffId | None
    effective_from: Instant | None = None
    effective_to: Instant | None = None

    def decide(self, case: StaffCase) -> ServicePayload:
        start = _started(self.effective_from, self.effective_to, case.now)
        if self.manager is not None:
            case.require_at_work(self.manager, "/manager")
            self._require_no_circle(case)
        known = case.member_at(start)
        if self.effective_to is None and known.manager == self.manager:
            raise NoChange("this is their manager already", FieldError("/manager", "nothing would change"))
        return ManagerAssigned(manager=self.manager, effective_from=start, effective_to=self.effective_to)

    def _require_no_circle(self, case: StaffCase) -> None:
        above, seen = self.manager, set[str]()
        while above is not None and above not in seen:
            if above == case.subject:
                raise StaffUnknown("nobody is their own manager's manager", FieldError("/manager", "makes a circle"))
            seen.add(above)
            colleague = case.colleague(above)
            above = colleague.manager if colleague else None


class Delegate(StaffCommand):
    """Let a colleague act in the place of a member of staff, for a time; the colleague's own roles decide what for."""

    records = Delegated

    delegation_id: UUID | None = None
    to: StaffId
    scope: Annotated[tuple[Action, ...], Field(max_length=MOST_ACTIONS)] = ()
    effective_from: Instant | None = None
    effective_to: Instant

    def with_ids(self, new_id: NewId) -> Self:
        return self if self.delegation_id else self.model_copy(update={"delegation_id": new_id()})

    def decide(self, case: StaffCase) -> ServicePayload:
        assert self.delegation_id is not None  # noqa: S101 - with_ids comes first
        if self.to in (case.actor.id, case.actor.on_behalf_of):
            raise OwnStaffRecord("nobody lets themselves act in somebody's place", FieldError("/to", "is yourself"))
        case.member  # noqa: B018 - who is not recorded has no deputy
        case.require_at_work(self.to, "/to")
        start = _started(self.effective_from, self.effective_to, case.now, earliest=_today(case.now))
        if self.effective_to - start > _LONGEST_DELEGATION:
            raise EffectivePeriodInvalid("a delegation ends within a year", FieldError("/effective_to", "is too late"))
        if self.delegation_id in case.file.delegated:
            raise NoChange("there is such a delegation already", FieldError("/delegation_id", "is taken"))
        return Delegated(
            delegation_id=self.delegation_id,
            to=self.to,
            scope=tuple(sorted(set(map(str, self.scope)))),
            effective_from=start,
            effective_to=self.effective_to,
        )


class EndDelegation(StaffCommand):
    """End a delegation before its time."""

    records = DelegationEnded

    delegation_id: UUID

    def decide(self, case: StaffCase) -> ServicePayload:
        given = case.file.delegated.get(self.delegation_id)
        if given is None:
            raise UnknownItem("there is no such delegation", FieldError("/delegation_id", str(self.delegation_id)))
        end = max(case.now, given.effective_from)
        holding = {each.delegation_id for each in case.member_at(end).delegations}
        if self.delegation_id not in holding:
            raise NoChange("the delegation has ended already")
        return DelegationEnded(delegation_id=self.delegation_id, effective_from=end)


class RecordTraining(StaffCommand):
    """Record a training that a member of staff has completed."""

    records = TrainingCompleted

    training: Code
    completed_on: Day
    valid_until: Day

    def decide(self, case: StaffCase) -> ServicePayload:
        case.member  # noqa: B018 - of a stranger no training is recorded
        if self.valid_until < self.completed_on:
            raise EffectivePeriodInvalid(
                "a training is valid for a day at least", FieldError("/valid_until", "before completed_on")
            )
        if midnight(self.completed_on) > case.now:
            raise EffectiveDateOutOfRange(
                "a training that is completed lies in the past", FieldError("/completed_on", "is in the future")
            )
        return TrainingCompleted(training=self.training, completed_on=self.completed_on, valid_until=self.valid_until)


class Deactivate(StaffCommand):
    """From now on a member of staff may do nothing."""

    records = Deactivated

    def decide(self, case: StaffCase) -> ServicePayload:
        if not case.member.active:
            raise NoChange("they are inactive already")
        return Deactivated()


class Reactivate(StaffCommand):
    """Let a member of staff in again, with the roles that they had."""

    records = Reactivated

    def decide(self, case: StaffCase) -> ServicePayload:
        if case.member.active:
            raise NoChange("they are active already")
        return Reactivated()


def _today(now: datetime) -> datetime:
    return midnight(now.astimezone(BUSINESS_TIMEZONE).date())


def _started(
    stated: datetime | None, end: datetime | None, now: datetime, *, earliest: datetime | None = None
) -> datetime:
    """From when it is true. Raises EffectiveDateOutOfRange or EffectivePeriodInvalid."""
    start = now if stated is None else stated
    if not (earliest or now - _FURTHEST_BACK) <= start <= now + _FURTHEST_AHEAD:
        raise EffectiveDateOutOfRange(
            "what holds for staff begins neither that long ago nor that far ahead",
            FieldError("/effective_from", start.isoformat()),
        )
    if end is not None and end <= start:
        raise EffectivePeriodInvalid("it ends after it begins", FieldError("/effective_to", "is not after the start"))
    return start
