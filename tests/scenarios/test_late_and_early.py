"""What is recorded late or early: what is hidden, what is pending, and what takes effect by itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.scenarios.client import Api, File
from tests.scenarios.service import wait_until

_BACKDATED: dict[str, Any] = {"reason": {"code": "BACKDATED", "text": "found in the old paper file"}}


@pytest.fixture
def file(li_na: Api) -> File:
    return li_na.register()


def _in_days(file: File, days: float) -> str:
    now = datetime.fromisoformat(file.profile()["basis"]["known_at"])
    return (now + timedelta(days=days)).isoformat()


def test_a_fact_of_months_ago_is_taken_with_the_reason_code_and_known_since_today(file: File) -> None:
    start = _in_days(file, -200)
    fact = file.record("/attributes", key="plan", value="basic", effective_from=start, **_BACKDATED)
    assert "masked_from" not in fact
    assert file.profile()["attributes"] == {"plan": "basic"}
    assert file.profile(valid_at=_in_days(file, -199))["attributes"] == {"plan": "basic"}
    assert file.history(order="desc", limit=1)[0]["changes"][0]["kind"] == "LATE"
    (item,) = file.read("knowledge", path="/attributes/plan")["items"]
    assert item["first"]["known_at"] == file.known_at(fact)
    assert datetime.fromisoformat(item["first"]["valid"][0]["valid_from"]) == datetime.fromisoformat(start)


def test_a_correction_of_what_is_hidden_says_from_when_on_it_is_hidden(file: File) -> None:
    older = file.record("/attributes", key="plan", value="bsaic", effective_from="2026-11-01")
    file.record("/attributes", key="plan", value="gold", effective_from="2026-11-10")
    correction = file.record("/corrections", corrects=older["event_id"], replacement={"value": "basic"})
    assert correction["masked_from"] == "2026-11-09T16:00:00.000000Z"
    assert file.profile()["attributes"] == {"plan": "gold"}


def test_what_is_pending_can_be_corrected_and_retracted_before_it_begins(file: File) -> None:
    file.record("/attributes", key="plan", value="basic")
    future = file.record("/attributes", key="plan", value="glod", effective_from=_in_days(file, 30))
    right = file.record("/corrections", corrects=future["event_id"], replacement={"value": "gold"})
    for moment in ({}, {"at_position": file.position}):
        profile = file.profile(**moment)
        assert profile["attributes"] == {"plan": "basic"}
        assert [(item["value"], item["version"]) for item in profile["pending"]] == [("gold", right["version"])]
    assert file.profile(at_position=file.position - 1)["pending"][0]["value"] == "glod"
    file.record("/retractions", retracts=right["event_id"])
    assert file.profile()["pending"] == []
    assert file.profile(valid_at=_in_days(file, 31))["attributes"] == {"plan": "basic"}


def test_what_begins_later_is_listed_by_itself_when_it_begins(file: File) -> None:
    """No job runs: profile, list, blame and timeline all change with the clock alone."""
    before, after = f"u-{uuid4()}", f"u-{uuid4()}"
    file.record("/owners", role="ACCOUNT_MANAGER", to_staff=before)
    starts = datetime.fromisoformat(_in_days(file, 0)) + timedelta(seconds=1.5)
    change = file.record("/owners", role="ACCOUNT_MANAGER", to_staff=after, effective_from=starts.isoformat())
    (item,) = file.read("knowledge", path="/owner/ACCOUNT_MANAGER", value=f'"{after}"')["items"]
    assert item["first"]["known_at"] == file.known_at(change)

    def listed(owner: str) -> list[str]:
        items = file.api.get("/v1/customers", owner=owner, after=file.token).json()["items"]
        return [item["customer_id"] for item in items]

    assert listed(before) == [file.customer_id] or datetime.fromisoformat(_in_days(file, 0)) >= starts
    wait_until(lambda: listed(after) == [file.customer_id])
    assert listed(before) == []
    assert datetime.fromisoformat(_in_days(file, 0)) >= starts
    assert file.blame("/owner/ACCOUNT_MANAGER")["value"] == after
    assert file.profile()["owner"] == {"ACCOUNT_MANAGER": after}
    assert file.version == change["version"]
