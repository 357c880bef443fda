"""Who entered, left or moved between two moments over HTTP, each with who did it, why, and of which kind it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest

from tests.scenarios.client import WELL_FOUNDED, Api, File

_PATH = "/v1/portfolio/diff"
_TIER = "/tier/VALUE/code"
_OWNER = "/owner/ACCOUNT_MANAGER"
_BACKDATED: dict[str, Any] = {**WELL_FOUNDED, "reason": {"code": "BACKDATED", "text": "brought over from the old book"}}


@pytest.fixture
def owner() -> str:
    return f"u-{uuid4()}"


def _ask(api: Api, after: File | None = None, *, expect: int = 200, **body: Any) -> dict[str, Any]:
    params = {"after": after.token} if after else None
    named = {name.rstrip("_"): value for name, value in body.items()}
    answer = api.request("POST", _PATH, expect=expect, content=orjson.dumps(named), params=params)
    content: dict[str, Any] = answer.json()
    return content


def _of(owner: str, *more: dict[str, Any]) -> dict[str, Any]:
    return {"all": [{"path": _OWNER, "eq": owner}, *more]}


def _item(file: File, movement: str, ends: tuple[Any, Any], kind: str, *event_ids: str) -> tuple[Any, ...]:
    return (file.customer_id, movement, *ends, kind, list(event_ids))


def _told(answer: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (
            *(item[name] for name in ("customer_id", "movement", "from", "to", "kind")),
            [cause["event_id"] for cause in item["caused_by"]],
        )
        for item in answer["items"]
    ]


def test_what_have_we_since_learned_about_that_day(li_na: Api, wang: Api, owner: str) -> None:
    raised, corrected, late, archived, untouched = (
        li_na.register(owner=owner, effective_from="2026-02-01", **_BACKDATED) for _ in range(5)
    )
    first = {
        file.customer_id: file.record("/tier", to_code="ORDINARY", effective_from="2026-03-01", **_BACKDATED)
        for file in (raised, corrected, late, archived, untouched)
    }
    then = untouched.position
    wrong = first[corrected.customer_id]["event_id"]
    right = corrected.record("/corrections", corrects=wrong, replacement={"to_code": "POTENTIAL"})
    since = late.record("/tier", to_code="POTENTIAL", effective_from="2026-04-01", **_BACKDATED)
    gone = archived.send("/archive", {"reason_code": "LOST"}).json()["events"][-1]
    live = _of(owner, {"path": "/file_state", "eq": "LIVE"})

    day = {"valid_at": "2026-05-01"}
    question: dict[str, Any] = {"from_": {"at_position": then, **day}, "to": day, "where": live, "path": _TIER}
    answer = _ask(li_na, archived, **question)
    assert _told(answer) == sorted(
        [
            _item(corrected, "MOVED", ("ORDINARY", "POTENTIAL"), "CORRECTION", right["event_id"]),
            _item(late, "MOVED", ("ORDINARY", "POTENTIAL"), "LATE", since["event_id"]),
            _item(archived, "LEFT", ("ORDINARY", None), "CHANGE", gone["event_id"]),
        ]
    )
    assert answer["matrix"] == [
        {"from": "ORDINARY", "to": "POTENTIAL", "count": 2},
        {"from": "ORDINARY", "to": None, "count": 1},
    ]
    assert answer["counts"] == {"ENTERED": 0, "LEFT": 1, "MOVED": 2}
    assert (answer["from"]["position"], answer["from"]["stable"]) == (then, True)

    reason = {"reason": {"text": "12-month amount 151 200 CNY"}, "evidence": [{"note": "ERP report, page 3"}]}
    request = raised.send("/tier-requests", {"to_code": "HIGH_VALUE", **reason}).json()["events"][0]
    path = f"/tier-requests/{request['data']['request_id']}/approve"
    approved = raised.seen_by(wang).send(path, {"comment": "seen"}).json()["events"][-1]
    answer = _ask(
        li_na,
        raised,
        from_={"at_position": then},
        where=_of(owner, {"path": _TIER, "eq": "HIGH_VALUE"}),
    )
    assert _told(answer) == [_item(raised, "ENTERED", (None, None), "CHANGE", approved["event_id"])]
    (cause,) = answer["items"][0]["caused_by"]
    assert (cause["actor"], cause["approved_by"], cause["reason"]) == ("u-301", "u-301", "12-month amount 151 200 CNY")
    assert answer["matrix"] == []


def test_what_became_true_between_two_days_as_known_today(li_na: Api, owner: str) -> None:
    file = li_na.register(owner=owner, effective_from="2026-02-01", **_BACKDATED)
    tier = file.record("/tier", to_code="POTENTIAL", effective_from="2026-04-01", **_BACKDATED)
    known = {"at_position": file.position}
    days = [{**known, "valid_at": day} for day in ("2026-03-31", "2026-04-01", "2026-01-01")]
    question: dict[str, Any] = {"where": _of(owner), "path": _TIER}
    forward = _ask(li_na, file, from_=days[0], to=days[1], **question)
    assert _told(forward) == [_item(file, "MOVED", (None, "POTENTIAL"), "CHANGE", tier["event_id"])]
    back = _ask(li_na, file, from_=days[1], to=days[0], **question)
    assert _told(back) == [_item(file, "MOVED", ("POTENTIAL", None), "CHANGE", tier["event_id"])]
    assert [(item["movement"], item["to"]) for item in _ask(li_na, from_=days[2], to=days[1], **question)["items"]] == [
        ("ENTERED", "POTENTIAL")
    ]
    nothing = _ask(li_na, file, from_=days[0], to=days[0], **question)
    assert (nothing["items"], nothing["matrix"]) == ([], [])
    assert nothing["counts"] == {"ENTERED": 0, "LEFT": 0, "MOVED": 0}


@pytest.mark.parametrize("begins", [{"at_position": 1}, {"known_at": "2001-01-01"}])
def test_pages_are_those_of_the_first_one_s_moments(li_na: Api, owner: str, begins: dict[str, Any]) -> None:
    files = [li_na.register(owner=owner) for _ in range(4)]
    question: dict[str, Any] = {"from_": begins, "where": _of(owner), "path": _TIER, "limit": 2}
    page = _ask(li_na, files[-1], **question)
    items, begin = page["items"], page
    files[0].record("/owners", role="ACCOUNT_MANAGER", to_staff="u-1")
    while page["next_page_token"]:
        page = _ask(li_na, page_token=page["next_page_token"], **question)
        items += page["items"]
        for name in ("from", "to"):
            assert all(page[name][part] == begin[name][part] for part in ("position", "valid_at"))
        assert (page["matrix"], page["counts"]) == (begin["matrix"], begin["counts"])
    assert [item["customer_id"] for item in items] == sorted(file.customer_id for file in files)
    assert begin["counts"]["ENTERED"] == 4


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({}, "/from", ""),
        ({"from": {}, "path": "/teir/VALUE/code"}, "/path", f"{_TIER}?"),
        ({"from": {}, "path": "/identity/legal_name"}, "/path", "no group"),
        ({"from": {}, "path": "customer_id"}, "/path", "no group"),
        ({"from": {}, "where": {"all": [{"path": "/tier/VALU/code", "eq": 1}]}}, "/where/all/0/path", f"{_TIER}?"),
        ({"from": {}, "where": {"all": [{"path": _TIER, "equals": 1}]}}, "/where/all/0", "operator"),
        ({"from": {"known_at": "2026-01-01", "at_position": 1}}, "/from", "not by both"),
        ({"from": {"at_position": 0}}, "/from/at_position", ""),
        ({"from": {"valid_at": "yesterday"}}, "/from/valid_at", ""),
        ({"from": {}, "to": {"position": 5}}, "/to/position", "no such field"),
        ({"from": {}, "limit": 501}, "/limit", ""),
        ({"from": {}, "columns": []}, "/columns", "no such field"),
        ({"from": {}, "page_token": "%%%"}, "/page_token", "as it was answered"),
        ({"from": {}, "page_token": "WzFd"}, "/page_token", "as it was answered"),
        ({"from": {}, "page_token": "W1tbMSwxXSxbMSwxXV0sMSwxXQ=="}, "/page_token", "as it was answered"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(li_na: Api, body: dict[str, Any], pointer: str, detail: str) -> None:
    problem = _ask(li_na, expect=422, **body)
    assert problem["type"] == "urn:dossier:problem:invalid-body"
    assert pointer in {field_error["pointer"] for field_error in problem["errors"]}, problem
    assert any(detail in field_error["detail"] for field_error in problem["errors"]), problem


def test_nothing_is_known_of_the_future(li_na: Api) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for name, other in (("from_", "to"), ("to", "from_")):
        body: dict[str, Any] = {name: {"known_at": tomorrow}, other: {}}
        problem = _ask(li_na, expect=422, **body)
        assert problem["errors"][0]["pointer"] == f"/{name.rstrip('_')}/known_at"
    _ask(li_na, from_={"at_position": 2**62}, expect=404)


def test_a_page_token_of_another_question_is_refused(li_na: Api, owner: str) -> None:
    then = li_na.register(owner=owner).position
    files = [li_na.register(owner=owner) for _ in range(2)]
    question: dict[str, Any] = {"from_": {"at_position": then}, "where": _of(owner)}
    token = _ask(li_na, files[-1], limit=1, **question)["next_page_token"]
    for other in ({"path": _TIER}, {"where": _of("u-1")}, {"from_": {"at_position": then + 1}}):
        problem = _ask(li_na, page_token=token, expect=422, **{**question, **other})
        assert problem["errors"][0]["pointer"] == "/page_token"
    assert len(_ask(li_na, page_token=token, **question)["items"]) == 1


def test_a_question_needs_a_token_and_json(li_na: Api, service: Any) -> None:
    service.anonymous.request("POST", _PATH, expect=401, content=b"{}")
    li_na.request("POST", _PATH, expect=400, content=b"{")
    li_na.request("POST", _PATH, expect=422, content=b"[]")
