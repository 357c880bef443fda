"""Questions about all customers at once, as known and as valid at one moment: page by page, grouped, or whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from psycopg_pool import TooManyRequests

from api import bodies, openapi
from api.answers import JSON, Json, json_response
from api.asked import highest_in_question, question_of
from api.content_hash import ContentHash, listed
from api.dependencies import actor_of, reading, received, require, service_of
from api.direct_route import requires
from api.encoding import to_json
from api.masking import masked_rows
from api.masks import mask_of, require_named_openly, require_shown_paths
from api.moments import Moment, basis_json, basis_of, meant
from api.portfolio_body import PortfolioQueryBody
from api.portfolio_pages import continued, invalid_field, token_of
from api.read_route import ReadRoute
from api.schemas.portfolio import PortfolioPage
from api.tabular import CSV, NDJSON, PARQUET, Table, table_response, wanted_media_type
from api.viewing import answered, shown_at_most, will_tell
from domain.access import Action
from domain.errors import FieldError
from domain.events.access import ReadKind, ReadOf
from domain.masking import Mask
from domain.slots import Sensitivity
from ledger.read_events import Shown
from projections.basis import Basis
from projections.portfolio import answers
from projections.portfolio.members import MembersAsked
from projections.portfolio.paths import CUSTOMER_ID
from projections.portfolio.query import Listing

router: Final = APIRouter(
    prefix="/v1/portfolio",
    route_class=ReadRoute,
    tags=["reading"],
    generate_unique_id_function=openapi.operation_id,
)
_MOST_GROUPS: Final = 10_000
_MOST_NAMED: Final = 10_000
"""So many customers are named in the record of one export; of a longer one nobody is."""


@router.post(
    "/query", openapi_extra=openapi.question(PortfolioQueryBody, PortfolioPage, "after", formats=(NDJSON, CSV, PARQUET))
)
@requires(Action.READ_PORTFOLIO)
async def query_portfolio(request: Request) -> Response:
    """Customers that meet all conditions at one moment, or groups of them.

    As JSON page by page, every page as of the first one's position and instant; in another format all at once.
    """
    body, media_type = await _body(request), wanted_media_type(request)
    mask = await mask_of(request)
    require_shown_paths(mask, body.asked_by())
    for number, column in enumerate(body.columns):
        require_named_openly(mask, f"/columns/{number}", [column])
    if media_type != JSON:
        require(request, Action.EXPORT, FieldError("Accept", f"{media_type} is all of it at once"))
        return await _whole(request, body, media_type, mask)
    if body.is_grouping:
        basis = await meant(request, body.moment(request))
        async with reading(request) as connection:
            columns, rows = await _groups(connection, body, basis)
        return await _answer(request, columns, rows, basis, None)
    last, query = continued(request, body), body.listing()
    moment = Moment(valid_at=last.valid_at, at_position=last.position) if last else body.moment(request)
    basis, after = await meant(request, moment), last.place if last else None
    point = basis.position, basis.valid_at
    asked = MembersAsked.by(query, *point, limit=body.limit, after=after)
    if asked is not None:
        return await _listed(request, body, query, basis, await service_of(request).members.get(asked) or [])
    async with reading(request) as connection:
        page = await answers.page(connection, query, *point, limit=body.limit, after=after)
    token = None if page.next_place is None else token_of(request, body, basis, page.next_place)
    return await _answer(request, _columns(query), masked_rows(page.rows, query.columns, mask), basis, token)


async def _listed(request: Request, body: PortfolioQueryBody, query: Listing, basis: Basis, ids: list[str]) -> Response:
    """A page of customers of whom nothing else is told than what was asked for, the same of each."""
    items, told = listed(query, ids)
    token = token_of(request, body, basis, UUID(ids[-1])) if len(ids) == body.limit else None
    await _tell(request, Shown(ids, len(ids), told["content_sha256"]), basis)
    end = to_json({"next_page_token": token, "basis": basis_json(basis) | told})
    return Json(b'{"items":[%b],%b' % (items, end[1:]))


async def _body(request: Request) -> PortfolioQueryBody:
    """What is asked; read once, however often the handler is called."""
    known: PortfolioQueryBody | None = request.scope.get("dossier.question")
    if known is None:
        async with received(request, writes=False) as content:
            known = request.scope["dossier.question"] = bodies.parse(PortfolioQueryBody, content)
    return known


async def _groups(connection: Any, body: PortfolioQueryBody, basis: Basis) -> tuple[list[str], list[answers.Row]]:
    query = body.grouping()
    rows = await answers.groups(connection, query, basis.position, basis.valid_at, most=_MOST_GROUPS + 1)
    if len(rows) > _MOST_GROUPS:
        raise invalid_field("/group_by", f"there are more than {_MOST_GROUPS} groups; ask for less")
    return [*(path.text for path in query.by), *(measure.name for measure in query.measures)], rows


def _columns(query: Listing) -> list[str]:
    return [path.text for path in query.columns]


async def _answer(
    request: Request, columns: Sequence[str], rows: Sequence[answers.Row], basis: Basis, token: str | None
) -> Response:
    content = ContentHash(columns)
    content.take(rows)
    ids = [row[0] for row in rows] if columns[:1] == [CUSTOMER_ID] else []
    await _tell(request, Shown(ids, content.row_count, content.content_sha256), basis)
    items = [dict(zip(columns, row, strict=True)) for row in rows]
    return json_response({"items": items, "next_page_token": token, "basis": basis_json(basis) | content.summary()})


async def _whole(request: Request, body: PortfolioQueryBody, media_type: str, mask: Mask | None) -> Response:
    for name in ("limit", "page_token"):
        if name in body.model_fields_set:
            raise invalid_field(f"/{name}", f"of {media_type} there are no pages; leave it out")
    service_of(request).opened.require(actor_of(request).id)
    async with reading(request) as connection:
        basis = await basis_of(connection, request, body.moment(request))
        groups = await _groups(connection, body, basis) if body.is_grouping else None
    if shown_at_most(request, highest_in_question(body)) is Sensitivity.SENSITIVE:
        # Before the first row leaves; who was in it, and how many, is told once more in the end.
        await _tell(request, Shown([], None), basis, ReadKind.EXPORT)
    will_tell(request)
    ids: list[Any] = []

    async def told(content: ContentHash) -> None:
        named = ids[: content.row_count] if content.row_count <= _MOST_NAMED else []
        await _tell(request, Shown(named, content.row_count, content.content_sha256), basis, ReadKind.EXPORT)

    if groups is not None:
        table = Table(groups[0], _at_once(groups[1]), told)
    else:
        query = body.listing()
        table = Table(_columns(query), _naming(ids, _batches(request, query, basis, mask)), told)
    return await table_response(request, media_type, table, basis_json(basis))


async def _naming(
    ids: list[Any], batches: AsyncGenerator[Sequence[answers.Row], None]
) -> AsyncGenerator[Sequence[answers.Row], None]:
    """The same rows; of the first ones it is noted whose they are."""
    async with aclosing(batches):
        async for rows in batches:
            ids += [row[0] for row in rows[: max(0, _MOST_NAMED - len(ids))]]
            yield rows


async def _tell(request: Request, shown: Shown, basis: Basis, kind: ReadKind = ReadKind.SEARCH) -> None:
    """Say what an answer shows, before it leaves."""
    body = await _body(request)
    asked = shown._replace(question=question_of(body))
    await answered(request, ReadOf.PORTFOLIO, highest_in_question(body), asked, basis, kind=kind)


async def _at_once(rows: list[answers.Row]) -> AsyncIterator[list[answers.Row]]:
    yield rows


async def _batches(
    request: Request, query: Listing, basis: Basis, mask: Mask | None
) -> AsyncGenerator[Sequence[answers.Row], None]:
    """The rows, some at a time, through a connection that is given back when the iterator ends or is closed."""
    service = service_of(request)
    if service.whole_tables.locked():
        raise TooManyRequests("too many whole tables are being read")
    async with service.whole_tables, reading(request) as connection:
        rows = answers.whole(connection, query, basis.position, basis.valid_at)
        try:
            async for some in rows:
                service.opened.charge(actor_of(request).id, len(some))
                yield masked_rows(some, query.columns, mask)
        finally:
            await rows.aclose()
