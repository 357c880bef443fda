"""Is it alive, is it ready."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import openapi
from api.answers import json_response
from api.dependencies import service_of
from api.errors import Problem
from api.probe import Probe
from api.schemas import Alive, Ready
from domain.errors import FieldError
from ledger.refusal_file import RefusalFile

router: Final = APIRouter(tags=["health"], generate_unique_id_function=openapi.operation_id)


@router.get("/healthz", openapi_extra=openapi.health(Alive))
async def alive() -> Response:
    """200 while the process answers at all."""
    return json_response({"status": "alive"})


@router.get("/readyz", openapi_extra=openapi.health(Ready))
async def ready(request: Request) -> Response:
    """200 once the database answers, the writer runs, and the sealer and the read models are at work.

    A log that is not signed any more takes the service away from nobody: why it is not stands in the answer.
    """
    probe: Probe = request.app.state.probe
    refusals: RefusalFile = request.app.state.refusals
    progress = await probe.progress()
    writer = service_of(request).writer
    obstacle = writer.obstacle if writer.alive else "is not at work"
    missing = [FieldError("writer", obstacle)] if obstacle else []
    if progress is None:
        missing.append(FieldError("database", "does not answer"))
    elif not progress.is_followed:
        missing.append(FieldError("follower", "is not at work"))
    if progress is None or missing:
        raise Problem("not-ready", 503, "Not ready", "a part of the service is not at work", *missing)
    refusal = refusals.read()
    return json_response(
        {
            "status": "ready",
            "unsealed": progress.unsealed,
            "sealed": progress.sealed,
            "signed": progress.signed,
            "position": progress.reached,
            "unsigned_because": None if refusal is None else asdict(refusal),
        }
    )
