"""What a yardstick is, and what it found: figures of ours and of its baseline, round by round, and their ratio.

What must stay true: a ratio is made of two figures of the same round, taken one after the other, so that a machine
whose speed drifts does not decide; and the median of the rounds is what counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any, Final, NamedTuple

from bench.surroundings import Surroundings


class Unsuitable(Exception):
    """A yardstick cannot be measured here: a baseline does not start, a tool is missing. Says which."""


class Bound(StrEnum):
    """Which way is good."""

    AT_LEAST = "≥"
    AT_MOST = "≤"


@dataclass(frozen=True)
class Goal:
    """What the ratio ours / baseline should be."""

    bound: Bound
    ratio: float

    def is_met_by(self, ratio: float) -> bool:
        return ratio >= self.ratio if self.bound is Bound.AT_LEAST else ratio <= self.ratio

    def __str__(self) -> str:
        return f"{self.bound} {self.ratio:g}"


def at_least(ratio: float) -> Goal:
    return Goal(Bound.AT_LEAST, ratio)


def at_most(ratio: float) -> Goal:
    return Goal(Bound.AT_MOST, ratio)


class Spread(NamedTuple):
    """Several rounds of one figure."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        return cls(min(figures), median(figures), max(figures))


@dataclass(frozen=True)
class Comparison:
    """One figure of a yardstick. `baseline` is what it is held against: a measured figure, or a fixed limit."""

    what: str
    unit: str
    goal: Goal
    ours: Sequence[float]
    baseline: Sequence[float]

    @property
    def ratio(self) -> Spread:
        return Spread.of([mine / theirs for mine, theirs in zip(self.ours, self.baseline, strict=True)])

    @property
    def is_met(self) -> bool:
        return self.goal.is_met_by(self.ratio.median)

    @property
    def as_note(self) -> str:
        """The figure in a line, for those whose goal does not count."""
        ratio, ours = self.ratio, Spread.of(self.ours).median
        return f"{ours:,.0f} {self.unit}, ratio {ratio.median:.2f} ({ratio.least:.2f}-{ratio.most:.2f})"


@dataclass(frozen=True)
class Findings:
    """What one yardstick found. `notes` are figures without a goal: read them with the others."""

    comparisons: Sequence[Comparison]
    notes: Mapping[str, Any]


@dataclass(frozen=True)
class Yardstick:
    """`baseline` names what ours is held against, in words."""

    id: str
    title: str
    baseline: str
    measure: Callable[[Surroundings], Findings]


Figures = Mapping[str, float]
"""What one round of one side gave, by name of the figure."""


@dataclass(frozen=True)
class Wanted:
    """A figure that both sides give under this name, with its goal."""

    name: str
    unit: str
    goal: Goal


def interleaved(
    surroundings: Surroundings,
    wanted: Sequence[Wanted],
    ours: Callable[[], Figures],
    baseline: Callable[[], Figures],
) -> list[Comparison]:
    """Measure both sides in turn, round by round; who begins changes, so that neither always follows the other."""
    rounds: list[tuple[Figures, Figures]] = []
    for number in range(surroundings.rounds):
        surroundings.say(f"round {number + 1} of {surroundings.rounds}")
        if number % 2 == 0:
            mine = ours()
            theirs = baseline()
        else:
            theirs = baseline()
            mine = ours()
        rounds.append((mine, theirs))
    return [
        Comparison(
            figure.name,
            figure.unit,
            figure.goal,
            [mine[figure.name] for mine, _ in rounds],
            [theirs[figure.name] for _, theirs in rounds],
        )
        for figure in wanted
    ]


def within(what: str, unit: str, figures: Sequence[float], limit: float) -> Comparison:
    """A figure that is held against a fixed limit: the ratio is its share of the limit."""
    return Comparison(what, unit, AT_THE_LIMIT, figures, [limit] * len(figures))


AT_THE_LIMIT: Final = at_most(1)
