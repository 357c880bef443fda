"""Who saw what: every reading route says so, what is sensitive before it is shown, and the log proves it."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64decode
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
import psycopg
import pytest

from db.pool import connect, sync_pool
from domain.events.access import AccessPayload, View
from ledger.application import Ledger
from ledger.keys import KeyStore
from ledger.merkle import leaf_hash
from tests.scenarios.client import Api, File
from tests.scenarios.proving import proves
from tests.scenarios.service import Service, wait_until

HOME: dict[str, Any] = {"address_kind": "HOME", "country": "CN", "city": "青岛", "lines": ["香港中路 8 号"]}


@pytest.fixture(scope="module")
def auditor(service: Service) -> Api:
    return service.as_("a-7", "auditor")


@pytest.fixture
def file(li_na: Api) -> File:
    file = li_na.register()
    file.record("/attributes", key="plan", value="basic")
    return file


@pytest.fixture
def at_home(li_na: Api) -> File:
    """A file with something SENSITIVE in it."""
    file = li_na.register(customer_kind="INDIVIDUAL")
    file.record("/addresses", **HOME)
    return file


def reader(service: Service, request: pytest.FixtureRequest, role: str, purpose: str | bytes | None = "AUDIT") -> Api:
    """Somebody who reads in this test alone."""
    api = service.as_(f"r-{abs(hash(request.node.name)) % 10**9}-{role}", role)
    return Api(api.http, api.token, purpose)


def name_of(api: Api) -> str:
    return str(orjson.loads(urlsafe_b64decode(api.token.split(".")[1] + "=="))["sub"])


def stored(service: Service, principal: str) -> list[View]:
    """What the ledger itself holds of somebody's views at this moment."""
    with (
        sync_pool(service.conninfo, "dossier_app", min_size=1, max_size=2, autocommit=True) as pool,
        connect(service.conninfo, "dossier_reader") as connection,
    ):
        streams = connection.execute("SELECT DISTINCT stream FROM ledger.event WHERE type LIKE 'access.%'").fetchall()
        ledger = Ledger(pool, KeyStore(pool, service.kek))
        payloads = [event.payload for (stream,) in streams for event in ledger.history(stream)]
    views = [view for payload in payloads if isinstance(payload, AccessPayload) for view in payload.views]
    return [view for view in views if view.principal == principal]


def accesses(auditor: Api, file: File, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = auditor.get(f"{file.path}/accesses", **query).json()["items"]
    return items


def until_told(auditor: Api, file: File, principal: str, number: int = 1) -> list[dict[str, Any]]:
    """What the read model tells of somebody's views of a file once there are so many."""
    wait_until(lambda: len(accesses(auditor, file, principal=principal)) >= number)
    return accesses(auditor, file, principal=principal)


# --- what is told ---------------------------------------------------------------------------------------------------

_OF_FILE: dict[str, Callable[[Api, File], Any]] = {
    "PROFILE": lambda api, file: api.get(file.path),
    "HISTORY": lambda api, file: api.get(f"{file.path}/history", after=file.token),
    "BLAME": lambda api, file: api.get(f"{file.path}/blame", after=file.token),
    "DIFF": lambda api, file: api.get(f"{file.path}/diff", from_=file.position, to=file.position, after=file.token),
    "TIMELINE": lambda api, file: api.get(f"{file.path}/timeline", after=file.token),
    "KNOWLEDGE": lambda api, file: api.get(f"{file.path}/knowledge", path="/attributes/plan", after=file.token),
    "REPLAY": lambda api, file: api.get(f"{file.path}/replay", after=file.token),
    "ERASURES": lambda api, file: api.get(f"{file.path}/erasures", after=file.token),
    "RECEIPT": lambda api, file: api.get(f"{file.path}/events/1/receipt"),
    "AUDIT_TRAIL": lambda api, file: api.get("/v1/history", customer_id=file.customer_id, after=file.token),
    "PORTFOLIO": lambda api, file: asked(api, "query", file),
    "PORTFOLIO_DIFF": lambda api, file: asked(api, "diff", file, **{"from": {"at_position": 1}}),
}


def asked(api: Api, what: str, file: File, **more: Any) -> Any:
    where = {"where": {"all": [{"path": "customer_id", "eq": file.customer_id}]}}
    question = {"where": {}, **more} if what == "diff" else where
    content = orjson.dumps(question | more)
    return api.request("POST", f"/v1/portfolio/{what}", content=content, params={"after": file.token}, expect=200)


def test_every_view_of_a_file_is_told_with_what_it_showed(
    service: Service, request: pytest.FixtureRequest, auditor: Api, file: File
) -> None:
    api = reader(service, request, "risk", "DATA_QUALITY; 月度核对".encode())
    for ask in _OF_FILE.values():
        ask(api, file)
    api.get("/v1/customers", limit=500, after=file.token)
    items = until_told(auditor, file, name_of(api), len(_OF_FILE))
    told = {item["of"]: item for item in items}
    assert told.keys() >= _OF_FILE.keys() - {"PORTFOLIO_DIFF"}
    for item in items:
        assert item["customer_id"] == file.customer_id
        assert (item["principal"], item["principal_kind"]) == (name_of(api), "HUMAN")
        assert item["purpose"] == {"code": "DATA_QUALITY", "text": "月度核对"}
        assert item["highest"] in {"INTERNAL", "CONFIDENTIAL"}
        assert item["since"] <= item["until"]
    assert told["PROFILE"]["basis"] is None
    assert told["HISTORY"]["basis"]["position"] >= file.position
    assert told["DIFF"]["basis"]["position"] == file.position
    assert {told[of]["kind"] for of in ("PORTFOLIO", "AUDIT_TRAIL")} == {"SEARCH"}
    assert told["PORTFOLIO"]["answered"]["rows"] == 1
    assert told["PORTFOLIO"]["answered"]["question"] == {
        "where": [{"path": "customer_id", "eq": True}],
        "columns": ["customer_id"],
    }


def test_what_a_client_has_already_is_seen_all_the_same(
    service: Service, request: pytest.FixtureRequest, auditor: Api, file: File
) -> None:
    api = reader(service, request, "viewer")
    etag = api.get(file.path).headers["ETag"]
    for _ in range(2):
        answer = api.request("GET", file.path, headers={"If-None-Match": etag, "X-Request-Id": "r-3"}, expect=304)
        assert answer.content == b""
    items = until_told(auditor, file, name_of(api))
    wait_until(lambda: sum(item["times"] for item in accesses(auditor, file, principal=name_of(api))) == 3)
    assert accesses(auditor, file, principal=name_of(api))[-1]["request_id"] == "r-3"
    assert {item["of"] for item in items} == {"PROFILE"}


@pytest.mark.parametrize("media_type", ["text/csv", "application/x-ndjson", "application/vnd.apache.parquet"])
def test_an_export_is_told_as_one_with_its_rows_and_their_hash(
    service: Service, request: pytest.FixtureRequest, auditor: Api, file: File, media_type: str
) -> None:
    api = reader(service, request, "auditor")
    where = {"all": [{"path": "customer_id", "eq": file.customer_id}]}
    question = {"where": where, "columns": ["/attributes/plan"]}
    answer = api.http.post(
        "/v1/portfolio/query",
        content=orjson.dumps(question),
        params={"after": file.token},
        headers={"Authorization": f"Bearer {api.token}", "Accept": media_type},
    )
    assert answer.status_code == 200
    (item,) = until_told(auditor, file, name_of(api))
    assert (item["type"], item["kind"], item["highest"]) == ("access.profile-exported", "EXPORT", "CONFIDENTIAL")
    assert (item["answered"]["rows"], item["answered"]["part"], item["purpose"]) == (1, 1, None)
    stated = answer.headers.get("Dossier-Content-SHA256")
    assert stated in {None, item["answered"]["sha256"]}


def test_a_pack_that_leaves_is_told_as_evidence(
    service: Service, request: pytest.FixtureRequest, auditor: Api, file: File
) -> None:
    api = reader(service, request, "auditor")
    file.api.get(f"{file.path}/events/1/receipt")
    authorization = {"Authorization": f"Bearer {api.token}"}
    assert (
        api.http.post("/v1/evidence", json={"customer_id": file.customer_id}, headers=authorization).status_code == 200
    )
    (item,) = until_told(auditor, file, name_of(api))
    assert (item["kind"], item["of"], item["highest"]) == ("EVIDENCE", "EVIDENCE_PACK", "INTERNAL")


def test_what_somebody_searched_by_is_not_kept(service: Service, request: pytest.FixtureRequest, li_na: Api) -> None:
    api = reader(service, request, "auditor")
    li_na.register(name="Canary Trading")
    api.get("/v1/customers", name="Canary Trading", owner="u-118")
    api.get("/v1/customers", identifier="LEI:HWUPKR0MPOU8FGXBT394")
    api.get("/v1/history", old='"Canary"', path="/identifiers/LEI/HWUPKR0MPOU8FGXBT394")
    wait_until(lambda: len(stored(service, name_of(api))) == 3)
    questions = [view.answered.question for view in stored(service, name_of(api)) if view.answered is not None]
    assert questions == [
        {"name": True, "owner": "ACCOUNT_MANAGER:u-118"},
        {"identifier": "LEI"},
        {"old": True, "path": "/identifiers/LEI/…"},
    ]


# --- what is sensitive ----------------------------------------------------------------------------------------------


def test_what_is_sensitive_is_recorded_before_the_answer_leaves(
    service: Service, request: pytest.FixtureRequest, at_home: File
) -> None:
    api = reader(service, request, "compliance", "RISK_REVIEW")
    for number, path in enumerate(["", "/history", "/blame", "/replay"], start=1):
        api.get(f"{at_home.path}{path}", after=at_home.token if path else None)
        views = stored(service, name_of(api))
        assert len(views) == number, "it is there when the answer is"
    assert {view.highest for view in views} == {"SENSITIVE"}
    assert {seen.customer_id for view in views for seen in view.seen} == {UUID(at_home.customer_id)}
    api.get(at_home.path, fields="/tier")
    sensitive = [view for view in stored(service, name_of(api)) if view.highest == "SENSITIVE"]
    assert len(sensitive) == number, "nothing sensitive was asked for this time"


def test_who_does_not_say_what_for_sees_nothing_sensitive(
    service: Service, request: pytest.FixtureRequest, at_home: File
) -> None:
    api = reader(service, request, "privacy", None)
    for path in ("", "/history", "/replay", "/timeline"):
        problem = api.get(f"{at_home.path}{path}", expect=422, after=at_home.token if path else None).json()
        assert problem["type"] == "urn:dossier:problem:purpose-required"
        assert problem["errors"][0]["pointer"] == "Dossier-Purpose"
        assert "香港中路" not in orjson.dumps(problem).decode()
    api.get(at_home.path, fields="/tier")
    reader(service, request, "editor", None).get(at_home.path)  # to whom nothing sensitive is shown
    assert "SENSITIVE" not in {view.highest for view in stored(service, name_of(api))}


@pytest.mark.parametrize("purpose", ["because", "SALES;", "OTHER", b"SALES; \xff", b"SALES; \xc2\x85"])
def test_a_purpose_that_is_none_is_refused(
    service: Service, request: pytest.FixtureRequest, file: File, purpose: str | bytes
) -> None:
    problem = reader(service, request, "viewer", purpose).get(file.path, expect=422).json()
    assert problem["type"] == "urn:dossier:problem:invalid-purpose"


# --- who may ask, and the proof -------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "editor", "custodian", "risk", "administrator"])
def test_only_those_who_watch_over_it_see_who_read_what(
    service: Service, request: pytest.FixtureRequest, file: File, role: str
) -> None:
    api = reader(service, request, role)
    for path in (f"{file.path}/accesses", "/v1/accesses"):
        problem = api.get(path, expect=403).json()
        assert (problem["type"], problem["permission"]) == ("urn:dossier:problem:forbidden", "access:view")


def test_who_saw_whom_is_one_call_and_that_is_told_too(
    service: Service, request: pytest.FixtureRequest, auditor: Api, file: File, li_na: Api
) -> None:
    other = li_na.register()
    api = reader(service, request, "viewer")
    for each in (file, other):
        api.get(each.path)
        until_told(auditor, each, name_of(api))
    page = auditor.get("/v1/accesses", principal=name_of(api), limit=1)
    items, token = page.json()["items"], page.json()["next_page_token"]
    while token:
        page = auditor.get("/v1/accesses", principal=name_of(api), limit=1, page_token=token)
        items, token = items + page.json()["items"], page.json()["next_page_token"]
    assert {item["customer_id"] for item in items} == {file.customer_id, other.customer_id}
    assert auditor.get("/v1/accesses", principal=name_of(api), purpose="LEGAL_CASE").json()["items"] == []
    wait_until(lambda: any(item["of"] == "ACCESSES" for item in accesses(auditor, file, principal="a-7")))


def test_a_period_is_asked_for_by_its_ends(
    service: Service, request: pytest.FixtureRequest, auditor: Api, file: File
) -> None:
    api = reader(service, request, "viewer")
    api.get(file.path)
    (item,) = until_told(auditor, file, name_of(api))
    who = {"principal": name_of(api)}
    assert accesses(auditor, file, from_=item["since"], **who) == [item]
    assert accesses(auditor, file, to=item["since"], **who) == []
    assert accesses(auditor, file, from_="2020-01-01", to="2020-01-02", **who) == []


@pytest.mark.parametrize(
    "query",
    [
        {"from_": "yesterday"},
        {"from_": "2026-01-02", "to": "2026-01-01"},
        {"purpose": "CURIOSITY"},
        {"limit": "0"},
        {"page_token": "WzEsIjEgMSAxIiwieCJd"},
        {"principle": "u-1"},
    ],
)
def test_a_question_that_makes_no_sense_is_refused(auditor: Api, file: File, query: dict[str, str]) -> None:
    problem = auditor.get(f"{file.path}/accesses", expect=422, **query).json()
    assert problem["type"] == "urn:dossier:problem:invalid-parameter"


def test_of_nobody_there_is_nothing_to_tell(auditor: Api) -> None:
    unknown = "/v1/customers/01900000-0000-7000-8000-00000000dead/accesses"
    assert auditor.get(unknown, expect=404).json()["type"] == "urn:dossier:problem:customer-unknown"


def test_each_access_is_proved_by_the_log(
    service: Service, request: pytest.FixtureRequest, auditor: Api, at_home: File
) -> None:
    api = reader(service, request, "custodian", "LEGAL_CASE; file 17")
    api.get(at_home.path)
    (item,) = until_told(auditor, at_home, name_of(api))
    receipt = auditor.get(f"/v1/customers/{item['stream']}/events/{item['version']}/receipt").json()
    assert receipt["position"] == item["position"]
    assert proves(service.http.get("/log/key").text.strip(), receipt)
    with psycopg.connect(service.conninfo) as connection:
        ((entry,),) = connection.execute(
            "SELECT entry FROM ledger.event WHERE stream = %s AND version = %s", [item["stream"], item["version"]]
        ).fetchall()
    assert leaf_hash(entry) == b64decode(receipt["entry_hash"])
    said = orjson.loads(entry)
    assert (said["event_id"], said["type"], said["actor"]) == (item["event_id"], item["type"], "dossier")
    assert name_of(api) not in entry.decode(), "who read is for those to see who may open the entry's part"
