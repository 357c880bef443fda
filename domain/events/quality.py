"""Corrections and retractions: we were wrong, as opposed to: the world changed (domain.md 2.3, time.md 4).

And verifications: somebody held a value against a source outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, SerializeAsAny, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from domain.events.base import EVENT_TYPES, Assertion, Payload, declare
from domain.values import storable_text

SlotName = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(storable_text)]


@declare
class FactCorrected(Payload):
    """The corrected fact never was true; `replacement` (same type, same slots) stands in its place and rank.

    Which event it corrects stands in the envelope (`corrects`).
    """

    type: ClassVar[str] = "customer.fact-corrected"
    needs_reason: ClassVar[bool] = True

    replaced_type: str
    replacement: SerializeAsAny[Payload]

    @field_validator("replacement", mode="before")
    @classmethod
    def _of_replaced_type(cls, value: Any, info: Any) -> Any:
        if isinstance(value, dict):
            replaced_type = EVENT_TYPES.get(info.data.get("replaced_type", ""))
            if replaced_type is None:
                raise PydanticCustomError("replaced_type", "no such event type to replace")
            return replaced_type.model_validate(value)
        return value

    def assertions(self) -> Iterator[Assertion]:
        return self.replacement.assertions()

    def tells_of(self) -> Iterator[Assertion]:
        return self.replacement.tells_of()


@declare
class FactRetracted(Payload):
    """The retracted fact never was true and nothing replaces it. `slots` are those it had asserted."""

    type: ClassVar[str] = "customer.fact-retracted"
    needs_reason: ClassVar[bool] = True

    retracted_type: str
    slots: tuple[str, ...]

    def tells_of(self) -> Iterator[Assertion]:
        return ((slot, None) for slot in self.slots)


class VerificationMethod(StrEnum):
    REGISTRY = "REGISTRY"
    CALLBACK = "CALLBACK"
    DOCUMENT = "DOCUMENT"
    THIRD_PARTY = "THIRD_PARTY"


class VerificationResult(StrEnum):
    MATCH = "MATCH"
    MISMATCH = "MISMATCH"
    UNKNOWN = "UNKNOWN"


@declare
class FieldVerified(Payload):
    """The value that `value_event_id` had put into the slot `path` was checked. It speaks of no other value there."""

    type: ClassVar[str] = "customer.field-verified"
    decision: ClassVar[bool] = True
    needs_evidence: ClassVar[bool] = True

    path: SlotName
    value_event_id: UUID
    method: VerificationMethod
    result: VerificationResult

    def tells_of(self) -> Iterator[Assertion]:
        yield self.path, None
