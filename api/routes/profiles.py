"""One customer's profile: now, at any past moment, and as of one of its versions."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from psycopg import AsyncConnection

from api import openapi, schemas
from api.answers import Json, json_response, unchanged
from api.dependencies import reading, service_of
from api.errors import Problem
from api.known_files import KnownFile, known_file
from api.moments import Moment, basis_json, entity_tag, moment_of, query_of, token_parts
from api.parameters import instant, invalid_parameter, position, slot_path
from api.profile_document import Pending, Profile, of_current_file, rendered
from api.read_route import ReadRoute
from domain.errors import CustomerUnknown
from domain.file import CustomerFile
from projections import basis, facts, profile
from projections.errors import FoldOutdated

router: Final = APIRouter(
    prefix="/v1/customers",
    route_class=ReadRoute,
    tags=["reading"],
    generate_unique_id_function=openapi.operation_id,
)


@router.get(
    "/{customer_id}",
    openapi_extra=openapi.read(
        schemas.Profile, "known_at", "valid_at", "at_position", "fields", "after", cacheable=True
    ),
)
async def read_profile(request: Request, customer_id: UUID) -> Response:
    """The customer's profile: the current one, or as known and as valid at another moment."""
    moment, fields = moment_of(request), _fields(request)
    async with reading(request) as connection:
        if moment.is_now:
            return await _current(connection, request, customer_id, fields)
        known = await known_file(connection, request, customer_id, moment)
        return await _as_of(connection, request, customer_id, known, fields)


@router.get(
    "/{customer_id}/versions/{version}",
    openapi_extra=openapi.read(schemas.Profile, "valid_at", "fields", cacheable=True),
)
async def read_version(request: Request, customer_id: UUID, version: str) -> Response:
    """The profile as it stood when `version` had just been recorded."""
    number, fields = position("version", version), _fields(request)
    valid_at = request.query_params.get("valid_at")
    at = instant("valid_at", valid_at) if valid_at is not None else None
    async with reading(request) as connection:
        sealed = await basis.require_passed(connection, customer_id, number)
        known = await known_file(connection, request, customer_id, Moment(valid_at=at, at_position=sealed))
        return await _as_of(connection, request, customer_id, known, fields)


async def _current(
    connection: AsyncConnection[Any], request: Request, customer_id: UUID, fields: list[str] | None
) -> Response:
    found = await profile.current(connection, customer_id)
    if found is None:
        raise CustomerUnknown(f"there is no customer {customer_id}")
    row, now = found
    if (token := request.query_params.get("after")) is not None:
        _require_seen(customer_id, row.version, token)
    now = max(now, row.as_of)
    shown = service_of(request).current_profiles
    try:
        etag = shown.etag(customer_id, row, now)
        return unchanged(request, etag) or (
            Json(shown.body(customer_id, row, now), headers={"ETag": etag})
            if fields is None
            else _answer(request, row.file(customer_id), now, fields)
        )
    except FoldOutdated:
        file = await asyncio.to_thread(service_of(request).fold, customer_id)
        return _answer(request, file, max(now, file.as_of), fields)


def _answer(request: Request, file: CustomerFile, now: datetime, fields: list[str] | None) -> Response:
    """The profile of a file, rendered for this request."""
    file.advance(now)
    etag = f'"{file.revision}"'
    return unchanged(request, etag) or json_response(
        rendered(of_current_file(file, now), fields), headers={"ETag": etag}
    )


def _require_seen(customer_id: UUID, version: int, token: str) -> None:
    """The profile is written with the event; only a replica that lags can miss it."""
    customer, wanted = token_parts(token)
    if customer == customer_id and version < wanted:
        raise Problem("not-caught-up", 503, "The read model has not got there yet", "come back in a moment")


async def _as_of(
    connection: AsyncConnection[Any],
    request: Request,
    customer_id: UUID,
    known: KnownFile,
    fields: list[str] | None,
) -> Response:
    found, state = known
    etag = entity_tag(found)
    if (answer := unchanged(request, etag)) is not None:
        return answer
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
        query_of(found),
    )
    narrowed = "" if fields is None else "&" + urlencode({"fields": ",".join(fields)})
    location = f"/v1/customers/{customer_id}{query_of(found)}{narrowed}"
    return json_response(rendered(view, fields), headers={"ETag": etag, "Content-Location": location})


def _fields(request: Request) -> list[str] | None:
    text = request.query_params.get("fields")
    if text is None:
        return None
    if not (fields := [field for field in text.split(",") if field]):
        raise invalid_parameter("fields", "slot pointers separated by commas, such as /tier,/owner")
    return [slot_path("fields", field) for field in fields]
