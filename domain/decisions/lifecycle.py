"""Opening, archiving and reinstating a file (domain.md 2.3, P5: a name and one contact point open a file)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from domain.access import Action
from domain.decisions.base import Case, Command, Draft
from domain.decisions.classification import AssignOwner
from domain.decisions.contacts import AddContact, ChangeAddress, NewPoint
from domain.decisions.identity import ChangeLegalName, RecordIdentifier
from domain.errors import FieldError, InvalidField, NoChange
from domain.events.classification import OwnerRole
from domain.events.contacts import AddressKind
from domain.events.envelope import Reason
from domain.events.lifecycle import (
    ArchiveReason,
    CustomerArchived,
    CustomerKind,
    CustomerRegistered,
    CustomerReinstated,
)
from domain.values import CountryCode, LanguageTag, Line, StaffId, Value


class RegisterCustomer(Command):
    records: ClassVar[type[CustomerRegistered]] = CustomerRegistered
    action: ClassVar[Action] = Action.REGISTER

    customer_kind: CustomerKind

    def decide(self, _case: Case) -> Iterator[Draft]:
        yield Draft(CustomerRegistered(customer_kind=self.customer_kind))


class FirstContact(Value):
    """The first contact person; `name` defaults to the customer's own name (an individual)."""

    name: Line | None = None
    title: Line | None = None
    department: Line | None = None
    points: Annotated[tuple[NewPoint, ...], Field(max_length=20)] = ()


class Registration(Value):
    """What opens a file: the registration and the first facts, one command."""

    customer_kind: CustomerKind
    name: Line | None = None
    language: LanguageTag | None = None
    country: CountryCode | None = None
    contact: FirstContact | None = None
    owner: StaffId | None = None
    identifiers: Annotated[tuple[RecordIdentifier, ...], Field(max_length=20)] = ()

    def commands(self, *, initial_load: bool) -> Iterator[tuple[str, Command]]:
        """The commands it stands for, each with its place in the request body.

        InvalidField unless there is a name and a contact point; an initial load may omit both.
        """
        if not initial_load:
            self._require_complete()
        yield "", RegisterCustomer(customer_kind=self.customer_kind)
        if self.name is not None:
            yield "", ChangeLegalName(name=self.name, language=self.language)
        for index, identifier in enumerate(self.identifiers):
            yield f"/identifiers/{index}", identifier
        if self.country is not None:
            yield "", ChangeAddress(address_kind=AddressKind.REGISTERED, country=self.country)
        if self.contact is not None:
            yield "/contact", self._first_contact(self.contact)
        if self.owner is not None:
            yield "", AssignOwner(role=OwnerRole.ACCOUNT_MANAGER, to_staff=self.owner)

    def _first_contact(self, contact: FirstContact) -> AddContact:
        name = contact.name or self.name
        if name is None:
            raise InvalidField("a contact needs a name", FieldError("/contact/name", "neither it nor the file has one"))
        details = contact.model_dump(exclude={"name", "points"}, exclude_unset=True)
        return AddContact(name=name, points=contact.points, **details)

    def _require_complete(self) -> None:
        missing = []
        if self.name is None:
            missing.append(FieldError("/name", "a file is opened with the customer's name"))
        if self.contact is None or not self.contact.points:
            missing.append(FieldError("/contact/points", "a file is opened with at least one contact point"))
        if missing:
            raise InvalidField("a new file needs a name and one contact point", *missing, rule="P5")


class ArchiveCustomer(Command):
    records: ClassVar[type[CustomerArchived]] = CustomerArchived
    action: ClassVar[Action] = Action.ARCHIVE

    reason_code: ArchiveReason

    def decide(self, _case: Case) -> Iterator[Draft]:
        yield Draft(CustomerArchived(reason_code=self.reason_code), reason=Reason(code=self.reason_code.value))


class ReinstateCustomer(Command):
    records: ClassVar[type[CustomerReinstated]] = CustomerReinstated
    action: ClassVar[Action] = Action.ARCHIVE
    on_archived_file: ClassVar[bool] = True

    def decide(self, case: Case) -> Iterator[Draft]:
        if not case.file.archived:
            raise NoChange("the file is not archived", FieldError("", "nothing to reinstate"))
        yield Draft(CustomerReinstated())
