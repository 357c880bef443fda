"""The domain's error tree: why a command was refused, as data.

    DomainError
    ├── HistoryNeeded            not a refusal: the decision must be taken on the whole history
    └── Refusal                  nothing was recorded; names the rule and the fields
        ├── InvalidField         a field breaks the model or a standard (I14, I19, I21 name their rule)
        └── one class per rule of the rule book, below

`api/errors.py` holds the one table from these classes to problem types and statuses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self
from uuid import UUID


@dataclass(frozen=True)
class FieldError:
    """One field that breaks a rule. `pointer` is a JSON Pointer into the request body."""

    pointer: str
    detail: str


class DomainError(Exception):
    """Base of everything the domain raises on purpose."""


class HistoryNeeded(DomainError):
    """The kept slots do not reach back to the asked instant; decide again on the whole history."""

    def __init__(self, slot: str) -> None:
        super().__init__(f"the profile row does not know {slot} that far back")
        self.slot = slot


class Refusal(DomainError):
    """The command is refused; nothing of it was recorded.

    `rule` is the rule's id ("I6") or None where only the model is broken.
    """

    rule: str | None = None

    def __init__(self, detail: str, *fields: FieldError) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields

    def move_below(self, prefix: str) -> None:
        """Move the pointers below `prefix`, the place of this change in its list; then raise it on."""
        self.fields = tuple(replace(field, pointer=prefix + field.pointer) for field in self.fields)


class InvalidField(Refusal):
    """A field is missing, unknown, of the wrong type, or breaks the standard that defines it."""

    def __init__(self, detail: str, *fields: FieldError, rule: str | None = None) -> None:
        super().__init__(detail, *fields)
        self.rule = rule


class UnknownItem(Refusal):
    """A contact, need, address, tag or attribute that the command names is not on the file."""


class CustomerUnknown(Refusal):
    """There is no file under that id."""


class StaffUnknown(Refusal):
    """Nobody of that id is recorded as a member of staff."""


class AlreadyRegistered(Refusal):
    """The id that a registration asked for names an existing file."""


class CustomerArchived(Refusal):
    rule = "I2"


class VersionConflict(Refusal):
    """`current` is the ETag of the file as it stands."""

    rule = "I3"

    def __init__(self, detail: str, *fields: FieldError, current: str) -> None:
        super().__init__(detail, *fields)
        self.current = current


class IdentifierAlreadyClaimed(Refusal):
    """`slot` is the identifier's; `holder` the customer that holds it (its id as text), None for who may not know."""

    rule = "I4"

    def __init__(self, detail: str, *fields: FieldError, holder: str | None, slot: str) -> None:
        super().__init__(detail, *fields)
        self.holder = holder
        self.slot = slot


class ReasonRequired(Refusal):
    rule = "I5"


class EvidenceRequired(Refusal):
    rule = "I5"


class FourEyesViolation(Refusal):
    """One person is not enough. `customer_id`: on whose file a proposal would find a second one."""

    rule = "I6"
    customer_id: UUID | None = None

    @classmethod
    def alone(cls, customer_id: UUID, detail: str, *fields: FieldError, rule: str = "I6") -> Self:
        """The refusal of a change that may be proposed instead."""
        refusal = cls(detail, *fields)
        refusal.customer_id, refusal.rule = customer_id, rule
        return refusal


class OwnStaffRecord(Refusal):
    """Nobody changes what the service knows of themselves, or lets themselves act in somebody's place."""


class RequestStale(Refusal):
    rule = "I6"


class PrimaryContactRequired(Refusal):
    rule = "I10"


class PersonalContactNeedsConsent(Refusal):
    rule = "I11"


class ObservedAtRequired(Refusal):
    rule = "I12"


class EffectiveDateOutOfRange(Refusal):
    rule = "I13"


class EffectivePeriodInvalid(Refusal):
    rule = "I14"


class NoChange(Refusal):
    rule = "I15"


class NotCorrectable(Refusal):
    rule = "I16"


class ValueNotHeld(Refusal):
    """The event that a verification names does not hold the slot: the file shows another value, or none of it."""


class StillCoolingOff(Refusal):
    """Another change of this file is too recent; what was asked for has to wait."""

    rule = "I18"


class CauseAnalysisRequired(Refusal):
    rule = "I19"


class SubjectErased(Refusal):
    """Nothing is recorded about a data subject again once its values were erased."""

    rule = "I24"


class SubjectNotErasable(Refusal):
    """Nobody whose values this file can lose: not a contact person of it, nor a customer that is an individual."""


class UnderLegalHold(Refusal):
    """Nothing of a file is erased while it is held."""


class IdempotencyKeyReuse(Refusal):
    rule = "I22"


class UnknownCode(Refusal):
    rule = "I23"


class RoleRequired(Refusal):
    """The acting person lacks a role that this command demands; `role` names it."""

    def __init__(self, detail: str, *fields: FieldError, role: str) -> None:
        super().__init__(detail, *fields)
        self.role = role
