"""Who changed what, over all customers: the audit trail, searched page by page."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import openapi
from api.asked import without_value
from api.dependencies import reading
from api.direct_route import requires
from api.masking import masked_items
from api.masks import mask_of, require_shown, require_shown_slot
from api.moments import Moment, basis_of, moment_of
from api.pages import limit_of, page_up_to, place_of
from api.parameters import instant, invalid_parameter, json_text, slot_path
from api.read_route import ReadRoute
from api.schemas.events import HistoryPage
from api.viewing import answered
from domain.access import Action
from domain.events.access import ReadOf
from domain.masking import Mask
from domain.shown import highest_in
from ledger.read_events import Shown
from projections.audit import AuditFilter, search

router: Final = APIRouter(
    prefix="/v1", route_class=ReadRoute, tags=["reading"], generate_unique_id_function=openapi.operation_id
)
_LONGEST_ASKED: Final = 200


@router.get(
    "/history",
    openapi_extra=openapi.read(
        HistoryPage, "actor", "type", "path", "since", "until", "effective_overlaps", "old", "new", "customer_id",
        "known_at", "at_position", "limit", "page_token", "after",
    ),
)  # fmt: skip
@requires(Action.READ_AUDIT)
async def search_history(request: Request) -> Response:
    """Events of all customers that meet all conditions, in the order of the log.

    A page may hold fewer events than were asked for, even none, and still name a next one: so much was looked through.
    """
    wanted, limit, place = _filter(request), limit_of(request), place_of(request, int)
    mask = await mask_of(request, wanted.customer_id)
    _require_shown(mask, wanted)
    moment = Moment(at_position=place.position) if place else moment_of(request)
    async with reading(request) as connection:
        basis = await basis_of(connection, request, moment)
        after = place.key if place else 0
        found = await search(connection, basis.position, wanted, limit=limit, after=after)
    items = found.items if mask is None else masked_items(found.items, mask)
    response = page_up_to(request, items, basis.position, found.go_on_after, basis={"position": basis.position})
    ids = list(dict.fromkeys(item["customer_id"] for item in found.items))
    shown = Shown(ids, len(found.items), question=_question(request))
    await answered(request, ReadOf.AUDIT_TRAIL, highest_in(bytes(response.body)), shown, basis)
    return response


def _question(request: Request) -> dict[str, str | bool]:
    """What was asked, without the values searched for and the identifiers in paths."""
    stated: dict[str, str | bool] = {}
    for name, text in request.query_params.items():
        if name in {"old", "new"}:
            stated[name] = True
        elif name == "path":
            stated[name] = without_value(text)
        elif name not in {"limit", "page_token", "after"}:
            stated[name] = text[:_LONGEST_ASKED]
    return stated


def _require_shown(mask: Mask | None, wanted: AuditFilter) -> None:
    """Problem 403 where it is searched by a slot that is hidden, or by values among which there are hidden ones."""
    if wanted.path is not None:
        require_shown_slot(mask, "path", wanted.path)
    for name, value in (("old", wanted.old), ("new", wanted.new)):
        if value is not None:
            require_shown(mask, name, wanted.path or "")


def _filter(request: Request) -> AuditFilter:
    query = request.query_params
    return AuditFilter(
        actor=query.get("actor"),
        type=query.get("type"),
        path=slot_path("path", query["path"]) if "path" in query else None,
        since=instant("since", query["since"]) if "since" in query else None,
        until=instant("until", query["until"]) if "until" in query else None,
        overlaps=_period(query["effective_overlaps"]) if "effective_overlaps" in query else None,
        old=json_text("old", query["old"]) if "old" in query else None,
        new=json_text("new", query["new"]) if "new" in query else None,
        customer_id=_customer(query["customer_id"]) if "customer_id" in query else None,
    )


def _period(text: str) -> tuple[datetime, datetime]:
    start, separator, end = text.partition("/")
    if not separator:
        raise invalid_parameter("effective_overlaps", "FROM/TO is needed, such as 2026-01-01/2026-02-01")
    period = instant("effective_overlaps", start), instant("effective_overlaps", end)
    if period[0] >= period[1]:
        raise invalid_parameter("effective_overlaps", "the period ends before it begins")
    return period


def _customer(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise invalid_parameter("customer_id", "a UUID is needed") from error
