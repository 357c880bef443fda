"""Answers and the headers that go with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from fastapi import Request
from fastapi.responses import Response

from api.dependencies import is_dry_run, prefers_minimal
from api.encoding import to_json
from domain.events import RecordedEvent
from ledger import plain
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


def written(request: Request, receipt: Receipt) -> Response:
    """The answer to an accepted write; a replayed request gets the same one again."""
    content: dict[str, Any] = {
        "customer_id": receipt.customer_id,
        "version": receipt.version,
        "profile_version": receipt.profile_version,
    }
    if not prefers_minimal(request):
        content["events"] = [_event(event, receipt) for event in receipt.events]
    if is_dry_run(request):
        return json_response({**content, "dry_run": True})
    headers = {"ETag": f'"{receipt.revision}"', "Dossier-Token": f"{receipt.customer_id}:{receipt.version}"}
    if receipt.replayed:
        headers["Idempotent-Replayed"] = "true"
    if receipt.registered:
        headers["Location"] = f"/v1/customers/{receipt.customer_id}"
    return json_response(content, 201 if receipt.registered else 200, headers)


def unchanged(request: Request, etag: str) -> Response | None:
    """304 if the caller already has what carries `etag`, which must exist."""
    known = request.headers.get("if-none-match")
    if known is None:
        return None
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    if etag in tags or tags == ["*"]:
        return Response(status_code=304, headers={**PRIVATE, "ETag": etag})
    return None


def _event(event: RecordedEvent, receipt: Receipt) -> dict[str, Any]:
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
    content["data"] = orjson.Fragment(plain.to_json(event.payload.__dict__))
    return content
