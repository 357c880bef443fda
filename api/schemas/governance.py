"""The policy, the staff, and who saw whom."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime

from api.schemas.base import Answer, LogPosition, Page
from api.schemas.events import Reason
from domain.access import Action
from domain.events.access import ReadKind, ReadOf
from domain.events.envelope import Actor, ActorKind
from domain.events.staff import StaffKind
from domain.policy_file import RevisionState
from domain.purposes import PurposeCode
from domain.slots import Sensitivity


class PolicyBasis(Answer):
    """`version` is that of the last event known of the policy's own stream; 0 before the first."""

    known_at: AwareDatetime
    version: int


class PolicyEdition(Answer):
    """The edition in force. Of the first one, which came with the program, nobody proposed or agreed to anything."""

    name: str
    edition: int
    document: dict[str, Any]
    since: AwareDatetime | None
    revision_id: UUID | None
    proposed_by: str | None
    approved_by: str | None
    basis: PolicyBasis


class PolicyRevision(Answer):
    """A revision that was proposed; `edition` is the one that it came to be."""

    number: int
    revision_id: UUID
    based_on: int
    document: dict[str, Any]
    expires_at: AwareDatetime
    requester: str
    requester_for: str | None
    reason: str | None
    proposed_at: AwareDatetime
    state: RevisionState
    decided_by: str | None
    decided_at: AwareDatetime | None
    comment: str | None
    edition: int | None
    can_decide: bool


class PolicyRevisionPage(Page[PolicyRevision]):
    """Oldest first."""


class PolicyEvent(Answer):
    event_id: UUID
    type: str
    version: int
    recorded_at: AwareDatetime
    data: dict[str, Any]


class PolicyRecorded(Answer):
    """`edition` is the one in force after it."""

    name: str
    edition: int
    version: int
    events: list[PolicyEvent]


class AccessBasis(Answer):
    """As of when a file was shown; left out: as it was when it was read."""

    position: int | None = None
    known_at: AwareDatetime | None = None
    valid_at: AwareDatetime | None = None


class AccessAnswer(Answer):
    """An answer about many customers: how many rows, their content hash, what had been asked (but for who was sought).

    `part` of `parts`: its customers go on in further events.
    """

    rows: int | None = None
    sha256: str | None = None
    question: Any = None
    part: int
    parts: int


class AccessPurpose(Answer):
    code: PurposeCode
    text: str | None = None


class AccessItem(Answer):
    """One customer seen in one view, or a view that names nobody. `since` and `until`: it was in between.

    `stream`, `version` and `position` say which event of the log tells of it, as `event_id` does; `place` is the view
    in it. `highest` is the highest class that was shown, `times` how often.
    """

    position: int
    stream: UUID
    version: int
    place: int
    event_id: UUID
    type: str
    since: AwareDatetime
    until: AwareDatetime
    customer_id: UUID | None
    times: int
    request_id: str | None
    principal: str
    principal_kind: ActorKind
    on_behalf_of: str | None
    kind: ReadKind
    of: ReadOf
    highest: Sensitivity
    basis: AccessBasis | None
    purpose: AccessPurpose | None
    answered: AccessAnswer | None


class AccessPage(Page[AccessItem]):
    """Who saw whom, in the order of the log up to `basis.position`."""

    basis: LogPosition


class StaffDelegation(Answer):
    """`to` acts in the member's place, in the actions of `scope`; without any, in all that `to` may do anyway."""

    delegation_id: UUID
    to: str
    scope: list[Action]
    effective_from: AwareDatetime
    effective_to: AwareDatetime


class StaffTraining(Answer):
    training: str
    completed_on: date
    valid_until: date


class StaffMemberNow(Answer):
    """A member of staff. Delegations and trainings are those that hold."""

    subject: str
    name: str
    kind: StaffKind
    team: str | None
    active: bool
    roles: list[str]
    manager: str | None
    delegations: list[StaffDelegation]
    trainings: list[StaffTraining]


class StaffBasis(Answer):
    """As known at one moment, as true at another; `version`: the last event that was known."""

    known_at: AwareDatetime
    valid_at: AwareDatetime
    version: int


class StaffMember(StaffMemberNow):
    basis: StaffBasis


class StaffPage(Page[StaffMemberNow]):
    pass


class StaffEvent(Answer):
    """What was recorded of a member of staff."""

    event_id: UUID
    type: str
    version: int
    recorded_at: AwareDatetime
    actor: Actor
    reason: Reason | None
    data: dict[str, Any]


class StaffHistoryPage(Page[StaffEvent]):
    pass


class StaffRecorded(StaffEvent):
    """`stream`: under which the log has the events of this member."""

    subject: str
    stream: UUID
