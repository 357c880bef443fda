"""A customer's file at a moment: the first step of every read that is not about the present."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

from fastapi import Request
from psycopg import AsyncConnection

from api.errors import Problem
from api.moments import Moment, basis_of
from domain.errors import CustomerUnknown, FieldError
from projections.basis import Basis, at_position, require_passed
from projections.errors import EventUnknown

Found = TypeVar("Found")


async def known_file(
    connection: AsyncConnection[Any],
    request: Request,
    customer_id: UUID,
    moment: Moment,
    look: Callable[[AsyncConnection[Any], UUID, Basis], Awaitable[Found | None]],
) -> tuple[Basis, Found]:
    """What the moment means, and what `look` finds there; it finds None where the customer was not known then.

    Raises CustomerUnknown, Problem 404 not-yet-known, and what basis_of raises.
    """
    basis = await basis_of(connection, request, moment)
    found = await look(connection, customer_id, basis)
    if found is None:
        registered = await _registered(connection, customer_id)
        # The read models may have been behind the registration: that is no reason to deny the customer.
        if moment.is_latest or registered.known_at <= basis.known_at:
            basis = await basis_of(connection, request, moment)
            found = await look(connection, customer_id, basis)
        if found is None:
            raise _not_yet_known(basis, registered)
    return basis, found


async def _registered(connection: AsyncConnection[Any], customer_id: UUID) -> Basis:
    """The moment since when the customer is known. Raises ReadModelsBehind when they have not passed it."""
    try:
        position = await require_passed(connection, customer_id, 1)
    except EventUnknown as error:
        raise CustomerUnknown(f"there is no customer {customer_id}") from error
    return await at_position(connection, position)


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
