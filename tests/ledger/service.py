"""Events of the service itself for tests, and the path on which they are recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from domain.events import Actor, ActorKind
from domain.events.access import ProfileViewed, ReadKind, ReadOf, Seen, View
from domain.events.service import ServicePayload
from domain.slots import Sensitivity
from ledger.service_records import ServiceEvent, ServiceRecords
from tests.ledger.writing import Path, write_path
from tests.make import at
from tests.told import ACME

PROCESS = Actor(id="dossier", kind=ActorKind.SYSTEM)


def viewed(customer_id: UUID = ACME) -> ServicePayload:
    view = View(
        principal="u-118",
        kind=ReadKind.VIEW,
        of=ReadOf.PROFILE,
        highest=Sensitivity.INTERNAL,
        seen=(Seen(customer_id=customer_id),),
    )
    return ProfileViewed(at=at("2026-03-01"), view=view)


def event(payload: ServicePayload | None = None, **stated: Any) -> ServiceEvent:
    return ServiceEvent(payload or viewed(), PROCESS, **stated)


@contextmanager
def service_records(conninfo: str) -> Iterator[ServiceRecords]:
    with write_path(conninfo) as path:
        yield of_service(path)


def of_service(path: Path) -> ServiceRecords:
    return ServiceRecords(path.ledger, path.pool, path.keys, new_id=uuid7)
