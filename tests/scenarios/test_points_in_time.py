"""Reading a file at any moment, of the world and of our knowledge; and which answers stay as they are for ever."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.scenarios.client import Api, File
from tests.scenarios.service import wait_until


@pytest.fixture
def file(li_na: Api) -> File:
    return li_na.register()


def _now(file: File) -> datetime:
    return datetime.fromisoformat(file.profile()["basis"]["known_at"])


def test_the_past_stays_readable_by_position_version_and_instant(file: File) -> None:
    first = file.record("/attributes", key="colour", value="red")
    position = file.position
    second = file.record("/attributes", key="colour", value="blue")
    assert file.profile()["attributes"] == {"colour": "blue"}
    by_position = file.profile(at_position=position)
    assert by_position["attributes"] == {"colour": "red"}
    basis = by_position["basis"]
    assert (basis["position"], basis["version"], basis["stable"]) == (position, first["version"], True)
    assert basis["valid_at"] == basis["known_at"]
    at_version = file.api.get(f"{file.path}/versions/{first['version']}").json()
    assert at_version == by_position
    # An event may be known a little after it was recorded: not before what was sealed before it.
    assert file.profile(known_at=basis["known_at"])["attributes"] == {"colour": "red"}
    newest = file.profile(at_position=file.position)["basis"]
    assert (newest["version"], newest["known_at"] >= second["recorded_at"]) == (second["version"], True)
    assert file.profile(known_at=newest["known_at"])["attributes"] == {"colour": "blue"}
    just_before = datetime.fromisoformat(second["recorded_at"]) - timedelta(microseconds=1)
    assert file.profile(known_at=just_before.isoformat())["attributes"] == {"colour": "red"}
    assert "attributes" not in file.profile(valid_at=just_before.isoformat(), at_position=position - 1)


def test_a_current_read_says_on_what_it_stands(file: File) -> None:
    basis = file.profile()["basis"]
    assert (basis["position"], basis["version"], basis["stable"]) == (None, 4, False)
    assert basis["known_at"] == basis["valid_at"]


def test_an_answer_about_the_past_becomes_stable(file: File) -> None:
    known_at = file.known_at(file.record("/attributes", key="k", value=1))
    wait_until(lambda: file.profile(known_at=known_at)["basis"]["stable"])
    settled = file.api.get(file.path, known_at=known_at)
    file.record("/attributes", key="k", value=2)
    assert file.api.get(file.path, known_at=known_at).content == settled.content


def test_a_date_means_its_midnight_in_the_business_time_zone(file: File) -> None:
    file.record("/attributes", key="k", value=1, effective_from="2026-11-01")
    assert "attributes" not in file.profile(valid_at="2026-10-31T15:59:59.999999Z")
    assert file.profile(valid_at="2026-10-31T16:00:00Z")["attributes"] == {"k": 1}
    assert file.profile(valid_at="2026-11-01")["attributes"] == {"k": 1}
    assert file.profile(valid_at="2026-11-01T00:00:00+08:00")["attributes"] == {"k": 1}


def test_before_the_registration_nothing_was_known(file: File) -> None:
    registered_at = file.known_at(file.history(limit=1)[0])
    before = datetime.fromisoformat(registered_at) - timedelta(microseconds=1)
    for kind in ("", "/blame", "/history"):
        problem = file.api.get(file.path + kind, known_at=before.isoformat(), expect=404).json()
        assert problem["type"] == "urn:dossier:problem:not-yet-known"
        assert problem["first_known_at"] == registered_at
    assert file.profile(known_at=registered_at)["display_name"] == "Acme Ltd"


def test_before_the_first_fact_the_customer_is_not_effective(file: File) -> None:
    profile = file.profile(valid_at="2020-01-01")
    assert (profile["existence"], profile["display_name"]) == ("NOT_EFFECTIVE", None)
    assert [item["path"] for item in profile["pending"] if item["path"] == "/identity/legal_name"]
    file.record("/attributes", key="k", value=1, effective_from="2026-11-01")
    assert file.profile(valid_at="2026-11-01")["existence"] == "EFFECTIVE"


def test_what_is_recorded_for_the_future_takes_effect_by_itself(file: File) -> None:
    """No job runs: the same row shows something else once its time has come, under another ETag."""
    file.record("/attributes", key="plan", value="basic")
    starts = _now(file) + timedelta(seconds=1.5)
    file.record("/attributes", key="plan", value="gold", effective_from=starts.isoformat())
    before = file.api.get(file.path)
    if datetime.fromisoformat(before.json()["basis"]["known_at"]) < starts:
        assert before.json()["attributes"] == {"plan": "basic"}
        (pending,) = before.json()["pending"]
        assert (pending["path"], pending["value"], pending["version"]) == ("/attributes/plan", "gold", 6)
        assert datetime.fromisoformat(pending["effective_from"]) == starts
    wait_until(lambda: _now(file) >= starts)
    after = file.api.get(file.path)
    assert after.json()["attributes"] == {"plan": "gold"}
    assert after.json()["pending"] == []
    assert after.headers["ETag"] != before.headers["ETag"]
    # what was looked at is still what the next write is decided on: nothing was recorded meanwhile
    file.send("/attributes", {"key": "k", "value": 1}, if_match=before.headers["ETag"])
    just_before = starts - timedelta(microseconds=1)
    assert file.profile(valid_at=just_before.isoformat(), after=file.token)["attributes"] == {"plan": "basic"}


def test_of_much_that_is_pending_the_soonest_is_listed(file: File) -> None:
    many = [{"type": "customer.attribute-recorded", "key": f"k{number:02}", "value": number} for number in range(30)]
    file.change(*many)
    for fields, listed, more in ((None, 10, True), ("/attributes", 10, True), ("/attributes/k29", 1, False)):
        narrowing: dict[str, Any] = {"fields": fields} if fields else {}
        profile = file.profile(valid_at="2020-01-01", **narrowing)
        assert (len(profile["pending"]), profile["more_pending"]) == (listed, more)
    assert (file.profile()["pending"], file.profile()["more_pending"]) == ([], False)


def test_what_ends_shows_until_it_ends_and_then_what_held_before(file: File) -> None:
    file.record("/attributes", key="plan", value="basic", effective_from="2026-11-01")
    file.record("/attributes", key="plan", value="trial", effective_from="2026-11-05", effective_to="2026-11-10")
    seen = [file.profile(valid_at=f"2026-11-{day:02}")["attributes"]["plan"] for day in (4, 5, 9, 10)]
    assert seen == ["basic", "trial", "trial", "basic"]


def test_a_backdated_fact_holds_until_the_next_and_says_so(file: File) -> None:
    file.record("/attributes", key="plan", value="gold", effective_from="2026-11-10")
    answer = file.record("/attributes", key="plan", value="basic", effective_from="2026-11-01")
    assert answer["masked_from"] == "2026-11-09T16:00:00.000000Z"
    assert file.profile()["attributes"] == {"plan": "gold"}
    assert file.profile(valid_at="2026-11-05")["attributes"] == {"plan": "basic"}


def test_the_profile_can_be_narrowed_to_slots(file: File) -> None:
    file.change(
        {"type": "customer.attribute-recorded", "key": "a/b", "value": 1},
        {"type": "customer.attribute-recorded", "key": "ab", "value": 2},
        {"type": "customer.owner-assigned", "role": "ACCOUNT_MANAGER", "to_staff": "u-1"},
    )
    narrowed = file.profile(fields="/owner,/attributes/a~1b")
    assert (narrowed["owner"], narrowed["attributes"]) == ({"ACCOUNT_MANAGER": "u-1"}, {"a/b": 1})
    assert not {"identity", "contacts"} & narrowed.keys()
    assert narrowed["display_name"] == "Acme Ltd"
    answer = file.api.get(file.path, at_position=file.position, fields="/owner/")
    assert "attributes" not in answer.json()
    again = file.api.get(answer.headers["Content-Location"])
    assert again.content == answer.content


@pytest.mark.parametrize("moment", [{}, {"valid_at": "2026-11-20"}, {"at_position": "newest"}])
def test_what_the_caller_has_already_is_not_sent_again(file: File, moment: dict[str, Any]) -> None:
    query = {name: file.position if value == "newest" else value for name, value in moment.items()}
    first = file.api.get(file.path, **query)
    known = {"If-None-Match": f'"other", W/{first.headers["ETag"]}'}
    again = file.api.request("GET", file.path, params=query, headers=known, expect=304)
    assert again.content == b""
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == "private, no-cache"
    unknown = file.path.replace(file.customer_id, str(uuid4()))
    file.api.request("GET", unknown, params=query, headers={"If-None-Match": "*"}, expect=404)


def test_the_etag_changes_with_the_profile_and_only_then(file: File) -> None:
    etag = file.etag
    file.record("/attributes", key="k", value=1, effective_from="2026-11-01", effective_to="2026-11-05")
    assert file.etag == etag, "a fact about a closed past leaves the present as it was"
    file.record("/attributes", key="k", value=1)
    assert file.etag != etag


def test_a_read_can_wait_for_a_write(file: File) -> None:
    """Every read that follows the log takes the token of a write and shows it."""
    for number in range(5):
        answer = file.send("/attributes", {"key": "n", "value": number})
        token = answer.headers["Dossier-Token"]
        assert file.profile(valid_at="2100-01-01", after=token)["attributes"] == {"n": number}
        (item,) = file.api.get(f"{file.path}/blame", path="/attributes/n", after=token).json()["items"]
        assert item["value"] == number
        newest = file.api.get(f"{file.path}/history", order="desc", limit=1, after=token).json()["items"]
        assert newest[0]["version"] == answer.json()["version"]


def test_the_links_of_an_answer_lead_to_the_same_moment(file: File) -> None:
    file.record("/attributes", key="k", value=1)
    old = file.profile(valid_at="2026-11-20", at_position=file.position)
    file.record("/attributes", key="k", value=2)
    blame = file.api.request("GET", old["provenance"], expect=200).json()
    assert {name: blame["basis"][name] for name in ("position", "valid_at")} == {
        name: old["basis"][name] for name in ("position", "valid_at")
    }
    version = file.api.get(f"{file.path}/versions/5")
    assert file.api.get(version.headers["Content-Location"]).json() == version.json()


def test_head_answers_as_get_without_a_body(file: File) -> None:
    head = file.api.request("HEAD", file.path, expect=200)
    assert head.content == b""
    assert head.headers["ETag"] == file.etag
    assert file.api.request("HEAD", f"/v1/customers/{uuid4()}").status_code == 404


def test_ids_may_be_written_in_any_way_a_uuid_may(file: File) -> None:
    for written in (file.customer_id.upper(), f"%7B{file.customer_id}%7D", file.customer_id.replace("-", "")):
        assert file.api.get(f"/v1/customers/{written}").json()["customer_id"] == file.customer_id
