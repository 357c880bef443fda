"""Stories of corrections and retractions (I16; time.md, section 4)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from domain.decisions.classification import ApplyTag, RecordAttribute
from domain.decisions.contacts import ChangeContactPoint
from domain.decisions.quality import CorrectFact, RetractFact
from domain.errors import (
    EffectiveDateOutOfRange,
    EffectivePeriodInvalid,
    InvalidField,
    NoChange,
    NotCorrectable,
    PersonalContactNeedsConsent,
    ReasonRequired,
)
from domain.events import Reason, RecordedEvent
from domain.events.contacts import ContactPointKind
from domain.facts import ABSENT
from tests.domain.story import IMPORTER, Story, at, opened, uid

SLOT = "/attributes/k"


def test_a_correction_replaces_the_value_for_all_time_but_not_what_was_believed() -> None:
    story, wrong = with_attribute("wrong")
    story.do(corrected(wrong, "right"), now="2026-03-01")
    assert story.shows(SLOT, "2026-02-01") == "right"
    story.events = story.events[:-1]
    assert story.shows(SLOT, "2026-02-01") == "wrong"


def test_a_typo_corrected_in_an_older_fact_does_not_hide_a_later_one() -> None:
    story, typo = with_attribute("typo")
    story.do(RecordAttribute(key="k", value="later"), now="2026-02-02", effective_from="2026-02-01")
    story.do(corrected(typo, "mended"), now="2026-03-01")
    assert story.shows(SLOT) == "later"


def test_the_rank_goes_down_the_whole_chain_of_corrections() -> None:
    story, typo = with_attribute("typo")
    story.do(RecordAttribute(key="k", value="later"), now="2026-02-02", effective_from="2026-02-01")
    [first] = story.do(corrected(typo, "mended"))
    [second] = story.do(corrected(first, "mended again"))
    assert story.shows(SLOT) == "later"
    assert second.payload.model_dump()["replacement"]["value"] == "mended again"


def test_a_fact_is_corrected_once_but_its_correction_can_be_corrected() -> None:
    story, wrong = with_attribute("wrong")
    [first] = story.do(corrected(wrong, "better"))
    refusal = story.refuses(NotCorrectable, corrected(wrong, "other"), pointer="/corrects")
    assert str(first.envelope.event_id) in refusal.fields[0].detail
    story.do(corrected(first, "best"))
    assert story.shows(SLOT) == "best"


def test_retracting_a_correction_does_not_revive_what_it_corrected() -> None:
    story, wrong = with_attribute("wrong")
    [correction] = story.do(corrected(wrong, "better"))
    story.do(RetractFact(retracts=correction.envelope.event_id))
    assert story.shows(SLOT) is ABSENT
    story.refuses(NotCorrectable, RetractFact(retracts=wrong.envelope.event_id), pointer="/retracts")


def test_a_retraction_uncovers_the_fact_before() -> None:
    story, _ = with_attribute("before")
    [wrong] = story.do(RecordAttribute(key="k", value="wrong"), now="2026-02-05")
    [retraction] = story.do(RetractFact(retracts=wrong.envelope.event_id))
    assert story.shows(SLOT) == "before"
    assert retraction.payload.model_dump()["slots"] == (SLOT,)
    assert retraction.envelope.effective_from is None


def test_a_retraction_has_no_effective_time_of_its_own() -> None:
    story, wrong = with_attribute("wrong")
    retract = RetractFact(retracts=wrong.envelope.event_id)
    story.refuses(EffectiveDateOutOfRange, retract, pointer="/effective_from", effective_from="2026-02-01")


def test_corrections_and_retractions_need_a_reason_and_a_retraction_cannot_be_undone() -> None:
    story, wrong = with_attribute("wrong")
    retract = RetractFact(retracts=wrong.envelope.event_id)
    story.refuses(ReasonRequired, corrected(wrong, "right"), pointer="/reason", reason=None)
    story.refuses(ReasonRequired, retract, pointer="/reason", reason=None)
    [retraction] = story.do(retract)
    story.refuses(NotCorrectable, RetractFact(retracts=retraction.envelope.event_id), pointer="/retracts")


def test_neither_a_decision_nor_a_strangers_event_is_correctable() -> None:
    story = opened()
    for event_id in (story.events[0].envelope.event_id, uid(424242)):
        story.refuses(NotCorrectable, CorrectFact(corrects=event_id, replacement={}), pointer="/corrects")
        story.refuses(NotCorrectable, RetractFact(retracts=event_id), pointer="/retracts")


def test_a_correction_speaks_of_the_same_slots() -> None:
    story, wrong = with_attribute("wrong")
    other = CorrectFact(corrects=wrong.envelope.event_id, replacement={"key": "other"})
    story.refuses(NotCorrectable, other, pointer="/replacement")


def test_a_correction_that_says_the_same_is_refused_by_json_type() -> None:
    story, wrong = with_attribute(1)
    story.refuses(NoChange, corrected(wrong, 1), pointer="/replacement")
    story.do(corrected(wrong, True))
    assert story.shows(SLOT) is True


def test_a_correction_fits_the_type_that_it_corrects() -> None:
    story, wrong = with_attribute("wrong")
    for replacement, place in [({"colour": "red"}, "/replacement/colour"), ({"key": 7}, "/replacement/key")]:
        command = CorrectFact(corrects=wrong.envelope.event_id, replacement=replacement)
        story.refuses(InvalidField, command, pointer=place)


def test_a_correction_is_held_to_the_rules_of_what_it_corrects() -> None:
    story = opened()
    point = next(e.envelope.event_id for e in story.events if e.payload.type == "customer.contact-point-changed")
    bad = CorrectFact(corrects=point, replacement={"value": "1388888"})
    story.refuses(InvalidField, bad, pointer="/replacement/value")
    personal = CorrectFact(corrects=point, replacement={"usage": "PERSONAL"})
    story.refuses(PersonalContactNeedsConsent, personal, pointer="/replacement/usage")
    story.do(CorrectFact(corrects=point, replacement={"value": "400-800-1024"}))
    assert story.shows(f"/contacts/{uid(10)}/points/{uid(11)}")["number_type"] == "SHARED_COST"


def test_a_correction_keeps_the_effective_period_unless_it_states_another() -> None:
    story = opened()
    [wrong] = story.do(
        RecordAttribute(key="k", value="v"), now="2026-02-01", effective_from="2026-01-20", effective_to="2026-03-01"
    )
    [correction] = story.do(corrected(wrong, "w"), now="2026-06-01")
    assert correction.envelope.effective_from == at("2026-01-20")
    assert correction.envelope.effective_to == at("2026-03-01")
    [moved] = story.do(corrected(correction, "w"), effective_from="2026-01-25", effective_to="2026-05-01")
    assert (story.shows(SLOT, "2026-01-24"), story.shows(SLOT, "2026-04-30")) == (ABSENT, "w")
    late: dict[str, Any] = {"effective_from": "2026-05-01"}
    story.refuses(EffectivePeriodInvalid, corrected(moved, "w"), pointer="/effective_to", **late)


def test_the_corrected_event_answers_for_its_own_date_but_a_new_one_is_back_dated() -> None:
    story, wrong = with_attribute("wrong")
    reason = Reason(text="a typo, nothing more")
    moved: dict[str, Any] = {"effective_from": "2026-01-15", "reason": reason}
    story.refuses(EffectiveDateOutOfRange, corrected(wrong, "w"), pointer="/reason/code", now="2026-09-01", **moved)
    story.do(corrected(wrong, "w"), now="2027-09-01", reason=reason, evidence=())


def test_an_initial_load_is_no_exemption_from_what_is_correctable() -> None:
    story, wrong = with_attribute("wrong")
    story.do(corrected(wrong, "right"), by=IMPORTER, initial_load=True, reason=None)
    story.refuses(NotCorrectable, corrected(wrong, "x"), pointer="/corrects", by=IMPORTER, initial_load=True)


@pytest.mark.parametrize("retracts", [True, False])
def test_a_removed_item_comes_back_when_its_removal_never_happened(retracts: bool) -> None:
    story = opened()
    gone = ChangeContactPoint(contact_id=uid(10), point_id=uid(11), kind=ContactPointKind.PHONE, value=None)
    [removal] = story.do(gone)
    event_id = removal.envelope.event_id
    undo = (
        RetractFact(retracts=event_id)
        if retracts
        else CorrectFact(corrects=event_id, replacement={"value": "0755-86013388"})
    )
    story.do(undo)
    assert story.shows(f"/contacts/{uid(10)}/points/{uid(11)}")["value"] == "+8675586013388"


def test_a_correction_of_a_tag_names_a_known_code() -> None:
    story = opened()
    [event] = story.do(ApplyTag(group="REGION", code="EAST"))
    command = CorrectFact(corrects=event.envelope.event_id, replacement={"taxonomy_version": 9})
    story.refuses(InvalidField, command, pointer="/replacement/taxonomy_version")


def corrected(event: RecordedEvent, value: object) -> CorrectFact:
    return CorrectFact(corrects=event.envelope.event_id, replacement={"value": value})


def with_attribute(value: object) -> tuple[Story, RecordedEvent]:
    story = opened()
    [event] = story.do(RecordAttribute(key="k", value=value), now="2026-02-01")
    assert isinstance(event.envelope.event_id, UUID)
    return story, event
