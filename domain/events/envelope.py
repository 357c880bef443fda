"""What every event carries besides its own content: who, when, why, from where, on what evidence.

Field by field as in the rule book (domain.md 2.2). `recorded_at` is the database's clock; the actor comes
from the caller's token; neither is ever taken from a request body.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, Strict, StrictBool, StringConstraints
from pydantic_core import PydanticCustomError

from domain.values import Code, Instant, Line, StaffId, Text, Value, storable_text

WebAddress = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(storable_text)]
TraceId = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(storable_text)]


class ActorKind(StrEnum):
    HUMAN = "HUMAN"
    SERVICE = "SERVICE"
    SYSTEM = "SYSTEM"


class Actor(Value):
    id: StaffId
    kind: ActorKind = ActorKind.HUMAN
    name_at_time: Line | None = None
    roles: tuple[Line, ...] = ()
    on_behalf_of: StaffId | None = None


class SourceKind(StrEnum):
    """Where the knowledge came from (domain.md 2.6; S2:18, S4 chapter 3)."""

    CUSTOMER_STATEMENT = "CUSTOMER_STATEMENT"
    VISIT = "VISIT"
    MEETING = "MEETING"
    PHONE_CALL = "PHONE_CALL"
    EMAIL = "EMAIL"
    SMS = "SMS"
    QUESTIONNAIRE = "QUESTIONNAIRE"
    INTERVIEW = "INTERVIEW"
    ONLINE_REGISTRATION = "ONLINE_REGISTRATION"
    WORK_LOG = "WORK_LOG"
    OFFICIAL_WEBSITE = "OFFICIAL_WEBSITE"
    INDUSTRY_ASSOCIATION = "INDUSTRY_ASSOCIATION"
    SOCIAL_MEDIA = "SOCIAL_MEDIA"
    INDUSTRY_REPORT = "INDUSTRY_REPORT"
    PUBLIC_TENDER = "PUBLIC_TENDER"
    COMPANY_REGISTRY = "COMPANY_REGISTRY"
    INDUSTRY_INSIDER = "INDUSTRY_INSIDER"
    COMPETITOR = "COMPETITOR"
    MARKET_FEEDBACK = "MARKET_FEEDBACK"
    INTERNAL_NEWS = "INTERNAL_NEWS"
    ERP = "ERP"
    FINANCE_SYSTEM = "FINANCE_SYSTEM"
    IMPORT_FILE = "IMPORT_FILE"
    MODEL = "MODEL"


class Source(Value):
    kind: SourceKind
    detail: Text | None = None
    url: Annotated[WebAddress, StringConstraints(pattern=r"^https?://\S+$")] | None = None
    batch_id: Line | None = None
    row: Annotated[int, Strict(), Field(ge=0)] | None = None


class Reason(Value):
    code: Code | None = None
    text: Text | None = None

    def model_post_init(self, _context: Any) -> None:
        if self.code is None and self.text is None:
            raise PydanticCustomError("reason", "a reason has a code, a text, or both")


class Evidence(Value):
    document_id: UUID | None = None
    url: WebAddress | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    note: Text | None = None

    def model_post_init(self, _context: Any) -> None:
        if self.document_id is None and self.url is None and self.note is None:
            raise PydanticCustomError("evidence", "evidence names a document_id, a url, or at least a note")


class Certainty(StrEnum):
    FACT = "FACT"
    POSSIBILITY = "POSSIBILITY"


class Circumstances(Value):
    """The part of an envelope that the caller states. `initial_load` needs the role importer."""

    effective_from: Instant | None = None
    effective_to: Instant | None = None
    observed_at: Instant | None = None
    source: Source | None = None
    reason: Reason | None = None
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=50)] = ()
    certainty: Certainty = Certainty.FACT
    probability: Annotated[float, Strict(), Field(ge=0, le=1)] | None = None
    correlation_id: TraceId | None = None
    causation_id: TraceId | None = None
    initial_load: StrictBool = False

    def model_post_init(self, _context: Any) -> None:
        if self.probability is not None and self.certainty is not Certainty.POSSIBILITY:
            raise PydanticCustomError("certainty", "a probability needs certainty POSSIBILITY")


class Proposed(Value):
    """The proposal that an event follows from: whose it was, and the event that made it. The actor agreed to it."""

    proposal_id: UUID
    event_id: UUID
    proposer: StaffId
    on_behalf_of: StaffId | None = None


class Envelope(Value):
    """The complete envelope of a recorded event. Times are UTC; `version` counts from 1 in its stream."""

    event_id: UUID
    customer_id: UUID
    version: Annotated[int, Field(ge=1)]
    recorded_at: datetime
    effective_from: datetime | None
    effective_to: datetime | None = None
    observed_at: datetime | None = None
    actor: Actor
    source: Source | None = None
    reason: Reason | None = None
    evidence: tuple[Evidence, ...] = ()
    certainty: Certainty = Certainty.FACT
    probability: float | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    request_id: str | None = None
    idempotency_key: str | None = None
    policy_version: int
    initial_load: bool = False
    corrects: UUID | None = None
    retracts: UUID | None = None
    proposed: Proposed | None = None
