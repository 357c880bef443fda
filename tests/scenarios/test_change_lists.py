"""A list of changes is one command: all of it or nothing, and a problem says which one was wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.client import PHONE, WELL_FOUNDED, Api, File


def _attribute(key: str, value: Any, **own: Any) -> dict[str, Any]:
    return {"type": "customer.attribute-recorded", "key": key, "value": value, **own}


@pytest.fixture
def file(li_na: Api) -> File:
    return li_na.register()


def test_all_changes_of_a_list_are_recorded_together(file: File) -> None:
    answer = file.change(_attribute("a", 1), {"type": "customer.tag-applied", "group": "FOCUS", "code": "FOCUS"})
    assert [event["version"] for event in answer["events"]] == [5, 6]
    assert len({event["recorded_at"] for event in answer["events"]}) == 1
    assert len({item["idempotency_key"] for item in file.history(from_position=file.position - 1)}) == 1
    profile = file.profile()
    assert (profile["attributes"], profile["tags"]) == ({"a": 1}, {"FOCUS": {"FOCUS": True}})


def test_a_change_states_its_own_circumstances_or_has_those_of_the_list(file: File) -> None:
    own = {"reason": {"text": "on the phone"}, "effective_from": "2026-11-01"}
    file.change(_attribute("a", 1, **own), _attribute("b", 2), correlation_id="visit-7")
    first, second = file.history(path="/attributes")
    assert first["reason"] == own["reason"]
    assert first["effective_from"] == "2026-10-31T16:00:00.000000Z"
    assert second["reason"] == WELL_FOUNDED["reason"]
    assert second["effective_from"] == second["recorded_at"]
    assert first["correlation_id"] == second["correlation_id"] == "visit-7"


def test_a_later_change_sees_the_earlier_ones(file: File) -> None:
    contact_id = "0198c0de-0000-7000-8000-000000000201"
    file.change(
        {"type": "customer.contact-added", "contact_id": contact_id, "name": "Wu"},
        {"type": "customer.contact-details-changed", "contact_id": contact_id, "changed": {"title": "CFO"}},
    )
    assert file.profile()["contacts"][contact_id] == {"name": "Wu", "title": "CFO"}


_GOOD = _attribute("good", 1)
_BAD_PHONE = {"type": "customer.contact-added", "name": "Wu", "points": [PHONE, {"kind": "MOBILE", "value": "1388888"}]}


@pytest.mark.parametrize(
    ("bad", "slug", "pointer"),
    [
        (_BAD_PHONE, "invalid-body", "/changes/1/points/1/value"),
        (_attribute("bad", "\x00"), "invalid-body", "/changes/1/value"),
        (_attribute("bad", 1, effective_to="2020-01-01"), "effective-period-invalid", "/changes/1/effective_to"),
        (_attribute("good", 1), "no-change", "/changes/1"),
        (_attribute("bad", 1, initial_load=True), "forbidden", "/changes/1/initial_load"),
        (_attribute("bad", 1, colour="red"), "invalid-body", "/changes/1/colour"),
        ({"type": "customer.tag-applied", "group": "REGION", "code": "MOON"}, "unknown-code", "/changes/1/code"),
        ({"type": "customer.attribute-recorded", "key": "x"}, "invalid-body", "/changes/1/value"),
        ({"type": "customer.archived", "reason_code": "LOST"}, "invalid-body", "/changes/1"),
        ({"type": "customer.exploded"}, "invalid-body", "/changes/1"),
        ({"key": "x", "value": 1}, "invalid-body", "/changes/1"),
        ("a text", "invalid-body", "/changes/1"),
        (
            {"type": "customer.tier-reassigned", "to_code": "HIGH_VALUE"},
            "four-eyes-violation",
            "/changes/1/to_code",
        ),
        (
            {"type": "customer.identifier-recorded", "scheme": "LEI", "value": "HWUPKR0MPOU8FGXBT395"},
            "invalid-body",
            "/changes/1/value",
        ),
    ],
)
def test_one_bad_change_refuses_the_whole_list_and_is_named(file: File, bad: Any, slug: str, pointer: str) -> None:
    problem = file.change(_GOOD, bad, expect={"forbidden": 403, "four-eyes-violation": 403}.get(slug, 422))
    assert problem["type"] == f"urn:dossier:problem:{slug}"
    assert problem["errors"][0]["pointer"] == pointer
    assert file.version == 4


def test_five_hundred_changes_are_taken_and_one_more_is_not(file: File) -> None:
    changes = [_attribute(f"k{number:03}", number) for number in range(501)]
    problem = file.change(*changes, expect=422)
    assert problem["errors"][0]["pointer"] == "/changes"
    assert file.change(*changes[:500])["version"] == 504
    assert len(file.profile()["attributes"]) == 500


def test_an_empty_list_is_refused(file: File) -> None:
    assert file.change(expect=422)["errors"][0]["pointer"] == "/changes"


@pytest.mark.parametrize(
    ("part", "pointer"),
    [
        ({"contact": {"points": [{"kind": "MOBILE", "value": "1388888"}]}}, "/contact/points/0/value"),
        ({"contact": {"points": [PHONE, {"kind": "EMAIL", "value": "nobody"}]}}, "/contact/points/1/value"),
        ({"contact": {"points": []}}, "/contact/points"),
        ({"contact": {"points": [{**PHONE, "usage": "PERSONAL"}]}}, "/contact/points/0/usage"),
        ({"name": None}, "/name"),
        ({"name": " "}, "/name"),
        ({"country": "XX"}, "/country"),
        ({"identifiers": [{"scheme": "LEI", "value": "X"}], **WELL_FOUNDED}, "/identifiers/0/value"),
        ({"identifiers": [{"scheme": "lei", "value": "X"}], **WELL_FOUNDED}, "/identifiers/0/scheme"),
        ({"identifiers": [{"scheme": "OTHER", "value": "X"}]}, "/evidence"),
        ({"changes": [_attribute("a", 1), _BAD_PHONE]}, "/changes/1/points/1/value"),
        ({"effective_from": "2999-01-01"}, "/effective_from"),
        ({"customer_kind": "ROBOT"}, "/customer_kind"),
        ({"customer_id": "17"}, "/customer_id"),
    ],
)
def test_what_is_wrong_with_a_registration_is_named_by_its_place(
    li_na: Api, part: dict[str, Any], pointer: str
) -> None:
    body = {"customer_kind": "ORGANISATION", "name": "Acme", "contact": {"points": [PHONE]}, **part}
    problem = li_na.post("/v1/customers", body, expect=422).json()
    assert pointer in [field_error["pointer"] for field_error in problem["errors"]]
