"""One customer's profile: now, at any past moment, and as of one of its versions."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import openapi
from api.answers import Json, json_response, unchanged
from api.dependencies import reading, service_of
from api.direct_route import requires
from api.encoding import to_json
from api.epochs import epochs_of
from api.errors import Problem
from api.known_files import known_file
from api.masking import is_clear, seen_profile
from api.masks import mask_of, require_named_openly
from api.moments import Moment, basis_json, entity_tag, moment_of, query_of, require_seen, token_parts
from api.parameters import instant, invalid_parameter, position, slot_path
from api.past_document import past_body
from api.profile_document import MOST_PENDING, Profile, highest_shown, of_current_file, rendered
from api.read_route import ReadRoute
from api.schemas import profiles
from api.viewing import viewed
from domain.access import Action
from domain.errors import CustomerUnknown
from domain.events.access import ReadOf
from domain.file import CustomerFile
from domain.masking import Mask
from domain.shown import highest_in
from projections.basis import Basis, require_passed
from projections.errors import FoldOutdated
from projections.past import Asked, PastFile, file_at

router: Final = APIRouter(
    prefix="/v1/customers",
    route_class=ReadRoute,
    tags=["reading"],
    generate_unique_id_function=openapi.operation_id,
)


@router.get(
    "/{customer_id}",
    openapi_extra=openapi.read(
        profiles.Profile, "known_at", "valid_at", "at_position", "fields", "after", cacheable=True
    ),
)
@requires(Action.READ_PROFILE)
async def read_profile(request: Request, customer_id: UUID) -> Response:
    """The customer's profile: the current one, or as known and as valid at another moment."""
    moment, fields = moment_of(request), _fields(request)
    mask = await mask_of(request, customer_id)
    require_named_openly(mask, "fields", fields or ())
    if moment.is_now:
        return await _current(request, customer_id, fields, mask)
    return await _past(request, customer_id, moment, fields, mask)


@router.get(
    "/{customer_id}/versions/{version}",
    openapi_extra=openapi.read(profiles.Profile, "valid_at", "fields", cacheable=True),
)
@requires(Action.READ_PROFILE)
async def read_version(request: Request, customer_id: UUID, version: str) -> Response:
    """The profile as it stood when `version` had just been recorded."""
    number, fields = position("version", version), _fields(request)
    valid_at = request.query_params.get("valid_at")
    at = instant("valid_at", valid_at) if valid_at is not None else None
    mask = await mask_of(request, customer_id)
    require_named_openly(mask, "fields", fields or ())
    async with reading(request) as connection:
        sealed = await require_passed(connection, customer_id, number)
    return await _past(request, customer_id, Moment(valid_at=at, at_position=sealed), fields, mask)


async def _current(request: Request, customer_id: UUID, fields: list[str] | None, mask: Mask | None) -> Response:
    service = service_of(request)
    found = await service.current_rows.get(customer_id)
    if found is None:
        raise CustomerUnknown(f"there is no customer {customer_id}")
    row, now = found
    if (token := request.query_params.get("after")) is not None:
        await _require_seen(request, customer_id, row.version, token)
    now = max(now, row.as_of)
    shown = service.current_profiles
    try:
        if fields is None:
            etag = shown.etag(customer_id, row, now, mask)
            await viewed(request, ReadOf.PROFILE, customer_id, shown.highest(customer_id, row, now, mask))
            at_hand = unchanged(request, etag)
            return at_hand or Json(shown.body(customer_id, row, now, mask), headers={"ETag": etag})
        file = row.file(customer_id)
    except FoldOutdated:
        file = await asyncio.to_thread(service.fold, customer_id)
        now = max(now, file.as_of)
    return await _answer(request, file, now, fields, mask)


async def _answer(
    request: Request, file: CustomerFile, now: datetime, fields: list[str] | None, mask: Mask | None
) -> Response:
    """The profile of a file, rendered for this request."""
    file.advance(now)
    profile, tag = seen_profile(of_current_file(file, now), mask)
    etag = f'"{file.revision}{tag}"'
    await viewed(request, ReadOf.PROFILE, file.customer_id, highest_shown(profile, fields))
    return unchanged(request, etag) or json_response(rendered(profile, fields), headers={"ETag": etag})


async def _require_seen(request: Request, customer_id: UUID, version: int, token: str) -> None:
    """The profile is written with the event; only a replica that lags can miss it, or a log that was cut off."""
    customer, wanted, epoch = token_parts(token)
    if epoch != epochs_of(request).current:
        async with reading(request) as connection:
            await require_seen(connection, request)
    elif customer == customer_id and version < wanted:
        raise Problem("not-caught-up", 503, "The read model has not got there yet", "come back in a moment")


async def _past(
    request: Request, customer_id: UUID, moment: Moment, fields: list[str] | None, mask: Mask | None
) -> Response:
    # of the wanted fields alone, any may be among what comes last
    most_later = MOST_PENDING + 1 if fields is None else None
    found = await _gathered(request, customer_id, moment, most_later)
    if found is None:
        look = partial(file_at, most_later=most_later)
        async with reading(request) as connection:
            found = await known_file(connection, request, customer_id, moment, look)
    return await _as_of(request, customer_id, found, fields, None if mask is None or is_clear(found[1], mask) else mask)


async def _gathered(
    request: Request, customer_id: UUID, moment: Moment, most_later: int | None
) -> tuple[Basis, PastFile] | None:
    """The file at an instant of knowledge, brought together with others; None for other moments, and for no file."""
    if moment.known_at is None or "after" in request.query_params:
        return None
    asked = Asked(customer_id, moment.known_at, None, moment.valid_at or moment.known_at, most_later)
    found = await service_of(request).past_files.get(asked)
    if found is None:
        return None
    known, file = found
    if file is None or moment.known_at > known.now:
        return None
    return known.basis(moment.known_at, moment.valid_at), file


async def _as_of(
    request: Request, customer_id: UUID, found: tuple[Basis, PastFile], fields: list[str] | None, mask: Mask | None
) -> Response:
    basis, file = found
    query = query_of(request, basis)
    view, tag = (None, "") if mask is None else seen_profile(_view(customer_id, basis, query, file), mask)
    etag = entity_tag(basis, file.erasures, tag)
    if fields is None:
        awaited = map(to_json, file.decided.awaited.values())
        highest = highest_in(file.slots.encode(), file.lines, file.later_lines, *awaited)
    else:
        view = view or _view(customer_id, basis, query, file)
        highest = highest_shown(view, fields)
    await viewed(request, ReadOf.PROFILE, customer_id, highest, basis)
    if (answer := unchanged(request, etag)) is not None:
        return answer
    own_id = str(customer_id)
    location = f"/v1/customers/{own_id}{query}"
    if fields is None and view is None:
        body = past_body(own_id, basis, query, file)
        return Json(body, headers={"ETag": etag, "Content-Location": location})
    if fields is not None:
        location = f"{location}&{urlencode({'fields': ','.join(fields)})}"
    shown = rendered(view or _view(customer_id, basis, query, file), fields)
    return json_response(shown, headers={"ETag": etag, "Content-Location": location})


def _view(customer_id: UUID, basis: Basis, query: str, file: PastFile) -> Profile:
    return Profile(
        customer_id,
        file.decided.kind,
        file.decided.archived,
        file.is_effective,
        file.values,
        file.later,
        file.decided.requests.values(),
        basis_json(basis) | {"version": file.version},
        query,
        file.decided.erased_by,
        file.decided.awaited.values(),
    )


def _fields(request: Request) -> list[str] | None:
    if not request.scope["query_string"] or (text := request.query_params.get("fields")) is None:
        return None
    if not (fields := [field for field in text.split(",") if field]):
        raise invalid_parameter("fields", "slot pointers separated by commas, such as /tier,/owner")
    return [slot_path("fields", field) for field in fields]
