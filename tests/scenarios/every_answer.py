"""Everything that the service's reading routes say of a file: all of them, at many moments, on either axis.

What must stay true: every path of the OpenAPI document that reads is asked, so that a new one is not forgotten here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from tests.scenarios.client import Api, File

_NOT_ABOUT_CUSTOMERS = {"/healthz", "/readyz"}
_MOMENTS = 8
_ALWAYS = {"/identity/legal_name", "/attributes/secret", "/primary_contact"}


def answers(file: File, reader: Api, probes: list[str]) -> Iterator[tuple[str, bytes]]:
    """Each question and its answer. `probes` are texts to filter by, which are echoed by nothing but a find."""
    document = reader.http.get("/openapi.json").json()
    asked = set[str]()
    for path, query, body in _questions(file, reader, probes):
        asked.add(path)
        filled = path.replace("{customer_id}", file.customer_id)
        for name in ("version", "tile"):
            filled = filled.replace(f"{{{name}}}", str(query.pop(name, "")))
        method = "GET" if body is None else "POST"
        content = None if body is None else orjson.dumps(body)
        if path.startswith("/log/"):  # no JSON
            answer = reader.http.get(filled, headers={"Authorization": f"Bearer {reader.token}"})
        else:
            answer = reader.request(method, filled, params=query or None, content=content)
        assert answer.status_code in {200, 404}, f"{method} {filled} {query}: {answer.text}"
        yield f"{method} {filled} {query} {body}", answer.content
    reading = {path for path, methods in document["paths"].items() if "get" in methods} | {
        "/v1/portfolio/query",
        "/v1/portfolio/diff",
    }
    assert reading - _NOT_ABOUT_CUSTOMERS == asked


def _questions(file: File, reader: Api, probes: list[str]) -> Iterator[tuple[str, dict[str, Any], Any]]:
    of_file = "/v1/customers/{customer_id}"
    events = _whole_history(file, reader)
    moments = events[:: max(1, len(events) // _MOMENTS)] + events[-1:]
    yield of_file, {}, None
    yield f"{of_file}/erasures", {}, None
    yield f"{of_file}/replay", {}, None
    for kind in ("history", "blame", "timeline", "knowledge", "diff"):
        for query in _of_kind(kind, moments):
            yield f"{of_file}/{kind}", query, None
    for event in moments:
        yield f"{of_file}/versions/{{version}}", {"version": event["version"]}, None
        yield f"{of_file}/events/{{version}}/receipt", {"version": event["version"]}, None
        for moment in (
            {"at_position": event["position"]},
            {"known_at": event["recorded_at"]},
            {"valid_at": event["recorded_at"]},
            {"at_position": event["position"], "valid_at": events[0]["recorded_at"]},
        ):
            yield of_file, dict(moment), None
    yield "/v1/customers", {"limit": 500}, None
    for probe in probes:
        yield "/v1/customers", {"name": probe}, None
        for side in ("old", "new"):
            yield "/v1/history", {"customer_id": file.customer_id, side: orjson.dumps(probe).decode()}, None
    yield "/v1/history", {"customer_id": file.customer_id, "limit": 500}, None
    yield from _of_portfolio(moments)
    yield from _of_log(reader)


def _of_kind(kind: str, moments: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    first, last = moments[0]["position"], moments[-1]["recorded_at"]
    match kind:
        case "knowledge":
            # Of a customer that was erased as a whole no slot is known any more.
            slots = _ALWAYS | {change["path"] for event in moments for change in event["changes"]}
            yield from ({"path": slot, "limit": 500} for slot in sorted(slots))
        case "diff":
            for event in moments:
                yield {"from": event["recorded_at"], "to": last}
                yield {"from": event["recorded_at"], "to": last, "axis": "valid"}
        case "blame":
            yield from ({"at_position": event["position"]} for event in moments)
        case "timeline":
            yield {"limit": 500}
        case _:
            yield from ({"from_position": event["position"], "limit": 500} for event in moments)
            yield {"from_position": first, "order": "desc", "limit": 500}


def _of_portfolio(moments: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], Any]]:
    columns = ["customer_id", "/identity/legal_name", "/attributes/secret"]
    for event in moments:
        yield "/v1/portfolio/query", {}, {"columns": columns, "at_position": event["position"]}
    points = {"from": {"at_position": moments[0]["position"]}, "to": {"at_position": moments[-1]["position"]}}
    yield "/v1/portfolio/diff", {}, {**points, "path": "/owner/ACCOUNT_MANAGER"}


def _of_log(reader: Api) -> Iterator[tuple[str, dict[str, Any], Any]]:
    yield "/log/key", {}, None
    yield "/log/checkpoint", {}, None
    size = int(reader.http.get("/log/checkpoint").text.split("\n")[1])
    tiles = [f"{number:03d}" for number in range(size // 256)] + [f"{size // 256:03d}.p/{size % 256}"]
    for tile in tiles:
        yield "/log/tile/{tile}", {"tile": f"0/{tile}"}, None
        yield "/log/tile/{tile}", {"tile": f"entries/{tile}"}, None
    yield "/v1/log/proofs/inclusion", {"position": size}, None
    yield "/v1/log/proofs/consistency", {"from_size": 1}, None


def _whole_history(file: File, reader: Api) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 500}
    while True:
        page = reader.get(f"{file.path}/history", **query).json()
        events += page["items"]
        if page["next_page_token"] is None:
            return events
        query["page_token"] = page["next_page_token"]
