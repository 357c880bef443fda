"""What became of requests for erasure, and which holds a file is under. Asking and deciding are commands.py's."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import openapi
from api.answers import json_response
from api.dependencies import reading
from api.direct_route import requires
from api.known_files import known_file
from api.masking import masked_erasures
from api.masks import mask_of
from api.moments import moment_of
from api.read_route import ReadRoute
from api.schemas.erasures import FileErasures
from api.viewing import viewed
from domain.access import Action
from domain.events.access import ReadOf
from domain.slots import Sensitivity
from projections.erasures import erasures_of
from projections.past import version_at

router: Final = APIRouter(
    prefix="/v1/customers/{customer_id}",
    route_class=ReadRoute,
    tags=["reading"],
    generate_unique_id_function=openapi.operation_id,
)


@router.get("/erasures", openapi_extra=openapi.read(FileErasures, "known_at", "at_position", "after"))
@requires(Action.READ_HISTORY)
async def read_erasures(request: Request, customer_id: UUID) -> Response:
    """Each request for erasure with its certificate: who decided, since when nobody can read it, what remains."""
    mask = await mask_of(request, customer_id)
    async with reading(request) as connection:
        found, _ = await known_file(connection, request, customer_id, moment_of(request), version_at)
        requests, holds = await erasures_of(connection, customer_id, found.position)
    if mask is not None:
        requests, holds = masked_erasures(requests, holds, mask)
    response = json_response(
        {"customer_id": customer_id, "position": found.position, "erasures": requests, "holds": holds}
    )
    await viewed(request, ReadOf.ERASURES, customer_id, Sensitivity.CONFIDENTIAL, found)
    return response
