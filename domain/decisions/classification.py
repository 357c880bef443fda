"""Tags, ownership and custom fields; the tier has a module of its own (rules I5 for owners, I15, I23)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from domain.access import Action
from domain.code_schemes import require_code, tag_edition
from domain.decisions.base import Case, Command, Draft, change, checks
from domain.errors import FieldError, NoChange, ReasonRequired
from domain.events.classification import (
    AttributeRecorded,
    AttributeRemoved,
    OwnerAssigned,
    OwnerRole,
    TagApplied,
    TagRemoved,
)
from domain.facts import ABSENT
from domain.values import Code, JsonContent, Key, StaffId, Text


@change
class AssignOwner(Command):
    records: ClassVar[type[OwnerAssigned]] = OwnerAssigned
    action: ClassVar[Action] = Action.ASSIGN_OWNER

    role: OwnerRole
    to_staff: StaffId
    handover_note: Text | None = None

    def decide(self, case: Case) -> Iterator[Draft]:
        before = case.value("owner", self.role)
        replacing = before is not ABSENT
        stated = case.circumstances
        if replacing and stated.reason is None and not stated.initial_load:
            raise ReasonRequired("replacing an owner needs a reason", FieldError("/reason", "say why"))
        yield Draft(
            OwnerAssigned(
                role=self.role,
                from_staff=before if replacing else None,
                to_staff=self.to_staff,
                handover_note=self.handover_note,
            )
        )


@change
class ApplyTag(Command):
    records: ClassVar[type[TagApplied]] = TagApplied
    action: ClassVar[Action] = Action.WRITE_FACTS

    group: Code
    code: Code

    def decide(self, case: Case) -> Iterator[Draft]:
        edition = tag_edition(self.group, case.effective_from)
        yield Draft(TagApplied(taxonomy_version=edition.version, group=self.group, code=self.code))


@change
class RemoveTag(Command):
    records: ClassVar[type[TagRemoved]] = TagRemoved
    action: ClassVar[Action] = Action.WRITE_FACTS

    group: Code
    code: Code

    def decide(self, case: Case) -> Iterator[Draft]:
        edition = tag_edition(self.group, case.effective_from)
        if case.value("tags", self.group, self.code) is ABSENT:
            raise NoChange("the file does not carry this tag", FieldError("/code", "nothing to remove"))
        yield Draft(TagRemoved(taxonomy_version=edition.version, group=self.group, code=self.code))


@change
class RecordAttribute(Command):
    records: ClassVar[type[AttributeRecorded]] = AttributeRecorded
    action: ClassVar[Action] = Action.WRITE_FACTS

    key: Key
    value: JsonContent

    def decide(self, _case: Case) -> Iterator[Draft]:
        yield Draft(AttributeRecorded(key=self.key, value=self.value))


@change
class RemoveAttribute(Command):
    records: ClassVar[type[AttributeRemoved]] = AttributeRemoved
    action: ClassVar[Action] = Action.WRITE_FACTS

    key: Key

    def decide(self, case: Case) -> Iterator[Draft]:
        if case.value("attributes", self.key) is ABSENT:
            raise NoChange("the file has no such attribute", FieldError("/key", "nothing to remove"))
        yield Draft(AttributeRemoved(key=self.key))


@checks(TagApplied)
def check_tag(payload: TagApplied, case: Case) -> TagApplied:
    require_code(tag_edition(payload.group, case.effective_from), payload.code, "/code")
    return payload
