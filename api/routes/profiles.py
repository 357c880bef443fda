"""One customer's profile: now, at any past moment, and as of one of its versions."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from psycopg import AsyncConnection

from api import openapi
from api.answers import json_response, revalidated
from api.dependencies import actor_of, service_of
from api.errors import Problem
from api.moments import Moment, basis_of, instant, invalid_parameter, moment_of, query_of, token_parts
from api.profile_document import Pending, Profile, of_current_file, rendered
from domain.errors import CustomerUnknown, FieldError
from projections import basis, events, facts, profile
from projections.basis import Basis

router: Final = APIRouter(prefix="/v1/customers")


@router.get("/{customer_id}", openapi_extra=openapi.read("known_at", "valid_at", "at_position", "fields", "after"))
async def read_profile(request: Request, customer_id: UUID) -> Response:
    """The customer's profile: the current one, or as known and as valid at another moment."""
    actor_of(request)
    moment, fields = moment_of(request), _fields(request)
    async with service_of(request).readers.connection() as connection:
        if moment.is_now:
            return await _current(connection, request, customer_id, fields)
        found = await basis_of(connection, request, moment)
        return await _as_of(connection, request, customer_id, found, fields)


@router.get("/{customer_id}/versions/{version}", openapi_extra=openapi.read("valid_at", "fields"))
async def read_version(request: Request, customer_id: UUID, version: int) -> Response:
    """The profile as it stood when `version` had just been recorded."""
    actor_of(request)
    fields = _fields(request)
    valid_at = request.query_params.get("valid_at")
    service = service_of(request)
    async with service.readers.connection() as connection:
        position = await basis.wait_for(connection, customer_id, version, service.wait_seconds)
        found = await basis.at_position(
            connection, position, instant("valid_at", valid_at) if valid_at is not None else None
        )
        return await _as_of(connection, request, customer_id, found, fields)


async def _current(
    connection: AsyncConnection[Any], request: Request, customer_id: UUID, fields: list[str] | None
) -> Response:
    row = await profile.current(connection, customer_id)
    if row is None:
        raise CustomerUnknown(f"there is no customer {customer_id}")
    file, now = row.file, max(row.now, row.file.as_of)
    if (token := request.query_params.get("after")) is not None:
        _require_seen(customer_id, file.version, token)
    file.advance(now)
    etag = f'"{file.revision}"'
    return revalidated(request, etag) or json_response(
        rendered(of_current_file(file, now), fields), headers={"ETag": etag}
    )


def _require_seen(customer_id: UUID, version: int, token: str) -> None:
    """The profile is written with the event; only a replica that lags can miss it."""
    customer, wanted = token_parts(token)
    if customer == customer_id and version < wanted:
        raise Problem("not-caught-up", 503, "The read model has not got there yet", "come back in a moment")


async def _as_of(
    connection: AsyncConnection[Any], request: Request, customer_id: UUID, found: Basis, fields: list[str] | None
) -> Response:
    etag = f'"k{found.position}.v{found.valid_at.isoformat()}"'
    if (unchanged := revalidated(request, etag)) is not None:
        return unchanged
    state = await events.file_state_at(connection, customer_id, found.position)
    if state is None:
        raise await unknown_at(connection, customer_id, found)
    shown = await facts.state_at(connection, customer_id, found.position, found.valid_at)
    upcoming = await facts.pending_at(connection, customer_id, found.position, found.valid_at)
    since = await facts.effective_since(connection, customer_id, found.position)
    view = Profile(
        customer_id,
        state.kind,
        state.archived,
        since is None or since <= found.valid_at,
        {slot: fact.value for slot, fact in shown.items()},
        [Pending(fact.slot, fact.value, fact.start, fact.end, fact.version) for fact in upcoming],
        state.requests.values(),
        basis_json(found) | {"version": state.version},
        query_of(Moment(None, found.valid_at, found.position)) if found.position else "",
    )
    location = f"{request.url.path}{query_of(Moment(None, found.valid_at, found.position))}"
    return json_response(rendered(view, fields), headers={"ETag": etag, "Content-Location": location})


async def unknown_at(connection: AsyncConnection[Any], customer_id: UUID, found: Basis) -> Exception:
    """Why a customer is not there at a moment: never registered, or not yet."""
    first = await events.first_known(connection, customer_id)
    if first is None:
        row = await profile.current(connection, customer_id)
        if row is None:
            return CustomerUnknown(f"there is no customer {customer_id}")
        first_known_at = row.file.registered_at
    else:
        first_known_at = first.recorded_at
    return Problem(
        "not-yet-known",
        404,
        "The customer was not known yet",
        f"nothing was recorded of it up to position {found.position}",
        FieldError("known_at", "lies before the registration"),
        first_known_at=first_known_at,
    )


def basis_json(found: Basis) -> dict[str, Any]:
    return {
        "known_at": found.known_at,
        "position": found.position,
        "valid_at": found.valid_at,
        "stable": found.stable,
    }


def _fields(request: Request) -> list[str] | None:
    text = request.query_params.get("fields")
    if text is None:
        return None
    fields = [field.rstrip("/") for field in text.split(",") if field]
    if not fields or not all(field.startswith("/") for field in fields):
        raise invalid_parameter("fields", "slot pointers separated by commas, such as /tier,/owner")
    return fields
