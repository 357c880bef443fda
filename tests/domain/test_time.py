"""The worked example of the two times, and what follows from the rule of the state function."""

from __future__ import annotations

import pytest

from domain.events.classification import AttributeRecorded, AttributeRemoved, TierBasis, TierDirection, TierReassigned
from domain.facts import ABSENT
from domain.file import CustomerFile
from domain.fold import History
from domain.slots import parent_of
from tests.make import Stream, at
from tests.oracle import state

TIER = "/tier/VALUE"


def tier(before: str | None, after: str) -> TierReassigned:
    return TierReassigned(
        scheme="VALUE", from_code=before, to_code=after, direction=TierDirection.RAISED, basis=TierBasis.MANUAL
    )


def worked_example() -> Stream:
    stream = Stream()
    stream.add(tier(None, "ORDINARY"), at("2026-01-05"), recorded_at=at("2026-01-05"))
    wrong = stream.add(tier("ORDINARY", "POTENTIAL"), at("2026-03-01"), recorded_at=at("2026-03-10"))
    stream.add(tier("POTENTIAL", "HIGH_VALUE"), at("2026-06-15"), recorded_at=at("2026-06-20"))
    stream.add(tier("POTENTIAL", "CHURN_RISK"), at("2026-04-01"), recorded_at=at("2026-07-02"))
    stream.correct(wrong, tier("ORDINARY", "HIGH_VALUE"), recorded_at=at("2026-08-01"))
    return stream


@pytest.mark.parametrize(
    ("valid_at", "known_at", "code"),
    [
        ("2026-05-01", "2026-06-30", "POTENTIAL"),
        ("2026-05-01", "2026-07-15", "CHURN_RISK"),
        ("2026-05-01", "2026-08-02", "CHURN_RISK"),
        ("2026-03-15", "2026-07-15", "POTENTIAL"),
        ("2026-03-15", "2026-08-02", "HIGH_VALUE"),
        ("2026-07-10", "2026-07-15", "HIGH_VALUE"),
        ("2026-02-01", "2026-08-02", "ORDINARY"),
        ("2026-01-04", "2026-08-02", None),
    ],
)
def test_the_worked_example(valid_at: str, known_at: str, code: str | None) -> None:
    known = [event for event in worked_example().events if event.envelope.recorded_at <= at(known_at)]
    fact = History.of(known).holder(TIER, at(valid_at))
    assert (fact and fact.value) == (code and {"code": code})
    assert state(known, at(valid_at)).get(TIER) == (code and {"code": code})


def test_the_late_fact_of_the_worked_example_is_masked_from_the_middle_of_june() -> None:
    segments = History.of(worked_example().events).timeline(TIER)
    assert [(segment.start, segment.fact.value["code"], segment.fact.version) for segment in segments] == [
        (at("2026-01-05"), "ORDINARY", 1),
        (at("2026-03-01"), "HIGH_VALUE", 5),
        (at("2026-04-01"), "CHURN_RISK", 4),
        (at("2026-06-15"), "HIGH_VALUE", 3),
    ]


def test_removal_is_a_fact_from_its_effective_time_on() -> None:
    stream = Stream()
    stream.attribute("k", "v", at("2026-01-10"))
    stream.add(AttributeRemoved(key="k"), at("2026-02-01"))
    history = History.of(stream.events)
    assert history.visible(at("2026-01-31"))["/attributes/k"].value == "v"
    assert history.visible(at("2026-02-01")) == {}


def test_a_null_is_a_value_and_not_an_absence() -> None:
    stream = Stream()
    stream.attribute("k", None, at("2026-01-10"))
    assert "/attributes/k" in History.of(stream.events).visible(at("2026-01-10"))


def test_the_fold_is_total_whatever_a_correction_or_retraction_aims_at() -> None:
    other, stream = Stream(), Stream()
    elsewhere = other.attribute("k", "other")
    stream.retract(elsewhere)
    stream.correct(elsewhere, AttributeRecorded(key="k", value="v"), at("2026-01-10"))
    history = History.of(stream.events)
    fact = history.holder("/attributes/k", at("2026-01-10"))
    assert fact is not None
    assert (fact.value, fact.rank) == ("v", 2)


def test_a_slot_of_which_everything_was_retracted_is_as_if_it_had_never_been() -> None:
    stream = Stream()
    stream.retract(stream.attribute("k", "v"))
    history = History.of(stream.events)
    assert (history.slots, history.timeline("/attributes/k"), history.first_effective()) == ([], (), None)
    assert CustomerFile.folded(stream.customer_id, stream.events).slots == {}


def test_a_child_shows_only_while_its_parent_does() -> None:
    assert parent_of("/contacts/1/points/2") == "/contacts/1"
    assert parent_of("/needs/1/budget") == "/needs/1"
    assert [parent_of(slot) for slot in ("/contacts/1", "/primary_contact", "/attributes/a")] == [None, None, None]


def test_before_a_file_is_effective_nothing_shows() -> None:
    history = History.of(worked_example().events)
    assert history.first_effective() == at("2026-01-05")
    assert history.visible(at("2026-01-04")) == {}
    assert ABSENT not in [fact.value for fact in history.visible(at("2026-01-05")).values()]
