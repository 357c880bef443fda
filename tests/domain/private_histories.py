"""Drawn histories in which people are added, changed, corrected, held and erased."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from domain.decisions import Change
from domain.decisions.classification import ApplyTag
from domain.decisions.contacts import AddContact, ChangeContactDetails, ChangeContactPoint, RemoveContact
from domain.decisions.lifecycle import ArchiveCustomer, ReinstateCustomer
from domain.decisions.privacy import ApproveErasure, LiftLegalHold, PlaceLegalHold, RequestErasure
from domain.decisions.proposals import ApproveProposal, ProposeChanges, proposed_change
from domain.decisions.quality import CorrectFact, RetractFact
from domain.errors import Refusal
from domain.events import Actor, Circumstances
from domain.events.lifecycle import CustomerKind
from domain.events.privacy import LegalBasis
from tests.domain.story import APPROVER, CLERK, Story, opened, uid

OFFICER = Actor(id="u-501", roles=("privacy",))
SECOND = Actor(id="u-502", roles=("privacy",))
LI_LEI, CUSTOMER, OTHER = uid(10), uid(1), uid(20)

_PEOPLE = [LI_LEI, OTHER, uid(30)]
_TITLE = "Secret title " + "科" * 80
"""Long enough to be kept once alone (projections/long_texts.py)."""
_people = st.sampled_from(_PEOPLE)
_steps = st.one_of(
    st.builds(AddContact, contact_id=_people, name=st.just("Secret name")),
    st.builds(
        ChangeContactDetails,
        contact_id=_people,
        changed=st.sampled_from([{"title": _TITLE}, {"title": None}, {"department": "Secret department"}]),
    ),
    st.builds(
        ChangeContactPoint,
        contact_id=_people,
        point_id=st.sampled_from([uid(11), uid(12)]),
        kind=st.just("OTHER"),
        value=st.sampled_from(["Secret point", None]),
    ),
    st.builds(RemoveContact, contact_id=_people, removal_reason=st.just("OBJECTION")),
    st.builds(ApplyTag, group=st.just("REGION"), code=st.sampled_from(["EAST", "SOUTH"])),
    st.sampled_from(range(20)).map(lambda number: ("correct", number)),
    st.sampled_from(range(20)).map(lambda number: ("retract", number)),
    st.sampled_from([*_PEOPLE, CUSTOMER]).map(lambda subject: ("erase", subject)),
    st.sampled_from([("hold", None), ("lift", None)]),
    _people.map(lambda subject: ("propose", subject)),
    st.sampled_from(range(14)).map(lambda number: ("agree", number)),
    st.sampled_from([ArchiveCustomer(reason_code="LOST"), ReinstateCustomer()]),
)


def histories() -> st.SearchStrategy[Story]:
    """Files of an individual; what a step asks for may have been refused."""
    return st.lists(_steps, max_size=14).map(_told)


def _told(steps: list[Any]) -> Story:
    story = opened(customer_kind=CustomerKind.INDIVIDUAL)
    for number, step in enumerate(steps):
        for command, by in _commands(story, step, number):
            try:
                story.do(command, by=by)
            except Refusal:
                break
    return story


def _commands(story: Story, step: Any, number: int) -> list[tuple[Any, Actor]]:
    if not isinstance(step, tuple):
        return [(step, CLERK)]
    verb, what = step
    match verb:
        case "correct" | "retract":
            event = story.events[what % len(story.events)]
            replacement = {"name": "Secret correction " * 8} if "contact-added" in event.payload.type else {}
            wrong = event.envelope.event_id
            correction = CorrectFact(corrects=wrong, replacement=replacement)
            return [(correction if verb == "correct" else RetractFact(retracts=wrong), CLERK)]
        case "erase":
            request = uid(500 + number)
            ask = RequestErasure(request_id=request, subject=what, legal_basis=LegalBasis.PIPL_47)
            return [(ask, OFFICER), (ApproveErasure(request_id=request, after_hold=True), SECOND)]
        case "propose" | "agree":
            return [_of_proposal(verb, what, number)]
        case "hold":
            return [(PlaceLegalHold(hold_id=uid(700), reference="case"), OFFICER)]
        case _:
            return [(LiftLegalHold(hold_id=uid(700)), SECOND)]


def _of_proposal(verb: str, what: Any, number: int) -> tuple[Any, Actor]:
    if verb == "agree":
        return ApproveProposal(proposal_id=uid(600 + what)), APPROVER
    change = ChangeContactDetails(contact_id=what, changed={"title": f"Secret proposal {number}"})
    proposed = proposed_change(Change(change, Circumstances()))
    return ProposeChanges(proposal_id=uid(600 + number), changes=(proposed,)), CLERK
