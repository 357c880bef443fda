"""`dossier portfolio-diff` against the sample."""

from __future__ import annotations

import pytest

from tests.cli.service import Dossier, RunningService

TIER = "/tier/VALUE/code"


@pytest.fixture(autouse=True)
def of_the_sample(sample_service: RunningService, monkeypatch: pytest.MonkeyPatch, dossier: Dossier) -> None:
    del dossier  # which sets the folder first
    monkeypatch.setenv("DOSSIER_DATA", str(sample_service.data))


def test_who_moved_is_told_with_the_matrix_first_and_why(dossier: Dossier) -> None:
    outcome = dossier("portfolio-diff", "--from", "2001-01-01", "--axis", "valid", "--where", TIER, "--path", TIER)
    assert outcome.exit_code == 0
    for words in ("from \\ to", "HIGH_VALUE", "entered", "ENTERED", "tier reassigned", "true at"):
        assert words in outcome.out
    assert outcome.out.index("from \\ to") < outcome.out.index("movement")


def test_what_was_learned_comes_in_pages(dossier: Dossier) -> None:
    options = ("portfolio-diff", "--from", 1, "--valid-at", "2030-01-01", "--where", TIER, "--limit", 2)
    first = dossier(*options, "--json").json()
    second = dossier(*options, "--json", "--page-token", first["next_page_token"]).json()
    assert (first["counts"], first["to"]["position"]) == (second["counts"], second["to"]["position"])
    seen = [item["customer_id"] for item in first["items"] + second["items"]]
    assert (seen, first["from"]["position"]) == (sorted(set(seen)), 1)
    assert "there is more: --page-token" in dossier(*options).out


def test_equal_moments_do_not_differ(dossier: Dossier) -> None:
    outcome = dossier("portfolio-diff", "--from", 5, "--to", 5, "--path", TIER)
    assert (outcome.exit_code, "0 entered, 0 left, 0 moved" in outcome.out) == (0, True)


def test_what_makes_no_sense_is_refused(dossier: Dossier) -> None:
    refused = dossier("portfolio-diff", "--from", 1, "--path", "/teir/VALUE/code")
    assert (refused.exit_code, f"{TIER}?" in refused.err) == (2, True)
    assert dossier("portfolio-diff", "--from", 1, "--at-position", 3).exit_code == 2
    assert (
        dossier("portfolio-diff", "--from", "2026-01-01", "--axis", "valid", "--valid-at", "2026-01-01").exit_code == 2
    )
