"""No sequence of requests by one person makes a protected change take effect, under whatever role or name they act."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.decisions import Change, Command
from domain.decisions.classification import AssignOwner, RecordAttribute
from domain.decisions.identity import RecordIdentifier, RevokeIdentifier
from domain.decisions.privacy import (
    ApproveErasure,
    LiftLegalHold,
    PlaceLegalHold,
    RequestErasure,
)
from domain.decisions.proposals import ApproveProposal, ProposeChanges, WithdrawProposal, proposed_change
from domain.decisions.quality import CorrectFact, RetractFact
from domain.decisions.tier import ApproveTierReassignment, AssignTier, RequestTierReassignment
from domain.errors import Refusal
from domain.events import Actor, ActorKind, Circumstances, Evidence, Reason
from domain.events.classification import OwnerRole, TierBasis
from domain.events.privacy import LegalBasis
from domain.facts import holder_at
from domain.fold import History
from tests.domain.story import SCORING, Story, opened, uid

LEI = ("LEI", "HWUPKR0MPOU8FGXBT394")
BASELINE = "2026-02-01"
EVERY_ROLE = ("editor", "approver", "tier:approve", "privacy", "importer", "administrator", "custodian", "service")
PERSON = "u-118"
_STATED: dict[str, Any] = {
    "reason": Reason(code="BACKDATED", text="because I say so, and nobody else"),
    "evidence": (Evidence(note="my own note"),),
}

_actors = st.sampled_from(
    [
        Actor(id=PERSON, roles=EVERY_ROLE),
        Actor(id=PERSON, roles=EVERY_ROLE, on_behalf_of="u-301"),
        Actor(id=PERSON, roles=("editor",)),
        Actor(id="u-302", roles=EVERY_ROLE, on_behalf_of=PERSON),
        Actor(id="bot", kind=ActorKind.SERVICE, roles=EVERY_ROLE, on_behalf_of=PERSON),
    ]
)
_days = st.sampled_from([None, -500, -366, -40, -10, -1, 0, 1, 30])
_requests, _proposals, _holds = (st.sampled_from([uid(first), uid(first + 1)]) for first in (60, 62, 64))
_basis = st.sampled_from([TierBasis.MANUAL, TierBasis.RULE])
_changes: st.SearchStrategy[Command] = st.one_of(
    st.builds(
        AssignTier,
        scheme=st.just("VALUE"),
        to_code=st.sampled_from(["CHURN_RISK", "ORDINARY", "POTENTIAL", "HIGH_VALUE"]),
        basis=_basis,
    ),
    st.builds(AssignTier, scheme=st.just("GRADE"), to_code=st.sampled_from(["GENERAL", "IMPORTANT"]), basis=_basis),
    st.builds(AssignOwner, role=st.just(OwnerRole.ACCOUNT_MANAGER), to_staff=st.sampled_from([PERSON, "u-9"])),
    st.builds(RecordIdentifier, scheme=st.just(LEI[0]), value=st.just(LEI[1]), issuer=st.sampled_from(["a", "b"])),
    st.builds(RevokeIdentifier, scheme=st.just(LEI[0]), value=st.just(LEI[1])),
    st.builds(RecordAttribute, key=st.just("k"), value=st.integers(0, 3)),
)
_replacements = st.sampled_from([{}, {"to_code": "POTENTIAL"}, {"to_code": "ORDINARY"}, {"to_staff": PERSON}])


@st.composite
def _undoings(draw: st.DrawFn, story: Story) -> Command:
    aim = draw(st.sampled_from([event.envelope.event_id for event in story.events]))
    if draw(st.booleans()):
        return RetractFact(retracts=aim)
    return CorrectFact(corrects=aim, replacement=draw(_replacements))


@st.composite
def _steps(draw: st.DrawFn, story: Story) -> Command:
    """Anything that one may ask for: changes, taking back, requests and proposals, and answers to all of these."""
    fact = _changes | _undoings(story)
    proposal = ProposeChanges(
        proposal_id=draw(_proposals), changes=(proposed_change(Change(draw(fact), Circumstances(**_STATED))),)
    )
    request, hold = draw(_requests), draw(_holds)
    to_code = draw(st.sampled_from(["POTENTIAL", "HIGH_VALUE"]))
    return draw(
        fact
        | st.just(proposal)
        | st.builds(ApproveProposal, proposal_id=_proposals)
        | st.builds(WithdrawProposal, proposal_id=_proposals)
        | st.just(RequestTierReassignment(request_id=request, to_code=to_code))
        | st.just(ApproveTierReassignment(request_id=request))
        | st.just(RequestErasure(request_id=request, subject=uid(10), legal_basis=LegalBasis.PIPL_47))
        | st.builds(ApproveErasure, request_id=st.just(request), after_hold=st.booleans())
        | st.just(PlaceLegalHold(hold_id=hold, reference="case"))
        | st.just(LiftLegalHold(hold_id=hold))
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_one_person_asks_for_what_is_protected_stays(data: st.DataObject) -> None:
    story = as_others_left_it()
    before, held = whole(story), set[Any]()
    for _ in range(data.draw(st.integers(1, 12), label="steps")):
        story.now += timedelta(hours=data.draw(st.sampled_from([1, 30]), label="hours"))
        change = Change(data.draw(_steps(story)), stated(data, story.now))
        try:
            story.order(change, by=data.draw(_actors))
        except Refusal:
            continue
        file = story.whole()
        assert not file.privacy.erased
        held |= file.privacy.holds.keys()
        assert file.privacy.holds.keys() == held, "whoever placed a hold lifted it"
        assert LEI in file.claims()
        last = story.events[-1].envelope
        old = last.effective_from is not None and last.effective_from < story.now - timedelta(days=365)
        assert not old or last.initial_load or last.corrects, "back-dated by more than a year"
    assert_protected(before, whole(story))


def stated(data: st.DataObject, now: datetime) -> Circumstances:
    days = data.draw(_days, label="days")
    period: dict[str, Any] = {} if days is None else {"effective_from": now + timedelta(days=days)}
    if days is not None and data.draw(st.booleans(), label="ends"):
        period["effective_to"] = now + timedelta(days=days + 20)
    return Circumstances(**_STATED, observed_at=now, initial_load=data.draw(st.booleans(), label="initial"), **period)


def as_others_left_it() -> Story:
    story = opened()
    story.do(AssignTier(to_code="CHURN_RISK", basis=TierBasis.RULE), by=SCORING, now="2026-01-06")
    story.do(AssignTier(scheme="GRADE", to_code="IMPORTANT", basis=TierBasis.RULE), by=SCORING, now="2026-01-07")
    story.do(RecordIdentifier(scheme=LEI[0], value=LEI[1]), by=Actor(id="u-400"), now="2026-01-08")
    story.now = story.now.replace(year=2027, month=2)
    return story


def whole(story: Story) -> History:
    history = story.whole().history
    assert history is not None
    return history


def assert_protected(before: History, after: History) -> None:
    """At every instant since others had set it, what is protected says what it said."""
    since = before.timeline("/identifiers/" + "/".join(LEI))[0].start
    for slot in ("/tier/GRADE", "/owner/ACCOUNT_MANAGER", "/identifiers/" + "/".join(LEI), "/tier/VALUE"):
        timeline = after.timeline(slot)
        bounds = {segment.start for segment in timeline} | {segment.end for segment in timeline if segment.end}
        for instant in {since, *(bound for bound in bounds if bound > since)}:
            held, was = holder_at(timeline, instant), before.holder(slot, instant)
            if slot == "/tier/VALUE":
                assert held is None or held.value in ({"code": "CHURN_RISK"}, {"code": "ORDINARY"})
                continue
            assert held is not None
            assert was is not None
            if slot.startswith("/identifiers/"):
                assert isinstance(held.value, dict), "taken away"
            else:
                assert held.value == was.value
