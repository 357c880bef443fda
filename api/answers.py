"""Answers and the headers that go with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from fastapi import Request
from fastapi.responses import Response

from api.dependencies import is_dry_run, prefers_minimal, prefers_sealed, service_of
from api.encoding import to_json
from api.masking import masked_data
from api.masks import mask_of
from api.moments import token_of
from domain.events import RecordedEvent
from domain.masking import Mask
from ledger import plain
from ledger.evidence_errors import NotSealedYet
from ledger.notes import base64
from ledger.records import Receipt

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
PRIVATE: Final = {"Cache-Control": "private, no-cache"}
"""Answers with customer content are kept by no shared cache and revalidated by every other: erasure reaches them."""

NO_HEADERS: Final[Mapping[str, str]] = {}
_PRIVATE_JSON: Final = (
    *((name.lower().encode(), value.encode()) for name, value in PRIVATE.items()),
    (b"content-type", JSON.encode()),
)


class Json(Response):
    """Content for one client, with its headers put down as they are sent: the base class builds them anew each time."""

    def __init__(self, body: bytes, status: int = 200, headers: Mapping[str, str] = NO_HEADERS) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        own = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        self.raw_headers = [*_PRIVATE_JSON, *own, (b"content-length", b"%d" % len(body))]


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] = NO_HEADERS) -> Response:
    return Json(to_json(content), status, headers)


def written(
    request: Request, receipt: Receipt, mask: Mask | None, proved: Sequence[Mapping[str, Any]] | None = None
) -> Response:
    """The answer to an accepted write, without what `mask` hides; a replayed request gets the same one again.

    `proved` is where the log has its events, for who preferred to wait for that.
    """
    content: dict[str, Any] = {
        "customer_id": receipt.customer_id,
        "version": receipt.version,
        "profile_version": receipt.profile_version,
    }
    if not prefers_minimal(request):
        content["events"] = [_event(event, receipt, mask) for event in receipt.events]
    if is_dry_run(request):
        return json_response({**content, "dry_run": True})
    content["entry_hashes"] = list(map(base64, receipt.entry_hashes))
    headers = {
        "ETag": f'"{receipt.revision}"',
        "Dossier-Token": token_of(request, receipt.customer_id, receipt.version),
    }
    if receipt.replayed:
        headers["Idempotent-Replayed"] = "true"
    if proved is not None:
        content["receipts"] = proved
        headers["Preference-Applied"] = "wait=sealed"
    if receipt.registered:
        headers["Location"] = f"/v1/customers/{receipt.customer_id}"
    return json_response(content, 201 if receipt.registered else 200, headers)


async def recorded(request: Request, receipt: Receipt) -> Response:
    """The answer to an accepted write, after a wait for its receipts if the caller prefers that.

    If none come in time the answer is the same without them, and does not claim that the preference was applied.
    """
    mask = await mask_of(request, receipt.customer_id)
    if not prefers_sealed(request) or is_dry_run(request):
        return written(request, receipt, mask)
    first = receipt.events[0].envelope.version
    try:
        proved = await service_of(request).receipts.wait_for(receipt.customer_id, first, receipt.version)
    except NotSealedYet:
        return written(request, receipt, mask)
    return written(request, receipt, mask, proved)


def unchanged(request: Request, etag: str) -> Response | None:
    """304 if the caller already has what carries `etag`, which must exist."""
    known = request.headers.get("if-none-match")
    if known is None:
        return None
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    if etag in tags or tags == ["*"]:
        return Response(status_code=304, headers={**PRIVATE, "ETag": etag})
    return None


def _event(event: RecordedEvent, receipt: Receipt, mask: Mask | None) -> dict[str, Any]:
    envelope = event.envelope
    content: dict[str, Any] = {
        "event_id": envelope.event_id,
        "type": event.payload.type,
        "version": envelope.version,
        "recorded_at": envelope.recorded_at,
        "effective_from": envelope.effective_from,
        "effective_to": envelope.effective_to,
    }
    masked = receipt.masked.get(envelope.version)
    if masked is not None:
        content["masked_from"] = masked
    data = plain.to_json(event.payload.__dict__)
    content["data"] = orjson.Fragment(data) if mask is None else masked_data(event.payload, data, mask)
    return content
