"""Lists of current customers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import openapi
from api.dependencies import reading
from api.direct_route import requires
from api.encoding import time_text
from api.masks import mask_of, require_shown
from api.moments import Moment, basis_of
from api.pages import limit_of, page_up_to, place_of
from api.parameters import invalid_parameter
from api.read_route import ReadRoute
from api.schemas.profiles import CustomerPage
from api.viewing import answered
from domain.access import Action
from domain.errors import Refusal
from domain.events.access import ReadOf
from domain.identifiers import normalised
from domain.shown import highest_asked
from domain.slots import Sensitivity, pointer
from ledger.read_events import Shown
from projections.search import Wanted, search

router: Final = APIRouter(
    prefix="/v1/customers",
    route_class=ReadRoute,
    tags=["reading"],
    generate_unique_id_function=openapi.operation_id,
)
_TIER_SCHEME: Final = "VALUE"
_OWNER_ROLE: Final = "ACCOUNT_MANAGER"


class _Last(NamedTuple):
    """Where a page ends: the instant that the whole list is about, and the last customer."""

    valid_at: datetime
    customer_id: UUID

    @classmethod
    def read(cls, text: str) -> _Last:
        """Raises ValueError."""
        valid_at, customer_id = text.split()
        return cls(datetime.fromisoformat(valid_at).astimezone(), UUID(customer_id))

    def __str__(self) -> str:
        return f"{time_text(self.valid_at)} {self.customer_id}"


@router.get(
    "", openapi_extra=openapi.read(CustomerPage, "identifier", "name", "tier", "owner", "limit", "page_token", "after")
)
@requires(Action.READ_PROFILE)
async def list_customers(request: Request) -> Response:
    """Current customers that meet all conditions, page by page, every page as of one position."""
    wanted, limit, place = _wanted(request), limit_of(request), place_of(request, _Last.read)
    mask = await mask_of(request)
    for name, slot in wanted.slots():
        require_shown(mask, name, slot)
    moment = Moment(valid_at=place.key.valid_at, at_position=place.position) if place else Moment()
    async with reading(request) as connection:
        found = await basis_of(connection, request, moment)
        items = await search(
            connection,
            found.position,
            found.valid_at,
            wanted,
            limit=limit,
            after=place.key.customer_id if place else None,
            mask=mask,
        )
    last = _Last(found.valid_at, UUID(items[-1]["customer_id"])) if len(items) == limit else None
    shown = Shown([item["customer_id"] for item in items], len(items), question=_question(wanted))
    await answered(request, ReadOf.CUSTOMERS, _highest(wanted), shown, found)
    return page_up_to(request, items, found.position, None if last is None else str(last))


def _highest(wanted: Wanted) -> Sensitivity:
    """What a page shows is INTERNAL; who is found by a resident id is found to have it."""
    slots = [] if wanted.identifier is None else [pointer("identifiers", *wanted.identifier)]
    return max(highest_asked(frozenset(slots)), Sensitivity.INTERNAL)


def _question(wanted: Wanted) -> dict[str, Any]:
    """What was asked, without names and identifiers: whose they are may be erased, and this is not."""
    stated: dict[str, Any] = {}
    if wanted.identifier is not None:
        stated["identifier"] = wanted.identifier[0]
    if wanted.name is not None:
        stated["name"] = True
    for name, scoped in (("tier", wanted.tier), ("owner", wanted.owner)):
        if scoped is not None:
            stated[name] = ":".join(filter(None, scoped))
    return stated


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
