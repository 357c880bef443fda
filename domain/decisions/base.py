"""How a command becomes events: the case before the decision, and the rules that hold for every event.

A command is the imperative of an event. It only says what it would record (`decide`); the rules common to all
events (archived file, effective dates, required reason, evidence and observed_at, no empty change, one primary
contact) are applied here, once, in `domain.decisions.record`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar
from uuid import UUID

from domain.access import Action
from domain.errors import FieldError, SubjectErased, UnknownItem
from domain.events.base import Payload
from domain.events.envelope import Actor, Circumstances, Evidence, Proposed, Reason
from domain.facts import ABSENT
from domain.file import CustomerFile
from domain.policy import Policy
from domain.slots import pointer
from domain.values import Value

NewId = Callable[[], UUID]


@dataclass(frozen=True, slots=True)
class Draft:
    """An event about to be recorded. What is None is taken from the circumstances of the command."""

    payload: Payload
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    reason: Reason | None = None
    evidence: tuple[Evidence, ...] = ()
    corrects: UUID | None = None
    retracts: UUID | None = None
    proposed: Proposed | None = None
    backdating_settled: bool = False
    """True where a second person or the corrected event already answers for the effective date."""
    initial_value: bool = False
    """True where there was nothing before: evidence and observed_at are asked of changes, not of first values."""


@dataclass(frozen=True, slots=True)
class Change:
    """One command with its circumstances. `pointer` is its place in the request body, "" for the whole body.

    `proposed`: the proposal under which it is recorded, if it is.
    """

    command: Command
    circumstances: Circumstances
    pointer: str = ""
    proposed: Proposed | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """All that a decision may look at: the file, the person, the moment, the policy, and what the person states."""

    file: CustomerFile
    actor: Actor
    now: datetime
    circumstances: Circumstances
    policy: Policy
    holders: Mapping[tuple[str, str], UUID] = field(default_factory=dict)
    """Who holds an identifier (scheme, value), for those that the command names."""
    proposed: Proposed | None = None
    """The proposal that a second person agrees to with this very decision."""
    deputy_of: frozenset[str] = frozenset()
    """In whose place the actor may act by a delegation in force."""

    @property
    def effective_from(self) -> datetime:
        return self.circumstances.effective_from or self.now

    def at(self, effective_from: datetime) -> Case:
        """The same case, with another effective time if it is one."""
        if effective_from == self.effective_from:
            return self
        return replace(self, circumstances=self.circumstances.model_copy(update={"effective_from": effective_from}))

    def of(self, change: Change) -> Case:
        """The same case for another change."""
        return replace(self, circumstances=change.circumstances, proposed=change.proposed)

    def value(self, *segments: object) -> Any:
        """The value that shows in a slot at the effective time, or ABSENT."""
        return self.file.value(pointer(*segments), self.effective_from)

    def require_living(self, subject: UUID, field_pointer: str) -> None:
        """SubjectErased if the subject's values were erased: none is recorded again (I24)."""
        if (by := self.file.privacy.erased.get(subject)) is not None:
            raise SubjectErased(
                "this person's data was erased; nothing is recorded about them again",
                FieldError(field_pointer, f"{subject} was erased by event {by}"),
            )

    def require_item(self, group: str, item_id: UUID, field_pointer: str) -> None:
        """UnknownItem unless the contact or need is on the file at the effective time."""
        if self.value(group, item_id) is ABSENT:
            raise UnknownItem(
                f"no such item among the file's {group} at {self.effective_from.isoformat()}",
                FieldError(field_pointer, f"{item_id} is not there"),
            )


class Command(Value, ABC):
    """What somebody asks for. `records` is the event it stands for and gives it its name in a list of changes.

    `action` is what one must be allowed to do to ask for it. `also_records`: events of other commands' making that may
    follow it.
    """

    records: ClassVar[type[Payload]]
    action: ClassVar[Action]
    also_records: ClassVar[tuple[type[Payload], ...]] = ()
    on_archived_file: ClassVar[bool] = False
    touches_contacts: ClassVar[bool] = False

    @abstractmethod
    def decide(self, case: Case) -> Iterator[Draft]:
        """What would be recorded, or a Refusal. Pure; called again if the file has moved on."""

    def changes_agreed(self, _case: Case) -> Sequence[Change]:
        """What is decided right after it, on the file as its own events leave it; asked before they are decided."""
        return ()

    def with_ids(self, _new_id: NewId) -> Self:
        """Itself with the ids of new items filled in, for those the caller did not choose."""
        return self

    def identifiers(self) -> frozenset[tuple[str, str]]:
        """The identifiers (scheme, value) whose holders the decision needs to know."""
        return frozenset()


Check = Callable[[Any, Case], Payload]
CHECKS: dict[type[Payload], Check] = {}
"""Per fact type: the normalisation and standards that its content must pass, new or as a replacement."""

COMMANDS: dict[str, type[Command]] = {}
"""Every command that records a fact, by the stored name of its event: what a list of changes may hold."""

CheckFunction = TypeVar("CheckFunction", bound=Check)
CommandClass = TypeVar("CommandClass", bound=type[Command])


def checks(payload_class: type[Payload]) -> Callable[[CheckFunction], CheckFunction]:
    """Function decorator: the check of a fact type."""

    def enter(check: CheckFunction) -> CheckFunction:
        CHECKS[payload_class] = check
        return check

    return enter


def change(command_class: CommandClass) -> CommandClass:
    """Class decorator: this command records a fact and may stand in a list of changes."""
    COMMANDS[command_class.records.type] = command_class
    return command_class
