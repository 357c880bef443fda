"""Who works with the service, with which roles, under whom, in whose place: the events of a StaffMember's stream.

What lasts says itself from when until when it is true (half-open; no end: until something later takes its place), so
that what somebody was allowed on a day is known as of any moment. What is a decision holds from when it was recorded.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from domain.events.base import declare
from domain.events.service import ServicePayload
from domain.values import Code, Day, Instant, Line, StaffId

MOST_ROLES = 20
MOST_ACTIONS = 50


class StaffKind(StrEnum):
    """A person, or a program with an account of its own."""

    HUMAN = "HUMAN"
    SERVICE = "SERVICE"


@declare
class MemberRecorded(ServicePayload):
    """There is such a member of staff; recorded again, what is said of them has changed. `subject`: as tokens say."""

    type: ClassVar[str] = "staff.member-recorded"

    subject: StaffId
    name: Line
    kind: StaffKind = StaffKind.HUMAN
    team: Line | None = None


@declare
class RolesAssigned(ServicePayload):
    """These roles and no others; none at all may be assigned."""

    type: ClassVar[str] = "staff.roles-assigned"
    needs_reason: ClassVar[bool] = True

    roles: Annotated[tuple[Line, ...], Field(max_length=MOST_ROLES)]
    effective_from: Instant
    effective_to: Instant | None = None


@declare
class ManagerAssigned(ServicePayload):
    """`manager` None: they report to nobody."""

    type: ClassVar[str] = "staff.manager-assigned"

    manager: StaffId | None
    effective_from: Instant
    effective_to: Instant | None = None


@declare
class Delegated(ServicePayload):
    """`to` acts in this member's place. `scope`: in these actions; without any, in all that `to` may do anyway."""

    type: ClassVar[str] = "staff.delegated"
    needs_reason: ClassVar[bool] = True

    delegation_id: UUID
    to: StaffId
    scope: Annotated[tuple[Line, ...], Field(max_length=MOST_ACTIONS)] = ()
    effective_from: Instant
    effective_to: Instant


@declare
class DelegationEnded(ServicePayload):
    """Before its time."""

    type: ClassVar[str] = "staff.delegation-ended"

    delegation_id: UUID
    effective_from: Instant


@declare
class TrainingCompleted(ServicePayload):
    """`valid_until`: the last day on which it counts."""

    type: ClassVar[str] = "staff.training-completed"

    training: Code
    completed_on: Day
    valid_until: Day


@declare
class Deactivated(ServicePayload):
    """From now on they may do nothing."""

    type: ClassVar[str] = "staff.deactivated"
    needs_reason: ClassVar[bool] = True


@declare
class Reactivated(ServicePayload):
    type: ClassVar[str] = "staff.reactivated"
    needs_reason: ClassVar[bool] = True
