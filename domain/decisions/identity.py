"""Names and identifiers: who the customer is (rules I4 and the standards of domain.md 2.5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from domain.access import Action
from domain.decisions.base import Case, Command, Draft, change, checks
from domain.errors import (
    EffectiveDateOutOfRange,
    FieldError,
    IdentifierAlreadyClaimed,
    InvalidField,
    Refusal,
    UnknownItem,
)
from domain.events.identity import IdentifierRecorded, IdentifierRevoked, LegalNameChanged, NameKind
from domain.facts import ABSENT
from domain.identifiers import normalised
from domain.slots import pointer
from domain.values import Day, LanguageTag, Line


@change
class ChangeLegalName(Command):
    records: ClassVar[type[LegalNameChanged]] = LegalNameChanged
    action: ClassVar[Action] = Action.WRITE_FACTS

    name: Line
    language: LanguageTag | None = None
    name_kind: NameKind = NameKind.LEGAL

    def decide(self, case: Case) -> Iterator[Draft]:
        first = case.value("identity", f"{self.name_kind.lower()}_name") is ABSENT
        payload = LegalNameChanged(name=self.name, language=self.language, name_kind=self.name_kind)
        yield Draft(payload, initial_value=first)


@change
class RecordIdentifier(Command):
    records: ClassVar[type[IdentifierRecorded]] = IdentifierRecorded
    action: ClassVar[Action] = Action.WRITE_FACTS

    scheme: str = Field(max_length=32)
    value: Line
    issuer: Line | None = None
    issued_on: Day | None = None
    expires_on: Day | None = None

    def decide(self, _case: Case) -> Iterator[Draft]:
        yield Draft(IdentifierRecorded.model_validate(self.model_dump()))

    def identifiers(self) -> frozenset[tuple[str, str]]:
        try:
            return frozenset({(self.scheme, normalised(self.scheme, self.value))})
        except Refusal:  # nobody holds what cannot be recorded; deciding will refuse it, with its place
            return frozenset()


@change
class RevokeIdentifier(Command):
    records: ClassVar[type[IdentifierRevoked]] = IdentifierRevoked
    action: ClassVar[Action] = Action.WRITE_FACTS

    scheme: str = Field(max_length=32)
    value: Line

    def decide(self, case: Case) -> Iterator[Draft]:
        value = normalised(self.scheme, self.value)
        if case.value("identifiers", self.scheme, value) is ABSENT:
            raise UnknownItem("the file holds no such identifier", FieldError("/value", "not recorded"))
        if case.effective_from > case.now:
            raise EffectiveDateOutOfRange(
                "a revocation may not lie in the future", FieldError("/effective_from", "at most now")
            )
        yield Draft(IdentifierRevoked(scheme=self.scheme, value=value))


@checks(IdentifierRecorded)
def check_identifier(payload: IdentifierRecorded, case: Case) -> IdentifierRecorded:
    """The scheme's own check, and rule I4: nobody else holds it."""
    value = normalised(payload.scheme, payload.value)
    holder = case.holders.get((payload.scheme, value))
    if holder is not None and holder != case.file.customer_id:
        raise IdentifierAlreadyClaimed(
            "another file holds this identifier",
            FieldError("/value", f"{payload.scheme} {value} is claimed"),
            holder=str(holder),
            slot=pointer("identifiers", payload.scheme, value),
        )
    if payload.issued_on and payload.expires_on and payload.expires_on <= payload.issued_on:
        raise InvalidField("an identifier expires after it is issued", FieldError("/expires_on", "too early"))
    return payload.model_copy(update={"value": value})
