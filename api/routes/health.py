"""Is it alive, is it ready."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.answers import json_response
from api.dependencies import service_of
from api.errors import Problem
from domain.errors import FieldError
from projections import basis

router: Final = APIRouter()


@router.get("/healthz")
async def alive() -> Response:
    """200 while the process answers at all."""
    return json_response({"status": "alive"})


@router.get("/readyz")
async def ready(request: Request) -> Response:
    """200 once the database answers, the writer runs, and the sealer and the read models are at work."""
    service = service_of(request)
    async with service.readers.connection(timeout=service.wait_seconds) as connection:
        following = await basis.is_followed(connection)
    missing = [
        FieldError(name, "is not at work")
        for name, works in (("writer", service.writer.alive), ("follower", following))
        if not works
    ]
    if missing:
        raise Problem("not-ready", 503, "Not ready", "a part of the service is not at work", *missing)
    return json_response({"status": "ready"})
