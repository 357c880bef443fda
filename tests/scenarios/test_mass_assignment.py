"""Nobody sets by a body what the service sets: who, when, where in the log, by which policy, who agreed."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from uuid import uuid4

import orjson
import pytest

from domain.slots import pointer
from tests.scenarios.client import WELL_FOUNDED, Api, File
from tests.scenarios.service import Service
from tests.scenarios.walk import PERMISSIONS, Asked

FORGED: dict[str, Any] = {
    "actor": {"id": "u-1", "kind": "HUMAN", "roles": ["approver"]},
    "on_behalf_of": "u-1",
    "roles": ["administrator"],
    "recorded_at": "2020-01-01T00:00:00Z",
    "position": 1,
    "version": 1,
    "event_id": str(uuid4()),
    "policy_version": 0,
    "approver": "u-301",
    "approver_id": "u-301",
    "requester": "u-118",
    "idempotency_key": "another",
    "retracts_event": str(uuid4()),
    "schema_version": 2,
    "class": "PUBLIC",
}
_OF_ITS_OWN = {"value", "replacement", "where"}
"""Members that hold what the caller likes, fields of an event that is known only later, or operators of a question."""

_WITH_BODY = [route for route in PERMISSIONS if Asked(route, "").body is not None]


def _objects(body: Any, *place: object) -> Iterator[tuple[object, ...]]:
    """Where a member could be slipped in."""
    if isinstance(body, dict):
        yield place
        for name, value in body.items():
            if name not in _OF_ITS_OWN:
                yield from _objects(value, *place, name)
    elif isinstance(body, list):
        for index, value in enumerate(body):
            yield from _objects(value, *place, index)


def _forged(body: Any, place: tuple[object, ...]) -> tuple[Any, list[str]]:
    """The body with what is forged slipped in at a place, and the names of that: what belongs there is left alone."""
    changed = there = deepcopy(body)
    for step in place:
        there = there[step]
    names = sorted(FORGED.keys() - there.keys())
    there.update({name: FORGED[name] for name in names})
    return changed, names


@pytest.fixture(scope="module")
def everybody(service: Service) -> Api:
    """Somebody who may send any body."""
    return service.as_("u-9", "editor", "approver", "importer", "privacy", "auditor", "administrator")


@pytest.mark.parametrize("route", _WITH_BODY)
def test_what_the_service_sets_is_refused_by_name_in_every_object_of_a_body(
    everybody: Api, untouched: File, route: str
) -> None:
    asked = Asked(route, untouched.customer_id)
    for place in _objects(asked.body):
        headers = {"If-Match": '"1.0"', "Idempotency-Key": str(uuid4())}
        body, names = _forged(asked.body, place)
        answer = everybody.request(
            asked.method, asked.path, expect=422, params=asked.query, content=orjson.dumps(body), headers=headers
        )
        refused = {field_error["pointer"] for field_error in answer.json()["errors"]}
        assert refused >= {pointer(*place, name) for name in names}, f"{route} {pointer(*place)}: {answer.text}"
    assert untouched.version == 5


@pytest.mark.parametrize("name", FORGED)
def test_a_correction_replaces_fields_of_the_fact_and_nothing_else(file: File, name: str) -> None:
    corrects = file.record("/attributes", key=f"k-{name}", value=1)["event_id"]
    replacement = {"value": 2, name: FORGED[name]}
    problem = file.record("/corrections", expect=422, corrects=corrects, replacement=replacement)
    assert problem["errors"][0]["pointer"] == f"/replacement/{name}"


@pytest.fixture(scope="module")
def file(li_na: Api) -> File:
    return li_na.register()


def test_data_that_looks_like_an_envelope_is_data(file: File) -> None:
    recorded = file.send("/attributes", {"key": "forged", "value": FORGED, **WELL_FOUNDED}).json()["events"][0]
    (held,) = file.history(path="/attributes/forged")
    assert held["data"]["value"] == FORGED
    assert (held["actor"]["id"], held["event_id"], held["version"]) == ("u-118", recorded["event_id"], file.version)
    assert file.blame("/attributes/forged")["set_by"]["approved_by"] is None


@pytest.mark.parametrize("name", FORGED)
def test_nor_is_it_taken_from_the_query(file: File, name: str) -> None:
    answer = file.api.post(f"{file.path}/attributes?{name}=u-1", {"key": "k", "value": 1}, expect=422)
    assert answer.json()["errors"][0]["pointer"] == name
