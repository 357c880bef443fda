"""Who saw a customer, and whom somebody saw: the read ledger, page by page.

What must stay true: each item names the event of the log that tells of it, so that it can be proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import openapi
from api.dependencies import reading
from api.direct_route import requires
from api.known_files import known_file
from api.moments import Moment, basis_of
from api.pages import limit_of, page_up_to, place_of
from api.parameters import LAST_POSITION, instant, invalid_parameter
from api.read_route import ReadRoute
from api.schemas.governance import AccessPage
from api.viewing import answered, viewed
from domain.access import Action
from domain.events.access import ReadOf
from domain.purposes import PurposeCode
from domain.slots import Sensitivity
from ledger.read_events import Shown
from projections.access import AccessFilter, AccessPlace, accesses
from projections.past import version_at

router: Final = APIRouter(
    prefix="/v1", route_class=ReadRoute, tags=["reading"], generate_unique_id_function=openapi.operation_id
)
_OF_THE_PAGE: Final = frozenset(["limit", "page_token", "after"])


@router.get(
    "/customers/{customer_id}/accesses",
    openapi_extra=openapi.read(AccessPage, "from", "to", "principal", "purpose", "limit", "page_token", "after"),
)
@requires(Action.READ_ACCESSES)
async def read_accesses(request: Request, customer_id: UUID) -> Response:
    """Who saw this customer's data, when, what of it, and what for."""
    wanted, limit, place = _filter(request, customer_id), limit_of(request), place_of(request, _place)
    moment = Moment(at_position=place.position) if place else Moment()
    async with reading(request) as connection:
        found, _ = await known_file(connection, request, customer_id, Moment(), version_at)
        found = await basis_of(connection, request, moment) if place else found
        more = {"after": place.key} if place else {}
        page = await accesses(connection, found.position, wanted, limit=limit, **more)
    await viewed(request, ReadOf.ACCESSES, customer_id, Sensitivity.CONFIDENTIAL, found)
    return _answer(request, page, limit, found.position)


@router.get(
    "/accesses",
    openapi_extra=openapi.read(AccessPage, "principal", "from", "to", "purpose", "limit", "page_token", "after"),
)
@requires(Action.READ_ACCESSES)
async def search_accesses(request: Request) -> Response:
    """Whom somebody saw, or everybody; one item per view and customer."""
    wanted, limit, place = _filter(request, None), limit_of(request), place_of(request, _place)
    moment = Moment(at_position=place.position) if place else Moment()
    async with reading(request) as connection:
        found = await basis_of(connection, request, moment)
        more = {"after": place.key} if place else {}
        page = await accesses(connection, found.position, wanted, limit=limit, **more)
    # Of these customers nothing is shown but that somebody saw them: they are not seen themselves.
    question = {name: text for name, text in request.query_params.items() if name not in _OF_THE_PAGE}
    shown = Shown([], len(page), question=question)
    await answered(request, ReadOf.ACCESSES, Sensitivity.CONFIDENTIAL, shown, found)
    return _answer(request, page, limit, found.position)


def _answer(
    request: Request, page: Sequence[tuple[AccessPlace, dict[str, Any]]], limit: int, position: int
) -> Response:
    last = " ".join(map(str, page[-1][0])) if len(page) == limit else None
    return page_up_to(request, [item for _, item in page], position, last, basis={"position": position})


def _filter(request: Request, customer_id: UUID | None) -> AccessFilter:
    query = request.query_params
    since = instant("from", query["from"]) if "from" in query else None
    until = instant("to", query["to"]) if "to" in query else None
    if since is not None and until is not None and since >= until:
        raise invalid_parameter("to", "the period ends before it begins")
    return AccessFilter(customer_id, query.get("principal"), _purpose(query.get("purpose")), since, until)


def _purpose(text: str | None) -> str | None:
    if text is not None and text not in set(PurposeCode):
        raise invalid_parameter("purpose", f"one of {', '.join(PurposeCode)}")
    return text


def _place(text: str) -> AccessPlace:
    """The place in a page token. Raises ValueError."""
    position, place, customer_id = text.split()
    found = AccessPlace(int(position), int(place), UUID(customer_id))
    if not (1 <= found.position <= LAST_POSITION and 1 <= found.place < 2**31):
        raise ValueError("no place of an access")
    return found
