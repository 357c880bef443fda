"""Who did what: histories filtered and page by page, the holder of each slot, and what differs between two moments."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.scenarios.client import Api, File


@pytest.fixture
def file(li_na: Api) -> File:
    return li_na.register()


def _attributes(file: File, *values: Any) -> list[dict[str, Any]]:
    return [file.record("/attributes", key="n", value=value) for value in values]


# --- history --------------------------------------------------------------------------------------------------------


def test_a_history_is_filtered_by_type_path_actor_and_time(file: File, wang: Api) -> None:
    first, second = _attributes(file, 1, 2)
    tag = file.seen_by(wang).record("/tags", group="FOCUS", code="FOCUS")
    start = file.history(type="customer.registered")[0]["position"]

    def versions(**filters: Any) -> list[int]:
        return [item["version"] for item in file.history(**filters)]

    assert versions() == [1, 2, 3, 4, 5, 6, 7]
    assert versions(order="desc") == [7, 6, 5, 4, 3, 2, 1]
    assert versions(type="customer.contact-*") == [3, 4]
    assert versions(type="customer.contact-added") == [3]
    assert versions(path="/attributes") == versions(path="/attributes/") == versions(path="/attributes/n") == [5, 6]
    assert versions(path="/contacts") == [3, 4]
    assert versions(actor="u-301") == [tag["version"]]
    assert versions(since=second["recorded_at"]) == [6, 7]
    assert versions(until=second["recorded_at"]) == [1, 2, 3, 4, 5]
    assert versions(since=first["recorded_at"], until=tag["recorded_at"], actor="u-118") == [5, 6]
    assert versions(from_position=start + 4, path="/attributes", order="desc", limit=1) == [6]
    assert versions(type="customer.nothing") == []
    assert versions(known_at=file.known_at(first)) == versions(at_position=start + 4) == [1, 2, 3, 4, 5]


def test_pages_of_a_history_are_one_answer_while_writing_goes_on(file: File) -> None:
    _attributes(file, *range(6))
    for order in ("asc", "desc"):
        page = file.read("history", limit=3, order=order, path="/attributes")
        seen = [item["data"]["value"] for item in page["items"]]
        _attributes(file, f"meanwhile {order}")
        following = {"limit": 2, "order": order, "path": "/attributes"}
        while page["next_page_token"] is not None:
            page = file.read("history", page_token=page["next_page_token"], **following)
            seen += [item["data"]["value"] for item in page["items"]]
        expected = list(range(6)) if order == "asc" else ["meanwhile asc", *range(5, -1, -1)]
        assert seen == expected


def test_the_link_to_the_next_page_can_be_followed(file: File) -> None:
    answer = file.api.get(f"{file.path}/history", limit=2, type="customer.*", after=file.token)
    link = answer.headers["Link"]
    assert link.endswith('; rel="next"')
    url = link[1 : link.index(">")]
    assert parse_qs(urlsplit(url).query)["limit"] == ["2"]
    assert [item["version"] for item in file.api.request("GET", url, expect=200).json()["items"]] == [3, 4]


def test_a_page_token_belongs_to_its_query(file: File, li_na: Api) -> None:
    token = file.read("history", limit=1, order="desc")["next_page_token"]
    other = li_na.register()
    for path, query in (
        (file.path, {"order": "asc"}),
        (file.path, {"order": "desc", "path": "/identity"}),
        (other.path, {"order": "desc"}),
    ):
        problem = li_na.get(f"{path}/history", page_token=token, expect=422, **query).json()
        assert problem["errors"][0]["pointer"] == "page_token"
    for broken in ("x", token[:-4], token[1:], "", "é"):
        assert li_na.get(f"{file.path}/history", order="desc", page_token=broken, expect=422)


# --- blame ----------------------------------------------------------------------------------------------------------


def test_blame_says_who_why_and_what_was_there_before(file: File) -> None:
    first = file.record("/attributes", key="n", value=None)
    second = file.record("/attributes", key="n", value=1, source={"kind": "PHONE_CALL"}, certainty="POSSIBILITY")
    item = file.blame("/attributes/n")
    assert item["value"] == 1
    assert item["previous"] == {"value": None, "event_id": first["event_id"], "version": 5}
    held = item["set_by"]
    assert (held["event_id"], held["actor"], held["certainty"]) == (second["event_id"], "u-118", "POSSIBILITY")
    assert held["source"] == {"kind": "PHONE_CALL"}
    assert held["evidence"] == [{"note": "letter of the customer"}]
    assert held["observed_at"] == "2026-01-01T01:00:00.000000Z"
    assert file.blame("/attributes/n", known_at=file.known_at(first))["previous"] is None


def test_blame_covers_every_slot_that_shows(file: File) -> None:
    _attributes(file, 1)
    whole = file.read("blame")
    assert {item["path"].split("/")[1] for item in whole["items"]} == {
        "attributes",
        "contacts",
        "identity",
        "primary_contact",
    }
    assert [item["path"] for item in whole["items"]] == sorted(item["path"] for item in whole["items"])
    contact = next(iter(file.profile()["contacts"]))
    below = file.read("blame", path=f"/contacts/{contact}/points")["items"]
    assert [item["path"].rsplit("/", 1)[0] for item in below] == [f"/contacts/{contact}/points"]
    assert file.read("blame", path="/tags")["items"] == []


def test_blame_follows_whoever_the_person_acts_for(file: File, service: Any) -> None:
    assistant = service.as_("u-7", "editor", on_behalf_of="u-118")
    file.seen_by(assistant).record("/attributes", key="n", value=1)
    held = file.blame("/attributes/n")["set_by"]
    assert (held["actor"], held["on_behalf_of"]) == ("u-7", "u-118")


# --- diff -----------------------------------------------------------------------------------------------------------


def _diff(file: File, start: object, end: object, **query: Any) -> list[dict[str, Any]]:
    changes: list[dict[str, Any]] = file.read("diff", from_=start, to=end, **query)["changes"]
    return changes


def test_what_came_to_be_known_differs_by_change_lateness_and_correction(file: File) -> None:
    wrong = file.record("/attributes", key="wrong", value={"a": 1, "b": 2}, effective_from="2026-11-01")
    file.record("/attributes", key="gone", value=1)
    start = file.position
    file.record("/attributes", key="new", value=1)
    file.record("/attributes", key="late", value=1, effective_from="2026-11-02")
    file.record("/corrections", corrects=wrong["event_id"], replacement={"value": {"a": 1, "b": 3}})
    file.record("/attributes/remove", key="gone")
    end = file.position
    changes = {change["path"]: change for change in _diff(file, start, end)}
    kinds = {path: (change["op"], change["kind"]) for path, change in changes.items()}
    assert kinds == {
        "/attributes/new": ("add", "CHANGE"),
        "/attributes/late": ("add", "LATE"),
        "/attributes/wrong/b": ("replace", "CORRECTION"),
        "/attributes/gone": ("remove", "CHANGE"),
    }
    corrected = changes["/attributes/wrong/b"]
    assert (corrected["from"], corrected["to"]) == (2, 3)
    (cause,) = corrected["caused_by"]
    assert (cause["type"], cause["actor"]) == ("customer.fact-corrected", "u-118")
    assert cause["reason"] == "told by the customer in person"
    assert _diff(file, end, end) == []


def test_what_came_to_be_true_differs_along_valid_time(file: File) -> None:
    file.record("/attributes", key="plan", value="basic", effective_from="2026-11-01")
    file.record("/attributes", key="plan", value="gold", effective_from="2026-11-10")
    (change,) = _diff(file, "2026-11-05", "2026-11-15", axis="valid")
    assert (change["from"], change["to"], change["kind"]) == ("basic", "gold", "CHANGE")
    assert change["effective_from"] == "2026-11-09T16:00:00.000000Z"
    answer = file.read("diff", from_="2026-11-15", to="2026-11-05", axis="valid")
    assert [(step["from"], step["to"]) for step in answer["changes"]] == [("gold", "basic")]
    assert answer["from"]["position"] == answer["to"]["position"]
    assert answer["from"]["valid_at"] == "2026-11-14T16:00:00.000000Z"


def test_two_states_of_knowledge_can_be_compared_for_one_day(file: File) -> None:
    fact = file.record("/attributes", key="n", value=1, effective_from="2026-11-01")
    file.record("/corrections", corrects=fact["event_id"], replacement={"value": 2}, effective_from="2026-11-05")
    points = {"from_": file.position - 1, "to": file.position}
    assert [step["op"] for step in file.read("diff", **points, valid_at="2026-11-02")["changes"]] == ["remove"]
    assert [step["op"] for step in file.read("diff", **points, valid_at="2026-11-06")["changes"]] == ["replace"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({}, "from"),
        ({"from_": 1}, "to"),
        ({"from_": 1, "to": 2, "axis": "both"}, "axis"),
        ({"from_": 1, "to": 2, "known_at": "2026-11-01"}, "known_at"),
        ({"from_": "2026-11-01", "to": "2026-11-02", "axis": "valid", "valid_at": "2026-11-02"}, "valid_at"),
        ({"from_": "2999-01-01", "to": 1}, "from"),
        ({"from_": "yesterday", "to": 1}, "from"),
        ({"from_": 1, "to": 2, "axis": "valid"}, "from"),
    ],
)
def test_a_diff_that_makes_no_sense_is_refused(file: File, query: dict[str, Any], pointer: str) -> None:
    file.read("history")
    problem = file.api.get(f"{file.path}/diff", expect=422, **query).json()
    assert [field_error["pointer"] for field_error in problem["errors"]] == [pointer]
