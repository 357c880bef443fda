"""Questions about all customers over HTTP: as known and as valid at a moment, page by page, grouped, or all at once."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from pyarrow import parquet

from tests.scenarios.client import WELL_FOUNDED, Api, File

_PATH = "/v1/portfolio/query"
_TIER = "/tier/VALUE/code"
_OWNER = "/owner/ACCOUNT_MANAGER"
_BACKDATED: dict[str, Any] = {**WELL_FOUNDED, "reason": {"code": "BACKDATED", "text": "brought over from the old book"}}


@pytest.fixture
def owner() -> str:
    return f"u-{uuid4()}"


def _ask(api: Api, after: File | None = None, *, expect: int = 200, **body: Any) -> dict[str, Any]:
    params = {"after": after.token} if after else None
    answer = api.request("POST", _PATH, expect=expect, content=orjson.dumps(body), params=params)
    content: dict[str, Any] = answer.json()
    return content


def _owned(owner: str, *more: dict[str, Any]) -> dict[str, Any]:
    return {"all": [{"path": _OWNER, "eq": owner}, *more]}


def _lines(items: list[dict[str, Any]]) -> bytes:
    rows = (json.dumps(item, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for item in items)
    return "".join(f"{row}\n" for row in rows).encode()


def test_the_book_as_it_was_known_then_and_as_it_is_known_now(li_na: Api, owner: str) -> None:
    first, second = (li_na.register(owner=owner, effective_from="2026-02-01", **_BACKDATED) for _ in range(2))
    for file in (first, second):
        file.record("/tier", to_code="ORDINARY", effective_from="2026-03-01", **_BACKDATED)
    then = second.position
    late = second.record("/tier", to_code="POTENTIAL", effective_from="2026-04-01", **_BACKDATED)
    both = sorted((first.customer_id, second.customer_id))

    def found(code: str, **moment: Any) -> list[str]:
        where = _owned(owner, {"path": _TIER, "eq": code})
        return [item["customer_id"] for item in _ask(li_na, second, where=where, **moment)["items"]]

    assert found("ORDINARY", valid_at="2026-05-01", at_position=then) == both
    assert found("ORDINARY", valid_at="2026-05-01") == [first.customer_id]
    assert found("POTENTIAL", valid_at="2026-05-01") == [second.customer_id]
    assert found("ORDINARY", valid_at="2026-03-15") == both
    assert found("ORDINARY", valid_at="2026-02-15") == found("POTENTIAL", valid_at="2026-03-15") == []
    assert found("POTENTIAL", known_at=second.known_at(late)) == [second.customer_id]
    just_before = datetime.fromisoformat(late["recorded_at"]) - timedelta(microseconds=1)
    assert found("POTENTIAL", known_at=just_before.isoformat()) == []


def test_rows_have_the_columns_that_are_asked_for(li_na: Api, owner: str) -> None:
    file = li_na.register(
        "Acme", owner=owner, changes=[{"type": "customer.attribute-recorded", "key": "n", "value": 7}]
    )
    columns = ["/identity/legal_name", _TIER, "/customer_kind", "/file_state", "/attributes/n", _OWNER]
    answer = _ask(li_na, file, where=_owned(owner), columns=columns)
    assert answer["items"] == [
        {
            "customer_id": file.customer_id,
            "/identity/legal_name": "Acme",
            _TIER: None,
            "/customer_kind": "ORGANISATION",
            "/file_state": "LIVE",
            "/attributes/n": 7,
            _OWNER: owner,
        }
    ]
    basis = answer["basis"]
    assert basis["row_count"] == 1
    assert basis["content_sha256"] == hashlib.sha256(_lines(answer["items"])).hexdigest()
    assert (basis["known_at"], basis["position"] >= file.position) == (basis["valid_at"], True)


def test_pages_are_those_of_the_first_one_s_moment(li_na: Api, owner: str) -> None:
    files = [li_na.register(f"Acme {number}", owner=owner) for number in range(5)]
    question: dict[str, Any] = {"where": _owned(owner), "columns": ["/identity/legal_name"]}
    whole = _ask(li_na, files[-1], **question)
    by_name: dict[str, Any] = {"sort": {"path": "/identity/legal_name", "descending": True}}
    for more in ({}, by_name):
        page = _ask(li_na, files[-1], limit=2, **question, **more)
        basis, items = page["basis"], page["items"]
        files[0].record("/names", name="Zebra")
        files[1].record("/owners", role="ACCOUNT_MANAGER", to_staff="u-1")
        while page["next_page_token"]:
            page = _ask(li_na, limit=2, page_token=page["next_page_token"], **question, **more)
            items += page["items"]
            assert (page["basis"]["position"], page["basis"]["valid_at"]) == (basis["position"], basis["valid_at"])
        assert {item["customer_id"] for item in items} == {item["customer_id"] for item in whole["items"]}
        files[1].record("/owners", role="ACCOUNT_MANAGER", to_staff=owner)
        files[0].record("/names", name="Acme 0")
        names = [item["/identity/legal_name"] for item in items]
        assert sorted(names) == [f"Acme {number}" for number in range(5)]
        assert not more or names == sorted(names, reverse=True)
        assert _ask(li_na, files[0], **question)["basis"]["content_sha256"] == whole["basis"]["content_sha256"]


def test_customers_are_counted_by_what_they_have_in_common(li_na: Api, owner: str) -> None:
    amounts = [("POTENTIAL", 10), ("POTENTIAL", 2.5), ("ORDINARY", "much"), (None, 5)]
    for code, amount in amounts:
        file = li_na.register(owner=owner)
        file.record("/attributes", key="amount", value=amount)
        if code:
            file.record("/tier", to_code=code)
    amount = "/attributes/amount"
    measures = [{"count": True}, {"sum": amount}, {"min": amount}, {"max": amount}]
    answer = _ask(li_na, file, where=_owned(owner), group_by=[_TIER], measures=measures)
    names = ("count", f"sum:{amount}", f"min:{amount}", f"max:{amount}")
    assert answer["items"] == [
        {_TIER: "ORDINARY", **dict(zip(names, (1, None, None, None), strict=True))},
        {_TIER: "POTENTIAL", **dict(zip(names, (2, "12.5", "2.5", "10"), strict=True))},
    ]
    assert answer["next_page_token"] is None
    alone = _ask(li_na, file, where=_owned(owner, {"path": _TIER, "exists": False}), measures=[{"count": True}])
    assert alone["items"] == [{"count": 1}]


def test_a_whole_table_has_the_rows_and_the_hash_of_its_pages(li_na: Api, auditor: Api, owner: str) -> None:
    files = [li_na.register(owner=owner) for _ in range(3)]
    listing: dict[str, Any] = {"where": _owned(owner), "columns": [_OWNER]}
    grouping: dict[str, Any] = {"where": _owned(owner), "group_by": [_OWNER]}
    for question in (listing, grouping):
        told = _ask(li_na, files[-1], **question)
        answer = li_na.http.request(
            "POST",
            _PATH,
            content=orjson.dumps(question),
            params={"after": files[-1].token},
            headers={"Authorization": f"Bearer {auditor.token}", "Accept": "application/x-ndjson"},
        )
        assert answer.headers["content-type"] == "application/x-ndjson"
        *rows, last = answer.text.splitlines()
        assert [json.loads(row) for row in rows] == told["items"]
        summary = json.loads(last)["summary"]
        assert (summary["row_count"], summary["content_sha256"]) == (len(rows), told["basis"]["content_sha256"])


@pytest.mark.parametrize("media_type", ["text/csv", "application/vnd.apache.parquet"])
def test_a_file_of_all_rows_says_what_the_pages_say(li_na: Api, auditor: Api, owner: str, media_type: str) -> None:
    """Two departments that took different formats see that they have the same rows."""
    files = [li_na.register(owner=owner) for _ in range(3)]
    question: dict[str, Any] = {"where": _owned(owner), "columns": ["customer_id", "/owner/ACCOUNT_MANAGER"]}
    told = _ask(li_na, files[-1], **question)
    headers = {"Authorization": f"Bearer {auditor.token}", "Accept": media_type}
    answer = li_na.http.request("POST", _PATH, content=orjson.dumps(question), headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == media_type
    assert answer.headers["dossier-row-count"] == "3"
    assert answer.headers["dossier-content-sha256"] == told["basis"]["content_sha256"]
    assert len(answer.content) == int(answer.headers["content-length"])
    if media_type == "text/csv":
        rows = [{"customer_id": file.customer_id, "/owner/ACCOUNT_MANAGER": owner} for file in files]
        assert list(csv.DictReader(io.StringIO(answer.text))) == sorted(rows, key=lambda row: row["customer_id"])
    else:
        table = parquet.read_table(io.BytesIO(answer.content))
        assert table.column("customer_id").to_pylist() == sorted(file.customer_id for file in files)


def test_before_the_first_fact_there_are_no_rows(li_na: Api, owner: str) -> None:
    file = li_na.register(owner=owner)
    nobody = _ask(li_na, file, where=_owned(owner), valid_at="2020-01-01")
    assert (nobody["items"], nobody["basis"]["row_count"]) == ([], 0)
    by_id = {"all": [{"path": "customer_id", "eq": file.customer_id}]}
    assert _ask(li_na, file, where=by_id, valid_at="2020-01-01")["items"] == []
    assert len(_ask(li_na, file, where=by_id)["items"]) == 1


def test_ten_thousand_ids_are_taken_at_once_and_not_one_more(li_na: Api) -> None:
    file = li_na.register()
    ids = [file.customer_id, *(str(uuid4()) for _ in range(9_999))]
    answer = _ask(li_na, file, where={"all": [{"path": "customer_id", "in": ids}]})
    assert [item["customer_id"] for item in answer["items"]] == [file.customer_id]
    problem = _ask(li_na, where={"all": [{"path": "customer_id", "in": [*ids, str(uuid4())]}]}, expect=422)
    assert problem["errors"][0]["pointer"] == "/where/all/0/in"
    assert "10000" in problem["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"where": {"all": [{"path": "/tier/VALUE/cod", "eq": "X"}]}}, "/where/all/0/path", "/tier/VALUE/code?"),
        ({"columns": ["/owner/ACCOUNT_MANGER"]}, "/columns/0", "/owner/ACCOUNT_MANAGER?"),
        ({"columns": ["/contacts/x/name"]}, "/columns/0", "there is no"),
        ({"where": {"all": [{"path": _TIER, "equals": "X"}]}}, "/where/all/0", "no operator equals; eq?"),
        ({"where": {"all": [{"path": _TIER}]}}, "/where/all/0", "an operator is needed"),
        ({"where": {"all": [{"path": "customer_id", "prefix": "0"}]}}, "/where/all/0", "only eq and in"),
        ({"where": {"all": [{"path": "customer_id", "eq": "x"}]}}, "/where/all/0", "UUIDs"),
        ({"where": {"all": [{"path": "customer_id", "in": [7]}]}}, "/where/all/0", "UUIDs"),
        ({"where": {"all": [{"path": _TIER, "gt": True}]}}, "/where/all/0/gt", ""),
        ({"where": {"all": [{"path": _OWNER, "eq": "a\x00"}]}}, "/where/all/0/eq", "NUL"),
        ({"where": {"all": [{"path": _OWNER, "prefix": "a\x00"}]}}, "/where/all/0/prefix", "NUL"),
        ({"where": {"all": [{"path": "/attributes/a", "in": [[]]}]}}, "/where/all/0/in/0", "a number"),
        ({"group_by": ["/identity/legal_name"]}, "/group_by/0", "free text"),
        ({"group_by": ["customer_id"]}, "/group_by/0", "free text"),
        ({"group_by": [_TIER], "columns": [_TIER]}, "", "leave out columns"),
        ({"group_by": [_TIER], "limit": 5}, "", "leave out limit"),
        ({"measures": [{"count": True, "sum": "/attributes/a"}]}, "/measures/0", "one of"),
        ({"measures": [{}]}, "/measures/0", "one of"),
        ({"sort": {"path": "/tier"}}, "/sort/path", "there is no"),
        ({"limit": 0}, "/limit", ""),
        ({"limit": 501}, "/limit", ""),
        ({"known_at": "2026-01-01", "at_position": 1}, "", "not by both"),
        ({"known_at": "yesterday"}, "/known_at", ""),
        ({"at_position": 0}, "/at_position", ""),
        ({"page_token": "%%%"}, "/page_token", "as it was answered"),
        ({"page_token": "WzFd"}, "/page_token", "as it was answered"),
        ({"colums": []}, "/colums", "no such field"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(li_na: Api, body: dict[str, Any], pointer: str, detail: str) -> None:
    problem = _ask(li_na, expect=422, **body)
    assert problem["type"] == "urn:dossier:problem:invalid-body"
    assert pointer in {field_error["pointer"] for field_error in problem["errors"]}, problem
    assert any(detail in field_error["detail"] for field_error in problem["errors"]), problem


def test_nothing_is_known_of_the_future(li_na: Api) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    problem = _ask(li_na, known_at=tomorrow.isoformat(), expect=422)
    assert problem["errors"][0]["pointer"] == "/known_at"
    _ask(li_na, at_position=2**62, expect=404)


def test_a_page_token_of_another_question_is_refused(li_na: Api, owner: str) -> None:
    files = [li_na.register(owner=owner) for _ in range(2)]
    token = _ask(li_na, files[-1], where=_owned(owner), limit=1)["next_page_token"]
    for other in ({}, {"where": _owned("u-1")}, {"where": _owned(owner), "columns": [_TIER]}):
        problem = _ask(li_na, limit=1, page_token=token, expect=422, **other)
        assert problem["errors"][0]["pointer"] == "/page_token"
    assert len(_ask(li_na, where=_owned(owner), limit=500, page_token=token)["items"]) == 1


def test_a_question_needs_a_token_and_json(li_na: Api, service: Any) -> None:
    service.anonymous.request("POST", _PATH, expect=401, content=b"{}")
    li_na.request("POST", _PATH, expect=400, content=b"{")
    li_na.request("POST", _PATH, expect=422, content=b"[]")
    li_na.request("POST", _PATH, expect=422, content=b"{}", params={"known_at": "2026-01-01"})


def test_of_whole_tables_there_are_no_pages(auditor: Api) -> None:
    for field in ({"limit": 5}, {"page_token": "WzFd"}):
        answer = auditor.request(
            "POST", _PATH, expect=422, content=orjson.dumps(field), headers={"Accept": "application/x-ndjson"}
        )
        assert answer.json()["errors"][0]["pointer"] == f"/{next(iter(field))}"
