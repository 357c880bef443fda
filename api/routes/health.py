"""Is it alive, is it ready."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import openapi
from api.answers import json_response
from api.dependencies import reading, service_of
from api.errors import Problem
from api.schemas import Alive, Ready
from domain.errors import FieldError
from projections import basis

router: Final = APIRouter(tags=["health"], generate_unique_id_function=openapi.operation_id)


@router.get("/healthz", openapi_extra=openapi.health(Alive))
async def alive() -> Response:
    """200 while the process answers at all."""
    return json_response({"status": "alive"})


@router.get("/readyz", openapi_extra=openapi.health(Ready))
async def ready(request: Request) -> Response:
    """200 once the database answers, the writer runs, and the sealer and the read models are at work."""
    async with reading(request) as connection:
        progress = await basis.progress(connection)
    missing = [
        FieldError(name, "is not at work")
        for name, works in (("writer", service_of(request).writer.alive), ("follower", progress.is_followed))
        if not works
    ]
    if missing:
        raise Problem("not-ready", 503, "Not ready", "a part of the service is not at work", *missing)
    return json_response(
        {
            "status": "ready",
            "unsealed": progress.unsealed,
            "sealed": progress.sealed,
            "position": progress.reached,
        }
    )
