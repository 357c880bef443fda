"""Every yardstick measures, if only for a moment: what it finds is a figure. Nothing is said about time."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from uuid import UUID

import pytest

from bench.feeding import Place
from bench.surroundings import SIZES, Surroundings
from bench.yardstick import Comparison, Findings, Yardstick
from bench.yardsticks import EVERY
from bench.yardsticks.feed import compared
from tests.server import TestServer

STREAM, OTHER = UUID(int=1), UUID(int=2)


def briefly(yardstick: Yardstick, folder: Path, server: TestServer) -> Findings:
    surroundings = Surroundings(
        folder,
        folder / "cache",
        rounds=1,
        seconds=0.2,
        size=SIZES["smoke"],
        is_smoke=True,
        given=server.conninfo,
    )
    with surroundings.stack:
        return yardstick.measure(surroundings)


@pytest.mark.parametrize("yardstick", EVERY, ids=lambda yardstick: str(yardstick.id))
def test_it_gives_figures(yardstick: Yardstick, tmp_path: Path, server: TestServer) -> None:
    findings = briefly(yardstick, tmp_path, server)
    assert findings.comparisons
    for found in findings.comparisons:
        assert is_figure(found), found
    if yardstick.id == "B15":
        (events,) = findings.notes.values()
        assert set(events.values()) == {0}, events


def is_figure(found: Comparison) -> bool:
    """One round of two sides; only what a process spends may be too little to be seen."""
    (ours,), (baseline,) = found.ours, found.baseline
    return isfinite(ours) and isfinite(baseline) and ours >= 0 and baseline > 0


def test_ids_tell_yardsticks_apart() -> None:
    assert len({yardstick.id for yardstick in EVERY}) == len(EVERY)


# --- what a reader has wrong ----------------------------------------------------------------------------------------


def wrong(seen: list[Place], acknowledged: list[Place]) -> dict[str, int]:
    return {name: number for name, number in compared(seen, acknowledged).items() if number}


def test_a_reader_that_saw_each_event_once_and_in_order_has_nothing_wrong() -> None:
    written = [Place(STREAM, 1), Place(STREAM, 2), Place(OTHER, 1)]
    assert wrong([Place(STREAM, 1), Place(OTHER, 1), Place(STREAM, 2)], written) == {}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([1, 3], {"missing": 1}),
        ([1, 2, 2, 3], {"duplicate": 1}),
        ([1, 3, 2], {"out of order": 1}),
        ([1, 2, 3, 4], {"unknown": 1}),
        ([3, 1, 1], {"missing": 1, "duplicate": 1, "out of order": 1}),
    ],
)
def test_what_a_reader_has_wrong_is_counted(seen: list[int], expected: dict[str, int]) -> None:
    written = [Place(STREAM, version) for version in (1, 2, 3)]
    assert wrong([Place(STREAM, version) for version in seen], written) == expected
