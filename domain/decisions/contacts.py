"""Addresses, contact persons and contact points (rules I10, I11, E.164 and RFC 5321)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

import pycountry
from pydantic import Field, StrictBool

from domain.access import Action
from domain.contact_points import normalised
from domain.decisions.base import Case, Command, Draft, NewId, change, checks
from domain.errors import (
    FieldError,
    InvalidField,
    PersonalContactNeedsConsent,
    PrimaryContactRequired,
    Refusal,
    UnknownCode,
)
from domain.events.contacts import (
    AddressChanged,
    AddressKind,
    BuyingRole,
    ContactAdded,
    ContactDetails,
    ContactDetailsChanged,
    ContactPointChanged,
    ContactPointKind,
    ContactRemoved,
    Geo,
    PrimaryContactReplaced,
    RemovalReason,
    Usage,
)
from domain.events.envelope import Reason
from domain.events.privacy import RECORDS_SUBJECT
from domain.facts import ABSENT
from domain.values import CountryCode, Line, Value


@change
class ChangeAddress(Command):
    records: ClassVar[type[AddressChanged]] = AddressChanged
    action: ClassVar[Action] = Action.WRITE_FACTS

    address_kind: AddressKind
    country: CountryCode
    region: Line | None = None
    city: Line | None = None
    district: Line | None = None
    lines: Annotated[tuple[Line, ...], Field(max_length=8)] = ()
    postcode: Line | None = None
    geo: Geo | None = None

    def decide(self, _case: Case) -> Iterator[Draft]:
        yield Draft(AddressChanged.model_validate(self.model_dump()))


class NewPoint(Value):
    """A contact point given together with its contact."""

    point_id: UUID | None = None
    kind: ContactPointKind
    value: Line
    usage: Usage = Usage.WORK
    verified: StrictBool = False


@change
class AddContact(Command):
    """The first contact becomes the primary one; a later one only if `is_primary`, which replaces it."""

    records: ClassVar[type[ContactAdded]] = ContactAdded
    action: ClassVar[Action] = Action.WRITE_FACTS
    touches_contacts: ClassVar[bool] = True

    contact_id: UUID | None = None
    name: Line
    title: Line | None = None
    department: Line | None = None
    buying_role: BuyingRole | None = None
    is_primary: StrictBool = False
    points: Annotated[tuple[NewPoint, ...], Field(max_length=20)] = ()

    def with_ids(self, new_id: NewId) -> Self:
        points = tuple(point.model_copy(update={"point_id": point.point_id or new_id()}) for point in self.points)
        return self.model_copy(update={"contact_id": self.contact_id or new_id(), "points": points})

    def decide(self, case: Case) -> Iterator[Draft]:
        contact_id = _given(self.contact_id)
        if contact_id == RECORDS_SUBJECT:
            raise InvalidField("no contact has this id", FieldError("/contact_id", "choose another, or none"))
        case.require_living(contact_id, "/contact_id")
        primary = case.value("primary_contact")
        fields = self.model_dump(exclude={"points", "contact_id", "is_primary"})
        yield Draft(ContactAdded(contact_id=contact_id, is_primary=primary is ABSENT, **fields))
        for index, point in enumerate(self.points):
            yield Draft(_point(contact_id, point, case, f"/points/{index}"), initial_value=True)
        if self.is_primary and primary is not ABSENT:
            yield Draft(PrimaryContactReplaced(old_contact_id=UUID(primary), new_contact_id=contact_id))


@change
class ChangeContactDetails(Command):
    records: ClassVar[type[ContactDetailsChanged]] = ContactDetailsChanged
    action: ClassVar[Action] = Action.WRITE_FACTS

    contact_id: UUID
    changed: ContactDetails

    def decide(self, case: Case) -> Iterator[Draft]:
        case.require_living(self.contact_id, "/contact_id")
        case.require_item("contacts", self.contact_id, "/contact_id")
        if not self.changed.model_fields_set:
            raise InvalidField("nothing is changed", FieldError("/changed", "name at least one field"))
        before = {field: case.value("contacts", self.contact_id, field) for field in self.changed.model_fields_set}
        old = ContactDetails(**{field: None if value is ABSENT else value for field, value in before.items()})
        yield Draft(ContactDetailsChanged(contact_id=self.contact_id, changed=self.changed, old=old))


@change
class ChangeContactPoint(Command):
    """Records a new or changed contact point; a `value` of null takes it away."""

    records: ClassVar[type[ContactPointChanged]] = ContactPointChanged
    action: ClassVar[Action] = Action.WRITE_FACTS

    contact_id: UUID
    point_id: UUID | None = None
    kind: ContactPointKind
    value: Line | None
    usage: Usage = Usage.WORK
    verified: StrictBool = False

    def with_ids(self, new_id: NewId) -> Self:
        return self.model_copy(update={"point_id": self.point_id or new_id()})

    def decide(self, case: Case) -> Iterator[Draft]:
        case.require_living(self.contact_id, "/contact_id")
        case.require_item("contacts", self.contact_id, "/contact_id")
        before: Any = case.value("contacts", self.contact_id, "points", _given(self.point_id))
        yield Draft(
            ContactPointChanged(
                contact_id=self.contact_id,
                point_id=_given(self.point_id),
                kind=self.kind,
                value=self.value,
                usage=self.usage,
                verified=self.verified,
                old_value=None if before is ABSENT else before["value"],
            )
        )


@change
class ReplacePrimaryContact(Command):
    records: ClassVar[type[PrimaryContactReplaced]] = PrimaryContactReplaced
    action: ClassVar[Action] = Action.WRITE_FACTS
    touches_contacts: ClassVar[bool] = True

    new_contact_id: UUID

    def decide(self, case: Case) -> Iterator[Draft]:
        case.require_item("contacts", self.new_contact_id, "/new_contact_id")
        old = case.value("primary_contact")
        yield Draft(
            PrimaryContactReplaced(
                old_contact_id=None if old is ABSENT else UUID(old), new_contact_id=self.new_contact_id
            )
        )


@change
class RemoveContact(Command):
    """Removing the primary contact names its replacement, unless it is the last contact (I10)."""

    records: ClassVar[type[ContactRemoved]] = ContactRemoved
    action: ClassVar[Action] = Action.WRITE_FACTS
    touches_contacts: ClassVar[bool] = True

    contact_id: UUID
    removal_reason: RemovalReason
    new_primary_contact_id: UUID | None = None

    def decide(self, case: Case) -> Iterator[Draft]:
        case.require_item("contacts", self.contact_id, "/contact_id")
        was_primary = case.value("primary_contact") == str(self.contact_id)
        others = self._others(case)
        replacement = self.new_primary_contact_id
        reason = Reason(code=self.removal_reason.value)
        if was_primary and others:
            if replacement is None or str(replacement) not in others:
                raise PrimaryContactRequired(
                    "the primary contact can only be removed with a replacement",
                    FieldError("/new_primary_contact_id", "name one of the other contacts"),
                )
            yield Draft(
                PrimaryContactReplaced(old_contact_id=self.contact_id, new_contact_id=replacement), reason=reason
            )
        last = was_primary and not others
        payload = ContactRemoved(contact_id=self.contact_id, removal_reason=self.removal_reason, was_primary=last)
        yield Draft(payload, reason=reason)

    def _others(self, case: Case) -> set[str]:
        present = {slot.split("/")[2] for slot in case.file.below("/contacts/", case.effective_from)}
        return present - {str(self.contact_id)}


@checks(AddressChanged)
def check_address(payload: AddressChanged, _case: Case) -> AddressChanged:
    if pycountry.countries.get(alpha_2=payload.country) is None:
        raise UnknownCode(f"{payload.country} is no ISO 3166-1 country", FieldError("/country", "two letters, as CN"))
    return payload


@checks(ContactDetailsChanged)
def check_contact_details(payload: ContactDetailsChanged, _case: Case) -> ContactDetailsChanged:
    if "name" in payload.changed.model_fields_set and payload.changed.name is None:
        raise InvalidField("a contact keeps a name", FieldError("/changed/name", "may not be taken away"))
    return payload


@checks(ContactPointChanged)
def check_contact_point(payload: ContactPointChanged, _case: Case) -> ContactPointChanged:
    """Normalised by its kind; personal points wait for consents (I11), which no file can hold yet."""
    if payload.value is None:
        return payload
    if payload.usage is Usage.PERSONAL:
        raise PersonalContactNeedsConsent(
            "a personal contact point needs the person's consent", FieldError("/usage", "only WORK is recorded")
        )
    value, number_type = normalised(payload.kind, payload.value)
    return payload.model_copy(update={"value": value, "number_type": number_type})


def _point(contact_id: UUID, point: NewPoint, case: Case, place: str) -> ContactPointChanged:
    fields = point.model_dump(exclude={"point_id"})
    payload = ContactPointChanged(contact_id=contact_id, point_id=_given(point.point_id), **fields)
    try:
        return check_contact_point(payload, case)
    except Refusal as refusal:
        refusal.move_below(place)
        raise


def _given(item_id: UUID | None) -> UUID:
    """The id of a new item, which `with_ids` fills in before anything is decided."""
    assert item_id is not None  # noqa: S101 - only our own omission can break it
    return item_id
