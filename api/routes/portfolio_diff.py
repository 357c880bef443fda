"""What changed in a segment of all customers between two moments: who entered, left or moved, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from psycopg import AsyncConnection

from api import bodies, openapi
from api.answers import json_response
from api.asked import highest_in_question, question_of
from api.dependencies import reading, received
from api.direct_route import requires
from api.masks import mask_of, require_shown_paths
from api.moments import Moment, basis_json, basis_of
from api.portfolio_diff_body import PortfolioDiffBody, continued, token_of
from api.portfolio_pages import invalid_field
from api.read_route import ReadRoute
from api.schemas.portfolio import PortfolioDifferences
from api.viewing import answered
from domain.access import Action
from domain.events.access import ReadOf
from domain.masking import Mask
from ledger.read_events import Shown
from projections.basis import Basis
from projections.causes import Point
from projections.portfolio.movement import Cell, Found, movements
from projections.portfolio.movement_causes import explain

router: Final = APIRouter(
    prefix="/v1/portfolio",
    route_class=ReadRoute,
    tags=["reading"],
    generate_unique_id_function=openapi.operation_id,
)
_MOST_CELLS: Final = 10_000
_MOVEMENTS: Final = ("ENTERED", "LEFT", "MOVED")


@router.post("/diff", openapi_extra=openapi.question(PortfolioDiffBody, PortfolioDifferences, "after", formats=()))
@requires(Action.READ_PORTFOLIO)
async def diff_portfolio(request: Request) -> Response:
    """Who entered, left or moved in a segment between two moments, each with the events that caused it.

    Page by page, every page as of the first one's positions and instants. `matrix` and `counts` are of all pages.
    """
    body, mask = await _body(request), await mask_of(request)
    require_shown_paths(mask, body.asked_by())
    last = continued(request, body)
    left, right = last[:2] if last else (body.from_.moment(request, "from"), body.to.moment(request, "to"))
    async with reading(request) as connection:
        bases = (await _basis(connection, request, left), await _basis(connection, request, right))
        found, items = await _found(connection, body, bases, last.after if last else None, mask)
    token = token_of(request, body, bases, found.moved[-1].customer_id) if len(found.moved) == body.limit else None
    shown = Shown([moved.customer_id for moved in found.moved], len(items), question=question_of(body))
    await answered(request, ReadOf.PORTFOLIO_DIFF, highest_in_question(body), shown, bases[1])
    return json_response(
        {
            "items": items,
            "matrix": _matrix(found.cells) if body.path else [],
            "counts": _counts(found.cells),
            "next_page_token": token,
            "from": basis_json(bases[0]),
            "to": basis_json(bases[1]),
        }
    )


async def _body(request: Request) -> PortfolioDiffBody:
    """What is asked; read once, however often the handler is called."""
    known: PortfolioDiffBody | None = request.scope.get("dossier.question")
    if known is None:
        async with received(request, writes=False) as content:
            known = request.scope["dossier.question"] = bodies.parse(PortfolioDiffBody, content)
    return known


async def _basis(connection: AsyncConnection[Any], request: Request, point: Moment | Basis) -> Basis:
    return point if isinstance(point, Basis) else await basis_of(connection, request, point)


async def _found(
    connection: AsyncConnection[Any],
    body: PortfolioDiffBody,
    bases: tuple[Basis, Basis],
    after: UUID | None,
    mask: Mask | None,
) -> tuple[Found, list[dict[str, Any]]]:
    question = body.movements()
    left, right = (Point(basis.position, basis.valid_at) for basis in bases)
    found = await movements(connection, question, left, right, limit=body.limit, after=after, most=_MOST_CELLS + 1)
    if len(found.cells) > _MOST_CELLS:
        raise invalid_field("/path", f"there are more than {_MOST_CELLS} movements from value to value; ask for less")
    reasons = await explain(connection, question, left, right, found.moved, mask=mask)
    return found, [
        {
            "customer_id": moved.customer_id,
            "movement": moved.movement,
            "from": moved.before,
            "to": moved.after,
            **reason,
        }
        for moved, reason in zip(found.moved, reasons, strict=True)
    ]


def _matrix(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """How many came from what to what; outside and without a value are both null."""
    counts: Counter[tuple[bytes, bytes]] = Counter()
    for cell in cells:
        counts[_canonical(cell.before), _canonical(cell.after)] += cell.count
    return [
        {"from": orjson.loads(before), "to": orjson.loads(after), "count": count}
        for (before, after), count in sorted(counts.items())
    ]


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _counts(cells: Sequence[Cell]) -> dict[str, int]:
    counts = dict.fromkeys(_MOVEMENTS, 0)
    for cell in cells:
        counts[cell.movement] += cell.count
    return counts
