"""What was erased cannot be had by asking in another way: by a name that an answer had, by a filter, by a moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import orjson
import pytest

from tests.scenarios.client import Api, File
from tests.scenarios.service import Service, wait_until

Erase = Callable[[File, str], None]


@pytest.fixture
def secret() -> str:
    return f"Secret {uuid4().hex}"


@pytest.fixture
def file(li_na: Api) -> File:
    return li_na.register()


@pytest.fixture
def erase(officer: Api, second_officer: Api, service: Service) -> Callable[[File, str], None]:
    """Has somebody of a file erased, and waits until the read models have passed that."""

    def erased(file: File, subject: str) -> None:
        body = {"subject": subject, "legal_basis": "GDPR_17_1_B", "reason": {"text": "letter of the person"}}
        (asked,) = file.seen_by(officer).send("/erasures", body).json()["events"]
        file.seen_by(second_officer).send(f"/erasures/{asked['data']['request_id']}/approve")
        position = file.position
        wait_until(lambda: service.http.get("/readyz").json()["position"] >= position)

    return erased


def contact(file: File, name: str) -> str:
    return str(file.record("/contacts", name=name)["data"]["contact_id"])


@pytest.mark.parametrize("view", ["", "/blame"])
def test_an_answer_from_before_is_not_said_to_stand(file: File, secret: str, view: str, erase: Erase) -> None:
    person = contact(file, secret)
    moment = {"at_position": file.position, "valid_at": file.history(order="desc", limit=1)[0]["recorded_at"]}

    def again(etag: str) -> Any:
        headers = {"If-None-Match": etag}
        return file.api.request("GET", file.path + view, params=moment, headers=headers)

    before = file.api.get(file.path + view, **moment)
    assert secret in before.text
    assert again(before.headers["ETag"]).status_code == 304
    file.record("/tags", group="REGION", code="EAST")
    assert again(before.headers["ETag"]).status_code == 304, "what happens later changes nothing about then"
    erase(file, person)
    after = again(before.headers["ETag"])
    assert after.status_code == 200
    assert secret not in after.text
    assert '"erased":true' in after.text.replace(": ", ":")
    assert again(after.headers["ETag"]).status_code == 304


def test_the_present_gets_another_name(file: File, secret: str, erase: Erase) -> None:
    person = contact(file, secret)
    etag = file.etag
    erase(file, person)
    assert file.api.request("GET", file.path, headers={"If-None-Match": etag}).status_code == 200


def test_filters_find_nothing_of_it(file: File, secret: str, auditor: Api, erase: Erase) -> None:
    person = contact(file, secret)
    file.record(f"/contacts/{person}/details", changed={"name": "known by another name"})
    slot, value = f"/contacts/{person}/name", orjson.dumps(secret).decode()

    def searched(**side: Any) -> int:
        about: dict[str, Any] = {"customer_id": file.customer_id, "path": slot, "after": file.token}
        return len(auditor.get("/v1/history", **about, **side).json()["items"])

    def found() -> dict[str, int]:
        return {
            "new": searched(new=value),
            "old": searched(old=value),
            "knowledge": len(file.read("knowledge", path=slot, value=value)["items"]),
        }

    assert found() == {"new": 1, "old": 1, "knowledge": 1}
    erase(file, person)
    assert found() == {"new": 0, "old": 0, "knowledge": 0}
    (both,) = (item for item in file.read("knowledge", path=slot)["items"])
    assert both["value"]["erased"] is True


def test_a_whole_customer_is_found_by_nothing_it_had_said(li_na: Api, secret: str, erase: Erase) -> None:
    identifier = {"scheme": "OTHER", "value": secret}
    body: dict[str, Any] = {"customer_kind": "INDIVIDUAL", "contact": {"points": [{"kind": "OTHER", "value": secret}]}}
    file = li_na.register(secret, identifiers=[identifier], evidence=[{"note": "passport"}], **body)
    file.record("/attributes", key="secret", value=secret)
    where = {"path": "/attributes/secret", "eq": secret}

    def found() -> dict[str, int]:
        question = orjson.dumps({"columns": ["customer_id"], "where": {"all": [where]}})
        answer = li_na.request("POST", "/v1/portfolio/query", content=question, params={"after": file.token})
        return {
            "by name": len(li_na.get("/v1/customers", name=secret, after=file.token).json()["items"]),
            "by identifier": len(li_na.get("/v1/customers", identifier=f"OTHER:{secret}").json()["items"]),
            "in the portfolio": len(answer.json()["items"]),
        }

    assert found() == {"by name": 1, "by identifier": 1, "in the portfolio": 1}
    erase(file, file.customer_id)
    assert found() == {"by name": 0, "by identifier": 0, "in the portfolio": 0}
    (listed,) = (
        item
        for item in li_na.get("/v1/customers", limit=500).json()["items"]
        if item["customer_id"] == file.customer_id
    )
    assert (listed["display_name"], listed["customer_kind"]) == (None, None)
