"""Tier, tags, ownership and governed custom fields (domain.md 2.3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from domain.events.base import Assertion, Payload, declare
from domain.facts import ABSENT
from domain.slots import pointer
from domain.values import Code, Instant, JsonContent, Key, StaffId, Text


class TierDirection(StrEnum):
    RAISED = "RAISED"
    LOWERED = "LOWERED"
    INITIAL = "INITIAL"


class TierBasis(StrEnum):
    RULE = "RULE"
    MANUAL = "MANUAL"
    APPROVED = "APPROVED"


class OwnerRole(StrEnum):
    ACCOUNT_MANAGER = "ACCOUNT_MANAGER"
    SERVICE_LEAD = "SERVICE_LEAD"
    RISK_OFFICER = "RISK_OFFICER"
    FILE_CUSTODIAN = "FILE_CUSTODIAN"


@declare
class TierReassignmentRequested(Payload):
    """`takes_effect` is what the approved tier will be effective from; None means the moment of approval."""

    type: ClassVar[str] = "customer.tier-reassignment-requested"
    decision: ClassVar[bool] = True
    needs_reason: ClassVar[bool] = True
    needs_evidence: ClassVar[bool] = True

    request_id: UUID
    scheme: Code
    from_code: Code | None
    to_code: Code
    takes_effect: Instant | None = None
    expires_at: datetime


@declare
class TierReassignmentApproved(Payload):
    type: ClassVar[str] = "customer.tier-reassignment-approved"
    decision: ClassVar[bool] = True

    request_id: UUID
    comment: Text | None = None


@declare
class TierReassignmentRejected(Payload):
    type: ClassVar[str] = "customer.tier-reassignment-rejected"
    decision: ClassVar[bool] = True

    request_id: UUID
    comment: Text | None = None


@declare
class TierReassignmentWithdrawn(Payload):
    type: ClassVar[str] = "customer.tier-reassignment-withdrawn"
    decision: ClassVar[bool] = True

    request_id: UUID
    comment: Text | None = None


@declare
class TierReassigned(Payload):
    type: ClassVar[str] = "customer.tier-reassigned"
    needs_reason: ClassVar[bool] = True
    needs_evidence: ClassVar[bool] = True

    scheme: Code
    from_code: Code | None
    to_code: Code
    direction: TierDirection
    basis: TierBasis
    request_id: UUID | None = None
    approver_id: StaffId | None = None

    def assertions(self) -> Iterator[Assertion]:
        yield pointer("tier", self.scheme), {"code": self.to_code}


@declare
class OwnerAssigned(Payload):
    """`from_staff` is who held the role before, None for the first. Version 1 called the two `from` and `to`."""

    type: ClassVar[str] = "customer.owner-assigned"
    schema_version: ClassVar[int] = 2

    role: OwnerRole
    from_staff: StaffId | None = None
    to_staff: StaffId
    handover_note: Text | None = None

    def assertions(self) -> Iterator[Assertion]:
        yield pointer("owner", self.role), self.to_staff


@declare
class TagApplied(Payload):
    type: ClassVar[str] = "customer.tag-applied"

    taxonomy_version: int
    group: Code
    code: Code

    def assertions(self) -> Iterator[Assertion]:
        yield pointer("tags", self.group, self.code), True


@declare
class TagRemoved(Payload):
    type: ClassVar[str] = "customer.tag-removed"

    taxonomy_version: int
    group: Code
    code: Code

    def assertions(self) -> Iterator[Assertion]:
        yield pointer("tags", self.group, self.code), ABSENT


@declare
class AttributeRecorded(Payload):
    """A governed custom field: any JSON value, null included, under a key of its own."""

    type: ClassVar[str] = "customer.attribute-recorded"

    key: Key
    value: JsonContent

    def assertions(self) -> Iterator[Assertion]:
        yield pointer("attributes", self.key), self.value


@declare
class AttributeRemoved(Payload):
    type: ClassVar[str] = "customer.attribute-removed"

    key: Key

    def assertions(self) -> Iterator[Assertion]:
        yield pointer("attributes", self.key), ABSENT
