"""Properties of timelines: always what a look at each instant would say."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.facts import ABSENT, Fact, Segment, Timeline, from_instant, holder_at, same_json, timeline, with_fact
from tests.domain.story import at

DAYS = 12
FIRST_DAY = at("2026-01-01")


def day(number: int) -> datetime:
    return FIRST_DAY + timedelta(days=number)


INSTANTS = [day(number) for number in range(-1, DAYS * 2 + 2)]


@st.composite
def histories(draw: st.DrawFn, most: int = 8) -> list[Fact]:
    """Facts of one slot in recording order; some with the rank of an earlier one, as corrections have."""
    facts: list[Fact] = []
    for version in range(1, draw(st.integers(0, most)) + 1):
        start = draw(st.integers(0, DAYS))
        length = draw(st.none() | st.integers(1, DAYS))
        value = draw(st.sampled_from(["a", "b", ABSENT]))
        rank = draw(st.just(version) | st.integers(1, version))
        facts.append(Fact("/s", value, day(start), None if length is None else day(start + length), rank, version))
    return facts


def naive(facts: list[Fact], instant: datetime) -> Fact | None:
    covering = [
        fact
        for fact in facts
        if fact.effective_from <= instant and (fact.effective_to is None or instant < fact.effective_to)
    ]
    return max(covering, key=lambda fact: (fact.effective_from, fact.rank, fact.version), default=None)


@given(histories())
def test_a_timeline_says_at_each_instant_which_fact_wins(facts: list[Fact]) -> None:
    segments = timeline(facts)
    for instant in INSTANTS:
        assert holder_at(segments, instant) is naive(facts, instant)


@given(histories())
def test_the_segments_of_a_timeline_are_ordered_apart_and_as_few_as_can_be(facts: list[Fact]) -> None:
    segments = timeline(facts)
    for left, right in pairwise(segments):
        assert left.start < (left.end or INSTANTS[0]) <= right.start
        assert left.fact is not right.fact or left.end != right.start
    assert all(segment.fact.effective_from <= segment.start for segment in segments)


@given(histories(), st.randoms(use_true_random=False))
def test_the_order_in_which_facts_are_given_does_not_matter(facts: list[Fact], random: Any) -> None:
    shuffled = random.sample(facts, len(facts))
    assert timeline(shuffled) == timeline(facts)


@given(histories())
def test_adding_facts_one_by_one_gives_the_timeline_of_them_all(facts: list[Fact]) -> None:
    segments: Timeline = ()
    for count, fact in enumerate(facts, start=1):
        segments = with_fact(segments, fact)
        assert segments == timeline(facts[:count])


@given(histories(), st.sampled_from(INSTANTS), st.sampled_from(INSTANTS))
def test_what_is_kept_from_an_instant_answers_for_every_later_one(
    facts: list[Fact], instant: datetime, later: datetime
) -> None:
    whole = timeline(facts)
    kept = from_instant(whole, instant)
    assert kept == whole[len(whole) - len(kept) :]
    assert bool(kept) == bool(whole)
    if later >= instant:
        assert holder_at(kept, later) is holder_at(whole, later)
        assert from_instant(kept, later) == from_instant(whole, later)


@given(histories(most=6), histories(most=1), st.sampled_from(INSTANTS))
def test_a_fact_that_begins_within_what_is_kept_can_be_added_to_it(
    facts: list[Fact], added: list[Fact], instant: datetime
) -> None:
    whole = timeline(facts)
    kept = from_instant(whole, instant)
    for fact in (Fact(f.slot, f.value, f.effective_from, f.effective_to, 99, 99) for f in added):
        if kept and kept[0].start <= fact.effective_from:
            assert from_instant(with_fact(kept, fact), instant) == from_instant(with_fact(whole, fact), instant)


def test_pieces_of_one_fact_around_a_shorter_one_stay_apart() -> None:
    long = Fact("/s", "a", day(0), None, 1, 1)
    short = Fact("/s", "b", day(2), day(3), 2, 2)
    assert timeline([long, short]) == (
        Segment(day(0), day(2), long),
        Segment(day(2), day(3), short),
        Segment(day(3), None, long),
    )


# JSON values

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 1.5]) | st.sampled_from(["", "1", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)


def test_values_of_different_types_are_not_the_same() -> None:
    apart: list[Any] = [1, True, "1", None, [1], {"a": 1}, 0, False, "", [], {}, "true", "null", [True]]
    for left_place, left in enumerate(apart):
        for right_place, right in enumerate(apart):
            assert same_json(left, right) == (left_place == right_place)
    assert same_json(1, 1.0)
    assert same_json((1, 2), [1, 2])
    assert same_json({"a": 1, "b": 2}, {"b": 2, "a": 1})


@given(json_values, json_values, json_values)
def test_sameness_is_an_equivalence(one: Any, two: Any, three: Any) -> None:
    assert same_json(one, one)
    assert same_json(one, two) == same_json(two, one)
    if same_json(one, two) and same_json(two, three):
        assert same_json(one, three)
