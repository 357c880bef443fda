"""A slot through both times: everything it ever said, and when each of its values came to be known."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from psycopg import AsyncConnection

from api import openapi
from api.dependencies import reading
from api.direct_route import requires
from api.encoding import time_text
from api.known_files import known_file
from api.masks import mask_of, require_named_openly, require_shown_slot
from api.moments import Moment, moment_of
from api.pages import limit_of, page_up_to, place_of
from api.parameters import LAST_POSITION, invalid_parameter, json_text, slot_path
from api.read_route import ReadRoute
from api.schemas.views import KnowledgePage, TimelinePage
from api.viewing import viewed
from domain.access import Action
from domain.events.access import ReadOf
from domain.masking import HIDDEN_SEGMENT, Mask
from domain.shown import highest_in
from domain.slots import kind_of, sensitivity_of
from projections.events import HistoryFilter, history
from projections.knowledge import ValuePlace, knowledge
from projections.past import version_at
from projections.timelines import RectanglePlace, timeline

router: Final = APIRouter(
    prefix="/v1/customers/{customer_id}",
    route_class=ReadRoute,
    tags=["reading"],
    generate_unique_id_function=openapi.operation_id,
)


@router.get(
    "/timeline",
    openapi_extra=openapi.read(
        TimelinePage, "path", "known_at", "valid_at", "at_position", "limit", "page_token", "after"
    ),
)
@requires(Action.READ_HISTORY)
async def read_timeline(request: Request, customer_id: UUID) -> Response:
    """What slots ever said: for which valid instants, and from which position to which that was known."""
    path = request.query_params.get("path")
    wanted = None if path is None else slot_path("path", path)
    limit, place, moment = limit_of(request), place_of(request, _rectangle_place), moment_of(request)
    mask = await mask_of(request, customer_id)
    require_named_openly(mask, "path", () if wanted is None else (wanted,))
    pinned = Moment(at_position=place.position) if place else moment
    async with reading(request) as connection:
        found, _ = await known_file(connection, request, customer_id, pinned, version_at)
        items = await timeline(
            connection,
            customer_id,
            found.position,
            path=wanted,
            valid_at=moment.valid_at,
            limit=limit,
            after=await _resumed(connection, customer_id, place.key, mask) if place else None,
        )
    if mask is not None:
        items = [mask.change(item) for item in items]
    last = _place_text(items[-1]) if items and len(items) == limit else None
    response = page_up_to(request, items, found.position, last, basis={"position": found.position})
    await viewed(request, ReadOf.TIMELINE, customer_id, highest_in(bytes(response.body)), found)
    return response


@router.get(
    "/knowledge",
    openapi_extra=openapi.read(
        KnowledgePage, "path", "value", "known_at", "at_position", "limit", "page_token", "after", required=("path",)
    ),
)
@requires(Action.READ_HISTORY)
async def read_knowledge(request: Request, customer_id: UUID) -> Response:
    """When each value of a slot, or one value, was told first and last, by whom, and whether it is still believed."""
    slot, value, limit = _slot(request), _value(request), limit_of(request)
    mask = await mask_of(request, customer_id)
    require_named_openly(mask, "path", (slot,))
    if value is not None:
        require_shown_slot(mask, "value", slot)
    place = place_of(request, _value_place)
    moment = Moment(at_position=place.position) if place else moment_of(request)
    async with reading(request) as connection:
        found, _ = await known_file(connection, request, customer_id, moment, version_at)
        after = place.key if place else None
        page = await knowledge(
            connection, customer_id, found.position, slot, value=value, limit=limit, after=after, mask=mask
        )
    last = "{}:{}".format(*page[-1][0]) if len(page) == limit else None
    items = [item for _, item in page]
    response = page_up_to(request, items, found.position, last, basis={"position": found.position})
    highest = max(highest_in(bytes(response.body)), sensitivity_of(slot, is_individual=True))
    await viewed(request, ReadOf.KNOWLEDGE, customer_id, highest, found)
    return response


def _slot(request: Request) -> str:
    path = request.query_params.get("path", "")
    if kind_of(path) is None:
        raise invalid_parameter("path", "one slot is needed, such as /tier/VALUE")
    return path


def _value(request: Request) -> str | None:
    text = request.query_params.get("value")
    return None if text is None else json_text("value", text)


def _value_place(text: str) -> ValuePlace:
    """The place in a page token. Raises ValueError."""
    place = ValuePlace(*map(int, text.split(":", 1)))
    if not all(1 <= number <= LAST_POSITION for number in place):
        raise ValueError("no place of a value")
    return place


def _place_text(item: dict[str, Any]) -> str:
    return orjson.dumps([item["path"], item["position_from"], time_text(item["valid_from"])]).decode()


async def _resumed(
    connection: AsyncConnection[Any], customer_id: UUID, place: RectanglePlace, mask: Mask | None
) -> RectanglePlace:
    """The place that a page token means to this caller: where a slot's name is hidden, the event that moved it tells.

    Raises Problem 422: a made-up token must not find out what lies before and what behind a guess.
    """
    if mask is None or (HIDDEN_SEGMENT not in place.slot and not mask.names_hidden_value(place.slot)):
        return place
    wanted = HistoryFilter(from_position=place.opened)
    moved = await history(connection, customer_id, place.opened, wanted, limit=1)
    slots = {mask.pointer(change["path"]): change["path"] for item in moved for change in item["changes"]}
    if place.slot not in slots:
        raise invalid_parameter("page_token", "send next_page_token as it was answered")
    return place._replace(slot=slots[place.slot])


def _rectangle_place(text: str) -> RectanglePlace:
    """The place in a page token. Raises ValueError."""
    slot, opened, valid_from = orjson.loads(text)
    instant = datetime.fromisoformat(str(valid_from))
    if not isinstance(slot, str) or "\x00" in slot or instant.tzinfo is None:
        raise ValueError("no place of a rectangle")
    if not isinstance(opened, int) or not 1 <= opened <= LAST_POSITION:
        raise ValueError("no position")
    return RectanglePlace(slot, opened, instant)
