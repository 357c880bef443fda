"""A protected tier takes two people; the past of a tier reads as it was known, and as it is known now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.scenarios.client import Api, File
from tests.scenarios.service import Service

_REASON = {"reason": {"text": "12-month amount 151 200 CNY"}, "evidence": [{"note": "ERP report, page 3"}]}


def day(offset: int) -> str:
    """Midnight UTC, that many days from today."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today + timedelta(days=offset)).isoformat()


@pytest.fixture
def file(li_na: Api) -> File:
    file = li_na.register(owner="u-500")
    file.record("/tier", to_code="ORDINARY")
    return file


def _requested(file: File, **more: Any) -> str:
    event = file.send("/tier-requests", {"to_code": "HIGH_VALUE", **_REASON, **more}).json()["events"][0]
    return str(event["data"]["request_id"])


def test_a_second_person_approves_and_blame_names_both(file: File, wang: Api) -> None:
    problem = file.record("/tier", to_code="HIGH_VALUE", expect=403)
    assert (problem["type"], problem["invariant"]) == ("urn:dossier:problem:four-eyes-violation", "I6")
    request_id = _requested(file)
    (request,) = file.profile()["requests"]
    assert [(each["kind"], each["request_id"]) for each in file.profile()["pending"]] == [("TIER", request_id)]
    assert (request["request_id"], request["requester"], request["to_code"]) == (request_id, "u-118", "HIGH_VALUE")
    assert file.profile(at_position=file.position)["requests"] == [request]

    answer = file.seen_by(wang).send(f"/tier-requests/{request_id}/approve", {"comment": "seen"}).json()
    assert [event["type"] for event in answer["events"]] == [
        "customer.tier-reassignment-approved",
        "customer.tier-reassigned",
    ]
    profile = file.profile()
    assert (profile["tier"]["VALUE"], profile["requests"]) == ({"code": "HIGH_VALUE"}, [])
    blame = file.blame("/tier/VALUE")
    assert (blame["set_by"]["actor"], blame["set_by"]["approved_by"]) == ("u-301", "u-301")
    assert blame["set_by"]["proposed_by"] == "u-118"
    assert blame["set_by"]["reason"] == _REASON["reason"]
    assert blame["previous"]["value"] == {"code": "ORDINARY"}
    assert [item["type"].removeprefix("customer.tier-") for item in file.history(type="customer.tier-*")] == [
        "reassigned",
        "reassignment-requested",
        "reassignment-approved",
        "reassigned",
    ]


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ({"actor": "u-118", "roles": ["tier:approve"]}, "same actor as requester"),
        ({"actor": "u-500", "roles": ["tier:approve"]}, "owns the account"),
        ({"actor": "u-302", "roles": ["tier:approve"], "on_behalf_of": "u-118"}, "acts for the requester"),
    ],
)
def test_who_may_not_approve(file: File, service: Service, who: dict[str, Any], why: str) -> None:
    request_id = _requested(file)
    claims = {name: value for name, value in who.items() if name not in ("actor", "roles")}
    approver = service.as_(who["actor"], *who["roles"], **claims)
    for decision in ("approve", "reject"):
        problem = file.seen_by(approver).send(f"/tier-requests/{request_id}/{decision}", expect=403).json()
        assert problem["type"] == "urn:dossier:problem:four-eyes-violation"
        assert any(why in field_error["detail"] for field_error in problem["errors"])
    assert file.profile()["tier"]["VALUE"] == {"code": "ORDINARY"}


@pytest.mark.parametrize("who", [{"roles": ["editor"]}, {"roles": ["tier:approve"], "kind": "SERVICE"}])
def test_whoever_lacks_the_permission_is_not_asked_who_they_are(
    file: File, service: Service, who: dict[str, Any]
) -> None:
    request_id = _requested(file)
    stranger = file.seen_by(Api(service.http, service.signer.token("u-302", **who)))
    for decision in ("approve", "reject"):
        problem = stranger.send(f"/tier-requests/{request_id}/{decision}", expect=403).json()
        assert (problem["type"], problem["permission"]) == ("urn:dossier:problem:forbidden", "tier:approve")


def test_a_request_is_rejected_withdrawn_and_answered_once(file: File, wang: Api) -> None:
    for decision, who in (("reject", wang), ("withdraw", file.api)):
        request_id = _requested(file)
        file.seen_by(who).send(f"/tier-requests/{request_id}/{decision}", {"comment": "no"})
        problem = file.seen_by(wang).send(f"/tier-requests/{request_id}/approve", expect=404).json()
        assert problem["type"] == "urn:dossier:problem:unknown-item"
    request_id = _requested(file)
    problem = file.seen_by(wang).send(f"/tier-requests/{request_id}/withdraw", expect=403).json()
    assert problem["invariant"] == "I6"


def test_a_request_that_no_longer_fits_the_file_is_stale(file: File, wang: Api) -> None:
    request_id = _requested(file)
    file.record("/tier", to_code="POTENTIAL")
    problem = file.seen_by(wang).send(f"/tier-requests/{request_id}/approve", expect=409).json()
    assert (problem["type"], problem["invariant"]) == ("urn:dossier:problem:request-stale", "I6")
    assert file.profile()["tier"]["VALUE"] == {"code": "POTENTIAL"}


def test_a_request_that_has_expired_is_stale(file: File, wang: Api) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
    request_id = _requested(file, expires_at=soon)
    while file.profile()["basis"]["known_at"] <= soon:
        pass
    problem = file.seen_by(wang).send(f"/tier-requests/{request_id}/approve", expect=409).json()
    assert problem["type"] == "urn:dossier:problem:request-stale"


def test_the_worked_example_of_a_tier(li_na: Api, wang: Api) -> None:
    """time.md 4: late facts mask themselves, corrections reach back; every step stays readable as it was known."""
    backdated = {**_REASON, "reason": {"code": "BACKDATED", "text": "found in the old paper file"}}
    opening = {
        "customer_kind": "ORGANISATION",
        "name": "Acme",
        "contact": {"points": [{"kind": "OTHER", "value": "-"}]},
    }
    answer = li_na.post("/v1/customers", {**opening, "effective_from": day(-320), **backdated}, expect=201).json()
    file = li_na.file(answer["customer_id"])
    file.send("/tier", {"to_code": "ORDINARY", "effective_from": day(-320), **backdated})
    potential = file.send("/tier", {"to_code": "POTENTIAL", "effective_from": day(-260), **backdated}).json()
    request_id = _requested(file, takes_effect=day(-155))
    file.seen_by(wang).send(f"/tier-requests/{request_id}/approve")
    known_first = file.position

    late = file.send("/tier", {"to_code": "CHURN_RISK", "effective_from": day(-230), **backdated}).json()
    assert late["events"][0]["masked_from"] == day(-155).replace("+00:00", ".000000Z")
    known_late = file.position

    correction = {"corrects": potential["events"][0]["event_id"], "replacement": {"to_code": "HIGH_VALUE"}, **_REASON}
    assert file.send("/corrections", correction, expect=403).json()["invariant"] == "I6"
    assert file.seen_by(wang).send("/corrections", correction, expect=403).json()["invariant"] == "I6"
    file.agree(wang, {"type": "customer.fact-corrected", **correction})
    known_corrected = file.position

    def tier(valid: int, position: int) -> str:
        return str(file.profile(valid_at=day(valid), at_position=position)["tier"]["VALUE"]["code"])

    assert [tier(-200, known) for known in (known_first, known_late, known_corrected)] == [
        "POTENTIAL",
        "CHURN_RISK",
        "CHURN_RISK",
    ]
    assert [tier(-240, known) for known in (known_late, known_corrected)] == ["POTENTIAL", "HIGH_VALUE"]
    assert tier(-100, known_late) == "HIGH_VALUE"
    assert tier(-300, known_corrected) == "ORDINARY"
    assert file.profile()["tier"]["VALUE"]["code"] == "HIGH_VALUE"


def test_a_tier_needs_words_evidence_and_a_code_of_its_scheme(file: File, wang: Api) -> None:
    for body, slug, pointer in (
        ({"to_code": "POTENTIAL", "evidence": _REASON["evidence"]}, "reason-required", "/reason/text"),
        ({"to_code": "POTENTIAL", **_REASON, "reason": {"text": "so"}}, "reason-required", "/reason/text"),
        ({"to_code": "POTENTIAL", "reason": _REASON["reason"]}, "evidence-required", "/evidence"),
        ({"to_code": "POTENTAIL", **_REASON}, "unknown-code", "/to_code"),
        ({"to_code": "POTENTIAL", "scheme": "VALEU", **_REASON}, "unknown-code", "/scheme"),
    ):
        problem = file.send("/tier", body, expect=422).json()
        assert (problem["type"], problem["errors"][0]["pointer"]) == (f"urn:dossier:problem:{slug}", pointer)
    unknown = file.seen_by(wang).send(f"/tier-requests/{uuid4()}/approve", expect=404).json()
    assert unknown["errors"][0]["pointer"] == "/request_id"
