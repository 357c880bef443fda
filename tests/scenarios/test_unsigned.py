"""A service whose signer cannot work: everything is recorded as ever, and nothing is claimed that is not proved."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenarios.client import WELL_FOUNDED, Api
from tests.scenarios.service import Service
from tests.server import TestServer


@pytest.fixture(scope="module")
def unsigned(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Its signer's memory lies where nothing can be written."""
    data = tmp_path_factory.mktemp("unsigned") / "data"
    environment = {"DOSSIER_LOG_MEMORY_FILE": "/proc/nowhere/signed", "DOSSIER_READ_WAIT_SECONDS": "0.2"}
    with server.database() as conninfo, Service.start(data, conninfo, **environment) as service:
        yield service


@pytest.fixture
def editor(unsigned: Service) -> Api:
    return unsigned.as_("u-118", "importer")


def test_a_write_is_answered_without_the_receipts_that_did_not_come(editor: Api) -> None:
    file = editor.register()
    answer = file.send("/attributes", {"key": "k", "value": 1, **WELL_FOUNDED}, prefer="wait=sealed")
    assert answer.status_code == 200
    assert "preference-applied" not in answer.headers
    assert "receipts" not in answer.json()
    assert len(answer.json()["entry_hashes"]) == 1
    assert file.profile()["attributes"] == {"k": 1}


def test_a_receipt_is_not_there_yet(editor: Api) -> None:
    file = editor.register()
    answer = editor.get(f"{file.path}/events/1/receipt", expect=503)
    assert answer.json()["type"] == "urn:dossier:problem:not-sealed"
    assert answer.headers["retry-after"] == "1"


def test_there_is_nothing_to_make_evidence_of(unsigned: Service, editor: Api) -> None:
    file = editor.register()
    answer = unsigned.as_("a-7", "auditor").post("/v1/evidence", {"customer_id": file.customer_id}, expect=404)
    assert answer.json()["type"] == "urn:dossier:problem:not-signed"
