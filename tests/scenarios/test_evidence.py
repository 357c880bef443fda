"""Proof over HTTP: entry hashes and receipts of writes, and evidence packs for auditors."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.schemas import events
from tests.ledger.forge import Files, audited
from tests.scenarios.client import PROBLEM, WELL_FOUNDED, Api, File
from tests.scenarios.proving import proves
from tests.scenarios.service import Service


@pytest.fixture(scope="module")
def key(service: Service) -> str:
    """The log's verifier key, as an auditor gets it from elsewhere."""
    return service.http.get("/log/key").text.strip()


@pytest.fixture
def editor(service: Service) -> Api:
    return service.as_("u-118", "importer")


@pytest.fixture
def auditor(service: Service) -> Api:
    return service.as_("a-7", "auditor")


def pack_of(api: Api, file: File, **asked: Any) -> Files:
    """A pack that covers everything recorded so far."""
    file.api.get(f"{file.path}/events/{file.version}/receipt")
    answer = asked_for(api, {"customer_id": file.customer_id, **asked})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "private, no-cache"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def asked_for(api: Api, body: Any) -> httpx.Response:
    authorization = {"Authorization": f"Bearer {api.token}"} if api.token else {}
    return api.http.post("/v1/evidence", json=body, headers={"Dossier-Purpose": "AUDIT", **authorization})


# --- receipts ---------------------------------------------------------------------------------------------------------


def test_a_write_is_answered_with_the_hash_of_each_entry(editor: Api) -> None:
    file = editor.register()
    answer = file.change(
        {"type": "customer.attribute-recorded", "key": "a", "value": 1},
        {"type": "customer.attribute-recorded", "key": "b", "value": 2},
    )
    assert len(answer["entry_hashes"]) == len(answer["events"]) == 2
    for event, entry_hash in zip(answer["events"], answer["entry_hashes"], strict=True):
        receipt = editor.get(f"{file.path}/events/{event['version']}/receipt").json()
        assert (receipt["version"], receipt["entry_hash"]) == (event["version"], entry_hash)


def test_a_repeated_request_has_the_same_hashes(editor: Api) -> None:
    file = editor.register()
    body, etag, key = {"key": "k", "value": 1, **WELL_FOUNDED}, file.etag, str(uuid4())
    first, again = (
        file.send("/attributes", body, if_match=etag, idempotency_key=key, prefer="return=minimal") for _ in range(2)
    )
    assert again.headers["idempotent-replayed"] == "true"
    assert (first.json(), len(first.json()["entry_hashes"])) == (again.json(), 1)


def test_a_dry_run_has_no_hash(editor: Api) -> None:
    file = editor.register()
    answer = file.send("/attributes?dry_run=true", {"key": "k", "value": 1, **WELL_FOUNDED})
    assert "entry_hashes" not in answer.json()


def test_who_prefers_to_wait_gets_position_and_proof(editor: Api, key: str) -> None:
    file = editor.register()
    answer = file.send("/attributes", {"key": "k", "value": 1, **WELL_FOUNDED}, prefer="wait=sealed")
    assert answer.headers["preference-applied"] == "wait=sealed"
    (receipt,) = answer.json()["receipts"]
    assert receipt["entry_hash"] == answer.json()["entry_hashes"][0]
    assert proves(key, receipt)
    assert not proves(key, {**receipt, "entry_hash": base64.b64encode(bytes(32)).decode()})


def test_both_preferences_go_together(editor: Api, key: str) -> None:
    file = editor.register()
    changes = [{"type": "customer.attribute-recorded", "key": name, "value": 1} for name in "abc"]
    answer = file.send("/changes", {**WELL_FOUNDED, "changes": changes}, prefer="return=minimal, wait=sealed")
    assert "events" not in answer.json()
    assert [receipt["version"] for receipt in answer.json()["receipts"]] == [
        answer.json()["version"] - 2 + number for number in range(3)
    ]
    assert all(proves(key, receipt) for receipt in answer.json()["receipts"])


def test_a_registration_is_waited_for_as_well(editor: Api, key: str) -> None:
    body = {"customer_kind": "ORGANISATION", "name": "Acme", "contact": {"name": "Li", "points": [
        {"kind": "MOBILE", "value": "13800138000"}]}, **WELL_FOUNDED}  # fmt: skip
    answer = editor.post("/v1/customers", body, expect=201, prefer="wait=sealed").json()
    assert len(answer["receipts"]) == answer["version"]
    assert all(proves(key, receipt) for receipt in answer["receipts"])


def test_a_receipt_is_fetched_later(editor: Api, key: str) -> None:
    file = editor.register()
    receipt = editor.get(f"{file.path}/events/1/receipt").json()
    assert receipt["customer_id"] == file.customer_id
    assert proves(key, receipt)


@pytest.mark.parametrize("version", ["0", "x", "-1", "99999999999999999999"])
def test_a_version_is_a_number(editor: Api, version: str) -> None:
    file = editor.register()
    editor.get(f"{file.path}/events/{version}/receipt", expect=422)


def test_of_an_event_that_is_not_there_there_is_no_receipt(editor: Api) -> None:
    file = editor.register()
    assert "event-unknown" in editor.get(f"{file.path}/events/999/receipt", expect=404).text
    assert "event-unknown" in editor.get(f"/v1/customers/{uuid4()}/events/1/receipt", expect=404).text


# --- evidence packs ---------------------------------------------------------------------------------------------------


def test_an_auditor_gets_a_pack_that_holds(editor: Api, auditor: Api, key: str) -> None:
    file = editor.register()
    file.record("/attributes", key="colour", value="blue")
    files = pack_of(auditor, file, disclose="all")
    audit = audited(files, keys=[key])
    assert audit.findings.faults == {}
    assert audit.stream.events == file.version
    assert any(b'"blue"' in content for name, content in files.items() if name.startswith("disclosure/"))


def test_a_pack_discloses_what_was_asked_for_and_nothing_else(editor: Api, auditor: Api, key: str) -> None:
    file = editor.register("Acme")
    files = pack_of(auditor, file, disclose=["1", "2.0"])
    assert audited(files, keys=[key]).findings.faults == {}
    assert len([name for name in files if name.startswith("disclosure/") and name.endswith(".key")]) == 2
    assert not [name for name in pack_of(auditor, file) if name.startswith("disclosure/")]


def test_a_pack_proves_that_the_log_goes_on_from_a_checkpoint(
    service: Service, editor: Api, auditor: Api, key: str
) -> None:
    first = editor.register()
    editor.get(f"{first.path}/events/1/receipt")
    kept = service.http.get("/log/checkpoint").text
    file = editor.register()
    audit = audited(pack_of(auditor, file, from_checkpoint=kept), keys=[key], kept=kept.encode())
    assert audit.findings.faults == {}
    assert audit.log.earlier is not None


@pytest.mark.parametrize("roles", [(), ("importer",), ("editor", "admin")])
def test_only_an_auditor_gets_a_pack(service: Service, editor: Api, roles: tuple[str, ...]) -> None:
    file = editor.register()
    answer = asked_for(service.as_("u-118", *roles), {"customer_id": file.customer_id})
    assert answer.status_code == 403
    assert answer.json()["permission"] == "evidence:export"


def test_nobody_without_a_token_gets_anything(service: Service, editor: Api) -> None:
    file = editor.register()
    assert asked_for(service.anonymous, {"customer_id": file.customer_id}).status_code == 401


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"customer_id": "x"}, "/customer_id"),
        ({"disclose": "some"}, "/disclose"),
        ({"disclose": {}}, "/disclose"),
        ({"disclose": [1]}, "/disclose"),
        ({"disclose": ["1"] * 1001}, "/disclose"),
        ({"disclose": ["0"]}, "/disclose"),
        ({"disclose": ["1.70000000"]}, "/disclose"),
        ({"from_checkpoint": "x"}, "/from_checkpoint"),
        ({"from_checkpoint": "a\n3\nAAAA\n\n— a AAAAAAAA\n"}, "/from_checkpoint"),
        ({"from_checkpoint": "\u0000"}, "/from_checkpoint"),
        ({"format": "tar"}, "/format"),
    ],
)
def test_a_question_that_makes_no_sense_names_its_field(
    editor: Api, auditor: Api, asked: dict[str, Any], pointer: str
) -> None:
    file = editor.register()
    editor.get(f"{file.path}/events/1/receipt")
    answer = asked_for(auditor, {"customer_id": file.customer_id, **asked})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == PROBLEM
    assert any(error["pointer"].startswith(pointer) for error in answer.json()["errors"])


def test_of_an_unknown_customer_there_is_no_pack(editor: Api, auditor: Api) -> None:
    editor.get(f"{editor.register().path}/events/1/receipt")
    answer = asked_for(auditor, {"customer_id": str(uuid4())})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:dossier:problem:not-signed")


def test_a_version_that_is_not_there_is_not_disclosed(editor: Api, auditor: Api) -> None:
    file = editor.register()
    editor.get(f"{file.path}/events/1/receipt")
    answer = asked_for(auditor, {"customer_id": file.customer_id, "disclose": ["999"]})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:dossier:problem:event-unknown")


def test_a_receipt_is_documented(editor: Api) -> None:
    file = editor.register()
    answer = editor.get(f"{file.path}/events/1/receipt")
    assert events.EventReceipt.model_validate_json(answer.content).version == 1
    assert json.loads(answer.content).keys() == events.EventReceipt.model_fields.keys()
