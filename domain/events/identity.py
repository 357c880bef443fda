"""Identity and registration: names and identifiers (domain.md 2.3)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import ClassVar

from domain.events.base import Assertion, Payload, declare
from domain.facts import ABSENT
from domain.slots import pointer
from domain.values import Day, LanguageTag, Line


class NameKind(StrEnum):
    LEGAL = "LEGAL"
    TRADING = "TRADING"
    SHORT = "SHORT"
    TRANSLITERATED = "TRANSLITERATED"


@declare
class LegalNameChanged(Payload):
    """A name of the customer, LEGAL by default; for an individual the legal name is the person's own."""

    type: ClassVar[str] = "customer.legal-name-changed"
    major: ClassVar[bool] = True
    needs_evidence: ClassVar[bool] = True

    name: Line
    language: LanguageTag | None = None
    name_kind: NameKind = NameKind.LEGAL

    def assertions(self) -> Iterator[Assertion]:
        slot = f"{self.name_kind.lower()}_name"
        yield pointer("identity", slot), self.name
        yield pointer("identity", f"{slot}_language"), self.language or ABSENT


@declare
class IdentifierRecorded(Payload):
    """`value` is normalised by its scheme (see domain.identifiers)."""

    type: ClassVar[str] = "customer.identifier-recorded"
    needs_evidence: ClassVar[bool] = True

    scheme: str
    value: Line
    issuer: Line | None = None
    issued_on: Day | None = None
    expires_on: Day | None = None

    def assertions(self) -> Iterator[Assertion]:
        details = self.model_dump(mode="json", exclude={"scheme", "value"}, exclude_none=True)
        yield pointer("identifiers", self.scheme, self.value), details


@declare
class IdentifierRevoked(Payload):
    type: ClassVar[str] = "customer.identifier-revoked"
    needs_reason: ClassVar[bool] = True

    scheme: str
    value: Line

    def assertions(self) -> Iterator[Assertion]:
        yield pointer("identifiers", self.scheme, self.value), ABSENT
