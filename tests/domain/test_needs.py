"""Stories of needs."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from domain.decisions.needs import CloseNeed, IdentifyNeed, ReviseNeed
from domain.decisions.quality import CorrectFact
from domain.errors import CauseAnalysisRequired, InvalidField, NoChange, UnknownItem
from domain.events.needs import NeedDetails, NeedOutcome
from domain.facts import ABSENT
from domain.values import Budget
from tests.domain.story import IMPORTER, Story, opened, uid

NEED = uid(50)
CAUSE = "They opened a second site."


def test_a_need_shows_what_was_said_and_nothing_else() -> None:
    story = with_need()
    assert story.shows(f"/needs/{NEED}/budget") == {
        "min": "100000",
        "max": "150000.00",
        "currency": "CNY",
        "approximate": True,
    }
    assert story.shows(f"/needs/{NEED}/pain_point") is ABSENT


def test_a_revision_changes_some_details_and_null_takes_one_away() -> None:
    story = with_need()
    changes = NeedDetails(pain_point="slow", decision_cycle=None)
    story.do(ReviseNeed(need_id=NEED, changes=changes, cause_analysis=CAUSE))
    assert story.shows(f"/needs/{NEED}/pain_point") == "slow"
    assert story.shows(f"/needs/{NEED}/decision_cycle") is ABSENT
    assert story.shows(f"/needs/{NEED}/statement") == "A warehouse system"


@pytest.mark.parametrize("empty", ["", "   "])
def test_a_revision_says_why_and_an_initial_load_is_no_exemption(empty: str) -> None:
    story, revise = with_need(), ReviseNeed(need_id=NEED, changes=NeedDetails(pain_point="x"), cause_analysis=empty)
    story.refuses(CauseAnalysisRequired, revise, pointer="/cause_analysis")
    story.refuses(CauseAnalysisRequired, revise, pointer="/cause_analysis", by=IMPORTER, initial_load=True)


def test_a_revision_revises_something_and_the_need_keeps_a_statement() -> None:
    story = with_need()
    story.refuses(InvalidField, revised(), pointer="/changes")
    story.refuses(InvalidField, revised(statement=None), pointer="/changes/statement")
    story.refuses(NoChange, revised(statement="A warehouse system", required_by=None), pointer="")
    [event] = story.do(revised(statement="Another"))
    correction = CorrectFact(corrects=event.envelope.event_id, replacement={"changes": {"statement": None}})
    story.refuses(InvalidField, correction, pointer="/replacement/changes/statement")


def test_only_a_need_of_the_file_is_revised_or_closed() -> None:
    story = opened()
    story.refuses(UnknownItem, revised(statement="x"), pointer="/need_id")
    story.refuses(UnknownItem, CloseNeed(need_id=NEED, outcome=NeedOutcome.MET), pointer="/need_id")


def test_a_closed_need_says_how_it_ended() -> None:
    story = with_need()
    story.do(CloseNeed(need_id=NEED, outcome=NeedOutcome.MET))
    assert story.shows(f"/needs/{NEED}/outcome") == "MET"
    story.refuses(NoChange, CloseNeed(need_id=NEED, outcome=NeedOutcome.MET), pointer="")


def test_a_budget_runs_from_less_to_more_of_a_currency() -> None:
    for wrong in ({"min": 2, "max": 1, "currency": "CNY"}, {"min": 1, "max": 2, "currency": "ABC"}):
        with pytest.raises(ValidationError) as caught:
            Budget.model_validate(wrong)
        assert [problem["type"] for problem in caught.value.errors()] == ["I21"]


def test_a_correction_of_a_budget_is_held_to_the_same_rule_and_names_the_place() -> None:
    story = with_need()
    wrong = {"budget": {"min": "1", "max": "2.005", "currency": "CNY"}}
    correction = CorrectFact(corrects=story.events[-1].envelope.event_id, replacement=wrong)
    story.refuses(InvalidField, correction, pointer="/replacement/budget", rule="I21")


def revised(**changes: object) -> ReviseNeed:
    return ReviseNeed(need_id=NEED, changes=NeedDetails.model_validate(changes), cause_analysis=CAUSE)


def with_need() -> Story:
    story = opened()
    budget = Budget.model_validate({"min": "1E+5", "max": "150000.00", "currency": "CNY", "approximate": True})
    story.do(IdentifyNeed(need_id=NEED, statement="A warehouse system", budget=budget, decision_cycle="P2M"))
    return story
