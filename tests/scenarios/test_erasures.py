"""A person is erased: two officers, a hold in between, and nothing of it left in any answer, then as now."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from projections.erasures import IN_BACKUPS, NOT_SCRUBBED
from tests.scenarios.client import Api, File
from tests.scenarios.service import Service, wait_until

NAME, TITLE, PHONE = "Ou-Yang Zhenzhen", "Leiterin Beschaffung", "13911223344"
CANARIES = (NAME, TITLE, PHONE)
REASON = {"reason": {"text": "letter of the person"}}


@pytest.fixture
def file(li_na: Api) -> File:
    return li_na.register()


@pytest.fixture
def person(file: File) -> str:
    point = {"kind": "MOBILE", "value": PHONE}
    added = file.record("/contacts", name=NAME, title="CEO", points=[point])
    contact_id = str(added["data"]["contact_id"])
    file.record(f"/contacts/{contact_id}/details", changed={"title": TITLE})
    return contact_id


def ask(file: File, officer: Api, subject: str) -> str:
    body = {"subject": subject, "legal_basis": "GDPR_17_1_B", **REASON}
    (event,) = file.seen_by(officer).send("/erasures", body).json()["events"]
    return str(event["data"]["request_id"])


def erasures(file: File) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = file.read("erasures")["erasures"]
    return found


def carried_out(file: File, service: Service, position: int) -> None:
    """Wait until the eraser is done with the file, and the read models have passed its erasure."""
    wait_until(
        lambda: NOT_SCRUBBED in str(erasures(file)) and service.http.get("/readyz").json()["position"] >= position
    )


def everything_said(file: File) -> dict[str, str]:
    """All that the service says of a file, at several moments."""
    known = file.history(limit=500)
    said = {
        "history": known,
        "blame": file.read("blame"),
        "timeline": file.read("timeline"),
        "replay": file.api.get(f"{file.path}/replay").text,
        "profile": file.profile(),
        "past profiles": [file.profile(at_position=item["position"]) for item in known],
        "versions": [file.api.get(f"{file.path}/versions/{item['version']}").json() for item in known],
    }
    return {view: str(content) for view, content in said.items()}


def views_with(file: File, *canaries: str) -> list[str]:
    return [view for view, text in everything_said(file).items() if any(canary in text for canary in canaries)]


def test_a_person_is_erased_by_two_officers(
    file: File, person: str, officer: Api, second_officer: Api, service: Service
) -> None:
    request_id = ask(file, officer, person)
    (request,) = erasures(file)
    assert (request["state"], request["requested"]["by"]) == ("REQUESTED", "u-501")
    problem = file.seen_by(officer).send(f"/erasures/{request_id}/approve", expect=403).json()
    assert problem["type"] == "urn:dossier:problem:four-eyes-violation"
    events = (
        file.seen_by(second_officer).send(f"/erasures/{request_id}/approve", {"comment": "checked"}).json()["events"]
    )
    assert [event["type"] for event in events] == ["customer.erasure-approved", "customer.personal-data-erased"]
    marker = {"erased": True, "by": events[1]["event_id"]}
    shown = file.profile()["contacts"][person]
    assert (shown["name"], shown["title"]) == (marker, marker)
    assert [point["value"] for point in shown["points"].values()] == [marker]

    (request,) = erasures(file)
    assert (request["state"], request["decided"]["by"], request["decided"]["comment"]) == ("ERASED", "u-502", "checked")
    assert f"/contacts/{person}/name" in request["erased"]["fields"]
    assert IN_BACKUPS in request["residue"]
    carried_out(file, service, request["erased"]["position"])
    assert views_with(file, *CANARIES) == []
    assert "history" in views_with(file, "Zhang San")
    problem = file.record(f"/contacts/{person}/details", changed={"title": "CFO"}, expect=410)
    assert (problem["type"], problem["invariant"]) == ("urn:dossier:problem:subject-erased", "I24")
    file.record("/tags", group="REGION", code="EAST")


def test_under_hold_it_is_refused_aloud_and_done_when_the_hold_is_lifted(
    file: File, person: str, officer: Api, second_officer: Api
) -> None:
    placed = file.seen_by(officer).send("/holds", {"reference": "2026-civ-17", **REASON}).json()["events"][0]
    request_id = ask(file, officer, person)
    approve = f"/erasures/{request_id}/approve"
    problem = file.seen_by(second_officer).send(approve, expect=409).json()
    assert problem["type"] == "urn:dossier:problem:under-legal-hold"
    assert "2026-civ-17" in problem["detail"]
    assert [hold["reference"] for hold in file.read("erasures")["holds"]] == ["2026-civ-17"]
    assert erasures(file)[0]["state"] == "REQUESTED"
    file.seen_by(second_officer).send(approve, {"after_hold": True})
    assert erasures(file)[0]["state"] == "APPROVED"
    assert file.profile()["contacts"][person]["name"] == NAME
    lift = f"/holds/{placed['data']['hold_id']}/lift"
    assert file.seen_by(officer).send(lift, REASON, expect=403).json()["status"] == 403
    events = file.seen_by(second_officer).send(lift, REASON).json()["events"]
    assert [event["type"] for event in events] == ["customer.legal-hold-lifted", "customer.personal-data-erased"]
    assert erasures(file)[0]["state"] == "ERASED"
    assert file.read("erasures")["holds"] == []
    assert file.profile()["contacts"][person]["name"]["erased"] is True


def test_a_customer_that_is_a_person_is_erased_as_a_whole(
    li_na: Api, officer: Api, second_officer: Api, service: Service
) -> None:
    body: dict[str, Any] = {"customer_kind": "INDIVIDUAL", "contact": {"points": [{"kind": "MOBILE", "value": PHONE}]}}
    identifier = {"scheme": "OTHER", "value": str(uuid4())}
    file = li_na.register(NAME, identifiers=[identifier], evidence=[{"note": "passport"}], **body)
    request_id = ask(file, officer, file.customer_id)
    answer = file.seen_by(second_officer).send(f"/erasures/{request_id}/approve").json()
    profile = file.profile()
    by = answer["events"][1]["event_id"]
    assert (profile["erased"], profile["customer_kind"]) == ({"erased": True, "by": by}, None)
    assert not {"identity", "contacts", "identifiers"} & profile.keys()
    problem = file.record("/tags", group="REGION", code="EAST", expect=410)
    assert problem["type"] == "urn:dossier:problem:subject-erased"
    (request,) = erasures(file)
    carried_out(file, service, request["erased"]["position"])
    assert file.profile(at_position=request["erased"]["position"] - 3)["erased"]["by"] == by
    assert views_with(file, *CANARIES, identifier["value"], "passport") == []
    li_na.register("Heir", identifiers=[identifier], evidence=[{"note": "will"}])


def test_who_asks_for_what_is_refused_by_name(file: File, person: str, officer: Api, li_na: Api) -> None:
    body = {"subject": person, "legal_basis": "GDPR_17_1_B", **REASON}
    for sender, changed, status, slug in (
        (li_na, {}, 403, "forbidden"),
        (officer, {"subject": str(uuid4())}, 422, "subject-not-erasable"),
        (officer, {"subject": file.customer_id}, 422, "subject-not-erasable"),
        (officer, {"legal_basis": "BECAUSE"}, 422, "invalid-body"),
        (officer, {"reason": None}, 422, "reason-required"),
    ):
        problem = file.seen_by(sender).send("/erasures", {**body, **changed}, expect=status).json()
        assert problem["type"] == f"urn:dossier:problem:{slug}"
    assert erasures(file) == []
