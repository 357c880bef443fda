"""`dossier erasures` against a service: a request on its way, and the certificate of one that was carried out."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import httpx
import psycopg
import pytest

from db.embedded import attach
from tests.cli.service import Dossier, RunningService, wait_until
from tests.scenarios.client import Api, File, Signer

NAME = "Ou-Yang Zhenzhen"


@pytest.fixture(autouse=True)
def of_the_service(service: RunningService, monkeypatch: pytest.MonkeyPatch, dossier: Dossier) -> None:
    del dossier  # which sets the folder first
    monkeypatch.setenv("DOSSIER_DATA", str(service.data))


@pytest.fixture
def file(service: RunningService) -> Iterator[File]:
    with httpx.Client(base_url=service.url, timeout=60) as http:
        yield Api(http, _token(service, "u-118", "editor")).register()


def _token(service: RunningService, actor: str, *roles: str) -> str:
    return Signer((service.data / "keys" / "jwt.pem").read_bytes()).token(actor, roles)


def _officer(service: RunningService, file: File, actor: str) -> File:
    return file.seen_by(Api(file.api.http, _token(service, actor, "privacy")))


def _asked(service: RunningService, file: File) -> str:
    contact_id = file.record("/contacts", name=NAME)["data"]["contact_id"]
    body = {"subject": contact_id, "legal_basis": "PIPL_47", "reason": {"text": "letter of the person"}}
    event = _officer(service, file, "u-501").send("/erasures", body).json()["events"][0]
    return str(event["data"]["request_id"])


def test_a_request_on_its_way_has_no_certificate(dossier: Dossier, service: RunningService, file: File) -> None:
    request_id = _asked(service, file)
    _officer(service, file, "u-501").send("/holds", {"reference": "2026-17", "reason": {"text": "a court"}})
    file.read("erasures")
    listed = dossier("erasures", "list", file.customer_id)
    assert listed.exit_code == 0
    assert "REQUESTED" in listed.out
    assert "held since" in listed.out
    shown = dossier("erasures", "show", file.customer_id, request_id[-8:])
    assert f"request           {request_id}" in shown.out
    assert "letter of the person" in shown.out
    refused = dossier("erasures", "certificate", file.customer_id, request_id)
    assert (refused.exit_code, refused.out) == (1, "")
    assert "is REQUESTED" in refused.err


def test_what_was_erased_is_told_and_later_certified(dossier: Dossier, service: RunningService, file: File) -> None:
    request_id = _asked(service, file)
    _officer(service, file, "u-502").send(f"/erasures/{request_id}/approve", {"comment": "checked"})
    file.read("erasures")
    (found,) = dossier("erasures", "list", file.customer_id, "--json").json()["erasures"]
    assert (found["state"], found["decided"]["by"]) == ("ERASED", "u-502")
    shown = dossier("erasures", "show", file.customer_id, request_id)
    for words in ("by event", "unreadable since  not yet", "scrubbed since    not yet", "may remain        backups"):
        assert words in shown.out
    early = dossier("erasures", "certificate", file.customer_id, request_id)
    assert early.exit_code == 1
    assert "come back" in early.err
    assert "erased" in dossier("show", file.customer_id).out
    assert NAME not in dossier("show", file.customer_id).out
    wait_until(lambda: _a_minute_later(service, file))
    certified = dossier("erasures", "certificate", file.customer_id, request_id)
    assert certified.exit_code == 0
    for words in ("Certificate of erasure", file.customer_id, "unreadable since  2", "legal basis       PIPL_47"):
        assert words in certified.out


def _a_minute_later(service: RunningService, file: File) -> bool:
    """Let the time be over for which others may hold a key of the file; False while the eraser is not done."""
    with psycopg.connect(attach(service.data) or "") as connection:
        passed = "UPDATE ledger.erasure SET unreadable_since = unreadable_since - interval '1 minute' WHERE stream = %s"
        return connection.execute(passed, [file.customer_id]).rowcount > 0


def test_a_request_that_the_file_does_not_have_is_refused(dossier: Dossier, file: File) -> None:
    file.read("history")
    outcome = dossier("erasures", "show", file.customer_id, str(uuid4()))
    assert outcome.exit_code != 0
    assert "no requests" in outcome.err
