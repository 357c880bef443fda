"""What is kept and told of each request: its ids in the answer, the log and the event, and of what it held nothing."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.canary import new_canary
from tests.scenarios.client import PHONE, Api, File
from tests.scenarios.service import Service, wait_until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
_LONGEST_PLAIN_WORD = 30
_MADE = re.compile(r"[0-9a-f]{32}")


def lines_of(service: Service, request_id: str, number: int = 1) -> list[dict[str, Any]]:
    """What the log says of a request, once that many lines are there."""
    found: list[dict[str, Any]] = []

    def are_there() -> bool:
        said = service.log.read_text(encoding="utf-8").splitlines()
        found[:] = [json.loads(line) for line in said if f'"{request_id}"' in line]
        return len(found) >= number

    wait_until(are_there)
    return found


def asked(api: Api, path: str, **headers: str) -> httpx.Response:
    return api.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_a_request_is_a_line_of_the_log(service: Service, li_na: Api, untouched: File) -> None:
    own = f"r-{uuid4()}"
    answer = asked(li_na, f"{untouched.path}/history?limit=1", x_request_id=own, traceparent=PARENT)
    assert answer.headers["X-Request-Id"] == own
    (line,) = lines_of(service, own)
    assert line.pop("ms") > 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "request_id": own,
        "trace_id": TRACE,
        "principal": "u-118",
        "method": "GET",
        "route": "/v1/customers/{customer_id}/history",
        "status": 200,
    }


@pytest.mark.parametrize("stated", [None, "", "a b", "<script>", "x" * 129, "é".encode()], ids=repr)
def test_an_id_that_is_not_well_formed_is_replaced(li_na: Api, stated: str | None) -> None:
    headers = {} if stated is None else {"X-Request-Id": stated}
    answer = li_na.request("GET", "/v1/customers", headers=headers, expect=200)
    assert _MADE.fullmatch(answer.headers["X-Request-Id"])


def test_a_trace_is_carried_into_the_events_and_answered(li_na: Api) -> None:
    file = li_na.register()
    answer = file.send(
        "/attributes", {"key": "k", "value": 1}, traceparent=PARENT, tracestate="a=1, b=2", x_request_id="r-7"
    )
    version, trace, span, flags = answer.headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert span != PARENT.split("-")[2]
    assert answer.headers["tracestate"] == "a=1,b=2"
    newest = file.history(order="desc", limit=1)[0]
    assert (newest["correlation_id"], newest["request_id"]) == (TRACE, "r-7")
    file.send("/attributes", {"key": "k", "value": 2, "correlation_id": "visit-7"}, traceparent=PARENT)
    newest = file.history(order="desc", limit=1)[0]
    assert (newest["correlation_id"], newest.get("request_id")) == ("visit-7", None)


def test_a_trace_that_does_not_hold_begins_anew(li_na: Api, untouched: File) -> None:
    assert "traceparent" not in asked(li_na, untouched.path).headers
    answer = asked(li_na, untouched.path, traceparent=PARENT.upper(), tracestate="a=1")
    assert TRACE not in answer.headers["traceparent"]
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", answer.headers["traceparent"])
    assert "tracestate" not in answer.headers


@pytest.mark.parametrize(
    ("path", "status", "route", "problem"),
    [
        ("/v1/customers/17", 422, "/v1/customers/{customer_id}", "invalid-parameter"),
        ("/v1/nowhere", 404, "unmatched", "not-found"),
        ("/log/key", 200, "/log/key", None),
        ("/openapi.json", 200, "unmatched", None),
        ("/healthz?x=1", 200, None, None),
    ],
)
def test_whatever_is_answered_has_an_id_and_all_but_probes_a_line(
    service: Service, li_na: Api, path: str, *, status: int, route: str | None, problem: str | None
) -> None:
    own = f"r-{uuid4()}"
    answer = service.http.get(path, headers={"X-Request-Id": own, "Authorization": f"Bearer {li_na.token}"})
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (status, own)
    asked(li_na, "/v1/customers", x_request_id=own)
    *lines, last = lines_of(service, own, 1 if route is None else 2)
    assert last["route"] == "/v1/customers"
    told = [(line["status"], line["route"], line.get("problem")) for line in lines]
    assert told == ([] if route is None else [(status, route, problem)])


def test_nothing_of_what_was_asked_or_answered_is_in_the_log(service: Service, li_na: Api) -> None:
    canaries = [new_canary() for _ in range(6)]
    name, attribute, key, query, header, unknown = canaries
    person = {"name": name, "points": [{**PHONE, "value": "13911112222"}]}
    file = li_na.register(name, contact=person)
    file.send("/attributes", {"key": "k", "value": attribute}, idempotency_key=key)
    file.send("/attributes", {"key": "k", "value": attribute, "colour": attribute}, expect=422)
    li_na.get("/v1/customers", name=query)
    last = f"r-{uuid4()}"
    for path in (f"/v1/customers/{unknown}", f"/v1/{unknown}?x={unknown}"):
        li_na.request("GET", path, headers={"X-Whatever": header, "Cookie": header, "X-Request-Id": last})
    li_na.request("GET", "/v1/customers", headers={"Authorization": f"Bearer {unknown}"}, expect=401)
    lines_of(service, last, 2)
    said = service.log.read_text(encoding="utf-8")
    of_keys = [word for key in (service.data / "keys").iterdir() for word in key.read_text("ascii").split()]
    secrets = [li_na.token, li_na.token.split(".")[2], *(word for word in of_keys if len(word) > _LONGEST_PLAIN_WORD)]
    assert len(secrets) >= 5  # the token, its signature, and a key of each kind
    for secret in (*canaries, *secrets, "13911112222", file.customer_id):
        assert secret not in said
