"""Who works with the service, as the command shows it: the sample's staff."""

from __future__ import annotations

import pytest

from tests.cli.service import Dossier, RunningService


@pytest.fixture(autouse=True)
def of_the_sample(sample_service: RunningService, monkeypatch: pytest.MonkeyPatch, dossier: Dossier) -> None:
    del dossier  # which sets the folder first
    monkeypatch.setenv("DOSSIER_DATA", str(sample_service.data))


def test_everybody_is_listed(dossier: Dossier) -> None:
    outcome = dossier("staff", "list", "--json")
    assert outcome.exit_code == 0, outcome.err
    items = outcome.json()["items"]
    assert [member["subject"] for member in items] == ["u-104", "u-118", "u-126", "u-133", "u-204", "u-301"]
    table = dossier("staff", "list").out
    for words in ("林浩", "深圳客户部", "approver, editor"):
        assert words in table


def test_one_is_shown_with_deputies_and_trainings(dossier: Dossier) -> None:
    told = dossier("staff", "show", "u-118").out
    for words in ("林浩", "u-204", "u-133 acts in their place until", "in everything", "DATA_PROTECTION of"):
        assert words in told
    member = dossier("staff", "show", "u-118", "--json").json()
    assert (member["roles"], member["active"]) == (["editor"], True)
    earlier = dossier("staff", "show", "u-118", "--valid-at", "2020-01-01", "--json").json()
    assert (earlier["roles"], earlier["delegations"]) == ([], [])


def test_a_stranger_is_not_found(dossier: Dossier) -> None:
    outcome = dossier("staff", "show", "nobody'or")
    assert outcome.exit_code == 4
    assert "nobody" in outcome.err
