"""A customer's file at a moment: the first step of every read that is not about the present."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from fastapi import Request
from psycopg import AsyncConnection

from api.errors import Problem
from api.moments import Moment, basis_of
from domain.errors import CustomerUnknown, FieldError
from projections import basis, events
from projections.basis import Basis
from projections.errors import EventUnknown
from projections.events import FileState


class KnownFile(NamedTuple):
    """What a moment means, and what the decisions known then have made of the file."""

    basis: Basis
    state: FileState


async def known_file(
    connection: AsyncConnection[Any], request: Request, customer_id: UUID, moment: Moment
) -> KnownFile:
    """The file at that moment. Raises CustomerUnknown, Problem 404 not-yet-known, and what basis_of raises."""
    found = await basis_of(connection, request, moment)
    state = await events.file_state_at(connection, customer_id, found.position)
    if state is None:
        registered = await _registered(connection, customer_id)
        # The read models may have been behind the registration: that is no reason to deny the customer.
        if moment.is_latest or registered.known_at <= found.known_at:
            found = await basis_of(connection, request, moment)
            state = await events.file_state_at(connection, customer_id, found.position)
        if state is None:
            raise _not_yet_known(found, registered)
    return KnownFile(found, state)


async def _registered(connection: AsyncConnection[Any], customer_id: UUID) -> Basis:
    """The moment since when the customer is known. Raises ReadModelsBehind when they have not passed it."""
    try:
        position = await basis.require_passed(connection, customer_id, 1)
    except EventUnknown as error:
        raise CustomerUnknown(f"there is no customer {customer_id}") from error
    return await basis.at_position(connection, position)


def _not_yet_known(found: Basis, registered: Basis) -> Problem:
    return Problem(
        "not-yet-known",
        404,
        "The customer was not known yet",
        f"nothing was recorded of it up to position {found.position}",
        FieldError("known_at", "lies before the registration"),
        first_known_at=registered.known_at,
        first_position=registered.position,
    )
