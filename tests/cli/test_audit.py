"""The search of the audit trail against the sample."""

from __future__ import annotations

import pytest

from tests.cli.service import Dossier, RunningService


@pytest.fixture(autouse=True)
def of_the_sample(sample_service: RunningService, monkeypatch: pytest.MonkeyPatch, dossier: Dossier) -> None:
    del dossier  # which sets the folder first
    monkeypatch.setenv("DOSSIER_DATA", str(sample_service.data))


def test_changes_of_all_customers_are_found(dossier: Dossier) -> None:
    page = dossier("audit", "--path", "/tier/VALUE", "--new", '{"code":"HIGH_VALUE"}', "--json").json()
    assert page["items"]
    codes = [change["new"] for event in page["items"] for change in event["changes"]]
    assert all(code == {"code": "HIGH_VALUE"} for code in codes)
    whole = dossier("audit", "--path", "/tier", "--json", "--limit", 500).json()["items"]
    assert len({event["customer_id"] for event in whole}) > 1


def test_people_see_who_changed_whose_file_and_that_there_is_more(dossier: Dossier) -> None:
    outcome = dossier("audit", "--type", "customer.tier-reassigned", "--limit", 1)
    assert outcome.exit_code == 0
    for words in ("customer", "tier reassigned", "there may be more: --page-token"):
        assert words in outcome.out


def test_a_search_that_makes_no_sense_is_refused(dossier: Dossier) -> None:
    outcome = dossier("audit", "--new", "HIGH_VALUE")
    assert outcome.exit_code != 0
    assert "new" in outcome.err
