"""Corrections and retractions: what was recorded was wrong (rule I16; time.md, section 4). And verifications."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar
from uuid import UUID

from pydantic import ValidationError

from domain.access import Action
from domain.decisions.base import CHECKS, COMMANDS, Case, Command, Draft
from domain.erasure import subjects_in
from domain.errors import (
    FieldError,
    HistoryNeeded,
    InvalidField,
    NoChange,
    NotCorrectable,
    Refusal,
    UnknownItem,
    ValueNotHeld,
)
from domain.events.base import Payload
from domain.events.quality import (
    FactCorrected,
    FactRetracted,
    FieldVerified,
    SlotName,
    VerificationMethod,
    VerificationResult,
)
from domain.facts import ABSENT, same_json
from domain.fold import FactEvent
from domain.slots import kind_of, pointer


class CorrectFact(Command):
    """`replacement` holds the fields that were wrong; those left out stay as the corrected fact says.

    Without its own effective_from or effective_to the correction keeps those of what it corrects.
    """

    records: ClassVar[type[FactCorrected]] = FactCorrected
    action: ClassVar[Action] = Action.CORRECT
    on_archived_file: ClassVar[bool] = True
    touches_contacts: ClassVar[bool] = True

    corrects: UUID
    replacement: dict[str, Any]

    def decide(self, case: Case) -> Iterator[Draft]:
        target = _correctable(case, self.corrects, "/corrects")
        original = _content(target)
        envelope, stated = target.event.envelope, case.circumstances
        effective_from = stated.effective_from or envelope.effective_from
        effective_to = stated.effective_to or envelope.effective_to
        replacement = _checked(self._replacement(original), case.at(effective_from) if effective_from else case)
        _same_slots(original, replacement)
        same_period = (effective_from, effective_to) == (envelope.effective_from, envelope.effective_to)
        if same_period and same_json(original.model_dump(mode="json"), replacement.model_dump(mode="json")):
            raise NoChange("the correction says what the fact already says", FieldError("/replacement", "no change"))
        yield Draft(
            FactCorrected(replaced_type=original.type, replacement=replacement),
            effective_from=effective_from,
            effective_to=effective_to,
            corrects=self.corrects,
            backdating_settled=effective_from == envelope.effective_from,
        )

    def _replacement(self, original: Payload) -> Payload:
        try:
            replacement = type(original).model_validate(original.model_dump(exclude_unset=True) | self.replacement)
        except ValidationError as error:
            problems = error.errors()
            fields = [FieldError(pointer("replacement", *problem["loc"]), problem["msg"]) for problem in problems]
            rule = next((problem["type"] for problem in problems if problem["type"] == "I21"), None)
            raise InvalidField("the replacement does not fit the corrected event", *fields, rule=rule) from error
        derived = [name for name in _derived(original) if getattr(original, name) != getattr(replacement, name)]
        if derived:
            fields = [FieldError(pointer("replacement", name), "follows from the decision") for name in derived]
            raise InvalidField("nobody states these fields, so nobody corrects them", *fields)
        return replacement


class RetractFact(Command):
    records: ClassVar[type[FactRetracted]] = FactRetracted
    action: ClassVar[Action] = Action.CORRECT
    on_archived_file: ClassVar[bool] = True
    touches_contacts: ClassVar[bool] = True

    retracts: UUID

    def decide(self, case: Case) -> Iterator[Draft]:
        target = _correctable(case, self.retracts, "/retracts")
        original = _content(target)
        slots = tuple(fact.slot for fact in target.facts)
        yield Draft(FactRetracted(retracted_type=original.type, slots=slots), retracts=self.retracts)


class VerifyField(Command):
    """The value that the event `value_event_id` put into the slot `path` was checked; it must show there now.

    Changes no value. A later event that holds the slot is not verified by it.
    """

    records: ClassVar[type[FieldVerified]] = FieldVerified
    action: ClassVar[Action] = Action.VERIFY

    path: SlotName
    value_event_id: UUID
    method: VerificationMethod
    result: VerificationResult

    def decide(self, case: Case) -> Iterator[Draft]:
        if kind_of(self.path) is None:
            raise InvalidField("there is no such slot", FieldError("/path", "a slot is needed, such as /tier/VALUE"))
        if case.file.value(self.path, case.now) is ABSENT:
            raise UnknownItem("nothing shows there now", FieldError("/path", f"{self.path} has no value"))
        self._require_holder(case)
        yield Draft(FieldVerified(**self.model_dump()))

    def _require_holder(self, case: Case) -> None:
        history = case.file.history
        if history is None:
            raise HistoryNeeded(self.path)  # a file's row knows its facts' versions, not their events' ids
        held, told = case.file.holder(self.path, case.now), history.events.get(self.value_event_id)
        if held is None or told is None or told.event.envelope.version != held.version:
            raise ValueNotHeld(
                "the value that was checked is not the one that the file shows",
                FieldError("/value_event_id", f"{self.value_event_id} does not hold {self.path}"),
            )
        if subjects_in(told.event.payload) & case.file.privacy.erased.keys():
            raise ValueNotHeld("the value was erased", FieldError("/path", f"nothing is left to verify of {self.path}"))


def _correctable(case: Case, event_id: UUID, field: str) -> FactEvent:
    history = case.file.history
    if history is None:
        raise HistoryNeeded("/")
    target = history.events.get(event_id)
    if target is None:
        raise NotCorrectable("no fact of this file has that event id", FieldError(field, f"{event_id} is no fact here"))
    if (by := history.superseded.get(event_id)) is not None:
        raise NotCorrectable(
            "the fact has already been corrected or retracted", FieldError(field, f"by event {by.envelope.event_id}")
        )
    if subjects_in(target.event.payload) & case.file.privacy.erased.keys():
        raise NotCorrectable("what the fact had said was erased", FieldError(field, "is about an erased person"))
    return target


def _content(target: FactEvent) -> Payload:
    payload = target.event.payload
    return payload.replacement if isinstance(payload, FactCorrected) else payload


def _checked(replacement: Payload, case: Case) -> Payload:
    check = CHECKS.get(type(replacement))
    try:
        return check(replacement, case) if check else replacement
    except Refusal as refusal:
        refusal.move_below("/replacement")
        raise


def _derived(original: Payload) -> list[str]:
    """The fields that the decision itself fills in: who approved, on what basis, what stood there before."""
    stated = COMMANDS[original.type].model_fields.keys() - {"basis"}
    return sorted(type(original).model_fields.keys() - stated)


def _same_slots(original: Payload, replacement: Payload) -> None:
    if {slot for slot, _ in original.assertions()} != {slot for slot, _ in replacement.assertions()}:
        raise NotCorrectable(
            "a correction speaks of the same slots; for others retract, and record anew",
            FieldError("/replacement", "names other slots than the corrected event"),
        )
