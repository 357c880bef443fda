"""Addresses, contact persons and their contact points (domain.md 2.3)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field, Strict

from domain.erased import Erased, MayBeErased, shown
from domain.events.base import Assertion, Payload, Personal, declare
from domain.facts import ABSENT
from domain.slots import pointer
from domain.values import CountryCode, Line, Value


class AddressKind(StrEnum):
    REGISTERED = "REGISTERED"
    OFFICE = "OFFICE"
    DELIVERY = "DELIVERY"
    BILLING = "BILLING"
    HOME = "HOME"


class BuyingRole(StrEnum):
    DECIDER = "DECIDER"
    INFLUENCER = "INFLUENCER"
    USER = "USER"
    BUYER = "BUYER"
    GATEKEEPER = "GATEKEEPER"


class ContactPointKind(StrEnum):
    PHONE = "PHONE"
    MOBILE = "MOBILE"
    EMAIL = "EMAIL"
    WECHAT = "WECHAT"
    FAX = "FAX"
    POST = "POST"
    OTHER = "OTHER"


class Usage(StrEnum):
    WORK = "WORK"
    PERSONAL = "PERSONAL"


class RemovalReason(StrEnum):
    LEFT_COMPANY = "LEFT_COMPANY"
    WRONG_DATA = "WRONG_DATA"
    OBJECTION = "OBJECTION"


class Geo(Value):
    """WGS 84, degrees."""

    latitude: Annotated[float, Strict(), Field(ge=-90, le=90)]
    longitude: Annotated[float, Strict(), Field(ge=-180, le=180)]


@declare
class AddressChanged(Payload):
    """`country` is ISO 3166-1, `region` ISO 3166-2 or GB/T 2260."""

    type: ClassVar[str] = "customer.address-changed"

    address_kind: AddressKind
    country: CountryCode
    region: Line | None = None
    city: Line | None = None
    district: Line | None = None
    lines: Annotated[tuple[Line, ...], Field(max_length=8)] = ()
    postcode: Line | None = None
    geo: Geo | None = None

    def assertions(self) -> Iterator[Assertion]:
        value = self.model_dump(mode="json", exclude={"address_kind"}, exclude_none=True)
        yield pointer("addresses", self.address_kind), value


@declare
class ContactAdded(Payload):
    type: ClassVar[str] = "customer.contact-added"

    contact_id: UUID
    name: Annotated[Line, Personal("contact_id")]
    title: Annotated[Line | None, Personal("contact_id")] = None
    department: Annotated[Line | None, Personal("contact_id")] = None
    buying_role: BuyingRole | None = None
    is_primary: bool = False

    def assertions(self) -> Iterator[Assertion]:
        yield pointer("contacts", self.contact_id), True
        for field in ("name", "title", "department", "buying_role"):
            if (value := getattr(self, field)) is not None:
                yield pointer("contacts", self.contact_id, field), shown(value)
        if self.is_primary:
            yield "/primary_contact", str(self.contact_id)


class ContactDetails(Value):
    """The details that change; a field left out stays, null takes it away."""

    name: Annotated[Line | None, MayBeErased()] = None
    title: Annotated[Line | None, MayBeErased()] = None
    department: Annotated[Line | None, MayBeErased()] = None
    buying_role: Annotated[BuyingRole | None, MayBeErased()] = None


@declare
class ContactDetailsChanged(Payload):
    """`changed` and `old` hold the same fields: after and before. Of an old event, erased, nobody knows which."""

    type: ClassVar[str] = "customer.contact-details-changed"

    contact_id: UUID
    changed: Annotated[ContactDetails, Personal("contact_id")]
    old: Annotated[ContactDetails, Personal("contact_id")] = ContactDetails()

    def assertions(self) -> Iterator[Assertion]:
        if isinstance(self.changed, Erased):
            return
        for field in sorted(self.changed.model_fields_set):
            value = getattr(self.changed, field)
            yield pointer("contacts", self.contact_id, field), ABSENT if value is None else shown(value)


@declare
class ContactPointChanged(Payload):
    """`value` normalised (E.164 for phones); None takes the point away. `number_type` as libphonenumber names it."""

    type: ClassVar[str] = "customer.contact-point-changed"

    contact_id: UUID
    point_id: UUID
    kind: ContactPointKind
    value: Annotated[Line | None, Personal("contact_id")]
    usage: Usage = Usage.WORK
    verified: bool = False
    number_type: str | None = None
    old_value: Annotated[Line | None, Personal("contact_id")] = None

    def assertions(self) -> Iterator[Assertion]:
        content: dict[str, Any] | None = None
        if self.value is not None:
            content = self.model_dump(
                mode="json", include={"kind", "value", "usage", "verified", "number_type"}, exclude_none=True
            )
        yield pointer("contacts", self.contact_id, "points", self.point_id), content or ABSENT


@declare
class PrimaryContactReplaced(Payload):
    type: ClassVar[str] = "customer.primary-contact-replaced"
    major: ClassVar[bool] = True
    needs_reason: ClassVar[bool] = True

    old_contact_id: UUID | None = None
    new_contact_id: UUID

    def assertions(self) -> Iterator[Assertion]:
        yield "/primary_contact", str(self.new_contact_id)


@declare
class ContactRemoved(Payload):
    """Takes the contact away, and the primary contact too when it was the last one left."""

    type: ClassVar[str] = "customer.contact-removed"
    major: ClassVar[bool] = True
    needs_reason: ClassVar[bool] = True

    contact_id: UUID
    removal_reason: RemovalReason
    was_primary: bool = False

    def assertions(self) -> Iterator[Assertion]:
        yield pointer("contacts", self.contact_id), ABSENT
        if self.was_primary:
            yield "/primary_contact", ABSENT
