"""By what one may not see one cannot ask: the refusal is the same whether there is such a value or not."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import orjson
import pytest

from tests.scenarios.client import PHONE, WELL_FOUNDED, Api, File
from tests.scenarios.service import Service

RIC = "11010119900307117X"
OWNER = "u-204"
CALLED_BACK = {"method": "CALLBACK", "result": "MATCH"}
PORTFOLIO = "/v1/portfolio/query"
IN_AUDIT = "/v1/history"


@pytest.fixture(scope="module")
def identified(custodian: Api) -> File:
    """The file that holds RIC."""
    file = custodian.register(customer_kind="INDIVIDUAL")
    file.record("/identifiers", scheme="CN_RIC", value=RIC)
    return file


@pytest.fixture
def file(custodian: Api) -> File:
    file = custodian.register(owner=OWNER)
    file.record("/addresses", address_kind="HOME", country="CN")
    file.record("/attributes", key="secret", value="s")
    return file


@pytest.mark.parametrize(
    ("path", "query", "pointer"),
    [
        ("/v1/customers", {"identifier": "CN_RIC:{}"}, "identifier"),
        (IN_AUDIT, {"old": '"{}"'}, "old"),
        (IN_AUDIT, {"new": '"{}"', "path": "/identifiers"}, "new"),
        (IN_AUDIT, {"path": "/addresses/HOME", "new": '{{"country":"CN","lines":["{}"]}}'}, "path"),
        (IN_AUDIT, {"path": "/identifiers/CN_RIC/{}"}, "path"),
        (IN_AUDIT, {"path": "/identifiers/CN_RIC/{}", "customer_id": "ID"}, "path"),
        ("/v1/customers/ID", {"fields": "/tier,/identifiers/CN_RIC/{}"}, "fields"),
        ("/v1/customers/ID", {"fields": "/identifiers/CN_RIC/{}", "at_position": "1"}, "fields"),
        ("/v1/customers/ID/versions/1", {"fields": "/identifiers/CN_RIC/{}"}, "fields"),
        ("/v1/customers/ID/history", {"path": "/identifiers/CN_RIC/{}"}, "path"),
        ("/v1/customers/ID/blame", {"path": "/identifiers/CN_RIC/{}"}, "path"),
        ("/v1/customers/ID/timeline", {"path": "/identifiers/CN_RIC/{}"}, "path"),
        ("/v1/customers/ID/knowledge", {"path": "/identifiers/CN_RIC/{}"}, "path"),
        ("/v1/customers/ID/knowledge", {"path": "/addresses/HOME", "value": '"{}"'}, "value"),
    ],
)
def test_no_filter_tells_whether_a_value_is_there(
    identified: File, service: Service, path: str, query: dict[str, str], pointer: str
) -> None:
    reader = service.as_("u-119", "editor", "risk")
    bodies = []
    for number in (RIC, "110101199901011232"):
        asked = {name: text.format(number) for name, text in query.items()}
        asked = {name: identified.customer_id if text == "ID" else text for name, text in asked.items()}
        answer = reader.get(path.replace("ID", identified.customer_id), expect=403, **asked)
        assert answer.json()["type"] == "urn:dossier:problem:field-not-visible"
        assert answer.json()["errors"][0]["pointer"] == pointer
        bodies.append(answer.text.replace(number, "-"))
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"where": {"all": [{"path": "/addresses/HOME/city", "eq": "x"}]}}, "/where/all/0/path"),
        ({"where": {"all": [{"path": "/tier/VALUE", "exists": True}, {"path": "/attributes/a", "exists": True}]}},
         "/where/all/1/path"),
        ({"where": {"all": [{"path": f"/identifiers/CN_RIC/{RIC}", "exists": True}]}}, "/where/all/0/path"),
        ({"sort": {"path": "/attributes/a/b"}}, "/sort/path"),
        ({"group_by": ["/tier/VALUE", "/attributes/a"]}, "/group_by/1"),
        ({"measures": [{"count": True}, {"sum": "/attributes/a"}]}, "/measures/1"),
        ({"columns": ["customer_id", f"/identifiers/CN_RIC/{RIC}/issuer"]}, "/columns/1"),
    ],
)  # fmt: skip
def test_nothing_is_asked_of_all_customers_by_what_is_hidden(viewer: Api, body: dict[str, Any], pointer: str) -> None:
    problem = viewer.post(PORTFOLIO, body, expect=403, idempotency_key=None).json()
    assert problem["type"] == "urn:dossier:problem:field-not-visible"
    assert problem["errors"][0]["pointer"] == pointer


def test_no_segment_is_compared_by_what_is_hidden(viewer: Api) -> None:
    between = {"from": {"at_position": 1}, "to": {"at_position": 2}}
    for body, pointer in (
        ({"path": "/attributes/a"}, "/path"),
        ({"where": {"all": [{"path": "/addresses/HOME", "exists": True}]}}, "/where/all/0/path"),
    ):
        problem = viewer.post("/v1/portfolio/diff", {**between, **body}, expect=403, idempotency_key=None).json()
        assert problem["errors"][0]["pointer"] == pointer


def test_what_may_be_seen_may_be_asked_by(file: File, li_na: Api) -> None:
    body = {
        "where": {"all": [{"path": "/attributes/secret", "eq": "s"}, {"path": "customer_id", "eq": file.customer_id}]}
    }
    asked = f"{PORTFOLIO}?after={file.token}"
    assert len(li_na.post(asked, body, idempotency_key=None).json()["items"]) == 1
    assert file.seen_by(li_na).read("knowledge", path="/attributes/secret", value='"s"')["items"]
    assert file.seen_by(li_na).history(path="/addresses/HOME")


def test_a_page_token_is_no_way_to_guess(identified: File, viewer: Api) -> None:
    """It says behind which slot a page begins: who makes one up must not learn what comes before and what behind it."""
    path = f"{identified.path}/timeline"
    query: dict[str, Any] = {"path": "/identifiers", "limit": 1}
    page = viewer.get(path, **query).json()
    position, place, fingerprint = orjson.loads(urlsafe_b64decode(page["next_page_token"]))
    assert orjson.loads(place)[0] == "/identifiers/CN_RIC/*"
    assert viewer.get(path, **query, page_token=page["next_page_token"]).json()["items"] == []
    for guess in (
        "/identifiers/CN_RIC/0",
        "/identifiers/CN_RIC/9",
        "/identifiers/CN_RIC/9/x",
        f"/identifiers/CN_RIC/{RIC}",
    ):
        _, *rest = orjson.loads(place)
        token = urlsafe_b64encode(orjson.dumps([position, orjson.dumps([guess, *rest]).decode(), fingerprint])).decode()
        assert viewer.get(path, **query, page_token=token, expect=422).json()["errors"][0]["pointer"] == "page_token"


# --- by writing -------------------------------------------------------------------------------------------------------


def test_no_dry_run_tells_whether_a_guess_is_right(file: File, li_na: Api, custodian: Api) -> None:
    home = {"type": "customer.address-changed", "address_kind": "HOME", "country": "CN"}
    first = file.history(type="customer.address-changed")[0]
    tag = {"type": "customer.tag-applied", "group": "REGION", "code": "EAST"}
    for command, body in (
        ("/addresses", {"address_kind": "HOME", "country": "CN"}),
        ("/addresses", {"address_kind": "HOME", "country": "DE"}),
        ("/changes", {"changes": [tag, home]}),
        ("/proposals", {"changes": [home]}),
        ("/identifiers", {"scheme": "CN_RIC", "value": RIC}),
        ("/corrections", {"corrects": first["event_id"], "replacement": {"country": "CN"}}),
        ("/corrections", {"corrects": first["event_id"], "replacement": {"country": "xx"}}),
        ("/verifications", {"path": "/addresses/HOME", "value_event_id": first["event_id"], **CALLED_BACK}),
    ):
        seen = file.seen_by(li_na)
        problem = seen.send(f"{command}?dry_run=true", {**WELL_FOUNDED, **body}, expect=403).json()
        assert problem["type"] == "urn:dossier:problem:field-not-visible"
        assert problem["errors"][0]["pointer"] == "dry_run"
    for country, status in (("CN", 422), ("DE", 200)):
        body = {**WELL_FOUNDED, "address_kind": "HOME", "country": country}
        file.seen_by(custodian).send("/addresses?dry_run=true", body, expect=status)


def test_a_new_file_may_be_rehearsed_but_for_numbers_that_others_may_hold(service: Service, li_na: Api) -> None:
    opening: dict[str, Any] = {"customer_kind": "INDIVIDUAL", "name": "A", "contact": {"name": "B", "points": [PHONE]}}
    program = service.as_("svc-erp", "service", kind="SERVICE")
    for api in (program, li_na):
        assert api.post("/v1/customers?dry_run=true", opening).json()["dry_run"]
        numbered = {**opening, **WELL_FOUNDED, "identifiers": [{"scheme": "CN_RIC", "value": RIC}]}
        problem = api.post("/v1/customers?dry_run=true", numbered, expect=403).json()
        assert problem["errors"][0]["pointer"] == "dry_run"


def test_what_may_be_seen_may_be_rehearsed(file: File, li_na: Api) -> None:
    seen = file.seen_by(li_na)
    for command, body in (
        ("/addresses", {"address_kind": "OFFICE", "country": "CN"}),
        ("/attributes", {"key": "secret", "value": "t"}),
        ("/contacts", {"name": "Sun Qi"}),
        ("/needs", {"statement": "s", "budget": {"min": "1", "max": "2", "currency": "CNY"}}),
        ("/owners", {"role": "ACCOUNT_MANAGER", "to_staff": "u-1"}),
        ("/archive", {"reason_code": "LOST"}),
    ):
        assert seen.send(f"{command}?dry_run=true", {**WELL_FOUNDED, **body}).json()["dry_run"]
    recorded = file.history(type="customer.attribute-recorded")[0]
    body = {**WELL_FOUNDED, "corrects": recorded["event_id"], "replacement": {"value": "u"}}
    assert seen.send("/corrections?dry_run=true", body).json()["dry_run"]


# --- proof ------------------------------------------------------------------------------------------------------------


def test_no_key_is_given_away_of_what_may_not_be_seen(file: File, service: Service) -> None:
    file.api.get(f"{file.path}/events/{file.version}/receipt")
    narrowed = service.as_("u-901", "auditor", scope="evidence:export class:internal")
    secret = file.history()[-1]["version"]
    for disclose in ("all", [str(secret)], ["1", f"{secret}.0"], ["99"]):
        body = {"customer_id": file.customer_id, "disclose": disclose}
        problem = narrowed.post("/v1/evidence", body, expect=403, idempotency_key=None).json()
        assert problem["errors"][0]["pointer"] == "/disclose"
    whole = service.as_("u-900", "auditor")
    for api, disclose in ((narrowed, "none"), (narrowed, ["1"]), (whole, "all")):
        body = {"customer_id": file.customer_id, "disclose": disclose}
        headers = {"Authorization": f"Bearer {api.token}", "Dossier-Purpose": "AUDIT"}
        answer = api.http.post("/v1/evidence", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
