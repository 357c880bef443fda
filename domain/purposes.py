"""Why somebody reads a file: the code list, and what may be said besides it."""

from __future__ import annotations

from enum import StrEnum

from pydantic_core import PydanticCustomError

from domain.values import Line, Value


class PurposeCode(StrEnum):
    SALES = "SALES"
    SERVICE = "SERVICE"
    ONBOARDING = "ONBOARDING"
    CREDIT_REVIEW = "CREDIT_REVIEW"
    RISK_REVIEW = "RISK_REVIEW"
    COMPLAINT = "COMPLAINT"
    DATA_QUALITY = "DATA_QUALITY"
    COMPLIANCE_CHECK = "COMPLIANCE_CHECK"
    AUDIT = "AUDIT"
    SUBJECT_REQUEST = "SUBJECT_REQUEST"
    """The customer, or a contact person, wants to know, or wants something corrected or erased."""
    LEGAL_CASE = "LEGAL_CASE"
    REPORTING = "REPORTING"
    MIGRATION = "MIGRATION"
    TECHNICAL_SUPPORT = "TECHNICAL_SUPPORT"
    OTHER = "OTHER"


class Purpose(Value):
    """A code, and in the reader's own words what it does not say; OTHER alone says nothing."""

    code: PurposeCode
    text: Line | None = None

    def model_post_init(self, _context: object) -> None:
        if self.code is PurposeCode.OTHER and self.text is None:
            raise PydanticCustomError("purpose", "the purpose OTHER needs a text")
