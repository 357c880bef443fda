"""`dossier portfolio` against the sample."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.service import Dossier, RunningService

TIER = "/tier/VALUE/code"


@pytest.fixture(autouse=True)
def of_the_sample(sample_service: RunningService, monkeypatch: pytest.MonkeyPatch, dossier: Dossier) -> None:
    del dossier  # which sets the folder first
    monkeypatch.setenv("DOSSIER_DATA", str(sample_service.data))


def test_customers_are_listed_by_what_they_are(dossier: Dossier) -> None:
    outcome = dossier("portfolio", "--where", f"{TIER}=HIGH_VALUE", "--columns", f"/identity/legal_name,{TIER}")
    for words in ("customer_id", TIER, "深圳市云澜科技有限公司", "HIGH_VALUE", "true at"):
        assert words in outcome.out
    assert "ORDINARY" not in outcome.out


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (f"{TIER}=HIGH_VALUE", {"HIGH_VALUE"}),
        (f'{TIER}=["HIGH_VALUE","ORDINARY"]', {"HIGH_VALUE", "ORDINARY"}),
        (f"{TIER}^=HIGH", {"HIGH_VALUE"}),
        (f"{TIER}>=ORDINARY", {"ORDINARY", "POTENTIAL"}),
        (f"!{TIER}", {None}),
    ],
)
def test_conditions_are_written_briefly(dossier: Dossier, condition: str, expected: set[str | None]) -> None:
    page = dossier("portfolio", "--where", condition, "--columns", TIER, "--format", "json").json()
    assert {item[TIER] for item in page["items"]} <= expected


def test_customers_are_counted(dossier: Dossier) -> None:
    page = dossier("portfolio", "--group-by", TIER, "--measure", "count", "--format", "json").json()
    listed = dossier("portfolio", "--where", TIER, "--limit", 500, "--format", "json").json()
    assert sum(item["count"] for item in page["items"]) == listed["basis"]["row_count"] > 0


def test_a_list_comes_in_pages_and_in_order(dossier: Dossier) -> None:
    options = ("portfolio", "--sort", f"-{TIER}", "--columns", TIER, "--limit", 3)
    first = dossier(*options, "--format", "json").json()
    second = dossier(*options, "--page-token", first["next_page_token"], "--format", "json").json()
    seen = [item["customer_id"] for item in first["items"] + second["items"]]
    assert len(set(seen)) == 6
    assert "there is more: --page-token" in dossier(*options).out


def test_the_past_is_listed(dossier: Dossier) -> None:
    assert dossier("portfolio", "--valid-at", "2001-01-01", "--format", "json").json()["items"] == []
    page = dossier("portfolio", "--at-position", 1, "--format", "json").json()
    assert page["basis"]["position"] == 1


def test_everything_goes_into_a_file(dossier: Dossier, tmp_path: Path) -> None:
    file = tmp_path / "book.ndjson"
    outcome = dossier("portfolio", "--columns", TIER, "--format", "ndjson", "--output", file)
    assert outcome.exit_code == 0
    *rows, last = file.read_text(encoding="utf-8").splitlines()
    assert json.loads(last)["summary"]["row_count"] == len(rows) > 0
    assert [path.name for path in tmp_path.iterdir()] == ["book.ndjson"]


def test_what_makes_no_sense_leaves_no_file(dossier: Dossier, tmp_path: Path) -> None:
    file = tmp_path / "book.ndjson"
    outcome = dossier("portfolio", "--where", "/teir/VALUE/code=X", "--format", "ndjson", "--output", file)
    assert (outcome.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert f"{TIER}?" in outcome.err
    assert dossier("portfolio", "--format", "json", "--output", file).exit_code == 2
    assert dossier("portfolio", "--format", "ndjson", "--output", tmp_path / "no" / "book").exit_code == 1
