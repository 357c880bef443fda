"""Everything that the service's reading routes say of a file: all of them, at many moments, on either axis.

What must stay true: every path of the OpenAPI document that reads is asked, so that a new one is not forgotten here.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Collection, Iterator
from io import BytesIO
from typing import Any, NamedTuple

import httpx
import orjson
from pyarrow import parquet

from tests.scenarios.client import Api, File

_NOT_ABOUT_CUSTOMERS = {
    "/healthz",
    "/readyz",
    "/metrics",
    "/v1/staff",
    "/v1/staff/{subject}",
    "/v1/staff/{subject}/history",
}
_FOR_FEW = {"/v1/accesses", "/v1/customers/{customer_id}/accesses"}
"""Which not everybody may ask."""
_MOMENTS = 8
_ALWAYS = {"/identity/legal_name", "/attributes/secret", "/primary_contact"}
_COLUMNS = ["customer_id", "/identity/legal_name", "/attributes/secret", "/addresses/HOME", "/addresses/HOME/city"]
_PARQUET = "application/vnd.apache.parquet"
_FORMATS = ("application/x-ndjson", "text/csv", _PARQUET)


class Question(NamedTuple):
    """A path, what fills it and the query, a body to POST, and the format that is wanted."""

    path: str
    query: dict[str, Any]
    body: Any = None
    accept: str = ""


def answers(
    file: File, reader: Api, probes: list[str], expected: Collection[int] = (200, 404)
) -> Iterator[tuple[str, bytes]]:
    """Each question and its answer. `probes` are texts to filter by, which are echoed by nothing but a find."""
    document = reader.http.get("/openapi.json").json()
    asked = set[str]()
    for path, query, body, accept in _questions(file, reader, probes):
        asked.add(path)
        filled = path.replace("{customer_id}", file.customer_id)
        for name in ("version", "tile", "key", *(("name",) if "{name}" in path else ())):
            filled = filled.replace(f"{{{name}}}", str(query.pop(name, "")))
        method = "GET" if body is None else "POST"
        content = None if body is None else orjson.dumps(body)
        if path.startswith("/log/") or accept:  # no JSON
            headers = {"Authorization": f"Bearer {reader.token}", "Dossier-Purpose": "AUDIT"}
            headers |= {"Accept": accept} if accept else {}
            answer = reader.http.request(method, filled, headers=headers, content=content)
        else:
            answer = reader.request(method, filled, params=query or None, content=content)
        fine = {*expected, 403} if path in _FOR_FEW else expected
        assert answer.status_code in fine, f"{method} {filled} {query}: {answer.text}"
        yield f"{method} {filled} {query} {body} {accept}", _whole(answer)
    reading = {path for path, methods in document["paths"].items() if "get" in methods} | {
        "/v1/portfolio/query",
        "/v1/portfolio/diff",
    }
    assert reading - _NOT_ABOUT_CUSTOMERS == asked


def _whole(answer: httpx.Response) -> bytes:
    """All that the answer says: its head, its body, and what stands in either that only has to be unpacked."""
    parts = [str(answer.headers).encode(), answer.content]
    if answer.headers.get("content-type") == _PARQUET and answer.is_success:
        table = parquet.read_table(BytesIO(answer.content))
        parts.append(repr((table.schema.metadata, table.to_pylist())).encode())
    elif b'"next_page_token":"' in answer.content:
        parts.append(urlsafe_b64decode(answer.json()["next_page_token"]))
    return b"\n".join(parts)


def _questions(file: File, reader: Api, probes: list[str]) -> Iterator[Question]:
    of_file = "/v1/customers/{customer_id}"
    events = _whole_history(file, reader)
    chosen = events[:: max(1, len(events) // _MOMENTS)] + events[-1:]
    moments = [{**event, "known_at": file.known_at(event)} for event in chosen]
    yield Question(of_file, {})
    yield Question(of_file, {"fields": "/contacts,/identifiers,/addresses"})
    yield Question(f"{of_file}/erasures", {})
    yield Question(f"{of_file}/replay", {})
    for kind in ("history", "blame", "timeline", "knowledge", "diff"):
        for query in _of_kind(kind, moments):
            yield Question(f"{of_file}/{kind}", query)
    yield from _page_by_page(f"{of_file}/timeline", file, reader)
    for event in moments:
        yield Question(f"{of_file}/versions/{{version}}", {"version": event["version"]})
        yield Question(f"{of_file}/events/{{version}}/receipt", {"version": event["version"]})
        for moment in (
            {"at_position": event["position"]},
            {"known_at": event["known_at"]},
            {"valid_at": event["recorded_at"]},
            {"at_position": event["position"], "valid_at": events[0]["recorded_at"]},
        ):
            yield Question(of_file, dict(moment))
    yield Question("/v1/customers", {"limit": 500})
    yield Question("/v1/policies/{name}", {"name": "customer"})
    yield Question("/v1/policies/{name}/revisions", {"name": "customer"})
    yield Question("/v1/approvals", {"customer_id": file.customer_id, "limit": 500})
    for probe in probes:
        yield Question("/v1/customers", {"name": probe})
        for side in ("old", "new"):
            yield Question("/v1/history", {"customer_id": file.customer_id, side: orjson.dumps(probe).decode()})
    yield Question("/v1/history", {"customer_id": file.customer_id, "limit": 500})
    yield Question(f"{of_file}/accesses", {})
    yield Question("/v1/accesses", {})
    yield Question("/v1/approvals", {"limit": 500})
    yield Question("/v1/idempotency/{key}", {"key": events[-1]["idempotency_key"]})
    yield from _of_portfolio(moments)
    yield from _of_log(reader)


def _page_by_page(path: str, file: File, reader: Api) -> Iterator[Question]:
    """Pages of one item: every item is once the last, behind which a token leads on."""
    query: dict[str, Any] = {"limit": 1}
    while True:
        yield Question(path, dict(query))
        page = reader.get(path.replace("{customer_id}", file.customer_id), **query).json()
        if page["next_page_token"] is None:
            return
        query["page_token"] = page["next_page_token"]


def _of_kind(kind: str, moments: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    first, last = moments[0]["position"], moments[-1]["known_at"]
    match kind:
        case "knowledge":
            # Of a customer that was erased as a whole no slot is known any more.
            slots = _ALWAYS | {change["path"] for event in moments for change in event["changes"]}
            yield from ({"path": slot, "limit": 500} for slot in sorted(slots))
        case "diff":
            for event in moments:
                yield {"from": event["known_at"], "to": last}
                yield {"from": event["known_at"], "to": last, "axis": "valid"}
        case "blame":
            yield from ({"at_position": event["position"]} for event in moments)
        case "timeline":
            yield {"limit": 500}
        case _:
            yield from ({"from_position": event["position"], "limit": 500} for event in moments)
            yield {"from_position": first, "order": "desc", "limit": 500}


def _of_portfolio(moments: list[dict[str, Any]]) -> Iterator[Question]:
    for event in moments:
        yield Question("/v1/portfolio/query", {}, {"columns": _COLUMNS, "at_position": event["position"]})
    for media_type in _FORMATS:
        yield Question("/v1/portfolio/query", {}, {"columns": _COLUMNS}, media_type)
    points = {"from": {"at_position": moments[0]["position"]}, "to": {"at_position": moments[-1]["position"]}}
    yield Question("/v1/portfolio/diff", {}, {**points, "path": "/owner/ACCOUNT_MANAGER"})


def _of_log(reader: Api) -> Iterator[Question]:
    yield Question("/log/key", {})
    yield Question("/log/checkpoint", {})
    size = int(reader.http.get("/log/checkpoint").text.split("\n")[1])
    tiles = [f"{number:03d}" for number in range(size // 256)] + [f"{size // 256:03d}.p/{size % 256}"]
    for tile in tiles:
        yield Question("/log/tile/{tile}", {"tile": f"0/{tile}"})
        yield Question("/log/tile/{tile}", {"tile": f"entries/{tile}"})
    yield Question("/v1/log/proofs/inclusion", {"position": size})
    yield Question("/v1/log/proofs/consistency", {"from_size": 1})


def _whole_history(file: File, reader: Api) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 500}
    while True:
        page = reader.get(f"{file.path}/history", **query).json()
        events += page["items"]
        if page["next_page_token"] is None:
            return events
        query["page_token"] = page["next_page_token"]
