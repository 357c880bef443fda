"""Stories of the rules that hold for every event: effective dates, initial loads, lists of changes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from domain.decisions import Change, masked_from
from domain.decisions.classification import AssignOwner, RecordAttribute
from domain.decisions.contacts import AddContact
from domain.decisions.identity import ChangeLegalName
from domain.errors import (
    EffectiveDateOutOfRange,
    EffectivePeriodInvalid,
    FourEyesViolation,
    NoChange,
    ObservedAtRequired,
    RoleRequired,
)
from domain.events import Circumstances, Evidence, Reason, Source
from domain.events.classification import OwnerRole
from domain.events.envelope import Certainty
from domain.facts import ABSENT
from tests.domain.story import CLERK, EVERYTHING_STATED, IMPORTER, Story, at, opened, uid

FACT = RecordAttribute(key="k", value="v")
SLOT = "/attributes/k"
BACKDATED, PLAIN = Reason(code="BACKDATED"), Reason(text="because we say so")


# I13 and I14: effective dates


def test_a_fact_may_lie_a_year_and_a_day_ahead_and_no_more_even_in_an_initial_load() -> None:
    story = opened()
    too_late: dict[str, Any] = {"now": "2026-02-01", "effective_from": "2027-02-03", "pointer": "/effective_from"}
    story.refuses(EffectiveDateOutOfRange, FACT, **too_late)
    story.refuses(EffectiveDateOutOfRange, FACT, by=IMPORTER, initial_load=True, **too_late)
    story.do(FACT, now="2026-02-01", effective_from="2027-02-02")


def test_back_dating_by_a_month_is_free() -> None:
    opened().do(FACT, now="2026-02-10", effective_from="2026-01-11", reason=None, evidence=())


def test_back_dating_by_more_needs_its_reason_code_and_evidence() -> None:
    story = opened()
    old: dict[str, Any] = {"now": "2026-02-10", "effective_from": "2026-01-10"}
    story.refuses(EffectiveDateOutOfRange, FACT, pointer="/reason/code", reason=None, **old)
    story.refuses(EffectiveDateOutOfRange, FACT, pointer="/reason/code", reason=PLAIN, **old)
    story.refuses(EffectiveDateOutOfRange, FACT, pointer="/evidence", reason=BACKDATED, evidence=(), **old)
    story.do(FACT, reason=BACKDATED, **old)


def test_back_dating_by_more_than_a_year_needs_a_second_person() -> None:
    story = opened()
    old: dict[str, Any] = {"now": "2027-01-10", "effective_from": "2026-01-09"}
    refusal = story.refuses(FourEyesViolation, FACT, pointer="/effective_from", rule="I13", **old)
    assert refusal.customer_id == story.customer_id


def test_an_initial_load_may_be_as_old_as_it_is() -> None:
    story = opened()
    story.do(FACT, by=IMPORTER, initial_load=True, effective_from="1996-01-01", reason=None, evidence=())
    assert story.events[-1].envelope.initial_load
    assert story.whole().effective_since == at("1996-01-01")


@pytest.mark.parametrize("end", ["2026-02-01", "2026-01-31", "2026-02-01T23:59"])
def test_a_period_lasts_a_day_or_more_even_in_an_initial_load(end: str) -> None:
    story = opened()
    period: dict[str, Any] = {
        "now": "2026-02-01",
        "effective_from": "2026-02-01",
        "effective_to": end,
        "pointer": "/effective_to",
    }
    story.refuses(EffectivePeriodInvalid, FACT, **period)
    story.refuses(EffectivePeriodInvalid, FACT, by=IMPORTER, initial_load=True, **period)
    story.do(FACT, now="2026-02-01", effective_from="2026-02-01", effective_to="2026-02-02")


# What a fact does over valid time


def test_a_back_dated_fact_holds_until_the_next_one_and_the_answer_says_so() -> None:
    story = opened()
    story.do(FACT, now="2026-03-01")
    [event] = story.do(RecordAttribute(key="k", value="late"), now="2026-06-01", effective_from="2026-01-10")
    assert (story.shows(SLOT, "2026-02-28"), story.shows(SLOT)) == ("late", "v")
    assert masked_from(event, story.whole()) == at("2026-03-01")


def test_a_fact_that_nothing_hides_is_not_masked() -> None:
    story = opened()
    [first] = story.do(FACT, now="2026-03-01")
    assert masked_from(first, story.whole()) is None
    [ended] = story.do(RecordAttribute(key="k", value="w"), now="2026-03-02", effective_to="2026-03-05")
    assert masked_from(ended, story.whole()) is None
    assert masked_from(first, story.whole()) == at("2026-03-02")


def test_a_fact_that_ends_before_the_next_one_begins_is_not_masked() -> None:
    story = opened()
    story.do(FACT, now="2026-03-01")
    [event] = story.do(
        RecordAttribute(key="k", value="w"), now="2026-03-05", effective_from="2026-02-10", effective_to="2026-03-01"
    )
    assert masked_from(event, story.whole()) is None


def test_a_future_fact_is_pending_until_its_day_comes_and_no_job_is_needed() -> None:
    story = opened()
    story.do(FACT, now="2026-03-01", effective_from="2026-04-01")
    assert story.shows(SLOT) is ABSENT
    assert [segment.start for segment in story.row.pending(story.now)] == [at("2026-04-01")]
    assert story.row.next_boundary() == at("2026-04-01")
    story.row.advance(at("2026-04-01"))
    assert story.row.visible(at("2026-04-01"))[SLOT].value == "v"
    assert (story.row.boundaries, story.row.next_boundary(), story.row.pending(at("2026-04-01"))) == (1, None, [])


def test_an_ended_fact_gives_way_to_the_one_before() -> None:
    story = opened()
    story.do(FACT, now="2026-03-01")
    story.do(RecordAttribute(key="k", value="for a week"), now="2026-03-02", effective_to="2026-03-09")
    assert story.shows(SLOT, "2026-03-08") == "for a week"
    assert story.shows(SLOT, "2026-03-09") == "v"


def test_of_two_facts_of_one_day_the_later_recorded_holds() -> None:
    story = opened()
    story.do(FACT, now="2026-03-01", effective_from="2026-03-01")
    story.do(RecordAttribute(key="k", value="w"), now="2026-03-02", effective_from="2026-03-01")
    assert story.shows(SLOT) == "w"


# Envelopes


def test_an_event_carries_all_that_was_stated() -> None:
    source = Source.model_validate({"kind": "PHONE_CALL", "detail": "Li Lei called", "row": 0})
    stated: dict[str, Any] = {
        "source": source,
        "certainty": Certainty.POSSIBILITY,
        "probability": 0.4,
        "correlation_id": "c-1",
    }
    [event] = opened().do(FACT, causation_id="c-0", **stated)
    envelope = event.envelope.model_dump()
    assert envelope["source"]["detail"] == "Li Lei called"
    assert (envelope["probability"], envelope["correlation_id"], envelope["causation_id"]) == (0.4, "c-1", "c-0")
    assert (envelope["policy_version"], envelope["actor"]["id"]) == (1, "u-118")


@pytest.mark.parametrize(
    ("model", "content"),
    [
        (Circumstances, {"probability": 0.5}),
        (Circumstances, {"certainty": "POSSIBILITY", "probability": 1.5}),
        (Circumstances, {"certainty": "POSSIBILITY", "probability": float("nan")}),
        (Circumstances, {"correlation_id": "a\x00b"}),
        (Circumstances, {"causation_id": "\ud800"}),
        (Circumstances, {"recorded_at": "2026-01-01T00:00:00Z"}),
        (Circumstances, {"actor": {"id": "u-1"}}),
        (Reason, {}),
        (Reason, {"code": "lower"}),
        (Evidence, {"sha256": "0" * 64}),
        (Evidence, {"note": "x", "sha256": "0" * 63}),
        (Evidence, {"url": "https://a.example/\x00"}),
        (Source, {"kind": "RUMOUR"}),
        (Source, {"kind": "VISIT", "url": "javascript:alert(1)"}),
        (Source, {"kind": "VISIT", "url": "https://a.example/\x00"}),
        (Source, {"kind": "VISIT", "row": -1}),
    ],
)
def test_malformed_circumstances_are_refused(model: type[Circumstances], content: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(content)


# Initial loads


def test_only_an_importer_marks_an_initial_load() -> None:
    refusal = opened().refuses(RoleRequired, FACT, pointer="/initial_load", initial_load=True)
    assert refusal.role == "importer"


def test_an_initial_load_needs_neither_reason_nor_evidence_nor_observed_at() -> None:
    story = opened()
    bare: dict[str, Any] = {"by": IMPORTER, "initial_load": True, "reason": None, "evidence": (), "observed_at": None}
    story.do(ChangeLegalName(name="Renamed"), **bare)
    story.do(AddContact(contact_id=uid(20), name="Han", is_primary=True), **bare)
    assert story.shows("/primary_contact") == str(uid(20))


def test_what_is_learned_lies_in_the_past_in_an_initial_load_too() -> None:
    later: dict[str, Any] = {"now": "2026-02-01", "observed_at": "2026-02-02", "pointer": "/observed_at"}
    opened().refuses(ObservedAtRequired, FACT, by=IMPORTER, initial_load=True, **later)


# Lists of changes


def test_a_list_of_changes_is_decided_in_order_each_seeing_the_ones_before() -> None:
    story = opened(owner=None)
    events = story.order(*listed(story, FACT, RecordAttribute(key="k", value="w"), FACT))
    versions = [event.envelope.version for event in events]
    assert versions == list(range(versions[0], versions[0] + 3))
    assert story.shows(SLOT) == "v"


def test_a_list_of_changes_is_refused_as_a_whole_with_the_place_of_the_culprit() -> None:
    story = opened()
    story.refuses(NoChange, FACT, FACT, pointer="/changes/1")
    nameless = AssignOwner(role=OwnerRole.RISK_OFFICER, to_staff="u-1")
    story.refuses(NoChange, nameless, nameless, FACT, pointer="/changes/1")
    assert story.shows(SLOT) is ABSENT


def test_the_changes_of_a_list_may_have_circumstances_of_their_own() -> None:
    story = opened()
    earlier = Circumstances(**{**EVERYTHING_STATED, "effective_from": at("2026-01-06")})
    story.now = at("2026-01-20")
    story.order(Change(FACT, earlier), Change(RecordAttribute(key="l", value=1), Circumstances()), by=CLERK)
    assert (story.shows(SLOT, "2026-01-06"), story.shows("/attributes/l", "2026-01-06")) == ("v", ABSENT)


def listed(story: Story, *commands: RecordAttribute) -> list[Change]:
    story.now = at("2026-02-01")
    return [Change(command, Circumstances(), f"/changes/{index}") for index, command in enumerate(commands)]
