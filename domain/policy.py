"""The policy: which changes need a second person, and what must be stated for which change. Data, in editions.

Owns the document that an edition is, and what it demands of one event. What must stay true: a document that names what
does not exist is refused with the closest thing that does; an edition may ask for more than the rules that are in code,
never for less; and of nearly every event it is known by one look at a table that nothing is asked.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import cache, cached_property
from importlib.resources import files
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, Strict, StrictBool, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from domain.access import Role, roles_named
from domain.code_schemes import tier_codes
from domain.errors import FieldError, InvalidField
from domain.events.base import EVENT_TYPES
from domain.facts import ABSENT
from domain.slots import SLOTS, kind_of, matches_pattern, pointer
from domain.values import Amount, Code, Line, Value

POLICY_NAME: Final = "customer"
"""What the policy for customers' files is called: the only one that there is."""

_Count = Annotated[int, Strict(), Field(ge=1, le=4000)]
_Days = Annotated[int, Strict(), Field(ge=1, le=36500)]
_Several = Field(max_length=200)


def _known_event(name: str) -> str:
    payload_class = EVENT_TYPES.get(name)
    if payload_class is None:
        facts = [known for known, kind in EVENT_TYPES.items() if not kind.decision]
        raise PydanticCustomError("event_type", "{hint}", {"hint": f"there is no such event; {_hint(name, facts)}"})
    if payload_class.decision:
        raise PydanticCustomError("event_type", "{name} is a decision, which has rules of its own", {"name": name})
    return name


def _known_slot(slot: str) -> str:
    patterns = [kind.pattern for kind in SLOTS]
    if slot not in patterns and kind_of(slot) is None:
        raise PydanticCustomError("slot", "{hint}", {"hint": f"there is no such slot; {_hint(slot, patterns)}"})
    return slot


def _known_tier(code: str) -> str:
    if code not in tier_codes():
        hint = _hint(code, sorted(tier_codes()))
        raise PydanticCustomError("tier", "{hint}", {"hint": f"no scheme has such a tier; {hint}"})
    return code


def _hint(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0)
    return f"did you mean {close[0]}?"


class TierRules(Value):
    """Into or out of a protected tier, or so many steps up, needs a second person (I6); every change words (I5)."""

    protected: Annotated[tuple[Code, ...], _Several]
    protected_raise_steps: _Count
    reason_characters: _Count

    @model_validator(mode="after")
    def _known(self) -> Self:
        for code in self.protected:
            _known_tier(code)
        return self


class EffectiveDates(Value):
    """How far from now a fact may be effective (I13), and how short it may be (I14)."""

    future_days: _Days
    backdated_days: _Days
    second_person_days: _Days
    shortest_period_days: _Days

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.backdated_days > self.second_person_days:
            raise PydanticCustomError("dates", "backdated_days may not exceed second_person_days")
        return self


def _known_role(name: str) -> str:
    if not roles_named([name]):
        hint = _hint(name, list(map(str, Role)))
        raise PydanticCustomError("role", "{hint}", {"hint": f"there is no such role; {hint}"})
    return name


_RoleName = Annotated[str, AfterValidator(_known_role)]


class Approval(Value):
    """Who may be the second person, and for how long a request waits for one."""

    roles: Annotated[tuple[_RoleName, ...], Field(min_length=1, max_length=20)]
    valid_days: _Days
    services_alone: Annotated[tuple[_RoleName, ...], Field(max_length=20)] = ()


class AlwaysTwo(Value):
    """What no edition can leave to one person."""

    erasure: Literal[True] = True
    hold_lifting: Literal[True] = True
    policy: Literal[True] = True


class _About(Value):
    """Which changes an entry is about: all conditions that are stated must hold.

    `replacing`: a value stood in the slot before; `removing`: and none does afterwards. `protected_tier`: the customer
    has a protected tier then. `member` and `at_least`: this member of the value, before or after, is an amount of at
    least so much.
    """

    event: Line | None = None
    slot: Line | None = None
    replacing: StrictBool = False
    removing: StrictBool = False
    protected_tier: StrictBool = False
    member: Line | None = None
    at_least: Amount | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.event is None and self.slot is None:
            raise PydanticCustomError("about", "name an event, a slot, or both")
        if (self.member is None) != (self.at_least is None):
            raise PydanticCustomError("about", "member and at_least belong together")
        if self.event is not None:
            _known_event(self.event)
        if self.slot is not None:
            _known_slot(self.slot)
        return self

    def is_about_slot(self, slot: str) -> bool:
        return self.slot is None or matches_pattern(self.slot, slot)

    def is_about_move(self, before: Any, after: Any) -> bool:
        """Whether the entry is about a slot's moving so; either value may be ABSENT."""
        if (self.replacing or self.removing) and before is ABSENT:
            return False
        if self.removing and after is not ABSENT:
            return False
        if self.member is None or self.at_least is None:
            return True
        return any(
            amount is not None and amount >= self.at_least
            for amount in (_amount(value, self.member) for value in (before, after))
        )


class ProtectedChange(_About):
    """A change that one person cannot make alone. `name` says so to people."""

    name: Line


class Requirement(_About):
    """What must be stated for a change, beyond what its event demands anyway."""

    event: Line
    reason: StrictBool = False
    reason_characters: _Count | None = None
    evidence: Annotated[int, Strict(), Field(ge=0, le=50)] = 0


class CoolingOff(Value):
    """For so many hours after one event on a file another one has to wait (I18)."""

    event: Line
    after: Line
    hours: Annotated[int, Strict(), Field(ge=1, le=8760)]

    @model_validator(mode="after")
    def _known(self) -> Self:
        _known_event(self.event)
        _known_event(self.after)
        return self


class PolicyDocument(Value):
    """What an edition says."""

    tier: TierRules
    effective_date: EffectiveDates
    approval: Approval
    second_person: AlwaysTwo = AlwaysTwo()
    protected: Annotated[tuple[ProtectedChange, ...], _Several] = ()
    required: Annotated[tuple[Requirement, ...], _Several] = ()
    cooling_off: Annotated[tuple[CoolingOff, ...], _Several] = ()


@dataclass(frozen=True)
class Policy:
    """An edition in force."""

    version: int
    document: PolicyDocument

    @cached_property
    def protected_tiers(self) -> frozenset[str]:
        return frozenset(self.document.tier.protected)

    @cached_property
    def protected_raise_steps(self) -> int:
        return self.document.tier.protected_raise_steps

    @cached_property
    def reason_characters(self) -> int:
        return self.document.tier.reason_characters

    @cached_property
    def request_valid(self) -> timedelta:
        return timedelta(days=self.document.approval.valid_days)

    @cached_property
    def future(self) -> timedelta:
        return timedelta(days=self.document.effective_date.future_days)

    @cached_property
    def backdated(self) -> timedelta:
        return timedelta(days=self.document.effective_date.backdated_days)

    @cached_property
    def second_person(self) -> timedelta:
        return timedelta(days=self.document.effective_date.second_person_days)

    @cached_property
    def shortest_period(self) -> timedelta:
        return timedelta(days=self.document.effective_date.shortest_period_days)

    @cached_property
    def approver_roles(self) -> tuple[str, ...]:
        return self.document.approval.roles

    @cached_property
    def services_alone(self) -> frozenset[str]:
        return frozenset(self.document.approval.services_alone)

    @cached_property
    def watched_slots(self) -> tuple[str, ...]:
        """What slots begin with that a protected change can be about."""
        begun = {entry.slot.partition("{")[0] for entry in self.document.protected if entry.slot is not None}
        return tuple(sorted({"/tier/", *begun}))

    @cached_property
    def watched_events(self) -> frozenset[str]:
        """The event types that an entry names without a slot."""
        return frozenset(
            entry.event for entry in self.document.protected if entry.event is not None and entry.slot is None
        )

    @cached_property
    def requirements(self) -> Mapping[str, tuple[Requirement, ...]]:
        return _by_event(self.document.required)

    @cached_property
    def cooling_off(self) -> Mapping[str, tuple[CoolingOff, ...]]:
        return _by_event(self.document.cooling_off)

    def protections(self, stored_name: str, slot: str) -> Iterator[ProtectedChange]:
        """The entries that can be about an event of this type that moves this slot."""
        for entry in self.document.protected:
            if (entry.event is None or entry.event == stored_name) and entry.is_about_slot(slot):
                yield entry


def read_document(content: Any, place: str = "/document") -> PolicyDocument:
    """The document in JSON. Raises InvalidField, naming each member that does not fit below `place`."""
    try:
        return PolicyDocument.model_validate(content)
    except ValidationError as error:
        fields = [
            FieldError(place + pointer(*problem["loc"]), _told(problem["type"], problem["msg"]))
            for problem in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidField("the document is no policy", *fields) from error


@cache
def first_edition() -> Policy:
    """The edition that is in force while the policy's stream is empty."""
    text = (files("domain") / "schemes" / "policy.toml").read_text(encoding="utf-8")
    return Policy(1, PolicyDocument.model_validate(tomllib.loads(text)))


def _by_event(entries: Any) -> dict[str, tuple[Any, ...]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for entry in entries:
        found[entry.event].append(entry)
    return {event: tuple(of_event) for event, of_event in found.items()}


def _amount(value: Any, member: str) -> Decimal | None:
    found = value.get(member) if isinstance(value, dict) else None
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return None
    try:
        amount = Decimal(str(found))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def _told(kind: str, message: str) -> str:
    return "there is no such member" if kind == "extra_forbidden" else message
