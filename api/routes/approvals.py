"""The inbox: what waits for a second person, on all files."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import openapi
from api.dependencies import actor_of, caller_of, principal_of, reading, service_of
from api.direct_route import requires
from api.encoding import time_text
from api.masking import seen_request
from api.masks import mask_for
from api.moments import Moment, basis_of
from api.pages import limit_of, page_up_to, place_of
from api.parameters import flag, invalid_parameter
from api.read_route import ReadRoute
from api.schemas.profiles import ApprovalPage
from api.viewing import answered
from domain.access import Action, Role, roles_named
from domain.events.access import ReadOf
from domain.pending import RequestKind
from domain.second_person import Asker, objections, persons
from domain.shown import highest_in
from ledger.read_events import Shown
from projections.approvals import Inbox, inbox

router: Final = APIRouter(
    prefix="/v1/approvals",
    route_class=ReadRoute,
    tags=["reading"],
    generate_unique_id_function=openapi.operation_id,
)
_DECIDED_BY: Final = {
    RequestKind.TIER: Action.DECIDE_TIER,
    RequestKind.PROPOSAL: Action.DECIDE_PROPOSAL,
    RequestKind.ERASURE: Action.DECIDE_ERASURE,
}


class _Last(NamedTuple):
    """Where a page ends: the instant that the whole list is about, and the position of the last request."""

    valid_at: datetime
    position: int

    @classmethod
    def read(cls, text: str) -> _Last:
        """Raises ValueError."""
        valid_at, position = text.split()
        return cls(datetime.fromisoformat(valid_at).astimezone(), int(position))

    def __str__(self) -> str:
        return f"{time_text(self.valid_at)} {self.position}"


@router.get(
    "",
    openapi_extra=openapi.read(
        ApprovalPage, "kind", "requester", "customer_id", "can_decide", "limit", "page_token", "after"
    ),
)
@requires(Action.READ_PROPOSALS)
async def list_approvals(request: Request) -> Response:
    """What waits for a second person on all files, oldest first, page by page, every page as of one position."""
    wanted, limit, place = _wanted(request), limit_of(request), place_of(request, _Last.read)
    moment = Moment(valid_at=place.key.valid_at, at_position=place.position) if place else Moment()
    async with reading(request) as connection:
        found = await basis_of(connection, request, moment)
        rows = await inbox(
            connection,
            found.position,
            found.valid_at,
            wanted,
            limit=limit,
            after=place.key.position if place else 0,
        )
    items = [_item(request, row, found.valid_at) for row in rows]
    last = str(_Last(found.valid_at, rows[-1]["opened"])) if len(rows) == limit else None
    response = page_up_to(request, items, found.position, last, basis={"position": found.position})
    shown = Shown([row["customer_id"] for row in rows], len(rows))
    await answered(request, ReadOf.APPROVALS, highest_in(bytes(response.body)), shown, found)
    return response


def _wanted(request: Request) -> Inbox:
    query = request.query_params
    kind = query.get("kind")
    if kind is not None and kind not in set(RequestKind):
        raise invalid_parameter("kind", f"one of {', '.join(RequestKind)}")
    is_mine = flag(request, "can_decide")
    return Inbox(
        kind=None if kind is None else RequestKind(kind),
        requester=query.get("requester"),
        customer_id=_customer(query["customer_id"]) if "customer_id" in query else None,
        mine=persons(actor_of(request)) | caller_of(request).deputy_of if is_mine else None,
        kinds=frozenset(kind for kind in RequestKind if _may_decide(request, kind)),
    )


def _customer(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise invalid_parameter("customer_id", "a UUID is needed") from error


def _item(request: Request, row: dict[str, Any], now: datetime) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name != "opened"}
    shown["position"] = row["opened"]
    shown["can_decide"] = (
        _may_decide(request, row["kind"])
        and row["approved_by"] is None
        and (row["expires_at"] is None or row["expires_at"] > now)
        and not _objections(request, row)
    )
    return dict(seen_request(shown, mask_for(request, row["owner"])))


def _may_decide(request: Request, kind: str) -> bool:
    """Whether the caller's roles and scopes allow it, whosever request it is."""
    is_granted = _DECIDED_BY[RequestKind(kind)] in principal_of(request).granted
    return is_granted and not roles_named(_roles(request, kind)).isdisjoint(roles_named(actor_of(request).roles))


def _roles(request: Request, kind: str) -> tuple[str, ...]:
    return (Role.PRIVACY,) if kind == RequestKind.ERASURE else service_of(request).policy.current().approver_roles


def _objections(request: Request, row: dict[str, Any]) -> list[str]:
    asker = Asker(row["requester"], row["requester_for"])
    owner = None if row["kind"] == RequestKind.ERASURE else row["owner"]
    caller = caller_of(request)
    roles = _roles(request, row["kind"])
    return objections(caller.actor, asker, roles, owner, deputy_of=caller.deputy_of)
