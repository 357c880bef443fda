"""Which moment a read asks about: the query parameters known_at, valid_at and at_position, and read-your-write.

A date means midnight in the business time zone, as everywhere. Nothing of the future is known (422).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from fastapi import Request
from psycopg import AsyncConnection

from api.dependencies import reading, service_of
from api.encoding import time_text
from api.epochs import epochs_of, read_position, require_shared, written_position
from api.errors import Problem
from api.parameters import LAST_POSITION, instant, invalid_parameter, position
from ledger.epochs import FIRST_EPOCH
from projections import basis
from projections.basis import Basis
from projections.errors import EventUnknown, NotKnownYet

_ERASURES_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Moment:
    """What a request says about when. At most one of `known_at` and `at_position` is set."""

    known_at: datetime | None = None
    valid_at: datetime | None = None
    at_position: int | None = None
    known_by: str = "known_at"
    """The parameter that `known_at` was read from."""

    @property
    def is_now(self) -> bool:
        return self.is_latest and self.valid_at is None

    @property
    def is_latest(self) -> bool:
        """Whether the latest knowledge is asked for."""
        return self.known_at is None and self.at_position is None


_NOW: Final = Moment()


def moment_of(request: Request) -> Moment:
    """The moment that the query names. Raises Problem 422."""
    if not request.scope["query_string"]:
        return _NOW
    query = request.query_params
    known_at, at_position = query.get("known_at"), query.get("at_position")
    if known_at is not None and at_position is not None:
        raise invalid_parameter("at_position", "say what is known by known_at or by at_position, not by both")
    return Moment(
        instant("known_at", known_at) if known_at is not None else None,
        instant("valid_at", query["valid_at"]) if "valid_at" in query else None,
        known_position(request, "at_position", at_position) if at_position is not None else None,
    )


def known_position(request: Request, name: str, text: str) -> int:
    """A position that is the event that the caller means. Raises Problem 422, or 409 from beyond a fork."""
    try:
        number = read_position(request, name, text)
    except ValueError:
        number = 0
    if not 1 <= number <= LAST_POSITION:
        raise invalid_parameter(name, f"a whole number from 1 to {LAST_POSITION} is needed")
    return number


async def basis_of(connection: AsyncConnection[Any], request: Request, moment: Moment) -> Basis:
    """The position and instant that `moment` means, which the read models have passed.

    Raises Problem 422 for the future, PositionNotSealed, ReadModelsBehind.
    """
    await require_seen(connection, request)
    if moment.at_position is not None:
        return await basis.at_position(connection, moment.at_position, moment.valid_at)
    if moment.known_at is None:
        return await basis.latest(connection, moment.valid_at)
    try:
        return await basis.known_by(connection, moment.known_at, moment.valid_at)
    except NotKnownYet as error:
        raise _of_the_future(moment) from error


async def meant(request: Request, moment: Moment) -> Basis:
    """The same, found out together with others who ask for an instant of knowledge. Raises what basis_of raises."""
    if moment.known_at is None or "after" in request.query_params:
        async with reading(request) as connection:
            return await basis_of(connection, request, moment)
    known = await service_of(request).instants.get(moment.known_at)
    assert known is not None  # noqa: S101 - every instant means something
    try:
        return known.basis(moment.known_at, moment.valid_at)
    except NotKnownYet as error:
        raise _of_the_future(moment) from error


def _of_the_future(moment: Moment) -> Problem:
    return invalid_parameter(moment.known_by, "lies in the future; nothing can be known yet")


async def require_seen(connection: AsyncConnection[Any], request: Request) -> None:
    """With `?after=<token>`: raise ReadModelsBehind unless they have passed the event that the token names."""
    token = request.query_params.get("after")
    if token is None:
        return
    customer_id, version, epoch = token_parts(token)
    try:
        passed = await basis.require_passed(connection, customer_id, version)
    except EventUnknown:
        require_shared(request, "after", epoch, None)
        raise
    require_shared(request, "after", epoch, passed)


def token_of(request: Request, customer_id: UUID, version: int) -> str:
    """What a write answers as its Dossier-Token."""
    epoch = epochs_of(request).current
    return f"{customer_id}:{version}" if epoch == FIRST_EPOCH else f"{customer_id}:{version}:{epoch}"


def token_parts(token: str) -> tuple[UUID, int, str]:
    """Customer, version and epoch in a Dossier-Token. Raises Problem 422."""
    customer, version, epoch = (*token.split(":", 2), "", "")[:3]
    try:
        return UUID(customer), position("after", version), epoch or FIRST_EPOCH
    except ValueError as error:
        raise invalid_parameter("after", "send the Dossier-Token of a write as it was answered") from error


def query_of(request: Request, found: Basis) -> str:
    """The query string that brings the same answer again, for ever; "" where nothing is known yet."""
    if not found.position:
        return ""
    position, valid_at = written_position(request, found.position), time_text(found.valid_at)
    return f"?at_position={position}&valid_at={valid_at}".replace(":", "%3A")


def entity_tag(found: Basis, erasures: Collection[str] = (), mask_tag: str = "") -> str:
    """Names an answer as of a moment, which stays the same for ever, but for the values that these events erased.

    `mask_tag` says what is hidden in it.
    """
    tag = f"k{found.position}.v{time_text(found.valid_at)}"
    if erasures:
        tag += f".e{sha256(' '.join(sorted(erasures)).encode()).hexdigest()[:_ERASURES_DIGITS]}"
    return f'"{tag}{mask_tag}"'


def basis_json(found: Basis) -> dict[str, Any]:
    return {
        "known_at": found.known_at,
        "position": found.position,
        "valid_at": found.valid_at,
        "stable": found.stable,
    }
