"""File lifecycle: registration, archiving, reinstatement (domain.md 2.3). All are decisions."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from domain.events.base import Payload, declare


class CustomerKind(StrEnum):
    ORGANISATION = "ORGANISATION"
    INDIVIDUAL = "INDIVIDUAL"


class ArchiveReason(StrEnum):
    LOST = "LOST"
    DISSOLVED = "DISSOLVED"
    DECEASED = "DECEASED"
    NO_INTENT = "NO_INTENT"
    DUPLICATE = "DUPLICATE"
    OTHER = "OTHER"


@declare
class CustomerRegistered(Payload):
    """The file is opened. It asserts no slot: name, contact and owner are facts of the same command."""

    type: ClassVar[str] = "customer.registered"
    decision: ClassVar[bool] = True

    customer_kind: CustomerKind


@declare
class CustomerArchived(Payload):
    type: ClassVar[str] = "customer.archived"
    decision: ClassVar[bool] = True
    needs_reason: ClassVar[bool] = True

    reason_code: ArchiveReason


@declare
class CustomerReinstated(Payload):
    type: ClassVar[str] = "customer.reinstated"
    decision: ClassVar[bool] = True
    needs_reason: ClassVar[bool] = True
