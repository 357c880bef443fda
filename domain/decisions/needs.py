"""Needs: identified, revised with a cause, closed (rules I19, I21)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import Field

from domain.access import Action
from domain.decisions.base import Case, Command, Draft, NewId, change, checks
from domain.errors import CauseAnalysisRequired, FieldError, InvalidField
from domain.events.needs import NeedClosed, NeedDetails, NeedIdentified, NeedOutcome, NeedRevised
from domain.values import Budget, Day, Duration, Line, Text


@change
class IdentifyNeed(Command):
    records: ClassVar[type[NeedIdentified]] = NeedIdentified
    action: ClassVar[Action] = Action.WRITE_FACTS

    need_id: UUID | None = None
    statement: Text
    pain_point: Text | None = None
    concerns: Annotated[tuple[Line, ...], Field(max_length=50)] | None = None
    budget: Budget | None = None
    decision_cycle: Duration | None = None
    required_by: Day | None = None

    def with_ids(self, new_id: NewId) -> Self:
        return self.model_copy(update={"need_id": self.need_id or new_id()})

    def decide(self, _case: Case) -> Iterator[Draft]:
        yield Draft(NeedIdentified.model_validate(self.model_dump()))


@change
class ReviseNeed(Command):
    records: ClassVar[type[NeedRevised]] = NeedRevised
    action: ClassVar[Action] = Action.WRITE_FACTS

    need_id: UUID
    changes: NeedDetails
    cause_analysis: Annotated[str, Field(max_length=4000)] = ""

    def decide(self, case: Case) -> Iterator[Draft]:
        case.require_item("needs", self.need_id, "/need_id")
        if not self.cause_analysis.strip():
            raise CauseAnalysisRequired(
                "a revised need says why it changed", FieldError("/cause_analysis", "may not be empty")
            )
        if not self.changes.model_fields_set:
            raise InvalidField("nothing is revised", FieldError("/changes", "name at least one field"))
        yield Draft(NeedRevised(need_id=self.need_id, changes=self.changes, cause_analysis=self.cause_analysis))


@change
class CloseNeed(Command):
    records: ClassVar[type[NeedClosed]] = NeedClosed
    action: ClassVar[Action] = Action.WRITE_FACTS

    need_id: UUID
    outcome: NeedOutcome

    def decide(self, case: Case) -> Iterator[Draft]:
        case.require_item("needs", self.need_id, "/need_id")
        yield Draft(NeedClosed(need_id=self.need_id, outcome=self.outcome))


@checks(NeedRevised)
def check_revision(payload: NeedRevised, _case: Case) -> NeedRevised:
    if "statement" in payload.changes.model_fields_set and payload.changes.statement is None:
        raise InvalidField("a need keeps a statement", FieldError("/changes/statement", "may not be taken away"))
    return payload
