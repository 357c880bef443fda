"""What one process counts of the requests it answers, for whoever asks /metrics.

Counted in plain numbers, because every request pays for it; names and help texts are put to them when somebody asks.
What must stay true: a label is one of few: a route's template, never a path; a problem's slug, never a text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds; a request is counted at the first that it did not take longer than, or behind all of them."""

UNMATCHED: Final = "unmatched"
"""Stands for the template of a request that no route answered."""


class Counts:
    """One event loop at a time. A cell is [seconds, requests by bound, and those behind the last]."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str, int], list[float]] = {}
        self._problems: Counter[tuple[str, str]] = Counter()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        key = (method, route, status // 100)
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = [0.0] * (len(BOUNDS) + 2)
        cell[0] += seconds
        cell[bisect_left(BOUNDS, seconds) + 1] += 1

    def refused(self, problem: str, rule: str) -> None:
        """`rule` is the number of the broken invariant, "" where none was."""
        self._problems[problem, rule] += 1

    def as_json(self, refused_before: Mapping[str, int]) -> dict[str, Any]:
        """With the problems, by slug, that were answered to what never became a request."""
        problems = self._problems + Counter({(slug, ""): number for slug, number in refused_before.items()})
        return {
            "requests": [[*key, *cell] for key, cell in self._cells.items()],
            "problems": [[*key, number] for key, number in problems.items()],
        }
