"""Budgets: what was used comes back as time goes by, each principal has their own, and little is remembered."""

from __future__ import annotations

import time

import pytest

from api.budgets import Budget
from api.errors import Problem


class Clock:
    """Stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def _refused(budget: Budget, principal: str) -> int:
    """How many seconds they are told to stay away."""
    with pytest.raises(Problem) as refusal:
        budget.take(principal)
    assert (refusal.value.slug, refusal.value.status) == ("too-many-requests", 429)
    seconds: int = refusal.value.extra["retry_after"]
    return seconds


def test_who_has_used_it_up_is_told_when_to_come_back(clock: Clock) -> None:
    budget = Budget("requests", 0.5, 3)
    for _ in range(3):
        budget.take("u-1")
    assert _refused(budget, "u-1") == 2
    budget.take("u-2")
    clock.now += 2
    budget.take("u-1")
    assert _refused(budget, "u-1") == 2


def test_what_costs_more_than_there_is_is_had_once_and_paid_for_later(clock: Clock) -> None:
    budget = Budget("events", 1, 10)
    budget.take("u-1", 50)
    assert _refused(budget, "u-1") == 41
    clock.now += 41
    budget.take("u-1")


def test_nobody_saves_more_than_a_bucket_holds(clock: Clock) -> None:
    budget = Budget("requests", 1, 2)
    budget.take("u-1")
    clock.now += 1_000_000
    budget.take("u-1", 2)
    assert _refused(budget, "u-1") == 1


def test_without_a_rate_nobody_is_refused(clock: Clock) -> None:
    budget = Budget("requests", 0, 0)
    for _ in range(1000):
        budget.take("u-1", clock.now)


def test_many_principals_take_little_memory(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr("api.budgets._MOST_REMEMBERED", 10)
    budget = Budget("requests", 1, 1)
    for number in range(100):
        budget.take(f"u-{number}")
    assert len(budget) == 10
    assert _refused(budget, "u-99") == 1
    clock.now += 60
    budget.take("u-100")
    assert len(budget) == 1  # the others' are full, as those of who never asked
