"""The inbox: what waits on all files, who may decide it, page by page at one position."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from tests.scenarios.client import WELL_FOUNDED, Api, File
from tests.scenarios.service import Service

_HIGH = {"type": "customer.tier-reassigned", "to_code": "HIGH_VALUE"}


@pytest.fixture
def requester(service: Service) -> Api:
    """Somebody whose requests are nobody else's."""
    return service.as_(f"u-{uuid4()}", "editor")


def inbox(reader: Api, file: File, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = reader.get("/v1/approvals", after=file.token, **query).json()["items"]
    return items


def test_it_lists_requests_of_every_kind_with_who_may_decide_them(
    requester: Api, wang: Api, officer: Api, second_officer: Api, service: Service
) -> None:
    file = requester.register(owner="u-500")
    file.record("/tier-requests", to_code="HIGH_VALUE")
    file.propose(_HIGH, {"type": "customer.attribute-recorded", "key": "k", "value": 1})
    person = next(iter(file.profile()["contacts"]))
    asked = {"subject": person, "legal_basis": "PIPL_47", "reason": {"text": "asked for it by letter"}}
    file.seen_by(officer).send("/erasures", asked)
    items = inbox(wang, file, customer_id=file.customer_id)
    assert [(item["kind"], item["owner"], item["can_decide"]) for item in items] == [
        ("TIER", "u-500", True),
        ("PROPOSAL", "u-500", True),
        ("ERASURE", "u-500", False),
    ]
    assert items[1]["paths"] == ["/tier/VALUE", "/attributes/k"]
    assert [item["reason"] for item in items[:2]] == [WELL_FOUNDED["reason"]["text"]] * 2
    for reader, kinds in (
        (wang, ["TIER", "PROPOSAL"]),
        (second_officer, ["ERASURE"]),
        (officer, []),
        (service.as_("u-500", "approver"), []),
        (service.as_("u-302", "approver", on_behalf_of="u-500"), []),
        (service.as_("bot", "approver", kind="SERVICE"), []),
        (requester, []),
    ):
        mine = inbox(reader, file, customer_id=file.customer_id, can_decide="true")
        assert [item["kind"] for item in mine] == kinds
        every = inbox(reader, file, customer_id=file.customer_id)
        assert [item["kind"] for item in every if item["can_decide"]] == kinds


def test_it_filters_and_its_pages_stay_at_one_position(requester: Api, wang: Api) -> None:
    me = requester.register().propose(_HIGH)
    files = [requester.register() for _ in range(3)]
    for file in files:
        file.record("/tier-requests", to_code="HIGH_VALUE")
    name = files[0].profile()["pending"][0]["requester"]
    page = wang.get("/v1/approvals", after=files[-1].token, requester=name, limit=2).json()
    assert [item["kind"] for item in page["items"]] == ["PROPOSAL", "TIER"]
    assert page["items"][0]["request_id"] == me
    request_id = files[2].profile()["pending"][0]["request_id"]
    files[2].seen_by(wang).send(f"/tier-requests/{request_id}/approve")
    query = {"requester": name, "limit": 2}
    later = wang.get("/v1/approvals", page_token=page["next_page_token"], **query).json()
    assert [item["customer_id"] for item in later["items"]] == [files[1].customer_id, files[2].customer_id]
    assert later["basis"] == page["basis"]
    assert len(inbox(wang, files[2], requester=name, kind="TIER")) == 2
    for bad in ({"kind": "MERGE"}, {"customer_id": "x"}, {"can_decide": "perhaps"}, {"colour": "red"}):
        wang.get("/v1/approvals", expect=422, **bad)


def test_what_expired_is_listed_and_nobody_can_decide_it(requester: Api, wang: Api) -> None:
    file = requester.register()
    past = file.profile()["basis"]["known_at"]
    problem = file.send("/proposals", {**WELL_FOUNDED, "changes": [_HIGH], "expires_at": past}, expect=422).json()
    assert problem["errors"][0]["pointer"] == "/expires_at"
    file.propose(_HIGH, expires_at="9000-01-01")
    assert [item["can_decide"] for item in inbox(wang, file, customer_id=file.customer_id)] == [True]


def test_who_may_not_see_a_slot_sees_neither_its_value_nor_the_reason(requester: Api, service: Service) -> None:
    number = "11010519491231002X"
    identifiers = [{"scheme": "CN_RIC", "value": number}]
    file = requester.register(customer_kind="INDIVIDUAL", identifiers=identifiers, **WELL_FOUNDED)
    secret = f"Reason {uuid4()}"
    revoke = {"type": "customer.identifier-revoked", "scheme": "CN_RIC", "value": number}
    file.propose(revoke, reason={"text": secret})
    clear = inbox(service.as_("u-9", "custodian"), file, customer_id=file.customer_id)[0]
    assert (clear["paths"], clear["reason"]) == ([f"/identifiers/CN_RIC/{number}"], secret)
    viewer = service.as_("u-8", "viewer")
    for moment in ({}, {"at_position": file.position}):
        answer = viewer.get(file.path, after=file.token, **moment)
        assert secret not in answer.text
        assert number not in answer.text
        assert answer.json()["pending"][0]["paths"] == ["/identifiers/CN_RIC/*"]
    assert inbox(viewer, file, customer_id=file.customer_id)[0]["reason"]["masked"] is True
    assert number not in viewer.get("/v1/approvals", after=file.token, customer_id=file.customer_id).text


def test_what_is_proposed_of_a_sensitive_slot_is_shown_for_a_purpose_alone(requester: Api, service: Service) -> None:
    file = requester.register(customer_kind="INDIVIDUAL")
    record = {"type": "customer.identifier-recorded", "scheme": "CN_RIC", "value": "110105194912310062"}
    file.propose(record)
    custodian = service.as_("u-9", "custodian")
    for path, query in (
        (file.path, {}),
        (file.path, {"at_position": file.position}),
        (file.path, {"fields": "/identifiers"}),
        ("/v1/approvals", {"customer_id": file.customer_id}),
    ):
        assert custodian.get(path, after=file.token, **query).status_code == 200
        problem = replace(custodian, purpose=None).get(path, expect=422, **query).json()
        assert problem["type"] == "urn:dossier:problem:purpose-required"
