"""What became of requests for erasure, and holds."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from api.schemas.base import Answer, Masked
from domain.events.privacy import HoldBasis, LegalBasis


class ErasureStep(Answer):
    at: AwareDatetime
    by: str = Field(description="A staff id")
    event_id: UUID


class ErasureAsked(ErasureStep):
    reason: str | Masked | None


class ErasureDecided(ErasureStep):
    comment: str | Masked | None


class ErasureDone(ErasureStep):
    version: int
    position: int
    fields: list[str] = Field(description="The slots that had shown the subject's values; / for the whole file")


class FileErasure(Answer):
    """A request for erasure with its certificate. APPROVED: it waits for the last hold to be lifted."""

    request_id: UUID
    subject: UUID
    legal_basis: LegalBasis
    state: Literal["REQUESTED", "APPROVED", "REJECTED", "WITHDRAWN", "SUPERSEDED", "ERASED"]
    requested: ErasureAsked
    decided: ErasureDecided | None
    erased: ErasureDone | None
    unreadable_since: AwareDatetime | None = Field(description="When the last copy of the key was out of use")
    scrubbed_since: AwareDatetime | None = Field(description="When deleted rows had left the database's files, too")
    residue: list[str] = Field(description="What may still hold something of it, as of now")


class FileHold(Answer):
    hold_id: UUID
    basis: HoldBasis
    reference: str | Masked
    placed: ErasureAsked


class FileErasures(Answer):
    """As known at `position`; what was carried out is as of now. `holds` are those in force."""

    customer_id: UUID
    position: int
    erasures: list[FileErasure]
    holds: list[FileHold]
