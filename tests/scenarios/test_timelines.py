"""One slot through both times, over HTTP: what it ever said, and since when each value was known."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.scenarios.client import Api, File


@pytest.fixture
def file(li_na: Api) -> File:
    return li_na.register()


def _story(file: File) -> list[dict[str, Any]]:
    """A value, a later one, one recorded late between them, and the first one corrected."""
    first = file.record("/attributes", key="n", value=1, effective_from="2026-11-01")
    later = file.record("/attributes", key="n", value=3, effective_from="2026-11-20")
    late = file.record("/attributes", key="n", value=2, effective_from="2026-11-10")
    correction = file.record("/corrections", corrects=first["event_id"], replacement={"value": True})
    return [first, later, late, correction]


def test_a_timeline_has_every_rectangle_with_who_drew_it(file: File) -> None:
    first, later, late, correction = _story(file)
    items = file.read("timeline", path="/attributes/n")["items"]
    positions = [item["position"] for item in file.history(path="/attributes/n")]
    drawn = [
        (item["value"], item["valid_from"][:10], (item["valid_to"] or "")[:10], item["set_by"]["event_id"])
        for item in items
    ]
    assert drawn == [
        (1, "2026-10-31", "", first["event_id"]),
        (1, "2026-10-31", "2026-11-19", first["event_id"]),
        (3, "2026-11-19", "", later["event_id"]),
        (1, "2026-10-31", "2026-11-09", first["event_id"]),
        (2, "2026-11-09", "2026-11-19", late["event_id"]),
        (True, "2026-10-31", "2026-11-09", correction["event_id"]),
    ]
    spans = [(item["position_from"], item["position_to"]) for item in items]
    one, two, three, four = positions
    assert spans == [(one, two), (two, three), (two, None), (three, four), (three, None), (four, None)]
    assert items[0]["known_from"] == file.known_at(first)
    assert items[0]["known_to"] == file.known_at(later)
    assert items[-1]["set_by"]["actor"] == "u-118"


def test_a_timeline_can_be_limited_along_both_times(file: File) -> None:
    first, *_ = _story(file)
    at_first = file.read("timeline", path="/attributes", known_at=file.known_at(first))["items"]
    assert [(item["value"], item["position_to"], item["known_to"]) for item in at_first] == [(1, None, None)]
    on_a_day = file.read("timeline", path="/attributes", valid_at="2026-11-15")["items"]
    assert [item["value"] for item in on_a_day] == [1, 1, 2]
    assert file.read("timeline", path="/tags")["items"] == []
    whole = {item["path"] for item in file.read("timeline", limit=500)["items"]}
    assert {path.split("/")[1] for path in whole} == {"attributes", "contacts", "identity", "primary_contact"}


def test_a_removed_value_is_absent_in_its_timeline(file: File) -> None:
    file.record("/attributes", key="n", value=None)
    file.record("/attributes/remove", key="n")
    *_, item = file.read("timeline", path="/attributes/n")["items"]
    assert item["absent"] is True
    assert "value" not in item


@pytest.mark.parametrize(("kind", "total"), [("timeline", 6), ("knowledge", 4)])
def test_pages_are_of_one_position_even_while_the_file_changes(file: File, kind: str, total: int) -> None:
    _story(file)
    expected = file.read(kind, path="/attributes/n")["items"]
    page = file.read(kind, path="/attributes/n", limit=1)
    seen = page["items"]
    file.record("/attributes", key="n", value="meanwhile")
    while page["next_page_token"] is not None:
        page = file.read(kind, path="/attributes/n", limit=1, page_token=page["next_page_token"])
        seen += page["items"]
    assert seen == expected
    assert len(seen) == total


def test_knowledge_tells_when_a_value_was_known_and_whether_it_still_is(file: File, wang: Api) -> None:
    first, later, _, correction = _story(file)
    again = file.seen_by(wang).record(
        "/attributes", key="n", value=3, effective_from="2026-11-12", effective_to="2026-11-14"
    )
    (three,) = file.read("knowledge", path="/attributes/n", value="3")["items"]
    assert (three["still_believed"], three["ended"]) == (True, None)
    assert three["first"]["event"]["event_id"] == later["event_id"]
    assert three["first"]["event"]["reason"] == {"text": "told by the customer in person"}
    assert (three["last"]["event"]["event_id"], three["last"]["event"]["actor"]) == (again["event_id"], "u-301")
    assert [span["valid_to"][:10] for span in three["last"]["valid"]] == ["2026-11-13"]
    (one,) = file.read("knowledge", path="/attributes/n", value="1.0")["items"]
    assert (one["value"], one["still_believed"]) == (1, False)
    assert one["ended"]["event"]["event_id"] == correction["event_id"]
    assert one["ended"]["known_at"] == file.known_at(correction)
    (then,) = file.read("knowledge", path="/attributes/n", value="1", known_at=file.known_at(first))["items"]
    assert then["still_believed"]
    assert file.read("knowledge", path="/attributes/n", value='"1"')["items"] == []


@pytest.mark.parametrize(
    ("kind", "query", "pointer"),
    [
        ("timeline", {"path": "/colour"}, "path"),
        ("timeline", {"path": "tier"}, "path"),
        ("timeline", {"valid_at": "yesterday"}, "valid_at"),
        ("timeline", {"limit": 501}, "limit"),
        ("timeline", {"known_at": "2026-11-01", "at_position": 1}, "at_position"),
        ("timeline", {"known_at": "2999-01-01"}, "known_at"),
        ("timeline", {"value": "1"}, "value"),
        ("knowledge", {}, "path"),
        ("knowledge", {"path": "/attributes"}, "path"),
        ("knowledge", {"path": "/attributes/n", "value": "x"}, "value"),
        ("knowledge", {"path": "/attributes/n", "value": '"\\u0000"'}, "value"),
        ("knowledge", {"path": "/attributes/n", "value": "1" + "0" * 400}, "value"),
        ("knowledge", {"path": "/attributes/n", "valid_at": "2026-11-01"}, "valid_at"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    untouched: File, kind: str, query: dict[str, Any], pointer: str
) -> None:
    problem = untouched.api.get(f"{untouched.path}/{kind}", expect=422, **query).json()
    assert [field_error["pointer"] for field_error in problem["errors"]] == [pointer]


@pytest.mark.parametrize("kind", ["timeline", "knowledge"])
def test_before_the_registration_there_is_no_story(file: File, kind: str) -> None:
    registered_at = file.known_at(file.history(limit=1)[0])
    before = datetime.fromisoformat(registered_at) - timedelta(microseconds=1)
    query = {"path": "/tier/VALUE", "known_at": before.isoformat()}
    problem = file.api.get(f"{file.path}/{kind}", expect=404, **query).json()
    assert problem["type"] == "urn:dossier:problem:not-yet-known"
    assert problem["first_known_at"] == registered_at
    nobody = f"/v1/customers/01900000-0000-7000-8000-0000000000aa/{kind}"
    assert file.api.get(nobody, path="/tier/VALUE", expect=404).json()["type"].endswith("customer-unknown")


@pytest.mark.parametrize("kind", ["timeline", "knowledge"])
def test_a_page_token_that_was_not_answered_is_refused(file: File, kind: str) -> None:
    _story(file)
    token = file.read(kind, path="/attributes/n", limit=1)["next_page_token"]
    for broken in ("x", token[:-4], token[1:], ""):
        assert file.api.get(f"{file.path}/{kind}", path="/attributes/n", page_token=broken, expect=422)
    other = file.api.get(f"{file.path}/{kind}", path="/attributes/m", page_token=token, expect=422).json()
    assert other["errors"][0]["pointer"] == "page_token"
