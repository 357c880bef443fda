"""Four eyes over HTTP: a protected change is refused alone, proposed, seen, agreed to, and both people stay named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.scenarios.client import WELL_FOUNDED, Api, File
from tests.scenarios.service import Service


@pytest.fixture
def number() -> str:
    return f"{uuid4().int % 10**9:09}"


@pytest.fixture
def file(li_na: Api, number: str) -> File:
    identifiers = [{"scheme": "DUNS", "value": number}]
    return li_na.register(owner="u-500", identifiers=identifiers, **WELL_FOUNDED)


def revocation(number: str) -> dict[str, Any]:
    return {"type": "customer.identifier-revoked", "scheme": "DUNS", "value": number}


def test_whoever_is_refused_alone_is_told_where_to_propose_it(file: File, number: str) -> None:
    for problem in (
        file.record("/identifiers/revoke", scheme="DUNS", value=number, expect=403),
        file.change(revocation(number), expect=403),
    ):
        assert (problem["type"], problem["invariant"]) == ("urn:dossier:problem:four-eyes-violation", "I6")
        assert problem["proposals"] == f"{file.path}/proposals"


def test_a_proposal_is_pending_until_it_is_agreed_to_and_both_people_stay_named(
    file: File, wang: Api, number: str
) -> None:
    proposal_id = file.propose(revocation(number))
    (pending,) = file.profile()["pending"]
    assert (pending["kind"], pending["request_id"], pending["requester"]) == ("PROPOSAL", proposal_id, "u-118")
    assert (pending["paths"], pending["commands"]) == ([f"/identifiers/DUNS/{number}"], [revocation(number)["type"]])
    assert pending["reason"] == WELL_FOUNDED["reason"]["text"]
    assert file.profile(at_position=file.position)["pending"] == [pending]
    assert file.profile(fields="/tier")["pending"] == []
    assert file.profile(fields="/identifiers", at_position=file.position)["pending"] == [pending]
    made = file.history(type="customer.change-proposed")[0]
    assert made["data"]["seen"][0]["value"] == {}

    answer = file.seen_by(wang).send(f"/proposals/{proposal_id}/approve", {"comment": "checked"}).json()
    assert [event["type"] for event in answer["events"]] == ["customer.proposal-approved", revocation(number)["type"]]
    profile = file.profile()
    assert (profile["pending"], "identifiers" in profile) == ([], False)
    assert file.profile(at_position=file.position)["pending"] == []
    revoked = file.history(type="customer.identifier-revoked")[0]
    assert revoked["actor"]["id"] == "u-301"
    assert revoked["proposed"] == {
        "proposal_id": proposal_id,
        "event_id": made["event_id"],
        "proposer": "u-118",
        "on_behalf_of": None,
    }
    assert revoked["reason"] == WELL_FOUNDED["reason"]


def test_blame_and_diff_tell_both(file: File, wang: Api) -> None:
    old = (datetime.now(UTC) - timedelta(days=400)).isoformat()
    late = {"reason": {"code": "BACKDATED", "text": "found in the paper file"}}
    fact = {"type": "customer.attribute-recorded", "key": "k", "value": 1, "effective_from": old}
    problem = file.change(fact, expect=403, **late)
    assert problem["invariant"] == "I13"
    file.agree(wang, fact, **late)
    set_by = file.blame("/attributes/k")["set_by"]
    assert (set_by["proposed_by"], set_by["approved_by"], set_by["actor"]) == ("u-118", "u-301", "u-301")
    (change,) = file.read("diff", from_=file.position - 1, to=file.position)["changes"]
    assert change["caused_by"][0]["approved_by"] == "u-301"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"actor": "u-118"}, "same actor as requester"),
        ({"actor": "u-302", "on_behalf_of": "u-118"}, "acts for the requester"),
        ({"actor": "u-500"}, "owns the account"),
        ({"actor": "u-302", "on_behalf_of": "u-500"}, "acts for the owner"),
    ],
)
def test_who_may_not_agree(file: File, service: Service, number: str, claims: dict[str, str], why: str) -> None:
    proposal_id = file.propose(revocation(number))
    approver = file.seen_by(service.as_(claims["actor"], "approver", on_behalf_of=claims.get("on_behalf_of")))
    for decision in ("approve", "reject"):
        problem = approver.send(f"/proposals/{proposal_id}/{decision}", expect=403).json()
        assert any(why in field_error["detail"] for field_error in problem["errors"])


def test_a_proposal_is_stale_once_the_file_or_another_one_has_moved_on(
    li_na: Api, file: File, wang: Api, number: str
) -> None:
    changes = [{"type": "customer.attribute-recorded", "key": "k", "value": 1}, revocation(number)]
    proposal_id = file.propose(*changes)
    file.record("/attributes", key="k", value=2)
    problem = file.seen_by(wang).send(f"/proposals/{proposal_id}/approve", expect=409).json()
    assert (problem["type"], problem["invariant"]) == ("urn:dossier:problem:request-stale", "I6")
    free = f"{uuid4().int % 10**9:09}"
    claim = {"type": "customer.identifier-recorded", "scheme": "DUNS", "value": free}
    proposal_id = file.propose(claim)
    li_na.register("Other", identifiers=[{"scheme": "DUNS", "value": free}], **WELL_FOUNDED)
    problem = file.seen_by(wang).send(f"/proposals/{proposal_id}/approve", expect=409).json()
    assert "another file holds this identifier" in problem["detail"]


def test_what_would_be_refused_or_speaks_of_two_people_is_not_proposed(file: File) -> None:
    body = {**WELL_FOUNDED, "changes": [{"type": "customer.tier-reassigned", "to_code": "GOLD"}]}
    problem = file.send("/proposals", body, expect=422).json()
    assert problem["errors"][0]["pointer"] == "/changes/0/to_code"
    people = [{"type": "customer.contact-added", "name": name} for name in ("Wu", "Lin")]
    problem = file.send("/proposals", {**WELL_FOUNDED, "changes": people}, expect=422).json()
    assert problem["errors"][0]["pointer"] == "/changes"


def test_a_person_known_from_an_open_proposal_alone_is_erased_from_it(
    file: File, wang: Api, officer: Api, second_officer: Api
) -> None:
    person, secret = str(uuid4()), f"Secret {uuid4()}"
    proposal_id = file.propose({"type": "customer.contact-added", "contact_id": person, "name": secret})
    asked = {"subject": person, "legal_basis": "PIPL_47", "reason": {"text": "asked for it by letter"}}
    request = file.seen_by(officer).send("/erasures", asked).json()["events"][0]["data"]["request_id"]
    assert [each["kind"] for each in file.profile()["pending"]] == ["PROPOSAL", "ERASURE"]
    file.seen_by(second_officer).send(f"/erasures/{request}/approve", {})
    assert file.profile()["pending"] == file.profile(at_position=file.position)["pending"] == []
    file.seen_by(wang).send(f"/proposals/{proposal_id}/approve", expect=404)
    (made,) = file.history(type="customer.change-proposed")
    assert made["data"]["changes"]["erased"] is True
    assert secret not in file.api.get(f"{file.path}/history", after=file.token).text


def test_an_erasure_that_waits_for_a_hold_says_who_approved_it(file: File, officer: Api, second_officer: Api) -> None:
    person = next(iter(file.profile()["contacts"]))
    hold = file.seen_by(officer).send("/holds", {"reference": "case", "reason": {"text": "court order"}}).json()
    asked = {"subject": person, "legal_basis": "PIPL_47", "reason": {"text": "asked for it by letter"}}
    request = file.seen_by(officer).send("/erasures", asked).json()["events"][0]["data"]["request_id"]
    before = file.etag
    file.seen_by(second_officer).send(f"/erasures/{request}/approve", {"after_hold": True})
    assert file.etag != before
    (pending,) = file.profile()["pending"]
    assert (pending["approved_by"], pending["subject"]) == ("u-502", person)
    assert file.profile(at_position=file.position)["pending"] == [pending]
    lift = f"/holds/{hold['events'][0]['data']['hold_id']}/lift"
    file.seen_by(second_officer).send(lift, {"reason": {"text": "the case was settled"}})
    assert file.profile()["pending"] == file.profile(at_position=file.position)["pending"] == []
