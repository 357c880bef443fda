"""The reading verbs against the sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.service import Dossier, RunningService

YUNLAN = "CN_USCC:91440300MAXPYXHN0H"


@pytest.fixture(autouse=True)
def of_the_sample(sample_service: RunningService, monkeypatch: pytest.MonkeyPatch, dossier: Dossier) -> None:
    del dossier  # which sets the folder first
    monkeypatch.setenv("DOSSIER_DATA", str(sample_service.data))


def test_a_file_is_shown_to_people(dossier: Dossier) -> None:
    outcome = dossier("show", YUNLAN)
    assert outcome.exit_code == 0
    for words in ("深圳市云澜科技有限公司", "/tier/VALUE", "HIGH_VALUE", "科苑路 15 号", "true at"):
        assert words in outcome.out


def test_a_file_is_found_by_its_id_too(dossier: Dossier) -> None:
    by_identifier = dossier("show", YUNLAN, "--json").json()
    by_id = dossier("show", by_identifier["customer_id"], "--json").json()
    assert by_id["identity"] == by_identifier["identity"]


def test_json_is_the_services_own(dossier: Dossier) -> None:
    assert dossier("show", YUNLAN, "--json", "--fields", "/tier").json()["tier"] == {"VALUE": {"code": "HIGH_VALUE"}}


def test_the_past_is_shown_on_both_axes(dossier: Dossier) -> None:
    history = dossier("history", YUNLAN, "--json", "--limit", 500).json()["items"]
    first_tier = next(event for event in history if event["type"] == "customer.tier-reassigned")
    then = dossier("show", YUNLAN, "--json", "--valid-at", first_tier["effective_from"]).json()
    assert then["tier"]["VALUE"]["code"] == "ORDINARY"
    before = dossier("show", YUNLAN, "--json", "--at-position", first_tier["position"] - 1).json()
    assert "VALUE" not in before.get("tier", {})


def test_a_history_tells_who_did_what(dossier: Dossier) -> None:
    outcome = dossier("history", YUNLAN)
    for words in ("林浩 (u-118)", "Margaret Osei (u-301)", "tier reassigned", "ORDINARY → HIGH_VALUE", "门牌号录反"):
        assert words in outcome.out


def test_a_long_history_comes_in_pages(dossier: Dossier) -> None:
    first = dossier("history", YUNLAN, "--limit", 3, "--json").json()
    second = dossier("history", YUNLAN, "--limit", 3, "--page-token", first["next_page_token"], "--json").json()
    versions = [event["version"] for event in first["items"] + second["items"]]
    assert len(set(versions)) == 6
    assert "there is more: --page-token" in dossier("history", YUNLAN, "--limit", 3).out


def test_blame_names_the_person_and_the_reason(dossier: Dossier) -> None:
    outcome = dossier("blame", YUNLAN, "--path", "/tier")
    assert "u-301" in outcome.out
    assert "151 200" in outcome.out
    rows = dossier("blame", YUNLAN, "--json").json()["items"]
    assert {"/tier/VALUE", "/identity/legal_name", "/primary_contact"} <= {row["path"] for row in rows}


def test_what_the_token_does_not_show_is_masked(dossier: Dossier, monkeypatch: pytest.MonkeyPatch) -> None:
    token = dossier("token", "--actor", "u-9", "--role", "viewer").out.strip()
    monkeypatch.setenv("DOSSIER_TOKEN", token)
    for verb in ("show", "history", "blame"):
        outcome = dossier(verb, YUNLAN)
        assert "masked (confidential)" in outcome.out, verb
        assert "{" not in outcome.out, verb


def test_a_diff_names_causes(dossier: Dossier) -> None:
    history = dossier("history", YUNLAN, "--json", "--limit", 500).json()["items"]
    positions = [event["position"] for event in history]
    outcome = dossier("diff", YUNLAN, "--from", positions[0], "--to", positions[-1])
    assert "/tier/VALUE" in outcome.out
    assert "tier reassigned by" in outcome.out
    assert dossier("diff", YUNLAN, "--from", positions[0], "--to", positions[-1], "--json").json()["changes"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["show", "OTHER:NOBODY"], 4, "no customer has the identifier"),
        (["show", "00000000-0000-4000-8000-000000000000"], 4, "No such customer"),
        (["show", "nobody"], 2, "names no customer"),
        (["show", YUNLAN, "--known-at", "2999-01-01T00:00:00Z"], 2, "known_at"),
        (["show", YUNLAN, "--valid-at", "yesterday"], 2, "valid_at"),
        (["history", YUNLAN, "--limit", "0"], 2, "--limit"),
        (["diff", YUNLAN, "--from", "1"], 2, "--to"),
        (["blame"], 2, "CUSTOMER"),
        (["paint"], 2, "paint"),
    ],
)
def test_what_cannot_be_answered_is_one_line_and_an_exit_code(
    dossier: Dossier, arguments: list[str], exit_code: int, words: str
) -> None:
    outcome = dossier(*arguments)
    assert (outcome.exit_code, outcome.out) == (exit_code, "")
    assert words in outcome.err
    assert "Traceback" not in outcome.err


def test_no_service_is_told(dossier: Dossier, tmp_path: Path) -> None:
    outcome = dossier("show", YUNLAN, "--data", tmp_path)
    assert outcome.exit_code == 6
    assert "no service runs on" in outcome.err


def test_a_service_that_is_gone_is_told(dossier: Dossier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSSIER_URL", "http://127.0.0.1:9")
    outcome = dossier("show", YUNLAN)
    assert outcome.exit_code == 6
    assert outcome.err.startswith("dossier: the service at http://127.0.0.1:9 cannot be reached")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "nowhere", "http://"])
def test_an_address_that_is_none_is_told(dossier: Dossier, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DOSSIER_URL", url)
    assert dossier("show", YUNLAN).exit_code == 2


@pytest.mark.parametrize("token", ["x", "ü", "a\nb"])
def test_a_bad_token_is_told(dossier: Dossier, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("DOSSIER_TOKEN", token)
    outcome = dossier("show", YUNLAN)
    assert outcome.exit_code == 3
    assert outcome.err.startswith("dossier: ")
