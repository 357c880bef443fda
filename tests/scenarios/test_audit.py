"""Who changed what, over all customers and over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.scenarios.client import Api, File
from tests.scenarios.service import Service


@pytest.fixture
def key() -> str:
    """An attribute that no other scenario has."""
    return f"audited {uuid4()}"


def _search(api: Api, file: File, **query: Any) -> list[dict[str, Any]]:
    """All pages, including all that was recorded of the file so far."""
    page = api.get("/v1/history", after=file.token, **query).json()
    items: list[dict[str, Any]] = page["items"]
    while page["next_page_token"] is not None:
        page = api.get("/v1/history", page_token=page["next_page_token"], **query).json()
        items += page["items"]
    return items


def test_a_change_is_found_whosever_file_it_is_in(auditor: Api, li_na: Api, wang: Api, key: str) -> None:
    files = [li_na.register(), li_na.register()]
    first = files[0].record("/attributes", key=key, value=1)
    second = files[1].record("/attributes", key=key, value="1")
    third = files[0].seen_by(wang).record("/attributes", key=key, value=2)
    slot, last = f"/attributes/{key}", files[0]

    def found(**query: Any) -> list[str]:
        return [item["event_id"] for item in _search(auditor, last, **query)]

    assert found(path=slot) == [event["event_id"] for event in (first, second, third)]
    assert found(path=slot, actor="u-301") == [third["event_id"]]
    assert found(path=slot, new="1") == found(path=slot, new="1.0") == [first["event_id"]]
    assert found(path=slot, new='"1"') == [second["event_id"]]
    assert found(path=slot, old="1", new="2") == [third["event_id"]]
    assert found(path=slot, customer_id=files[1].customer_id) == [second["event_id"]]
    assert found(path=slot, type="customer.attribute-*", limit=1) == found(path=slot)
    assert found(path=slot, type="customer.tag-*") == []
    assert found(path=slot, since=second["recorded_at"]) == [second["event_id"], third["event_id"]]
    assert found(path=slot, until=second["recorded_at"]) == [first["event_id"]]
    assert found(path=slot, known_at=files[1].known_at(second)) == [first["event_id"], second["event_id"]]
    assert found(path=slot, effective_overlaps="2020-01-01/2020-02-01") == []
    item = _search(auditor, last, path=slot)[2]
    assert item == files[0].history(order="desc", limit=1)[0]


def test_pages_of_a_search_are_of_one_position(auditor: Api, li_na: Api, key: str) -> None:
    file, path = li_na.register(), f"/attributes/{key}"
    for number in range(4):
        file.record("/attributes", key=key, value=number)
    page = auditor.get("/v1/history", path=path, limit=2, after=file.token).json()
    seen = page["items"]
    file.record("/attributes", key=key, value="meanwhile")
    while page["next_page_token"] is not None:
        page = auditor.get("/v1/history", path=path, limit=2, page_token=page["next_page_token"]).json()
        seen += page["items"]
    assert [item["data"]["value"] for item in seen] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"path": "/colour"}, "path"),
        ({"since": "yesterday"}, "since"),
        ({"until": "1"}, "until"),
        ({"old": "x"}, "old"),
        ({"new": "NaN"}, "new"),
        ({"customer_id": "x"}, "customer_id"),
        ({"effective_overlaps": "2026-01-01"}, "effective_overlaps"),
        ({"effective_overlaps": "2026-01-02/2026-01-01"}, "effective_overlaps"),
        ({"effective_overlaps": "2026-01-02/soon"}, "effective_overlaps"),
        ({"known_at": "2999-01-01"}, "known_at"),
        ({"order": "desc"}, "order"),
        ({"limit": 0}, "limit"),
        ({"page_token": "x"}, "page_token"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(auditor: Api, query: dict[str, Any], pointer: str) -> None:
    problem = auditor.get("/v1/history", expect=422, **query).json()
    assert [field_error["pointer"] for field_error in problem["errors"]] == [pointer]


def test_nobody_searches_without_a_token_and_no_position_is_made_up(auditor: Api, service: Service) -> None:
    service.anonymous.get("/v1/history", expect=401)
    assert auditor.get("/v1/history", at_position=10**9, expect=404).json()["type"].endswith("position-unknown")
