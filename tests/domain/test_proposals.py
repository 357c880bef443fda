"""Stories of proposals: what one person asks for and another one agrees to (I6, I13, I18)."""

from __future__ import annotations

from typing import Any

import pytest

from domain.decisions import Change, Command
from domain.decisions.classification import ApplyTag, AssignOwner, RecordAttribute
from domain.decisions.contacts import AddContact, ChangeContactDetails, RemoveContact, ReplacePrimaryContact
from domain.decisions.identity import RecordIdentifier, RevokeIdentifier
from domain.decisions.lifecycle import ArchiveCustomer
from domain.decisions.privacy import ApproveErasure, RequestErasure
from domain.decisions.proposals import (
    ApproveProposal,
    ProposeChanges,
    RejectProposal,
    WithdrawProposal,
    proposed_change,
)
from domain.decisions.quality import CorrectFact, RetractFact
from domain.decisions.tier import AssignTier
from domain.errors import (
    CustomerArchived,
    EffectiveDateOutOfRange,
    EvidenceRequired,
    FourEyesViolation,
    InvalidField,
    ReasonRequired,
    RequestStale,
    StillCoolingOff,
    UnknownCode,
    UnknownItem,
)
from domain.events import Actor, ActorKind, Circumstances, Evidence, Proposed, Reason, RecordedEvent
from domain.events.classification import OwnerRole, TierBasis, TierReassigned
from domain.events.lifecycle import ArchiveReason
from domain.events.privacy import LegalBasis
from domain.events.proposals import ChangeProposed
from domain.facts import ABSENT
from domain.policy import Policy, first_edition, read_document
from tests.domain.story import APPROVER, CLERK, EVERYTHING_STATED, SCORING, Story, at, opened, uid

PROPOSAL = uid(62)
APPROVE, REJECT = ApproveProposal(proposal_id=PROPOSAL), RejectProposal(proposal_id=PROPOSAL)
WITHDRAW = WithdrawProposal(proposal_id=PROPOSAL)
TO_HIGH = AssignTier(to_code="HIGH_VALUE")
LEI = ("LEI", "HWUPKR0MPOU8FGXBT394")
REVOKE = RevokeIdentifier(scheme=LEI[0], value=LEI[1])
NEW_MANAGER = AssignOwner(role=OwnerRole.ACCOUNT_MANAGER, to_staff="u-205")
OTHER_APPROVER = Actor(id="u-302", roles=("approver",))


def test_what_is_agreed_to_is_recorded_at_once_with_the_proposers_reasons_and_both_their_names() -> None:
    story = proposed(with_tier("ORDINARY"), TO_HIGH)
    [made] = story.events[-1:]
    approved, reassigned = story.do(APPROVE, by=APPROVER, reason=None, evidence=())
    assert approved.payload.type == "customer.proposal-approved"
    assert isinstance(reassigned.payload, TierReassigned)
    assert (reassigned.payload.basis, reassigned.payload.approver_id) == (TierBasis.APPROVED, "u-301")
    envelope = reassigned.envelope
    link = Proposed(proposal_id=PROPOSAL, event_id=made.envelope.event_id, proposer="u-118")
    assert (envelope.actor.id, envelope.proposed) == ("u-301", link)
    assert (envelope.reason, envelope.evidence) == (EVERYTHING_STATED["reason"], EVERYTHING_STATED["evidence"])
    assert envelope.effective_from == story.now
    assert story.shows("/tier/VALUE") == {"code": "HIGH_VALUE"}
    assert story.whole().proposals == {}


def test_several_changes_are_agreed_to_as_one() -> None:
    story = proposed(with_identifier(), REVOKE, RecordIdentifier(scheme="DUNS", value="544428764"))
    assert [event.payload.type for event in story.do(APPROVE, by=APPROVER)] == [
        "customer.proposal-approved",
        "customer.identifier-revoked",
        "customer.identifier-recorded",
    ]
    assert story.whole().claims() == {("DUNS", "544428764")}


@pytest.mark.parametrize("command", [REVOKE, NEW_MANAGER])
def test_one_person_alone_is_refused_and_told_where_to_find_another(command: Command) -> None:
    story = with_identifier(with_tier("HIGH_VALUE"))
    for actor in (CLERK, APPROVER, Actor(id="scoring-2", kind=ActorKind.SERVICE, on_behalf_of="u-118")):
        assert story.refuses(FourEyesViolation, command, pointer="", by=actor).customer_id == story.customer_id
    proposed(story, command).do(APPROVE, by=APPROVER)


def test_a_service_carries_over_what_was_decided_in_another_system_but_for_nobody() -> None:
    story = with_identifier()
    bot = Actor(id="svc-import", kind=ActorKind.SERVICE, roles=("importer",))
    story.refuses(FourEyesViolation, REVOKE, pointer="", by=bot.model_copy(update={"on_behalf_of": "u-118"}))
    story.refuses(FourEyesViolation, REVOKE, pointer="", by=Actor(id="u-900", roles=("importer",)))
    story.do(REVOKE, by=bot)


def test_the_first_account_manager_and_that_of_an_ordinary_customer_need_nobody_else() -> None:
    opened(owner=None).do(NEW_MANAGER)
    with_tier("ORDINARY").do(NEW_MANAGER)


def test_a_customer_who_is_to_have_a_protected_tier_has_one() -> None:
    story = opened()
    by_rule = AssignTier(to_code="HIGH_VALUE", basis=TierBasis.RULE)
    story.do(by_rule, by=SCORING, effective_from="2026-06-01")
    story.refuses(FourEyesViolation, NEW_MANAGER, pointer="")


@pytest.mark.parametrize("undo", [RetractFact, CorrectFact])
def test_taking_back_what_is_protected_is_protected_and_can_be_proposed(undo: Any) -> None:
    story = with_identifier()
    wrong = story.events[-1].envelope.event_id
    command = RetractFact(retracts=wrong) if undo is RetractFact else CorrectFact(corrects=wrong, replacement={})
    later: dict[str, Any] = {} if undo is RetractFact else {"effective_from": "2026-02-03"}
    story.refuses(FourEyesViolation, command, pointer="", **later)
    proposed(story, command, **later).do(APPROVE, by=APPROVER)
    assert story.shows("/identifiers/" + "/".join(LEI), "2026-02-02") is ABSENT


def test_back_dating_by_more_than_a_year_is_agreed_to() -> None:
    old: dict[str, Any] = {"now": "2027-06-01", "effective_from": "2026-01-09"}
    story = proposed(opened(), RecordAttribute(key="k", value="v"), **old)
    story.do(APPROVE, by=APPROVER)
    assert story.shows("/attributes/k", "2026-01-09") == "v"


@pytest.mark.parametrize("answer", [APPROVE, REJECT])
@pytest.mark.parametrize(
    ("actor", "why"),
    [
        (CLERK.model_copy(update={"roles": ("approver",)}), "same actor as requester u-118"),
        (Actor(id="u-302"), "the role approver is needed"),
        (Actor(id="bot", kind=ActorKind.SERVICE, roles=("approver",)), "only a human decides"),
        (Actor(id="u-303", roles=("approver",), on_behalf_of="u-118"), "acts for the requester"),
        (Actor(id="u-204", roles=("approver",)), "owns the account"),
        (Actor(id="u-303", roles=("approver",), on_behalf_of="u-204"), "acts for the owner of the account"),
    ],
)
def test_the_second_person_is_another_one_and_independent(answer: Command, actor: Actor, why: str) -> None:
    refusal = proposed(opened(), TO_HIGH).refuses(FourEyesViolation, answer, pointer="/approver", by=actor)
    assert [field.detail for field in refusal.fields] == [why]


def test_neither_does_who_was_asked_for_decide_nor_who_acts_for_the_same_person() -> None:
    story = proposed(opened(), TO_HIGH, by=CLERK.model_copy(update={"on_behalf_of": "u-301"}))
    story.refuses(FourEyesViolation, APPROVE, pointer="/approver", by=APPROVER)
    both = OTHER_APPROVER.model_copy(update={"on_behalf_of": "u-301"})
    story.refuses(FourEyesViolation, APPROVE, pointer="/approver", by=both)
    story.do(APPROVE, by=OTHER_APPROVER)


def test_a_proposal_is_stale_once_anything_that_it_touches_has_moved() -> None:
    story = proposed(with_tier("ORDINARY"), RecordAttribute(key="k", value="v"), TO_HIGH)
    story.do(RecordAttribute(key="k", value="w"))
    refusal = story.refuses(RequestStale, APPROVE, pointer="/proposal_id", by=APPROVER)
    assert refusal.fields[0].detail == "/attributes/k has changed since"


def test_a_proposal_is_stale_once_what_it_asks_for_is_refused() -> None:
    story = proposed(with_identifier(), RecordIdentifier(scheme="DUNS", value="544428764"))
    story.holders["DUNS", "544428764"] = uid(77)
    refusal = story.refuses(RequestStale, APPROVE, pointer="/proposal_id", by=APPROVER)
    assert "another file holds this identifier" in refusal.detail


def test_a_proposal_expires_after_a_fortnight_unless_it_says_otherwise() -> None:
    late = proposed(with_tier("ORDINARY"), TO_HIGH, now="2026-02-01")
    late.refuses(RequestStale, APPROVE, pointer="/proposal_id", by=APPROVER, now="2026-02-15")
    late.do(WITHDRAW, now="2026-02-16")
    proposed(late, TO_HIGH, now="2026-02-17").do(APPROVE, by=APPROVER, now="2026-03-02T23:59")
    early = proposed(with_tier("ORDINARY"), TO_HIGH, now="2026-02-01", expires_at=at("2026-02-03"))
    early.refuses(RequestStale, APPROVE, pointer="/proposal_id", by=APPROVER, now="2026-02-03")


def test_only_the_proposer_withdraws_and_nobody_answers_twice() -> None:
    story = proposed(opened(), TO_HIGH)
    story.refuses(FourEyesViolation, WITHDRAW, pointer="/proposal_id", by=APPROVER)
    story.do(WITHDRAW)
    for answer in (APPROVE, REJECT, WITHDRAW):
        story.refuses(UnknownItem, answer, pointer="/proposal_id", by=APPROVER)
    proposed(story, TO_HIGH).do(REJECT, by=APPROVER)
    assert story.whole().proposals == {}
    assert story.shows("/tier/VALUE") is ABSENT


def test_what_would_be_refused_is_not_proposed() -> None:
    story = opened()
    bad = proposing(AssignTier(to_code="GOLD"))
    story.refuses(UnknownCode, bad, pointer="/changes/0/to_code")
    story.refuses(ReasonRequired, proposing(TO_HIGH), pointer="/reason", reason=None)
    story.refuses(ReasonRequired, proposing(TO_HIGH, stated={}), pointer="/changes/0/reason/text")
    initial = proposing(TO_HIGH, stated={**EVERYTHING_STATED, "initial_load": True})
    story.refuses(InvalidField, initial, pointer="/changes/0/initial_load")
    over = proposing(TO_HIGH).model_copy(update={"expires_at": at("2026-01-01")})
    story.refuses(EffectiveDateOutOfRange, over, pointer="/expires_at")
    proposed(story, TO_HIGH).refuses(InvalidField, proposing(TO_HIGH), pointer="/proposal_id")


def test_what_was_proposed_before_the_file_was_archived_is_stale() -> None:
    story = proposed(opened(), TO_HIGH)
    story.do(ArchiveCustomer(reason_code=ArchiveReason.LOST))
    story.refuses(RequestStale, APPROVE, pointer="/proposal_id", by=APPROVER)
    again = proposing(TO_HIGH).model_copy(update={"proposal_id": uid(63)})
    story.refuses(CustomerArchived, again)
    story.do(REJECT, by=APPROVER)


# Of whom it speaks


def test_a_proposal_belongs_to_the_one_person_of_whom_it_speaks() -> None:
    about = proposed(opened(), ChangeContactDetails(contact_id=uid(10), changed={"title": "CEO"}))
    assert content_of(about).subject == uid(10)
    assert content_of(proposed(opened(), TO_HIGH)).subject == uid(1)
    primary = [AddContact(contact_id=uid(20), name="Han"), ReplacePrimaryContact(new_contact_id=uid(20))]
    assert content_of(proposed(opened(), *primary)).subject == uid(20)


def test_of_two_people_two_proposals_are_made() -> None:
    story = opened()
    both = proposing(
        AddContact(contact_id=uid(20), name="Han"), ChangeContactDetails(contact_id=uid(10), changed={"title": "CEO"})
    )
    story.refuses(InvalidField, both, pointer="/changes")
    point = story.events[3].envelope.event_id
    mixed = proposing(AddContact(contact_id=uid(20), name="Han"), RetractFact(retracts=point))
    story.refuses(InvalidField, mixed, pointer="/changes")


def test_an_erasure_ends_the_proposals_that_speak_of_the_person() -> None:
    story = proposed(opened(), ChangeContactDetails(contact_id=uid(10), changed={"title": "CEO"}))
    other = proposing(TO_HIGH).model_copy(update={"proposal_id": uid(63)})
    story.do(other)
    erase(story, uid(10))
    assert list(story.whole().proposals) == [uid(63)]
    story.refuses(UnknownItem, APPROVE, pointer="/proposal_id", by=APPROVER)


def test_who_is_known_from_a_proposal_alone_can_be_erased() -> None:
    story = proposed(opened(), AddContact(contact_id=uid(20), name="Han"))
    story.do(REJECT, by=APPROVER)
    erase(story, uid(20))
    assert uid(20) in story.whole().privacy.erased


# What the policy asks for


def test_an_edition_asks_for_more_words_and_evidence_per_slot_and_tier() -> None:
    story = with_tier("HIGH_VALUE")
    story.policy = edition(
        protected=[],
        required=[
            {"event": "customer.owner-assigned", "slot": "/owner/RISK_OFFICER", "evidence": 2},
            {"event": "customer.attribute-recorded", "protected_tier": True, "reason_characters": 20},
        ],
    )
    risk = AssignOwner(role=OwnerRole.RISK_OFFICER, to_staff="u-9")
    refusal = story.refuses(ReasonRequired, RecordAttribute(key="k", value=1), reason=Reason(text="x"), **WORDS)
    assert refusal.fields[0].detail == "at least 20 characters"
    story.refuses(EvidenceRequired, risk, pointer="/evidence")
    story.do(risk, evidence=(Evidence(note="a"), Evidence(note="b")))


def test_what_cools_off_waits_even_when_it_is_agreed_to() -> None:
    story = opened()
    story.policy = edition(
        cooling_off=[{"event": "customer.tier-reassigned", "after": "customer.owner-assigned", "hours": 24}]
    )
    story.do(NEW_MANAGER, now="2026-02-01")
    story.refuses(StillCoolingOff, AssignTier(to_code="ORDINARY"), now="2026-02-01T23:59", pointer="")
    story.do(AssignTier(to_code="ORDINARY"), now="2026-02-02")


def test_a_protected_event_and_an_amount_that_is_great_enough() -> None:
    story = opened()
    story.policy = edition(
        protected=[
            {"name": "attributes of money", "slot": "/attributes/{key}", "member": "amount", "at_least": "1000"},
            {"name": "tags", "event": "customer.tag-applied"},
        ]
    )
    small, great = ({"amount": text, "currency": "CNY"} for text in ("999.99", "1000"))
    story.do(RecordAttribute(key="limit", value=small))
    story.refuses(FourEyesViolation, RecordAttribute(key="limit", value=great), pointer="")
    proposed(story, RecordAttribute(key="limit", value=great)).do(APPROVE, by=APPROVER)
    story.refuses(FourEyesViolation, RecordAttribute(key="limit", value=small), pointer="")
    story.refuses(FourEyesViolation, ApplyTag(group="REGION", code="EAST"), pointer="")


def test_what_was_decided_under_which_edition_is_in_the_envelope() -> None:
    story = opened()
    story.policy = Policy(7, first_edition().document)
    [event] = story.do(RecordAttribute(key="k", value=1))
    assert event.envelope.policy_version == 7


def test_removing_a_contact_can_be_proposed_with_its_replacement() -> None:
    story = opened()
    story.do(AddContact(contact_id=uid(20), name="Han"))
    remove = RemoveContact(contact_id=uid(10), removal_reason="OBJECTION", new_primary_contact_id=uid(20))
    proposed(story, remove).do(APPROVE, by=APPROVER)
    assert story.shows("/primary_contact") == str(uid(20))


WORDS: dict[str, Any] = {"pointer": "/reason/text"}


def edition(**members: Any) -> Policy:
    content = first_edition().document.model_dump(mode="json", exclude_none=True)
    return Policy(2, read_document({**content, **members}))


def proposing(*commands: Command, stated: dict[str, Any] = EVERYTHING_STATED) -> ProposeChanges:
    changes = tuple(
        proposed_change(Change(command.with_ids(lambda: uid(90)), Circumstances(**stated))) for command in commands
    )
    return ProposeChanges(proposal_id=PROPOSAL, changes=changes)


def proposed(
    story: Story, *commands: Command, by: Actor = CLERK, now: str | None = None, expires_at: Any = None, **stated: Any
) -> Story:
    times = {name: at(text) for name, text in stated.items()}
    observed = {"observed_at": at("2026-01-01")}
    command = proposing(*commands, stated={**EVERYTHING_STATED, **observed, **times})
    story.do(command.model_copy(update={"expires_at": expires_at}), by=by, now=now)
    return story


def content_of(story: Story) -> ChangeProposed:
    [proposal] = story.whole().proposals.values()
    return proposal.content


def with_tier(code: str) -> Story:
    story = opened()
    story.do(AssignTier(to_code=code, basis=TierBasis.RULE), by=SCORING, effective_from="2026-01-05")
    return story


def with_identifier(story: Story | None = None) -> Story:
    story = story or opened()
    story.do(RecordIdentifier(scheme=LEI[0], value=LEI[1]), now="2026-02-01")
    return story


def erase(story: Story, subject: Any) -> list[RecordedEvent]:
    officers = [Actor(id=name, roles=("privacy",)) for name in ("u-501", "u-502")]
    story.do(RequestErasure(request_id=uid(80), subject=subject, legal_basis=LegalBasis.PIPL_47), by=officers[0])
    return story.do(ApproveErasure(request_id=uid(80)), by=officers[1])
