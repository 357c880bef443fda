"""Stories of the tier: reasons, evidence, and the second person (I5, I6)."""

from __future__ import annotations

from typing import Any

import pytest

from domain.decisions.classification import AssignOwner
from domain.decisions.quality import CorrectFact, RetractFact
from domain.decisions.tier import (
    ApproveTierReassignment,
    AssignTier,
    RejectTierReassignment,
    RequestTierReassignment,
    WithdrawTierReassignment,
)
from domain.errors import (
    EffectiveDateOutOfRange,
    EvidenceRequired,
    FourEyesViolation,
    InvalidField,
    NoChange,
    ReasonRequired,
    RequestStale,
    UnknownCode,
    UnknownItem,
)
from domain.events import Actor, ActorKind, Reason
from domain.events.classification import OwnerRole, TierBasis, TierReassigned
from tests.domain.story import APPROVER, CLERK, IMPORTER, SCORING, Story, at, opened, uid

REQUEST = uid(60)
TO_POTENTIAL, TO_HIGH = AssignTier(to_code="POTENTIAL"), AssignTier(to_code="HIGH_VALUE")
APPROVE = ApproveTierReassignment(request_id=REQUEST)
ANSWERS = [APPROVE, RejectTierReassignment(request_id=REQUEST)]


def test_a_step_between_unprotected_tiers_is_one_persons_decision() -> None:
    story = with_tier("ORDINARY")
    [event] = story.do(TO_POTENTIAL)
    assert isinstance(event.payload, TierReassigned)
    assert (event.payload.from_code, event.payload.direction, event.payload.basis) == ("ORDINARY", "RAISED", "MANUAL")
    [event] = story.do(AssignTier(to_code="CHURN_RISK"))
    assert isinstance(event.payload, TierReassigned)
    assert event.payload.direction == "LOWERED"


def test_the_first_tier_is_initial() -> None:
    [event] = opened().do(AssignTier(to_code="ORDINARY"))
    assert isinstance(event.payload, TierReassigned)
    assert (event.payload.from_code, event.payload.direction) == (None, "INITIAL")


@pytest.mark.parametrize("command", [TO_POTENTIAL, RequestTierReassignment(to_code="HIGH_VALUE")])
@pytest.mark.parametrize("reason", [None, Reason(code="BACKDATED"), Reason(text="too short")])
def test_a_tier_changes_for_a_reason_in_ten_characters(command: Any, reason: Reason | None) -> None:
    story = with_tier("ORDINARY")
    story.refuses(ReasonRequired, command, pointer="/reason/text", reason=reason)
    story.do(command, reason=Reason(text="ten letter"))


def test_a_tier_changes_on_evidence_except_in_an_initial_load() -> None:
    story = opened()
    story.refuses(EvidenceRequired, TO_POTENTIAL, pointer="/evidence", evidence=())
    story.do(TO_POTENTIAL, by=IMPORTER, initial_load=True, reason=None, evidence=())


@pytest.mark.parametrize(
    ("before", "after"),
    [("POTENTIAL", "HIGH_VALUE"), ("HIGH_VALUE", "ORDINARY"), ("CHURN_RISK", "POTENTIAL"), (None, "HIGH_VALUE")],
)
def test_into_or_out_of_a_protected_tier_or_two_steps_up_needs_a_second_person(before: str | None, after: str) -> None:
    story = with_tier(before) if before else opened()
    alone = AssignTier(to_code=after)
    story.refuses(FourEyesViolation, alone, pointer="/to_code")
    story.refuses(FourEyesViolation, alone, pointer="/to_code", by=IMPORTER, initial_load=True)


def test_each_scheme_has_its_own_protected_tier() -> None:
    opened().refuses(FourEyesViolation, AssignTier(scheme="GRADE", to_code="IMPORTANT"), pointer="/to_code")


def test_a_rule_may_assign_any_tier_but_nobody_claims_the_basis_of_another() -> None:
    story, by_rule = opened(), AssignTier(to_code="HIGH_VALUE", basis=TierBasis.RULE)
    story.refuses(FourEyesViolation, by_rule, pointer="/basis")
    story.refuses(FourEyesViolation, TO_POTENTIAL, pointer="/basis", by=SCORING)
    story.refuses(FourEyesViolation, AssignTier(to_code="POTENTIAL", basis=TierBasis.APPROVED), pointer="/basis")
    story.do(by_rule, by=SCORING)


@pytest.mark.parametrize(
    ("command", "pointer"),
    [
        (AssignTier(to_code="GOLD"), "/to_code"),
        (AssignTier(scheme="COLOUR", to_code="RED"), "/scheme"),
        (RequestTierReassignment(to_code="HIGH_VALU"), "/to_code"),
    ],
)
def test_a_tier_stands_in_its_scheme_for_an_importer_too(command: Any, pointer: str) -> None:
    opened().refuses(UnknownCode, command, pointer=pointer)
    opened().refuses(UnknownCode, command, pointer=pointer, by=IMPORTER, initial_load=True)


def test_an_unknown_code_is_answered_with_the_closest_one() -> None:
    refusal = opened().refuses(UnknownCode, AssignTier(to_code="HIGH_VALUES"), pointer="/to_code")
    assert refusal.fields[0].detail == "did you mean HIGH_VALUE?"


def test_an_approval_is_two_events_and_the_second_says_who_approved_what() -> None:
    story = requested()
    approved, reassigned = story.do(APPROVE, by=APPROVER, now="2026-02-02", reason=None, evidence=())
    assert isinstance(reassigned.payload, TierReassigned)
    assert (reassigned.payload.request_id, reassigned.payload.approver_id) == (REQUEST, "u-301")
    assert reassigned.payload.basis is TierBasis.APPROVED
    assert approved.envelope.effective_from is None
    assert reassigned.envelope.effective_from == at("2026-02-02")
    assert reassigned.envelope.reason == Reason(text="The customer told us on the phone")
    assert story.whole().requests == {}


def test_an_approved_tier_takes_effect_when_the_request_says() -> None:
    story = requested(takes_effect=at("2026-01-10"))
    story.do(APPROVE, by=APPROVER, now="2026-02-12", reason=None, evidence=())
    assert story.shows("/tier/VALUE", "2026-01-10") == {"code": "HIGH_VALUE"}
    assert story.shows("/tier/VALUE", "2026-01-09") == {"code": "POTENTIAL"}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(
    ("actor", "why"),
    [
        (CLERK.model_copy(update={"roles": ("tier:approve",)}), "same actor as requester u-118"),
        (Actor(id="u-302"), "the role approver is needed"),
        (Actor(id="bot", kind=ActorKind.SERVICE, roles=("tier:approve",)), "only a human decides"),
        (Actor(id="u-303", roles=("tier:approve",), on_behalf_of="u-118"), "acts for the requester"),
        (Actor(id="u-204", roles=("tier:approve",)), "owns the account"),
    ],
)
def test_only_an_independent_human_with_the_role_answers_a_request(answer: Any, actor: Actor, why: str) -> None:
    refusal = requested().refuses(FourEyesViolation, answer, pointer="/approver", by=actor)
    assert [field.detail for field in refusal.fields] == [why]


def test_whoever_a_request_was_made_for_does_not_answer_it() -> None:
    delegate = CLERK.model_copy(update={"on_behalf_of": "u-301"})
    requested(by=delegate).refuses(FourEyesViolation, APPROVE, pointer="/approver", by=APPROVER)


def test_a_former_owner_may_answer() -> None:
    story = requested()
    story.do(AssignOwner(role=OwnerRole.ACCOUNT_MANAGER, to_staff="u-205"))
    story.do(RejectTierReassignment(request_id=REQUEST), by=Actor(id="u-204", roles=("tier:approve",)))
    assert story.whole().requests == {}


def test_a_request_expires_after_a_fortnight_unless_it_says_otherwise() -> None:
    requested().refuses(RequestStale, APPROVE, pointer="/request_id", by=APPROVER, now="2026-02-15")
    requested().do(APPROVE, by=APPROVER, now="2026-02-14T23:59")
    early = requested(expires_at=at("2026-02-03"))
    early.refuses(RequestStale, APPROVE, pointer="/request_id", by=APPROVER, now="2026-02-03")


def test_a_request_is_stale_once_the_tier_has_moved_on() -> None:
    story = requested()
    story.do(AssignTier(to_code="ORDINARY"))
    story.refuses(RequestStale, APPROVE, pointer="/request_id", by=APPROVER)


def test_an_answered_or_unknown_request_cannot_be_answered() -> None:
    story = requested()
    story.do(ANSWERS[1], by=APPROVER)
    for answer in [*ANSWERS, WithdrawTierReassignment(request_id=REQUEST)]:
        story.refuses(UnknownItem, answer, pointer="/request_id", by=APPROVER)


def test_only_the_requester_withdraws_a_request() -> None:
    story, withdraw = requested(), WithdrawTierReassignment(request_id=REQUEST)
    story.refuses(FourEyesViolation, withdraw, pointer="/request_id", by=APPROVER)
    story.do(withdraw)
    assert story.whole().requests == {}


def test_a_request_asks_for_a_change_within_range_under_an_id_of_its_own() -> None:
    story = requested()
    story.refuses(NoChange, RequestTierReassignment(to_code="POTENTIAL"), pointer="/to_code")
    again = RequestTierReassignment(request_id=REQUEST, to_code="HIGH_VALUE")
    story.refuses(InvalidField, again, pointer="/request_id")
    for day in ("2025-01-30", "2027-03-01"):
        far = RequestTierReassignment(to_code="HIGH_VALUE", takes_effect=at(day))
        story.refuses(EffectiveDateOutOfRange, far, pointer="/takes_effect", now="2026-02-02")
    over = RequestTierReassignment(to_code="HIGH_VALUE", expires_at=at("2026-02-02"))
    story.refuses(EffectiveDateOutOfRange, over, pointer="/expires_at", now="2026-02-02")


# Corrections of a tier


def test_an_unprotected_tier_is_corrected_by_one_person_and_its_direction_follows() -> None:
    story = with_tier("ORDINARY")
    [event] = story.do(TO_POTENTIAL)
    [corrected] = story.do(CorrectFact(corrects=event.envelope.event_id, replacement={"to_code": "CHURN_RISK"}))
    assert corrected.payload.model_dump()["replacement"]["direction"] == "LOWERED"


@pytest.mark.parametrize("actor", [CLERK, APPROVER, Actor(id="bot", kind=ActorKind.SERVICE, roles=("importer",))])
def test_a_correction_into_a_protected_tier_is_nobodys_alone(actor: Actor) -> None:
    story = with_tier("ORDINARY")
    [event] = story.do(TO_POTENTIAL)
    command = CorrectFact(corrects=event.envelope.event_id, replacement={"to_code": "HIGH_VALUE"})
    refusal = story.refuses(FourEyesViolation, command, pointer="", by=actor)
    assert refusal.customer_id == story.customer_id


def test_neither_is_the_retraction_of_one_nor_a_correction_of_its_dates() -> None:
    story = requested()
    reassigned = story.do(APPROVE, by=APPROVER)[1]
    event_id = reassigned.envelope.event_id
    for actor in (CLERK, APPROVER, Actor(id="u-302", roles=("tier:approve",))):
        story.refuses(FourEyesViolation, RetractFact(retracts=event_id), pointer="", by=actor)
        moved = CorrectFact(corrects=event_id, replacement={})
        story.refuses(FourEyesViolation, moved, pointer="", by=actor, effective_from="2026-02-03")
    assert story.shows("/tier/VALUE") == {"code": "HIGH_VALUE"}


def test_an_unprotected_tier_moved_to_where_a_protected_one_holds_is_protected_too() -> None:
    story = with_tier("ORDINARY")
    [event] = story.do(TO_POTENTIAL, now="2026-01-20")
    story.do(RequestTierReassignment(request_id=REQUEST, to_code="HIGH_VALUE"), now="2026-02-01")
    story.do(APPROVE, by=APPROVER, now="2026-02-02")
    later = CorrectFact(corrects=event.envelope.event_id, replacement={})
    story.refuses(FourEyesViolation, later, pointer="", now="2026-02-10", effective_from="2026-02-05")


def test_one_person_does_not_raise_a_tier_by_two_steps_one_after_the_other() -> None:
    story = with_tier("CHURN_RISK")
    story.do(AssignTier(to_code="ORDINARY"))
    story.refuses(FourEyesViolation, TO_POTENTIAL, pointer="")
    story.refuses(FourEyesViolation, TO_POTENTIAL, pointer="", by=Actor(id="u-7", on_behalf_of=CLERK.id))
    story.do(TO_POTENTIAL, by=Actor(id="u-119"))


def test_not_even_by_correcting_what_another_one_said() -> None:
    story = with_tier("CHURN_RISK")
    correct = CorrectFact(corrects=story.events[-1].envelope.event_id, replacement={"to_code": "ORDINARY"})
    [corrected] = story.do(correct)
    again = CorrectFact(corrects=corrected.envelope.event_id, replacement={"to_code": "POTENTIAL"})
    story.refuses(FourEyesViolation, again, pointer="")
    story.refuses(FourEyesViolation, TO_POTENTIAL, pointer="")


@pytest.mark.parametrize("forged", [{"approver_id": "u-1"}, {"basis": "APPROVED"}, {"direction": "INITIAL"}])
def test_nobody_corrects_who_decided_or_on_what_basis(forged: dict[str, str]) -> None:
    story = with_tier("ORDINARY")
    [event] = story.do(TO_POTENTIAL)
    command = CorrectFact(corrects=event.envelope.event_id, replacement=forged)
    story.refuses(InvalidField, command, pointer=f"/replacement/{next(iter(forged))}", by=APPROVER)


def test_a_correction_names_a_code_of_the_scheme() -> None:
    story = with_tier("ORDINARY")
    command = CorrectFact(corrects=story.events[-1].envelope.event_id, replacement={"to_code": "GOLD"})
    story.refuses(UnknownCode, command, pointer="/replacement/to_code")


def with_tier(code: str) -> Story:
    story = opened()
    story.do(AssignTier(to_code=code, basis=TierBasis.RULE), by=SCORING, effective_from="2026-01-05")
    return story


def requested(by: Actor = CLERK, **asked: Any) -> Story:
    story = with_tier("POTENTIAL")
    command = RequestTierReassignment(request_id=REQUEST, to_code="HIGH_VALUE", **asked)
    story.do(command, by=by, now="2026-02-01")
    return story
