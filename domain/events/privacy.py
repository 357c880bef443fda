"""Erasure and legal hold (domain.md 2.3): asked for, decided, carried out; and what an erased event leaves behind.

What must stay true: these events name a data subject by its id and no person, so that they may outlive every erasure.
Words in their reasons and comments stay readable for good.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import ClassVar, Final, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import StrictBool, create_model

from domain.events.base import EVENT_TYPES, Payload, declare
from domain.values import Line, StaffId, Text

RECORDS_SUBJECT: Final = uuid5(NAMESPACE_URL, "urn:dossier:subject:records")
"""Whose key encrypts what outlives erasure: the records of erasures and holds themselves, of all files."""

EVERYTHING: Final = "/"
"""The one entry of `fields` when a whole file was erased."""


class LegalBasis(StrEnum):
    """Why data must go: the cases of GDPR article 17(1), article 47 of the PIPL, or our own rules."""

    GDPR_17_1_A = "GDPR_17_1_A"
    GDPR_17_1_B = "GDPR_17_1_B"
    GDPR_17_1_C = "GDPR_17_1_C"
    GDPR_17_1_D = "GDPR_17_1_D"
    GDPR_17_1_E = "GDPR_17_1_E"
    GDPR_17_1_F = "GDPR_17_1_F"
    PIPL_47 = "PIPL_47"
    CONSENT_WITHDRAWN = "CONSENT_WITHDRAWN"
    RETENTION_ENDED = "RETENTION_ENDED"
    ERASED_BEFORE = "ERASED_BEFORE"
    """The record of the erasure was lost with the end of the log; what was erased stays so."""


class HoldBasis(StrEnum):
    LEGAL_HOLD = "LEGAL_HOLD"
    INVESTIGATION = "INVESTIGATION"


class _OfPrivacy(Payload):
    decision: ClassVar[bool] = True
    outlives_erasure: ClassVar[bool] = True


@declare
class ErasureRequested(_OfPrivacy):
    """`subject` is a contact person of the file, or the customer itself, which then is an individual."""

    type: ClassVar[str] = "customer.erasure-requested"
    needs_reason: ClassVar[bool] = True

    request_id: UUID
    subject: UUID
    legal_basis: LegalBasis


@declare
class ErasureApproved(_OfPrivacy):
    """`after_hold`: approved while the file was held; carried out by whoever lifts the last hold."""

    type: ClassVar[str] = "customer.erasure-approved"

    request_id: UUID
    after_hold: StrictBool = False
    comment: Text | None = None


@declare
class ErasureRejected(_OfPrivacy):
    type: ClassVar[str] = "customer.erasure-rejected"

    request_id: UUID
    comment: Text | None = None


@declare
class ErasureWithdrawn(_OfPrivacy):
    type: ClassVar[str] = "customer.erasure-withdrawn"

    request_id: UUID
    comment: Text | None = None


@declare
class PersonalDataErased(_OfPrivacy):
    """From here on the subject's values are erased, wherever they had been recorded before; none is recorded again.

    `fields` are the slots that had shown such values, or `/` for a whole file.
    """

    type: ClassVar[str] = "customer.personal-data-erased"
    needs_reason: ClassVar[bool] = True

    subject: UUID
    legal_basis: LegalBasis
    fields: tuple[str, ...] = ()
    request_id: UUID
    approver_id: StaffId


@declare
class LegalHoldPlaced(_OfPrivacy):
    """Nothing of the file may be erased until the hold is lifted. `reference` names the case outside."""

    type: ClassVar[str] = "customer.legal-hold-placed"
    needs_reason: ClassVar[bool] = True

    hold_id: UUID
    basis: HoldBasis = HoldBasis.LEGAL_HOLD
    reference: Line


@declare
class LegalHoldLifted(_OfPrivacy):
    type: ClassVar[str] = "customer.legal-hold-lifted"
    needs_reason: ClassVar[bool] = True

    hold_id: UUID


class ErasedContent(Payload):
    """What an event says whose whole content was erased: nothing but which event erased it.

    Its class carries the stored name and the marks of what it was. Never recorded, only read.
    """

    type: ClassVar[str] = ""

    erased: Literal[True] = True
    by: UUID


@cache
def erased_class(stored_name: str) -> type[ErasedContent]:
    """The class for an erased event of a type. Raises KeyError for an unknown one."""
    original = EVENT_TYPES[stored_name]
    erased: type[ErasedContent] = create_model("ErasedContent", __base__=ErasedContent)
    erased.type, erased.schema_version, erased.decision = stored_name, original.schema_version, original.decision
    return erased
