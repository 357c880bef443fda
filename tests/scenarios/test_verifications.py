"""A value held against a source outside: recorded, told by blame, and gone with the value."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.scenarios.client import Api, File

_SLOT = "/attributes/n"


@pytest.fixture
def file(li_na: Api) -> File:
    return li_na.register()


def _verify(file: File, value: dict[str, Any], **how: Any) -> dict[str, Any]:
    stated = {"path": _SLOT, "value_event_id": value["event_id"], "method": "CALLBACK", "result": "MATCH"}
    return file.record("/verifications", **{**stated, **how})


def test_blame_tells_the_last_verification_of_the_value_that_shows(file: File, wang: Api) -> None:
    value = file.record("/attributes", key="n", value=1)
    assert file.blame(_SLOT)["last_verified"] is None
    etag = file.etag
    first = _verify(file, value)
    second = _verify(file.seen_by(wang), value, method="REGISTRY", result="MISMATCH")
    assert file.etag == etag
    assert file.blame(_SLOT)["last_verified"] == {
        "event_id": second["event_id"],
        "at": second["recorded_at"],
        "by": "u-301",
        "method": "REGISTRY",
        "result": "MISMATCH",
    }
    then = file.blame(_SLOT, known_at=file.known_at(first))["last_verified"]
    assert (then["event_id"], then["by"]) == (first["event_id"], "u-118")
    assert [item["last_verified"] for item in file.read("blame", path="/identity")["items"]] == [None]


def test_a_verification_counts_only_while_its_value_holds_the_slot(file: File) -> None:
    first = file.record("/attributes", key="n", value=1, effective_from="2026-11-01")
    verification = _verify(file, first)
    second = file.record("/attributes", key="n", value=2, effective_from="2026-11-10")
    assert file.blame(_SLOT)["last_verified"] is None
    assert file.blame(_SLOT, valid_at="2026-11-05")["last_verified"]["event_id"] == verification["event_id"]
    file.record("/retractions", retracts=second["event_id"])
    assert file.blame(_SLOT)["last_verified"]["event_id"] == verification["event_id"]
    assert file.profile(valid_at="2026-11-05")["attributes"] == {"n": 1}


def test_a_verification_stands_in_the_history_and_moves_nothing(file: File) -> None:
    value = file.record("/attributes", key="n", value=1)
    verification = _verify(file, value)
    item = file.history(type="customer.field-verified")[0]
    assert (item["event_id"], item["decision"], item["changes"]) == (verification["event_id"], True, [])
    assert item["data"] == {
        "path": _SLOT,
        "value_event_id": value["event_id"],
        "method": "CALLBACK",
        "result": "MATCH",
    }
    assert item["evidence"] == [{"note": "letter of the customer"}]


def test_what_does_not_show_or_is_held_by_another_event_is_not_verified(file: File) -> None:
    value = file.record("/attributes", key="n", value=1)
    other = file.record("/attributes", key="m", value=1)
    for how, status, slug, pointer in (
        ({"value_event_id": other["event_id"]}, 409, "value-not-held", "/value_event_id"),
        ({"value_event_id": str(uuid4())}, 409, "value-not-held", "/value_event_id"),
        ({"path": "/attributes/none"}, 404, "unknown-item", "/path"),
        ({"path": "/colour"}, 422, "invalid-body", "/path"),
        ({"method": "GUESS"}, 422, "invalid-body", "/method"),
        ({"result": None}, 422, "invalid-body", "/result"),
        ({"evidence": []}, 422, "evidence-required", "/evidence"),
        ({"effective_from": "2026-11-01"}, 422, "effective-date-out-of-range", "/effective_from"),
    ):
        problem = _verify(file, value, expect=status, **how)
        assert problem["type"] == f"urn:dossier:problem:{slug}"
        assert problem["errors"][0]["pointer"] == pointer
    assert file.history(type="customer.field-verified") == []
