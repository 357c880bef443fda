"""`dossier approvals`, `policy`, `erasures` and `holds` as somebody types them, against a service."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.cli.service import Dossier, RunningService
from tests.scenarios.client import Api, File, Signer

As = Callable[..., None]


@pytest.fixture(autouse=True)
def of_the_service(service: RunningService, monkeypatch: pytest.MonkeyPatch, dossier: Dossier) -> None:
    del dossier  # which sets the folder first
    monkeypatch.setenv("DOSSIER_DATA", str(service.data))


@pytest.fixture
def file(service: RunningService) -> Iterator[File]:
    with httpx.Client(base_url=service.url, timeout=60) as http:
        yield Api(http, _token(service, "u-118", "editor")).register()


@pytest.fixture
def speak_as(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> As:
    def speak(actor: str, *roles: str) -> None:
        monkeypatch.setenv("DOSSIER_URL", service.url)
        monkeypatch.setenv("DOSSIER_TOKEN", _token(service, actor, *roles))

    return speak


def _token(service: RunningService, actor: str, *roles: str) -> str:
    return Signer((service.data / "keys" / "jwt.pem").read_bytes()).token(actor, roles)


def test_the_inbox_is_listed_for_people_and_programs(dossier: Dossier, file: File, speak_as: As) -> None:
    file.record("/tier-requests", to_code="HIGH_VALUE")
    file.read("history")
    speak_as("u-301", "approver")
    listed = dossier("approvals", "--customer-id", file.customer_id, "--mine")
    assert listed.exit_code == 0
    for words in ("TIER", "u-118", "/tier/VALUE", "yours to decide"):
        assert words in listed.out
    (item,) = dossier("approvals", "--customer-id", file.customer_id, "--kind", "TIER", "--json").json()["items"]
    assert item["can_decide"] is True
    assert dossier("approvals", "--kind", "MERGE").exit_code != 0


def test_the_policy_is_shown(dossier: Dossier, speak_as: As) -> None:
    speak_as("u-301", "approver")
    shown = dossier("policy", "show")
    for words in ("edition 1, as the program came", "HIGH_VALUE, IMPORTANT", "removing or replacing an identifier"):
        assert words in shown.out
    assert dossier("policy", "show", "--json").json()["edition"] == 1
    assert dossier("policy", "revisions", "--json").json()["items"] == []
    assert dossier("policy", "revisions").exit_code == 0


def test_an_erasure_is_asked_for_held_and_carried_out(dossier: Dossier, file: File, speak_as: As) -> None:
    person = next(iter(file.profile()["contacts"]))
    asked = ("erasures", "request", file.customer_id, person, "--basis", "PIPL_47", "--reason", "a letter")
    speak_as("u-501", "privacy")
    assert "waits for another privacy officer" in dossier(*asked).out
    assert dossier("holds", "place", file.customer_id, "2026-17", "--reason", "a court").exit_code == 0
    file.read("history")
    (request,) = dossier("erasures", "list", file.customer_id, "--json").json()["erasures"]
    refused = dossier("erasures", "approve", file.customer_id, request["request_id"])
    assert "requester" in refused.err
    speak_as("u-502", "privacy")
    approve = ("erasures", "approve", file.customer_id, request["request_id"][-8:], "--after-hold")
    assert "when the last hold is lifted" in dossier(*approve, "--comment", "checked").out
    lifted = dossier("holds", "lift", file.customer_id, "2026-17", "--reason", "settled")
    assert "1 erasures were carried out" in lifted.out
    file.read("history")
    assert "no holds" in dossier("holds", "lift", file.customer_id, "2026-17", "--reason", "settled").err


def test_a_request_is_rejected_and_withdrawn(dossier: Dossier, file: File, speak_as: As) -> None:
    person = next(iter(file.profile()["contacts"]))
    for verb, who in (("reject", "u-502"), ("withdraw", "u-501"), ("approve", "u-502")):
        speak_as("u-501", "privacy")
        dossier("erasures", "request", file.customer_id, person, "--basis", "PIPL_47", "--reason", "a letter")
        file.read("history")
        listed = dossier("erasures", "list", file.customer_id, "--json").json()["erasures"]
        request = next(each for each in listed if each["state"] == "REQUESTED")
        speak_as(who, "privacy")
        outcome = dossier("erasures", verb, file.customer_id, request["request_id"])
        assert outcome.exit_code == 0, outcome.err
        assert outcome.out.strip() in {"rejected", "withdrawn", "erased"}
        file.read("history")
