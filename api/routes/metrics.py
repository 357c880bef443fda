"""How the service does, for who watches over it: in the text format of Prometheus."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import openapi
from api.direct_route import DirectRoute, requires
from api.probe import Headway, Probe
from api.standings import Standings
from domain.access import Action
from ledger.refusal_file import RefusalFile
from ledger.scrub_record import ScrubRecord

router: Final = APIRouter(route_class=DirectRoute, tags=["health"], generate_unique_id_function=openapi.operation_id)


@router.get("/metrics", openapi_extra=openapi.text_file("text/plain", "Metrics."))
@requires(Action.READ_METRICS)
async def read_metrics(request: Request) -> Response:
    """Metrics of all API processes of this host and of the log.

    What the database would have to tell is left out while it does not answer.
    """
    from api import metrics  # noqa: PLC0415 - only who is asked for them pays for the library

    probe: Probe[Headway] = request.app.state.probe
    keys_probe: Probe[bool] | None = request.app.state.keys_probe
    standings: Standings = request.app.state.standings
    record: ScrubRecord = request.app.state.scrub_record
    refusals: RefusalFile = request.app.state.refusals
    told = await probe.answer()
    progress, lags = told or (None, None)
    seen = metrics.Seen(
        request.app.version,
        standings.all(),
        progress,
        lags,
        None if keys_probe is None else await keys_probe.answer() is True,
        refusals.read(),
        record.progress(),
        record.finding() is not None,
    )
    return Response(metrics.text(seen), headers={"Cache-Control": "no-store"}, media_type=metrics.CONTENT_TYPE)
