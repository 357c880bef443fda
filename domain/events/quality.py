"""Corrections and retractions: we were wrong, as opposed to: the world changed (domain.md 2.3, time.md 4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import SerializeAsAny, field_validator
from pydantic_core import PydanticCustomError

from domain.events.base import EVENT_TYPES, Assertion, Payload, declare


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


@declare
class FactRetracted(Payload):
    """The retracted fact never was true and nothing replaces it. `slots` are those it had asserted."""

    type: ClassVar[str] = "customer.fact-retracted"
    needs_reason: ClassVar[bool] = True

    retracted_type: str
    slots: tuple[str, ...]
