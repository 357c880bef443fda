"""The policy over HTTP: read as known at any moment, changed by two administrators, in force at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from api.examples import EXAMPLES
from tests.scenarios.client import Api
from tests.scenarios.service import Service

_HIGH = {"type": "customer.tier-reassigned", "to_code": "HIGH_VALUE"}
_POLICY = "/v1/policies/customer"
_BECAUSE = {"reason": {"text": "resolution 2026-17 of the risk committee"}}


@pytest.fixture(scope="module")
def first(service: Service) -> Api:
    return service.as_("u-701", "administrator")


@pytest.fixture(scope="module")
def second(service: Service) -> Api:
    return service.as_("u-702", "administrator")


def propose(api: Api, expect: int = 200, **changed: Any) -> dict[str, Any]:
    now = api.get(_POLICY).json()
    document = {**now["document"], **changed}
    body = {"based_on": now["edition"], "document": document, **_BECAUSE}
    answer: dict[str, Any] = api.post(f"{_POLICY}/revisions", body, expect=expect).json()
    return answer


def revision_of(answer: dict[str, Any]) -> str:
    return str(answer["events"][0]["data"]["revision_id"])


def valid_for(api: Api, days: int) -> dict[str, Any]:
    """How long requests wait: what changes it gets in nobody's way."""
    return {**api.get(_POLICY).json()["document"]["approval"], "valid_days": days}


def test_two_administrators_change_it_and_the_next_decision_is_by_the_new_edition(
    first: Api, second: Api, li_na: Api
) -> None:
    before = first.get(_POLICY).json()
    days = before["document"]["approval"]["valid_days"] + 1
    revision = revision_of(propose(first, approval=valid_for(first, days)))
    (listed,) = [each for each in revisions(second) if each["revision_id"] == revision]
    assert (listed["state"], listed["can_decide"], listed["requester"]) == ("OPEN", True, "u-701")
    first.post(f"{_POLICY}/revisions/{revision}/approve", {}, expect=403)
    answer = second.post(f"{_POLICY}/revisions/{revision}/approve", {"comment": "as resolved"}).json()
    assert [event["type"] for event in answer["events"]] == ["policy.revision-approved", "policy.revised"]

    file = li_na.register()
    asked = file.send("/proposals", {**_BECAUSE, "changes": [{**_HIGH, "evidence": [{"note": "ERP"}]}]}).json()
    event = asked["events"][0]
    waits = datetime.fromisoformat(event["data"]["expires_at"]) - datetime.fromisoformat(event["recorded_at"])
    assert waits == timedelta(days=days)
    assert file.history(type="customer.change-proposed")[0]["policy_version"] == before["edition"] + 1

    after = first.get(_POLICY).json()
    assert (after["edition"], after["proposed_by"], after["approved_by"]) == (before["edition"] + 1, "u-701", "u-702")
    assert first.get(_POLICY, known_at=before["basis"]["known_at"]).json() == before
    decided = next(each for each in revisions(first) if each["revision_id"] == revision)
    assert (decided["state"], decided["edition"], decided["comment"]) == ("APPROVED", after["edition"], "as resolved")


def revisions(api: Api) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = api.get(f"{_POLICY}/revisions", **query).json()
        items += page["items"]
        if page["next_page_token"] is None:
            return items
        query["page_token"] = page["next_page_token"]


def test_a_revision_is_rejected_withdrawn_and_stale(first: Api, second: Api) -> None:
    for verb, who in (("reject", second), ("withdraw", first)):
        revision = revision_of(propose(first, approval=valid_for(first, 100)))
        who.post(f"{_POLICY}/revisions/{revision}/{verb}", {})
        assert (
            who.post(f"{_POLICY}/revisions/{revision}/approve", {}, expect=404).json()["type"].endswith("unknown-item")
        )
    stale, other = (revision_of(propose(first, approval=valid_for(first, days))) for days in (101, 102))
    second.post(f"{_POLICY}/revisions/{other}/approve", {})
    problem = second.post(f"{_POLICY}/revisions/{stale}/approve", {}, expect=409).json()
    assert problem["type"] == "urn:dossier:problem:request-stale"


def test_what_makes_no_sense_is_refused_with_the_closest_thing_that_does(first: Api) -> None:
    problem = propose(first, 422, protected=[{"name": "x", "event": "customer.bank-account-changed"}])
    assert problem["errors"][0]["pointer"] == "/document/protected/0"
    assert "did you mean customer." in problem["errors"][0]["detail"]


def test_the_example_is_a_policy(first: Api) -> None:
    body = {**EXAMPLES["ProposeRevision"], "based_on": first.get(_POLICY).json()["edition"]}
    revision = revision_of(first.post(f"{_POLICY}/revisions", body).json())
    first.post(f"{_POLICY}/revisions/{revision}/withdraw", EXAMPLES["RevisionAnswer"])


def test_a_request_takes_effect_once(first: Api) -> None:
    key = str(uuid4())
    now = first.get(_POLICY).json()
    body = {"based_on": now["edition"], "document": {**now["document"], "protected": []}, **_BECAUSE}
    answers = [first.post(f"{_POLICY}/revisions", body, idempotency_key=key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    other = {**body, "reason": {"text": "another one"}}
    assert first.post(f"{_POLICY}/revisions", other, idempotency_key=key, expect=422).json()["invariant"] == "I22"
    first.post(f"{_POLICY}/revisions/{revision_of(answers[0].json())}/withdraw", {})


def test_it_is_for_administrators_and_there_is_one(li_na: Api, first: Api) -> None:
    li_na.get(_POLICY)
    li_na.post(f"{_POLICY}/revisions", EXAMPLES["ProposeRevision"], expect=403)
    for path in ("/v1/policies/other", "/v1/policies/other/revisions"):
        assert first.get(path, expect=404).json()["type"] == "urn:dossier:problem:policy-unknown"
    first.post("/v1/policies/other/revisions", EXAMPLES["ProposeRevision"], expect=404)
    first.get(_POLICY, known_at="2999-01-01", expect=422)
