"""The arithmetic of ratios and verdicts, and how they are kept."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from bench import report
from bench.surroundings import Surroundings
from bench.yardstick import Comparison, Findings, Wanted, Yardstick, at_least, at_most, interleaved, within


def comparison(ours: list[float], baseline: list[float]) -> Comparison:
    return Comparison("writes, per second", "1/s", at_least(1.5), ours, baseline)


def test_a_ratio_is_made_within_a_round_and_the_median_counts() -> None:
    found = comparison([100, 400, 150], [100, 200, 50])
    assert found.ratio == (1, 2, 3)
    assert found.is_met


def test_a_goal_can_be_a_ceiling() -> None:
    assert at_most(1.2).is_met_by(1.2)
    assert not at_most(1.2).is_met_by(1.21)
    assert within("start", "s", [2.0, 4.0, 1.0], 3).is_met
    assert not within("start", "s", [3.5, 4.0, 1.0], 3).is_met


def test_who_begins_a_round_changes(tmp_path: Path) -> None:
    order: list[str] = []

    def side(name: str, figure: float) -> dict[str, float]:
        order.append(name)
        return {"p50": figure}

    surroundings = Surroundings(tmp_path, tmp_path, rounds=3)
    (found,) = interleaved(
        surroundings, [Wanted("p50", "ms", at_most(1))], lambda: side("ours", 2), lambda: side("baseline", 4)
    )
    assert order == ["ours", "baseline", "baseline", "ours", "ours", "baseline"]
    assert found.ratio.median == 0.5


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    return tmp_path / "latest.json"


def measured(name: str, ours: list[float]) -> report.Measured:
    yardstick = Yardstick(name, "a title", "a baseline", lambda _: Findings([], {}))
    return report.Measured(yardstick, Findings([comparison(ours, [100.0])], {"note": 1}))


def test_verdicts_of_yardsticks_that_were_not_run_again_are_kept(kept: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    report.keep([measured("B10", [160.0]), measured("B2", [160.0])], {}, {}, now)
    path = report.keep([measured("B2", [120.0])], {"processors": 2}, {"rounds": 1}, now)
    assert orjson.loads(kept.read_bytes()) == [
        {"id": "B2", "what": "writes, per second", "ratio": 1.2, "goal": "≥ 1.5", "met": False},
        {"id": "B10", "what": "writes, per second", "ratio": 1.6, "goal": "≥ 1.5", "met": True},
    ]
    content = orjson.loads(path.read_bytes())
    assert content["machine"] == {"processors": 2}
    assert content["yardsticks"][0]["comparisons"][0]["ours"]["rounds"] == [120.0]


def test_the_figures_of_a_page_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "performance.md"
    page.write_text("before\n\n<!-- figures: written by `make bench` -->\nold\n<!-- end of figures -->\n\nafter\n")
    monkeypatch.setattr(report, "DOCUMENT", page)
    machine = {
        "commit": "abc", "processors": 2, "processor": "x", "memory_gib": 4, "python": "3.11", "postgresql": {},
    }  # fmt: skip
    for ours in ([160.0], [170.0]):
        report.mirror([measured("B1", ours)], machine, datetime(2026, 1, 1, tzinfo=UTC))
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert text.count("| B1 | writes, per second | 170 1/s | 100 1/s | 1.70 (1.70-1.70) | ≥ 1.5 | yes |") == 1
    assert text.count("- B1, note: 1") == 1
    assert "Measured 2026-01-01 at commit abc" in text


def test_what_could_not_be_measured_is_not_met_and_says_why(kept: Path) -> None:
    yardstick = Yardstick("B4", "append", "pgbench", lambda _: Findings([], {}))
    failed = report.Measured(yardstick, None, "pgbench is not there\nmore")
    report.keep([failed], {}, {}, datetime(2026, 1, 1, tzinfo=UTC))
    assert orjson.loads(kept.read_bytes())[0]["met"] is False
    assert "not measured: pgbench is not there" in report.table([failed])
