"""Who did what: the audit trail, the holder of each slot, and the differences between two moments."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import openapi
from api.answers import Json, json_response, unchanged
from api.dependencies import reading, service_of
from api.direct_route import requires
from api.encoding import to_json
from api.known_files import known_file
from api.masking import masked_blame, masked_items, masked_page
from api.masks import mask_of, require_named_openly
from api.moments import Moment, basis_json, entity_tag, known_position, moment_of
from api.pages import limit_of, next_page, page_response, place_of
from api.parameters import instant, invalid_parameter, slot_path
from api.read_route import ReadRoute
from api.schemas.events import HistoryPage
from api.schemas.views import BlamePage, Differences
from api.viewing import viewed
from domain.access import Action
from domain.events.access import ReadOf
from domain.masking import Mask
from domain.shown import highest_in
from projections.basis import Basis
from projections.blame import BlameAsked, blamed
from projections.causes import Point
from projections.diff import diff
from projections.events import HistoryFilter, PageAsked, WholePage, history
from projections.past import erasures_in, version_at

router: Final = APIRouter(
    prefix="/v1/customers/{customer_id}",
    route_class=ReadRoute,
    tags=["reading"],
    generate_unique_id_function=openapi.operation_id,
)

_IN_AN_EPOCH: Final = re.compile(r"[^:]+-[^:]+:\d+", re.ASCII)
"""`epoch:position`, which no date and no time looks like."""


@router.get(
    "/history",
    openapi_extra=openapi.read(
        HistoryPage, "type", "path", "actor", "from_position", "since", "until", "order", "known_at", "at_position",
        "limit", "page_token", "after",
    ),
)  # fmt: skip
@requires(Action.READ_HISTORY)
async def read_history(request: Request, customer_id: UUID) -> Response:
    """The customer's events with the slots each one moved, page by page."""
    wanted, order, limit = _filter(request), _order(request), limit_of(request)
    mask = await _mask(request, customer_id)
    place = place_of(request, int)
    moment = Moment(at_position=place.position) if place else moment_of(request)
    if wanted == HistoryFilter() and moment.known_at is None and "after" not in request.query_params:
        asked = PageAsked(customer_id, moment.at_position, order, limit, place.key if place else None)
        page = await service_of(request).event_pages.get(asked)
        if page is not None and page.number:
            await viewed(request, ReadOf.HISTORY, customer_id, page.sensitivity, page.position)
            return _whole(request, page, limit, mask)
    async with reading(request) as connection:
        found, _ = await known_file(connection, request, customer_id, moment, version_at)
        items = await history(
            connection, customer_id, found.position, wanted, order=order, limit=limit, after=place.key if place else 0
        )
    shown = items if mask is None else masked_items(items, mask)
    response = page_response(request, shown, limit, found.position, "position", basis={"position": found.position})
    await viewed(request, ReadOf.HISTORY, customer_id, highest_in(bytes(response.body)), found)
    return response


def _whole(request: Request, page: WholePage, limit: int, mask: Mask | None) -> Response:
    """The page as the server made it: one text, which nothing here looks into unless something is hidden."""
    items = page.items if mask is None else masked_page(page.items, mask)
    token, headers = next_page(request, page.position, page.last if page.number == limit else None)
    end = to_json({"next_page_token": token, "basis": {"position": page.position}})
    return Json(b'{"items":[%b],%b' % (items, end[1:]), headers=headers)


@router.get(
    "/blame",
    openapi_extra=openapi.read(BlamePage, "path", "known_at", "valid_at", "at_position", "after", cacheable=True),
)
@requires(Action.READ_HISTORY)
async def read_blame(request: Request, customer_id: UUID) -> Response:
    """Per slot, the event that holds it: who set it, when, why, on what evidence, and what was there before."""
    path = _path(request)
    moment, mask = moment_of(request), await _mask(request, customer_id)
    if moment.is_now and "after" not in request.query_params:
        now = await service_of(request).blames.get(BlameAsked(customer_id))
        if now is not None:
            return await _blamed(request, customer_id, now.stand.basis(None), now.at(path), mask)
    async with reading(request) as connection:
        found, _ = await known_file(connection, request, customer_id, moment, version_at)
        asked = BlameAsked(customer_id, found.position, found.valid_at)
        then = (await blamed(connection, [asked])).get(asked)
    return await _blamed(request, customer_id, found, b"" if then is None else then.at(path), mask)


async def _blamed(request: Request, customer_id: UUID, found: Basis, items: bytes, mask: Mask | None) -> Response:
    erasures, tag = erasures_in(items), ""
    if mask is not None and mask.may_hide(items):
        async with reading(request) as connection:
            items, tag = await masked_blame(connection, customer_id, items, mask)
    await viewed(request, ReadOf.BLAME, customer_id, highest_in(items), found)
    etag = entity_tag(found, erasures, tag)
    if (answer := unchanged(request, etag)) is not None:
        return answer
    body = b'{"items":[%b],"next_page_token":null,"basis":%b}' % (items, to_json(basis_json(found)))
    return Json(body, headers={"ETag": etag})


@router.get(
    "/diff",
    openapi_extra=openapi.read(
        Differences, "from", "to", "axis", "known_at", "valid_at", "at_position", "after", required=("from", "to")
    ),
)
@requires(Action.READ_HISTORY)
async def read_diff(request: Request, customer_id: UUID) -> Response:
    """What differs between two moments on one axis, each difference with the events that caused it."""
    axis = request.query_params.get("axis", "known")
    if axis not in {"known", "valid"}:
        raise invalid_parameter("axis", "known or valid")
    first, second = _known_points(request) if axis == "known" else _valid_points(request)
    mask = await mask_of(request, customer_id)
    async with reading(request) as connection:
        left, _ = await known_file(connection, request, customer_id, first, version_at)
        if axis == "known":
            right, _ = await known_file(connection, request, customer_id, second, version_at)
        else:
            right = replace(left, valid_at=second.valid_at or left.valid_at)
        differences = await diff(
            connection,
            customer_id,
            Point(left.position, left.valid_at),
            Point(right.position, right.valid_at),
            mask=mask,
        )
    response = json_response(
        {
            "customer_id": customer_id,
            "axis": axis,
            "from": basis_json(left),
            "to": basis_json(right),
            "changes": differences,
        }
    )
    await viewed(request, ReadOf.DIFF, customer_id, highest_in(bytes(response.body)), right)
    return response


def _known_points(request: Request) -> tuple[Moment, Moment]:
    """Two states of knowledge; each is looked at on its own day unless `valid_at` fixes one for both."""
    moment = moment_of(request)
    if not moment.is_latest:
        raise invalid_parameter("known_at", "on the axis known, from and to say what is known")
    first, second = (_known_point(request, name, moment.valid_at) for name in ("from", "to"))
    return first, second


def _known_point(request: Request, name: str, valid_at: datetime | None) -> Moment:
    text = _point(request, name)
    if text.isdecimal() or _IN_AN_EPOCH.fullmatch(text):
        return Moment(valid_at=valid_at, at_position=known_position(request, name, text))
    return Moment(instant(name, text), valid_at, known_by=name)


def _valid_points(request: Request) -> tuple[Moment, Moment]:
    """Two instants of the world; both are looked at as known at one position."""
    moment = moment_of(request)
    if moment.valid_at is not None:
        raise invalid_parameter("valid_at", "on the axis valid, from and to say what is valid")
    first, second = (replace(moment, valid_at=instant(name, _point(request, name))) for name in ("from", "to"))
    return first, second


def _point(request: Request, name: str) -> str:
    text = request.query_params.get(name)
    if not text:
        raise invalid_parameter(name, "is required: an instant, a date, or a position")
    return text


def _filter(request: Request) -> HistoryFilter:
    query = request.query_params
    first = query.get("from_position")
    return HistoryFilter(
        type=query.get("type"),
        path=_path(request),
        actor=query.get("actor"),
        from_position=0 if first is None else known_position(request, "from_position", first),
        since=instant("since", query["since"]) if "since" in query else None,
        until=instant("until", query["until"]) if "until" in query else None,
    )


def _order(request: Request) -> Literal["asc", "desc"]:
    match request.query_params.get("order", "asc"):
        case "asc":
            return "asc"
        case "desc":
            return "desc"
        case _:
            raise invalid_parameter("order", "asc or desc")


async def _mask(request: Request, customer_id: UUID) -> Mask | None:
    """What is hidden of the customer; refused is a path that says it itself."""
    mask, path = await mask_of(request, customer_id), _path(request)
    require_named_openly(mask, "path", () if path is None else (path,))
    return mask


def _path(request: Request) -> str | None:
    path = request.query_params.get("path")
    return None if path is None else slot_path("path", path)
