"""Lists of current customers."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import openapi
from api.dependencies import reading
from api.moments import require_seen
from api.pages import limit_of, page_response, place_of
from api.parameters import invalid_parameter
from api.read_route import ReadRoute
from api.schemas import CustomerPage
from domain.errors import Refusal
from domain.identifiers import normalised
from projections import basis
from projections.search import Wanted, search

router: Final = APIRouter(
    prefix="/v1/customers",
    route_class=ReadRoute,
    tags=["reading"],
    generate_unique_id_function=openapi.operation_id,
)
_TIER_SCHEME: Final = "VALUE"
_OWNER_ROLE: Final = "ACCOUNT_MANAGER"


@router.get(
    "", openapi_extra=openapi.read(CustomerPage, "identifier", "name", "tier", "owner", "limit", "page_token", "after")
)
async def list_customers(request: Request) -> Response:
    """Current customers that meet all conditions, page by page, every page as of one position."""
    wanted, limit, place = _wanted(request), limit_of(request), place_of(request, UUID)
    async with reading(request) as connection:
        await require_seen(connection, request)
        now = await basis.latest(connection)
        position = place.position if place else now.position
        items = await search(
            connection, position, now.valid_at, wanted, limit=limit, after=place.key if place else None
        )
    return page_response(request, items, limit, position, "customer_id")


def _wanted(request: Request) -> Wanted:
    query = request.query_params
    return Wanted(
        identifier=_identifier(query["identifier"]) if "identifier" in query else None,
        name=query.get("name") or None,
        tier=_scoped(query["tier"], _TIER_SCHEME) if query.get("tier") else None,
        owner=_scoped(query["owner"], _OWNER_ROLE) if query.get("owner") else None,
    )


def _identifier(text: str) -> tuple[str, str]:
    scheme, separator, value = text.partition(":")
    if not separator:
        raise invalid_parameter("identifier", "SCHEME:VALUE is needed, such as LEI:HWUPKR0MPOU8FGXBT394")
    try:
        return scheme, normalised(scheme, value)
    except Refusal as refusal:
        raise invalid_parameter("identifier", "; ".join(field.detail for field in refusal.fields)) from refusal


def _scoped(text: str, default: str) -> tuple[str, str]:
    scope, separator, value = text.partition(":")
    return (scope, value) if separator else (default, text)
