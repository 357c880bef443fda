"""Auditors see which request took effect under a key, and that its repetitions recorded nothing."""

from __future__ import annotations

from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.scenarios.client import Api
from tests.scenarios.service import Service, wait_until


@pytest.fixture(scope="module")
def auditor(service: Service) -> Api:
    return service.as_("a-7", "auditor")


def _look_up(auditor: Api, key: str, *, expect: int = 200) -> dict[str, object]:
    path = f"/v1/idempotency/{quote(key, safe='')}"
    told: dict[str, object] = auditor.request("GET", path, expect=expect).json()
    return told


@pytest.mark.parametrize("form", ["{}", "a/b/{}", "/{}", "{}/", "{}%2F?#&", "..{}", "../{}/..", "~!'()*;{}"])
def test_the_request_of_a_key_is_told_however_often_it_was_repeated(li_na: Api, auditor: Api, form: str) -> None:
    key = form.format(uuid4())
    file = li_na.register()
    etag = file.etag
    for _ in range(3):
        file.send("/attributes", {"key": "k", "value": 1}, idempotency_key=key, if_match=etag)
    wait_until(lambda: _look_up(auditor, key)["position"] is not None)
    told = _look_up(auditor, key)
    (event,) = file.history(type="customer.attribute-recorded")
    assert told == {
        "key": key,
        "actor": "u-118",
        "customer_id": file.customer_id,
        "first_version": event["version"],
        "last_version": event["version"],
        "status": 200,
        "recorded_at": event["recorded_at"],
        "position": event["position"],
    }


def test_of_a_key_without_a_request_nothing_is_told(auditor: Api) -> None:
    assert _look_up(auditor, str(uuid4()), expect=404)["type"] == "urn:dossier:problem:key-unknown"
    assert _look_up(auditor, "x" * 256, expect=422)["type"] == "urn:dossier:problem:invalid-parameter"
    assert _look_up(auditor, "a\x00b", expect=422)["type"] == "urn:dossier:problem:invalid-parameter"


def test_nobody_who_may_not_search_the_audit_trail_looks_keys_up(service: Service, li_na: Api) -> None:
    for somebody in (li_na, service.as_("u-2", "viewer"), service.as_("u-3", "administrator")):
        assert _look_up(somebody, "key", expect=403)["permission"] == "audit:view"
    assert _look_up(service.anonymous, "key", expect=401)
