"""Needs of the customer (domain.md 2.3; S4 table, S0:42)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from domain.events.base import Assertion, Payload, declare
from domain.facts import ABSENT
from domain.slots import pointer
from domain.values import Budget, Day, Duration, Line, Text, Value


class NeedOutcome(StrEnum):
    MET = "MET"
    DROPPED = "DROPPED"
    LOST_TO_COMPETITOR = "LOST_TO_COMPETITOR"


class NeedDetails(Value):
    """The details of a need; in a revision a field left out stays, null takes it away."""

    statement: Text | None = None
    pain_point: Text | None = None
    concerns: Annotated[tuple[Line, ...], Field(max_length=50)] | None = None
    budget: Budget | None = None
    decision_cycle: Duration | None = None
    required_by: Day | None = None

    def slots(self, need_id: UUID) -> Iterator[Assertion]:
        content = self.model_dump(mode="json")
        for field in sorted(self.model_fields_set):
            value = content[field]
            yield pointer("needs", need_id, field), ABSENT if value is None else value


@declare
class NeedIdentified(Payload):
    type: ClassVar[str] = "customer.need-identified"

    need_id: UUID
    statement: Text
    pain_point: Text | None = None
    concerns: Annotated[tuple[Line, ...], Field(max_length=50)] | None = None
    budget: Budget | None = None
    decision_cycle: Duration | None = None
    required_by: Day | None = None

    def assertions(self) -> Iterator[Assertion]:
        yield pointer("needs", self.need_id), True
        for field, value in self.model_dump(mode="json", exclude={"need_id"}, exclude_none=True).items():
            yield pointer("needs", self.need_id, field), value


@declare
class NeedRevised(Payload):
    """What changed and why (rule I19: the cause analysis is never empty)."""

    type: ClassVar[str] = "customer.need-revised"

    need_id: UUID
    changes: NeedDetails
    cause_analysis: Text

    def assertions(self) -> Iterator[Assertion]:
        yield from self.changes.slots(self.need_id)


@declare
class NeedClosed(Payload):
    type: ClassVar[str] = "customer.need-closed"

    need_id: UUID
    outcome: NeedOutcome

    def assertions(self) -> Iterator[Assertion]:
        yield pointer("needs", self.need_id, "outcome"), self.outcome.value
