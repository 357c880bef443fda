"""We were wrong: corrections, corrections of corrections, retractions, and what they do to past and present."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.scenarios.client import PHONE, Api, File

_REASON = {"text": "typed into the wrong line"}


@pytest.fixture
def file(li_na: Api) -> File:
    return li_na.register()


def test_a_correction_changes_what_we_know_now_and_not_what_we_believed_then(file: File) -> None:
    wrong = file.record("/attributes", key="staff", value=20, effective_from="2026-11-01")
    believed = file.position
    right = file.record("/corrections", corrects=wrong["event_id"], replacement={"value": 200}, reason=_REASON)
    assert right["effective_from"] == wrong["effective_from"]
    assert file.profile()["attributes"] == {"staff": 200}
    assert file.profile(valid_at="2026-11-02")["attributes"] == {"staff": 200}
    assert file.profile(valid_at="2026-11-02", at_position=believed)["attributes"] == {"staff": 20}
    blame = file.blame("/attributes/staff")
    assert (blame["set_by"]["kind"], blame["set_by"]["event_id"]) == ("CORRECTION", right["event_id"])
    assert blame["previous"] == {"value": 20, "event_id": wrong["event_id"], "version": wrong["version"]}
    newest = file.history(order="desc", limit=1)[0]
    assert newest["corrects"] == wrong["event_id"]
    assert newest["changes"] == [{"path": "/attributes/staff", "old": 20, "new": 200, "kind": "CORRECTION"}]


def test_a_correction_of_an_older_fact_does_not_hide_a_newer_one(file: File) -> None:
    older = file.record("/attributes", key="plan", value="bsaic", effective_from="2026-11-01")
    file.record("/attributes", key="plan", value="gold", effective_from="2026-11-01")
    file.record("/corrections", corrects=older["event_id"], replacement={"value": "basic"})
    assert file.profile()["attributes"] == {"plan": "gold"}


def test_a_correction_can_be_corrected_and_retracting_it_does_not_revive_the_original(file: File) -> None:
    first = file.record("/attributes", key="n", value=1, effective_from="2026-11-01")
    second = file.record("/corrections", corrects=first["event_id"], replacement={"value": 2})
    again = file.record("/corrections", corrects=first["event_id"], replacement={"value": 3}, expect=409)
    assert (again["type"], again["invariant"]) == ("urn:dossier:problem:not-correctable", "I16")
    assert again["errors"] == [{"pointer": "/corrects", "detail": f"by event {second['event_id']}"}]
    third = file.record("/corrections", corrects=second["event_id"], replacement={"value": 3})
    assert file.profile()["attributes"] == {"n": 3}
    retraction = file.record("/retractions", retracts=third["event_id"])
    assert retraction["effective_from"] is None
    assert "attributes" not in file.profile()
    assert file.record("/retractions", retracts=third["event_id"], expect=409)["invariant"] == "I16"
    values = [file.profile(at_position=item["position"])["attributes"]["n"] for item in file.history()[4:7]]
    assert values == [1, 2, 3]


def test_a_correction_can_move_a_fact_in_time(file: File) -> None:
    fact = file.record("/attributes", key="plan", value="gold", effective_from="2026-11-10")
    file.record("/corrections", corrects=fact["event_id"], replacement={}, effective_from="2026-11-12")
    assert "attributes" not in file.profile(valid_at="2026-11-11")
    assert file.profile(valid_at="2026-11-12")["attributes"] == {"plan": "gold"}


def test_a_correction_passes_the_same_checks_as_a_new_fact(file: File) -> None:
    contact = next(iter(file.profile()["contacts"]))
    point = file.record(f"/contacts/{contact}/points", kind="EMAIL", value="wu@example.com")
    problem = file.record("/corrections", corrects=point["event_id"], replacement={"value": "nobody"}, expect=422)
    assert problem["errors"][0]["pointer"] == "/replacement/value"
    for replacement, pointer in (
        ({"colour": "red"}, "/replacement/colour"),
        ({"verified": []}, "/replacement/verified"),
        ({"value": "\x00"}, "/replacement/value"),
        ({"old_value": "x"}, "/replacement/old_value"),
    ):
        problem = file.record("/corrections", corrects=point["event_id"], replacement=replacement, expect=422)
        assert problem["errors"][0]["pointer"] == pointer
    corrected = {"value": "Wu@Example.COM"}
    file.record("/corrections", corrects=point["event_id"], replacement=corrected)
    points = file.profile()["contacts"][contact]["points"]
    assert "Wu@example.com" in [each["value"] for each in points.values()]


def test_only_facts_of_this_file_can_be_corrected_and_only_into_their_own_slots(file: File, li_na: Api) -> None:
    registered = file.history(limit=1)[0]
    elsewhere = li_na.register().record("/attributes", key="k", value=1)
    for event_id in (registered["event_id"], elsewhere["event_id"], str(uuid4())):
        for body in ({"corrects": event_id, "replacement": {"value": 2}}, {"retracts": event_id}):
            route = "/corrections" if "corrects" in body else "/retractions"
            problem = file.send(route, {**body, "reason": _REASON}, expect=409).json()
            assert problem["invariant"] == "I16"
    fact = file.record("/attributes", key="k", value=1)
    for replacement, status, slug in (({"key": "other"}, 409, "not-correctable"), ({"value": 1}, 422, "no-change")):
        problem = file.record("/corrections", corrects=fact["event_id"], replacement=replacement, expect=status)
        assert problem["type"] == f"urn:dossier:problem:{slug}"
    problem = file.send("/retractions", {"retracts": fact["event_id"]}, expect=422).json()
    assert problem["errors"][0]["pointer"] == "/reason"


def test_the_last_contact_point_of_a_registration_can_be_corrected(li_na: Api) -> None:
    """Parts of the first command are facts like any other."""
    file = li_na.register(contact={"name": "Wu", "points": [PHONE]})
    point = next(item for item in file.history() if item["type"] == "customer.contact-point-changed")
    file.record("/corrections", corrects=point["event_id"], replacement={"value": "13900139000"})
    (contact,) = file.profile()["contacts"].values()
    assert [each["value"] for each in contact["points"].values()] == ["+8613900139000"]


def test_retracting_the_only_contact_is_refused_while_it_is_needed(file: File) -> None:
    added = next(item for item in file.history() if item["type"] == "customer.contact-added")
    file.record("/contacts", name="Lin")
    problem = file.record("/retractions", retracts=added["event_id"], expect=409)
    assert (problem["type"], problem["invariant"]) == ("urn:dossier:problem:primary-contact-required", "I10")
