"""Requests as people send them, their answers, and what the domain says when it is asked the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import httpx
import orjson
from uuid_utils.compat import uuid7

from api import bodies
from api.routes.commands import ROUTES
from domain.access import Principal, allowed, roles_named
from domain.decisions import Change, Order, record
from domain.decisions.record import IMPORTER
from domain.events import Actor, RecordedEvent
from domain.events.envelope import ActorKind
from domain.file import CustomerFile
from domain.policy import first_edition

_COMMANDS: Final = {route: command for route, command, _ in ROUTES}
OPENING: Final = "opening"
CHANGES: Final = "/changes"


@dataclass(frozen=True)
class Person:
    """Who asks. `double` is another one who may do the same."""

    id: str
    double: str
    roles: tuple[str, ...]
    kind: ActorKind = ActorKind.HUMAN

    @property
    def actor(self) -> Actor:
        return Actor(id=self.id, kind=self.kind, roles=self.roles)

    @property
    def principal(self) -> Principal:
        return Principal(self.id, self.kind, roles_named(self.roles))

    @property
    def may_write_blindly(self) -> bool:
        return IMPORTER in self.roles


PEOPLE: Final = {
    person.id: person
    for person in (
        Person("u-118", "u-119", ("editor",)),
        Person("u-119", "u-118", ("editor",)),
        Person("u-301", "u-302", ("editor", "tier:approve")),
        Person("u-302", "u-301", ("editor", "tier:approve")),
        Person("u-401", "u-402", ("tier:approve", IMPORTER)),
        Person("u-402", "u-401", ("tier:approve", IMPORTER)),
        Person("svc-1", "svc-2", (IMPORTER,), ActorKind.SERVICE),
        Person("svc-2", "svc-1", (IMPORTER,), ActorKind.SERVICE),
    )
}


@dataclass(frozen=True)
class Request:
    """One command over HTTP. `route` is one of the command routes, OPENING or CHANGES; `seen` goes into If-Match."""

    worker: int
    person: Person
    route: str
    body: dict[str, Any]
    key: str
    seen: str | None = None
    customer_id: UUID | None = None
    ids: Mapping[str, UUID] = field(default_factory=dict)
    dry_run: bool = False

    @property
    def path(self) -> str:
        if self.route == OPENING:
            return "/v1/customers"
        return f"/v1/customers/{self.customer_id}" + self.route.format(**self.ids)

    @property
    def content(self) -> bytes:
        return orjson.dumps(self.body)

    @property
    def identity(self) -> tuple[str, str, bytes]:
        """What a retry has in common with the first request, and reuse of its key has not."""
        return self.person.id, self.path, self.content

    @property
    def seen_version(self) -> int | None:
        """The profile version in If-Match; None for a new file, and for whoever does not look."""
        return None if self.seen in (None, "*") else int(self.seen.strip('"').partition(".")[0])

    @property
    def is_allowed(self) -> bool:
        """Whether this person may do all of it, whatever the file says."""
        return all(allowed(self.person.principal, change.command.action) for change in self.changes())

    def changes(self) -> list[Change]:
        """The changes that its body asks for, as the service reads it."""
        if self.route == OPENING:
            return list(bodies.registration_changes(bodies.parse(bodies.RegistrationBody, self.content), uuid7))
        if self.route == CHANGES:
            return list(bodies.listed_changes(bodies.parse(bodies.ChangesBody, self.content), uuid7))
        command = _COMMANDS[self.route]
        body = bodies.parse(bodies.command_body(command, *self.ids), self.content)
        return [bodies.single_change(command, body, uuid7, **self.ids)]


@dataclass(frozen=True)
class Look:
    """A reading of the current profile."""

    worker: int
    customer_id: UUID


@dataclass(frozen=True)
class Shown:
    """A profile as it was read, and when: between two readings of one clock."""

    customer_id: UUID
    etag: str
    content: dict[str, Any]
    asked_at: float
    told_at: float

    @property
    def version(self) -> int:
        return int(self.content["basis"]["version"])


@dataclass(frozen=True)
class Answered:
    """A request and its answer; after an acknowledged write, the profile as another worker then showed it."""

    request: Request
    response: httpx.Response
    asked_at: float
    told_at: float
    tries: int = 1
    shown: Shown | None = None

    @property
    def accepted(self) -> bool:
        return not self.response.is_error

    @property
    def is_acknowledgement(self) -> bool:
        """It says that something is recorded, by this request or by an earlier one with its key."""
        return self.accepted and not self.request.dry_run

    @property
    def took_effect(self) -> bool:
        return self.is_acknowledgement and not self.replayed

    @property
    def replayed(self) -> bool:
        return "Idempotent-Replayed" in self.response.headers

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = self.response.json()
        return content

    @property
    def slug(self) -> str:
        """The kind of refusal."""
        return str(self.content["type"]).removeprefix("urn:dossier:problem:")

    @property
    def customer_id(self) -> UUID:
        return UUID(self.content["customer_id"])

    @property
    def versions(self) -> list[int]:
        return [event["version"] for event in self.content["events"]]

    @property
    def recorded_at(self) -> datetime:
        return datetime.fromisoformat(self.content["events"][0]["recorded_at"])

    def __str__(self) -> str:
        request = self.request
        asked = f"{request.person.id} at worker {request.worker}: {request.path} {request.body}, seen {request.seen}"
        return f"{asked}, key {request.key}, dry run {request.dry_run}\n-> {self.response.status_code} {self.content}"


def decided(
    request: Request, file: CustomerFile, now: datetime, holders: Mapping[tuple[str, str], UUID]
) -> list[RecordedEvent]:
    """What the domain makes of the request on this file, which is changed. Raises Refusal."""
    key = None if request.dry_run else request.key
    order = Order(file.customer_id, tuple(request.changes()), request.person.actor, idempotency_key=key)
    file.advance(now)
    return record(order, file, now, uuid7, holders, policy=first_edition())[1]
