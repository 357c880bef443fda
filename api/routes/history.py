"""Who did what: the audit trail, the holder of each slot, and the differences between two moments."""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from psycopg import AsyncConnection

from api import openapi
from api.answers import json_response, revalidated
from api.dependencies import actor_of, service_of
from api.moments import (
    Moment,
    basis_of,
    instant,
    invalid_parameter,
    moment_of,
    position,
    wait_for_token,
)
from api.pages import Place, limit_of, page, place_of
from api.routes.profiles import basis_json, unknown_at
from domain.slots import kind_of
from projections import basis, changes, events
from projections.basis import Basis
from projections.diff import Point, diff
from projections.events import HistoryFilter

router: Final = APIRouter(prefix="/v1/customers/{customer_id}")


@router.get(
    "/history",
    openapi_extra=openapi.read(
        "type", "path", "actor", "from_position", "since", "until", "order", "known_at", "at_position", "limit",
        "page_token", "after",
    ),
)  # fmt: skip
async def read_history(request: Request, customer_id: UUID) -> Response:
    """The customer's events with the slots each one moved, page by page."""
    actor_of(request)
    wanted, order, limit = _filter(request), _order(request), limit_of(request)
    async with service_of(request).readers.connection() as connection:
        place, found = await _pinned(connection, request)
        if await events.file_state_at(connection, customer_id, found.position) is None:
            raise await unknown_at(connection, customer_id, found)
        items = await events.history(
            connection, customer_id, found.position, wanted, order=order, limit=limit, after=place.key if place else 0
        )
    answer = page(request, items, limit, found.position, items[-1]["position"] if items else 0)
    return json_response(answer | {"basis": {"position": found.position}})


@router.get("/blame", openapi_extra=openapi.read("path", "known_at", "valid_at", "at_position", "after"))
async def read_blame(request: Request, customer_id: UUID) -> Response:
    """Per slot, the event that holds it: who set it, when, why, on what evidence, and what was there before."""
    actor_of(request)
    path = _path(request)
    moment = moment_of(request)
    async with service_of(request).readers.connection() as connection:
        found = await basis_of(connection, request, moment)
        etag = f'"k{found.position}.v{found.valid_at.isoformat()}"'
        if (unchanged := revalidated(request, etag)) is not None:
            return unchanged
        if await events.file_state_at(connection, customer_id, found.position) is None:
            raise await unknown_at(connection, customer_id, found)
        items = await changes.blame(connection, customer_id, found.position, found.valid_at, path)
    return json_response({"items": items, "next_page_token": None, "basis": basis_json(found)}, headers={"ETag": etag})


@router.get(
    "/diff",
    openapi_extra=openapi.read("from", "to", "axis", "known_at", "valid_at", "at_position", required=("from", "to")),
)
async def read_diff(request: Request, customer_id: UUID) -> Response:
    """What differs between two moments on one axis, each difference with the events that caused it."""
    actor_of(request)
    axis = request.query_params.get("axis", "known")
    if axis not in {"known", "valid"}:
        raise invalid_parameter("axis", "known or valid")
    async with service_of(request).readers.connection() as connection:
        left, right = await (_known_points if axis == "known" else _valid_points)(connection, request)
        for found in (left, right):
            if await events.file_state_at(connection, customer_id, found.position) is None:
                raise await unknown_at(connection, customer_id, found)
        differences = await diff(
            connection, customer_id, Point(left.position, left.valid_at), Point(right.position, right.valid_at)
        )
    return json_response(
        {
            "customer_id": customer_id,
            "axis": axis,
            "from": basis_json(left),
            "to": basis_json(right),
            "changes": differences,
        }
    )


async def _known_points(connection: AsyncConnection[Any], request: Request) -> tuple[Basis, Basis]:
    """Two states of knowledge; each is looked at on its own day unless `valid_at` fixes one for both."""
    moment = moment_of(request)
    if moment.known_at is not None or moment.at_position is not None:
        raise invalid_parameter("known_at", "on the axis known, from and to say what is known")
    points = []
    for name in ("from", "to"):
        text = _point(request, name)
        point = (
            Moment(None, moment.valid_at, position(name, text))
            if text.isascii() and text.isdecimal()
            else Moment(instant(name, text), moment.valid_at, None)
        )
        points.append(await basis_of(connection, request, point))
    return points[0], points[1]


async def _valid_points(connection: AsyncConnection[Any], request: Request) -> tuple[Basis, Basis]:
    """Two instants of the world, both as known at one position."""
    moment = moment_of(request)
    if moment.valid_at is not None:
        raise invalid_parameter("valid_at", "on the axis valid, from and to say what is valid")
    first, second = (instant(name, _point(request, name)) for name in ("from", "to"))
    left = await basis_of(connection, request, Moment(moment.known_at, first, moment.at_position))
    right = Basis(left.known_at, left.position, second, left.stable)
    return left, right


def _point(request: Request, name: str) -> str:
    text = request.query_params.get(name)
    if not text:
        raise invalid_parameter(name, "is required: an instant, a date, or a position")
    return text


async def _pinned(connection: AsyncConnection[Any], request: Request) -> tuple[Place | None, Basis]:
    """The page's place, and the position that all pages of the list share."""
    place = place_of(request)
    if place is None:
        return None, await basis_of(connection, request, moment_of(request))
    await wait_for_token(connection, request)
    return place, await basis.at_position(connection, place.position) if place.position else await basis.latest(
        connection
    )


def _filter(request: Request) -> HistoryFilter:
    query = request.query_params
    return HistoryFilter(
        type=query.get("type"),
        path=_path(request),
        actor=query.get("actor"),
        from_position=position("from_position", query["from_position"]) if "from_position" in query else 0,
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


def _path(request: Request) -> str | None:
    path = request.query_params.get("path")
    if path is None:
        return None
    if not path.startswith("/") or (path.count("/") > 1 and kind_of(path.rstrip("/")) is None and not _is_group(path)):
        raise invalid_parameter("path", "a slot is needed, or what slots begin with, such as /tier/VALUE or /contacts")
    return path


def _is_group(path: str) -> bool:
    """Whether slots may lie below `path`: /tags/REGION, /contacts/{id}/points."""
    return kind_of(path.rstrip("/") + "/x") is not None
