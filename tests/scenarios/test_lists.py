"""Finding customers: by identifier, name, tier and owner, page by page."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest

from tests.scenarios.client import WELL_FOUNDED, Api, File
from tests.scenarios.service import wait_until


def _found(api: Api, file: File, **query: Any) -> list[str]:
    items = api.get("/v1/customers", after=file.token, limit=500, **query).json()["items"]
    return [item["customer_id"] for item in items]


@pytest.fixture
def owner() -> str:
    return f"u-{uuid4()}"


def test_a_customer_is_found_by_identifier_however_it_is_written(li_na: Api, wang: Api) -> None:
    number = f"{uuid4().int % 10**9:09}"
    file = li_na.register(identifiers=[{"scheme": "DUNS", "value": number}], **WELL_FOUNDED)
    written = f"{number[:2]}-{number[2:5]}-{number[5:]}"
    assert _found(li_na, file, identifier=f"DUNS:{number}") == [file.customer_id]
    assert _found(li_na, file, identifier=f"DUNS:{written}") == [file.customer_id]
    assert _found(li_na, file, identifier=f"OTHER:{number}") == []
    file.agree(wang, {"type": "customer.identifier-revoked", "scheme": "DUNS", "value": number})
    assert _found(li_na, file, identifier=f"DUNS:{number}") == []


def test_an_identifier_may_hold_colons_and_slashes(li_na: Api) -> None:
    value = f"a:b/{uuid4()}~1"
    file = li_na.register(identifiers=[{"scheme": "OTHER", "value": value}], **WELL_FOUNDED)
    assert _found(li_na, file, identifier=f"OTHER:{value}") == [file.customer_id]
    assert file.profile()["identifiers"]["OTHER"] == {value: {}}


def test_a_customer_is_found_by_part_of_any_name_in_any_case(li_na: Api, owner: str) -> None:
    file = li_na.register("深圳市腾讯计算机系统有限公司", owner=owner)
    file.record("/names", name="Tencent 100% Straße_É", name_kind="TRADING")
    for part in ("腾讯计算机", "深圳", "tencent", "TENCENT", "100%", "straße_é"):
        assert _found(li_na, file, name=part, owner=owner) == [file.customer_id], part
    for part in ("腾 讯", "tencent_", "%", "_e"):
        assert _found(li_na, file, name=part, owner=owner) == ([file.customer_id] if part == "%" else []), part


def test_a_list_item_says_what_is_needed_to_go_on(li_na: Api, owner: str) -> None:
    file = li_na.register("Acme", owner=owner)
    file.record("/tier", to_code="POTENTIAL")
    file.send("/archive", {"reason_code": "LOST"})
    (item,) = li_na.get("/v1/customers", owner=owner, after=file.token).json()["items"]
    assert item == {
        "customer_id": file.customer_id,
        "display_name": "Acme",
        "customer_kind": "ORGANISATION",
        "file_state": "ARCHIVED",
        "tier": {"VALUE": "POTENTIAL"},
        "owner": {"ACCOUNT_MANAGER": owner},
    }


def test_customers_are_found_by_tier_and_owner_as_they_are_now(li_na: Api, owner: str) -> None:
    first, second = (li_na.register(owner=owner) for _ in range(2))
    second.record("/tier", to_code="POTENTIAL", effective_from="2026-11-01")
    second.record("/tier", scheme="SERVICE", to_code="STANDARD")
    first.record("/owners", role="RISK_OFFICER", to_staff=owner)
    both = sorted((first.customer_id, second.customer_id))
    assert _found(li_na, first, owner=owner) == both
    assert _found(li_na, first, owner=f"RISK_OFFICER:{owner}") == [first.customer_id]
    assert _found(li_na, first, owner=owner, tier="POTENTIAL") == [second.customer_id]
    assert _found(li_na, first, owner=owner, tier="SERVICE:STANDARD") == [second.customer_id]
    assert _found(li_na, first, owner=owner, tier="STANDARD") == []
    second.record("/owners", role="ACCOUNT_MANAGER", to_staff="u-1")
    assert _found(li_na, second, owner=owner) == [first.customer_id]


def test_a_list_is_read_page_by_page_as_of_one_moment(li_na: Api, owner: str) -> None:
    files = [li_na.register(f"Acme {number}", owner=owner) for number in range(5)]
    query: dict[str, Any] = {"owner": owner, "after": files[-1].token}
    page = li_na.get("/v1/customers", limit=2, **query).json()
    seen = [item["customer_id"] for item in page["items"]]
    late = li_na.register(owner=owner)
    while page["next_page_token"]:
        page = li_na.get("/v1/customers", limit=2, page_token=page["next_page_token"], **query).json()
        seen += [item["customer_id"] for item in page["items"]]
    assert seen == sorted(file.customer_id for file in files)
    assert len(_found(li_na, late, owner=owner)) == 6


def test_what_takes_effect_between_two_pages_is_on_neither_side_of_them(li_na: Api, owner: str) -> None:
    """Every page is about the instant of the first one: nobody moves out of a list while it is read."""
    files = sorted((li_na.register(owner=owner) for _ in range(3)), key=lambda file: file.customer_id)
    now = datetime.fromisoformat(files[0].profile()["basis"]["known_at"])
    starts = now + timedelta(seconds=1.5)
    leaving = files[-1]
    leaving.record("/owners", role="ACCOUNT_MANAGER", to_staff="u-1", effective_from=starts.isoformat())
    query: dict[str, Any] = {"owner": owner, "after": leaving.token, "limit": 1}
    page = li_na.get("/v1/customers", **query).json()
    on_time = datetime.fromisoformat(leaving.profile()["basis"]["known_at"]) < starts
    wait_until(lambda: leaving.profile()["owner"] == {"ACCOUNT_MANAGER": "u-1"})
    seen = [item["customer_id"] for item in page["items"]]
    while page["next_page_token"]:
        page = li_na.get("/v1/customers", page_token=page["next_page_token"], **query).json()
        seen += [item["customer_id"] for item in page["items"]]
    assert seen == [file.customer_id for file in files[: 3 if on_time else 2]]


def test_a_page_token_for_what_is_not_known_yet_is_refused(li_na: Api, owner: str) -> None:
    """Made up, or of a log that lost its end: what such a page shows would move while it is read."""
    file = li_na.register(owner=owner)
    token = li_na.get("/v1/customers", owner=owner, limit=1, after=file.token).json()["next_page_token"]
    position, last, query = orjson.loads(urlsafe_b64decode(token))
    made_up = {"owner": owner, "limit": 1, "page_token": _token(2**62, last, query)}
    assert li_na.get("/v1/customers", expect=404, **made_up).json()["type"] == "urn:dossier:problem:position-unknown"
    for wrong in (last.split()[1], f"{last} more", f"yesterday {file.customer_id}", "", 7):
        made_up["page_token"] = _token(position, wrong, query)
        problem = li_na.get("/v1/customers", expect=422, **made_up).json()
        assert problem["errors"][0]["pointer"] == "page_token"


def _token(*content: Any) -> str:
    return urlsafe_b64encode(orjson.dumps(content)).decode()


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"identifier": "9144030071526726XG"}, "identifier"),
        ({"identifier": "LEI:HWUPKR0MPOU8FGXBT395"}, "identifier"),
        ({"identifier": "lei:x"}, "identifier"),
        ({"identifier": ""}, "identifier"),
        ({"limit": 0}, "limit"),
        ({"limit": 501}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"limit": "\u0661"}, "limit"),
        ({"limit": "00499"}, "limit"),
        ({"page_token": "%%%"}, "page_token"),
        ({"after": "latest"}, "after"),
        ({"name": "a\x00b"}, "name"),
        ({"nmae": "Acme"}, "nmae"),
        ({"known_at": "2026-01-01"}, "known_at"),
        ({"name": ["a", "b"]}, "name"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(li_na: Api, query: dict[str, Any], pointer: str) -> None:
    problem = li_na.get("/v1/customers", expect=422, **query).json()
    assert problem["type"] == "urn:dossier:problem:invalid-parameter"
    assert [field_error["pointer"] for field_error in problem["errors"]] == [pointer]
