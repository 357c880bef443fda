"""Profiles, lists of customers, and what waits for a second person."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from api.schemas.base import Answer, Basis, Erased, FileState, LogPosition, Masked, Page
from domain.events.contacts import BuyingRole, ContactPointKind, Geo, Usage
from domain.events.lifecycle import CustomerKind
from domain.events.needs import NeedOutcome
from domain.pending import RequestKind


class ProfileBasis(Basis):
    """`version` is that of the file's last event known."""

    version: int


class Identifier(Answer):
    issuer: str | None = None
    issued_on: str | None = None
    expires_on: str | None = None


class Address(Answer):
    country: str
    region: str | None = None
    city: str | None = None
    district: str | None = None
    lines: list[str] = Field([])
    postcode: str | None = None
    geo: Geo | None = None


class ContactPoint(Answer):
    kind: ContactPointKind
    value: str | Erased
    usage: Usage
    verified: bool
    number_type: str | None = None


class Contact(Answer):
    name: str | Erased | Masked | None = None
    title: str | Erased | Masked | None = None
    department: str | Erased | Masked | None = None
    buying_role: BuyingRole | Erased | Masked | None = None
    points: dict[UUID, ContactPoint | Masked] = Field({})


class PlannedBudget(Answer):
    """Amounts are decimal text."""

    min: str
    max: str
    currency: str
    approximate: bool


class Need(Answer):
    statement: str | Masked | None = None
    pain_point: str | Masked | None = None
    concerns: list[str] | Masked = Field([])
    budget: PlannedBudget | Masked | None = None
    decision_cycle: str | Masked | None = None
    required_by: str | Masked | None = None
    outcome: NeedOutcome | Masked | None = None


class Tier(Answer):
    code: str


class PendingValue(Answer):
    """What will come to hold a slot; `absent` where its value will be taken away."""

    path: str
    value: Any = None
    absent: Literal[True] | None = None
    effective_from: AwareDatetime
    effective_to: AwareDatetime | None
    version: int


class AwaitedRequest(Answer):
    """What waits for a second person. `paths`: the slots that it would move; `subject`: whom it is about.

    `approved_by`: it is approved, and waits for the last hold to be lifted.
    """

    kind: RequestKind
    request_id: UUID
    requester: str
    requester_for: str | None
    reason: str | Masked | None
    expires_at: AwareDatetime | None
    event_id: UUID
    version: int
    paths: list[str]
    commands: list[str] = Field(description="Of a proposal, the events that it would record")
    subject: UUID | None
    approved_by: str | None


class Approval(AwaitedRequest):
    """One of all files. `can_decide`: nothing speaks against the caller's deciding it. `position`: its event's."""

    customer_id: UUID
    recorded_at: AwareDatetime
    position: int
    owner: str | None = Field(description="Who manages the account, and so cannot decide")
    can_decide: bool


class OpenTierRequest(Answer):
    request_id: UUID
    scheme: str
    from_code: str | Masked | None
    to_code: str | Masked
    takes_effect: AwareDatetime | None
    expires_at: AwareDatetime
    requester: str
    requester_for: str | None
    event_id: UUID
    version: int
    reason: str | Masked | None


class Profile(Answer):
    """One file at one moment. A slot `/a/b` stands at that place in this object; what is empty is left out.

    Where the caller may not see a value stands {"masked": true, "class": ...}, here as in every other answer.
    `erased` stands in a file whose customer was erased, and with it everything else that the file had said.
    """

    customer_id: UUID
    customer_kind: CustomerKind | None = Field(description="Null once the customer was erased")
    erased: Erased | None = None
    file_state: FileState
    existence: Literal["EFFECTIVE", "NOT_EFFECTIVE"]
    display_name: str | Masked | None
    basis: ProfileBasis
    identity: dict[str, str | Masked] = Field({})
    identifiers: dict[str, dict[str, Identifier | Masked]] = Field(
        {}, description="By scheme and value; * stands for values that are masked"
    )
    addresses: dict[str, Address | Masked] = Field({})
    contacts: dict[UUID, Contact] = Field({})
    primary_contact: UUID | Masked | None = None
    needs: dict[UUID, Need] = Field({})
    tier: dict[str, Tier | Masked] = Field({})
    owner: dict[str, str | Masked] = Field({})
    tags: dict[str, dict[str, Literal[True] | Masked]] = Field({})
    attributes: dict[str, Any] = Field({})
    pending: list[AwaitedRequest | PendingValue] = Field(
        description="What waits for a second person, oldest first; then what comes to hold later than valid_at, soonest"
        " first; at most 10"
    )
    more_pending: bool = Field(description="Whether more is pending than is listed")
    requests: list[OpenTierRequest]
    provenance: str = Field(description="Where to read who set what of this")


class ListedCustomer(Answer):
    customer_id: UUID
    display_name: str | Masked | None
    customer_kind: CustomerKind | None = Field(description="Null once the customer was erased")
    file_state: FileState
    tier: dict[str, str | Masked]
    owner: dict[str, str | Masked]


class CustomerPage(Page[ListedCustomer]):
    """By customer id."""


class ApprovalPage(Page[Approval]):
    """Oldest first, every page as of one position."""

    basis: LogPosition
