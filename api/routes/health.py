"""Is it alive, is it ready."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import openapi
from api.answers import json_response
from api.dependencies import service_of
from api.direct_route import OpenRoute
from api.errors import Problem
from api.probe import Headway, Probe
from api.schemas.service import Alive, Ready
from domain.errors import FieldError
from ledger.refusal_file import RefusalFile
from ledger.scrub_record import Progress, ScrubRecord

router: Final = APIRouter(route_class=OpenRoute, tags=["health"], generate_unique_id_function=openapi.operation_id)


@router.get("/healthz", openapi_extra=openapi.health(Alive))
async def alive() -> Response:
    """200 while the process answers at all."""
    return json_response({"status": "alive"})


@router.get("/readyz", openapi_extra=openapi.health(Ready))
async def ready(request: Request) -> Response:
    """200 once the databases answer, writer and read ledger run, and the sealer and the read models are at work."""
    probe: Probe[Headway] = request.app.state.probe
    keys_probe: Probe[bool] | None = request.app.state.keys_probe
    refusals: RefusalFile = request.app.state.refusals
    told, keys_answer = await asyncio.gather(probe.answer(), _answers(keys_probe))
    progress = None if told is None else told[0]
    service = service_of(request)
    writer = service.writer
    obstacle = writer.obstacle if writer.alive else "is not at work"
    missing = [FieldError("writer", obstacle)] if obstacle else []
    read_ledger = service_of(request).read_ledger
    if read_ledger is not None and not read_ledger.alive:
        missing.append(FieldError("read_ledger", "is not at work"))
    if progress is None:
        missing.append(FieldError("database", "does not answer"))
    elif not progress.is_followed:
        missing.append(FieldError("follower", "is not at work"))
    if not keys_answer:
        missing.append(FieldError("keys_database", "does not answer"))
    if not service.verifier.keys.current.keys:
        missing.append(FieldError("issuer", "its keys could not be read"))
    if progress is None or missing:
        raise Problem("not-ready", 503, "Not ready", "a part of the service is not at work", *missing)
    refusal = refusals.read()
    scrubber = _scrubber(request.app.state.scrub_record)
    return json_response(
        {
            # Not 503: one altered row must not take the whole service away from everybody.
            "status": "damaged" if refusal or (scrubber and scrubber["finding"]) else "ready",
            "unsealed": progress.unsealed,
            "sealed": progress.sealed,
            "signed": progress.signed,
            "position": progress.reached,
            "unsigned_because": None if refusal is None else asdict(refusal),
            "scrubber": scrubber,
        }
    )


async def _answers(probe: Probe[bool] | None) -> bool:
    """Whether the database of the data keys answers, where they have one of their own."""
    return probe is None or await probe.answer() is True


def _scrubber(record: ScrubRecord) -> dict[str, Any] | None:
    """What it has come to; None when there is none, and none has found anything before."""
    finding, progress = record.finding(), record.progress()
    if progress is None and finding is None:
        return None
    done = progress or Progress()
    return {
        "position": done.position,
        "laps": done.laps,
        "looked_at": done.looked_at,
        "oldest_unsealed_seconds": done.oldest_unsealed_seconds,
        "finding": finding,
    }
