"""Which request took effect under an idempotency key, for who examines what was done and what was only repeated."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import openapi
from api.answers import json_response
from api.dependencies import reading
from api.direct_route import DirectRoute, requires
from api.errors import Problem
from api.parameters import invalid_parameter
from api.schemas.events import UsedIdempotencyKey
from api.viewing import viewed
from domain.access import Action
from domain.events.access import ReadOf
from domain.slots import Sensitivity
from projections.idempotency import used_key

_LONGEST_KEY: Final = 255

router: Final = APIRouter(
    prefix="/v1", route_class=DirectRoute, tags=["reading"], generate_unique_id_function=openapi.operation_id
)


@router.get("/idempotency/{key:path}", openapi_extra=openapi.read(UsedIdempotencyKey, path_names=("key",)))
@requires(Action.READ_AUDIT)
async def read_idempotency_key(request: Request, key: str) -> Response:
    """The one request that took effect under a key: who sent it, on which customer, which versions, when.

    Repetitions were answered from the record and recorded nothing.
    """
    if "\x00" in key or len(key) > _LONGEST_KEY:
        raise invalid_parameter("key", f"a text of at most {_LONGEST_KEY} characters is needed")
    async with reading(request) as connection:
        found = await used_key(connection, key)
    if found is None:
        raise Problem("key-unknown", 404, "No such key", "nothing was recorded under this idempotency key")
    await viewed(request, ReadOf.IDEMPOTENCY_KEY, found.customer_id, Sensitivity.INTERNAL)
    return json_response({"key": key, **asdict(found)})
