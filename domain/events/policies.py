"""What becomes of a policy: proposed by one administrator, decided by another, in force from its recording on.

They stand in the policy's own stream. What must stay true: an edition is kept as the document that was agreed to, as a
whole, so that what was decided under it is read with it for ever.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field, Strict

from domain.events.base import declare
from domain.events.service import ServicePayload
from domain.values import JsonContent, StaffId, Text

EditionNumber = Annotated[int, Strict(), Field(ge=1)]


@declare
class RevisionProposed(ServicePayload):
    """`based_on` is the edition that it would replace, and no other one."""

    type: ClassVar[str] = "policy.revision-proposed"
    needs_reason: ClassVar[bool] = True

    revision_id: UUID
    based_on: EditionNumber
    document: dict[str, JsonContent]
    expires_at: datetime


class _Answered(ServicePayload):
    revision_id: UUID
    comment: Text | None = None


@declare
class RevisionApproved(_Answered):
    """The edition follows it at once."""

    type: ClassVar[str] = "policy.revision-approved"


@declare
class RevisionRejected(_Answered):
    type: ClassVar[str] = "policy.revision-rejected"


@declare
class RevisionWithdrawn(_Answered):
    type: ClassVar[str] = "policy.revision-withdrawn"


@declare
class PolicyRevised(ServicePayload):
    """From here on the edition is in force."""

    type: ClassVar[str] = "policy.revised"

    edition: EditionNumber
    document: dict[str, JsonContent]
    revision_id: UUID
    proposer: StaffId
    proposer_for: StaffId | None = None
    approver_id: StaffId
