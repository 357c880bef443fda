"""What leaves the house as proof: evidence packs, and receipts of single events."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api import bodies, openapi
from api.answers import PRIVATE, json_response
from api.dependencies import actor_of, reading, received, service_of
from api.direct_route import DirectRoute, requires
from api.evidence_body import EvidenceBody
from api.files import FileAnswer
from api.masking import shows_whole
from api.masks import mask_of, not_visible
from api.parameters import position
from api.portfolio_pages import invalid_field
from api.schemas.events import EventReceipt
from api.viewing import require_purpose, viewed
from domain.access import Action
from domain.events.access import ReadKind, ReadOf
from domain.slots import Sensitivity
from ledger.log_errors import LogError

_ZIP: Final = "application/zip"

router: Final = APIRouter(
    prefix="/v1", route_class=DirectRoute, tags=["evidence"], generate_unique_id_function=openapi.operation_id
)


@router.post("/evidence", openapi_extra=openapi.file_question(EvidenceBody, _ZIP, "The pack, a zip archive."))
@requires(Action.EXPORT_EVIDENCE)
async def make_evidence_pack(request: Request) -> Response:
    """All that the log says of one customer, with proofs that an outsider checks without us.

    It covers what the newest signed checkpoint covers.
    """
    async with received(request, writes=False) as content:
        body: EvidenceBody = bodies.parse(EvidenceBody, content)
    await _require_shown(request, body)
    asked = body.asked()
    highest = Sensitivity.SENSITIVE if asked.discloses_something else Sensitivity.INTERNAL
    require_purpose(request, highest)
    service, principal = service_of(request), actor_of(request).id
    service.opened.require(principal)
    found = await service.current_rows.get(body.customer_id)
    try:
        file = await service.packs.make(asked)
    except LogError as error:
        raise invalid_field("/from_checkpoint", str(error)) from error
    service.opened.charge(principal, 1 if found is None else found[0].version)
    await viewed(request, ReadOf.EVIDENCE_PACK, body.customer_id, highest, kind=ReadKind.EVIDENCE)
    name = f"evidence-{body.customer_id}.zip"
    return FileAnswer(
        request, file, {**PRIVATE, "Content-Type": _ZIP, "Content-Disposition": f'attachment; filename="{name}"'}
    )


@router.get("/customers/{customer_id}/events/{version}/receipt", openapi_extra=openapi.read(EventReceipt))
@requires(Action.READ_HISTORY)
async def read_receipt(request: Request, customer_id: UUID, version: str) -> Response:
    """Where the log has an event, with the proof against a signed checkpoint; waits a moment for one that covers it."""
    number = position("version", version)
    (receipt,) = await service_of(request).receipts.wait_for(customer_id, number, number)
    await viewed(request, ReadOf.RECEIPT, customer_id, Sensitivity.INTERNAL)
    return json_response({"customer_id": customer_id, **receipt})


async def _require_shown(request: Request, body: EvidenceBody) -> None:
    """Problem 403 where a part is to be disclosed of which something would be hidden in a history."""
    asked = body.asked()
    disclosure = asked.disclosure
    if not asked.discloses_something:
        return
    mask = await mask_of(request, body.customer_id)
    if mask is None:
        return
    if not disclosure.everything:
        versions = {version for version, _ in disclosure.parts}
        async with reading(request) as connection:
            if await shows_whole(connection, body.customer_id, versions, mask):
                return
    raise not_visible("/disclose", "what would be disclosed", max(Sensitivity))
