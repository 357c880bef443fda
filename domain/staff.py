"""What is known of a member of staff: a pure, total fold of their stream over two times.

The same rule as for customers (facts.py): at an instant the fact holds that is effective from the latest, then was
recorded last. What somebody was allowed on a day, as known then, is the fold of the events recorded until then, at that
day.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from domain.events import RecordedEvent
from domain.events.staff import (
    Deactivated,
    Delegated,
    DelegationEnded,
    ManagerAssigned,
    MemberRecorded,
    Reactivated,
    RolesAssigned,
    StaffKind,
    TrainingCompleted,
)
from domain.facts import ABSENT, Fact, Timeline, holder_at, timeline
from domain.values import BUSINESS_TIMEZONE, EARLIEST

_MEMBER: Final = "/member"
_ACTIVE: Final = "/active"
_ROLES: Final = "/roles"
_MANAGER: Final = "/manager"
_DELEGATIONS: Final = "/delegations/"
_TRAINING: Final = "/training/"


@dataclass(frozen=True, slots=True)
class Delegation:
    """`to` acts in the member's place, in the actions of `scope`, or in all where there are none."""

    delegation_id: UUID
    to: str
    scope: tuple[str, ...]
    effective_from: datetime
    effective_to: datetime


@dataclass(frozen=True, slots=True)
class Training:
    training: str
    completed_on: date
    valid_until: date


@dataclass(frozen=True, slots=True)
class StaffMember:
    """A member of staff as of one moment: what holds then, delegations and trainings among it."""

    subject: str
    name: str
    kind: StaffKind
    team: str | None
    active: bool
    roles: tuple[str, ...]
    manager: str | None
    delegations: tuple[Delegation, ...]
    trainings: tuple[Training, ...]

    def delegation_to(self, subject: str) -> Delegation | None:
        """By which that person acts in this member's place; of several, one of everything, else the first."""
        found = [each for each in self.delegations if each.to == subject]
        return min(found, key=lambda each: (each.scope != (), each.effective_from), default=None)


@dataclass(slots=True)
class StaffFile:
    """All that is known of a member of staff after the events applied so far. Version 0: nothing."""

    version: int = 0
    recorded_at: datetime = EARLIEST
    """Of the last of them: what it says holds, although the clock of who asks may be behind the database's."""
    subject: str | None = None
    _facts: dict[str, list[Fact]] = field(default_factory=dict)
    _timelines: dict[str, Timeline] = field(default_factory=dict)
    delegated: dict[UUID, Delegated] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Iterable[RecordedEvent]) -> StaffFile:
        file = cls()
        for event in events:
            file.apply(event)
        return file

    def apply(self, event: RecordedEvent) -> None:
        """Fold one event in, the next of the stream."""
        self.version, self.recorded_at = event.envelope.version, event.envelope.recorded_at
        for fact in self._facts_of(event):
            self._facts.setdefault(fact.slot, []).append(fact)
            self._timelines.pop(fact.slot, None)

    @property
    def deputies(self) -> frozenset[str]:
        """Who has ever been let to act in their place."""
        return frozenset(each.to for each in self.delegated.values())

    def at(self, instant: datetime) -> StaffMember | None:
        """The member as of an instant; None when nothing is known of them.

        Of before they were recorded it says what was said of them first: roles may be recorded later than given.
        """
        known = self._facts.get(_MEMBER)
        if not known:
            return None
        stated = self._value(_MEMBER, instant) or known[0].value
        delegations = [fact.value for fact in self._holding(_DELEGATIONS, instant)]
        trainings = [fact.value for fact in self._holding(_TRAINING, instant)]
        return StaffMember(
            stated.subject,
            stated.name,
            stated.kind,
            stated.team,
            self._value(_ACTIVE, instant) is not False,
            self._value(_ROLES, instant) or (),
            self._value(_MANAGER, instant),
            tuple(sorted(delegations, key=lambda each: (each.effective_from, str(each.delegation_id)))),
            tuple(sorted(trainings, key=lambda each: each.training)),
        )

    def next_change_after(self, instant: datetime) -> datetime | None:
        """When, after an instant, something begins or ends to hold by what is known now; None: never."""
        boundaries = (
            boundary
            for slot in self._facts
            for segment in self._timeline(slot)
            for boundary in (segment.start, segment.end)
        )
        return min((boundary for boundary in boundaries if boundary is not None and boundary > instant), default=None)

    def _facts_of(self, event: RecordedEvent) -> list[Fact]:
        recorded_at, version = event.envelope.recorded_at, event.envelope.version
        slot: str | None = None
        value: Any = None
        start: datetime = recorded_at
        end: datetime | None = None
        match payload := event.payload:
            case MemberRecorded():
                slot, value = _MEMBER, payload
                self.subject = payload.subject
            case RolesAssigned(effective_from=start, effective_to=end):
                slot, value = _ROLES, payload.roles
            case ManagerAssigned(effective_from=start, effective_to=end):
                slot, value = _MANAGER, payload.manager
            case Delegated(effective_from=start, effective_to=end):
                self.delegated[payload.delegation_id] = payload
                slot = _DELEGATIONS + str(payload.delegation_id)
                value = Delegation(payload.delegation_id, payload.to, payload.scope, start, payload.effective_to)
            case DelegationEnded(effective_from=start):
                slot, value = _DELEGATIONS + str(payload.delegation_id), ABSENT
                given = self.delegated.get(payload.delegation_id)
                start = start if given is None else max(start, given.effective_from)
            case TrainingCompleted():
                slot = _TRAINING + payload.training
                value = Training(payload.training, payload.completed_on, payload.valid_until)
                start, end = midnight(payload.completed_on), midnight(payload.valid_until + timedelta(days=1))
            case Deactivated() | Reactivated():
                slot, value = _ACTIVE, isinstance(payload, Reactivated)
        # An event of a later version of the service says nothing that is known here.
        if slot is None or (end is not None and end <= start):
            return []
        return [Fact(slot, value, start, end, version, version)]

    def _timeline(self, slot: str) -> Timeline:
        found = self._timelines.get(slot)
        if found is None:
            found = self._timelines[slot] = timeline(self._facts[slot])
        return found

    def _value(self, slot: str, instant: datetime) -> Any:
        holder = holder_at(self._timeline(slot), instant) if slot in self._facts else None
        return None if holder is None or holder.value is ABSENT else holder.value

    def _holding(self, prefix: str, instant: datetime) -> list[Fact]:
        holders = (holder_at(self._timeline(slot), instant) for slot in self._facts if slot.startswith(prefix))
        return [holder for holder in holders if holder is not None and holder.value is not ABSENT]


def midnight(day: date) -> datetime:
    """When a day begins here."""
    return datetime.combine(day, time(), BUSINESS_TIMEZONE)
