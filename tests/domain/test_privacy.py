"""Stories of erasure and legal hold: two officers, what is left afterwards, and what is refused from then on (I24)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings

from domain.decisions.classification import ApplyTag
from domain.decisions.contacts import (
    AddContact,
    ChangeContactDetails,
    ChangeContactPoint,
    RemoveContact,
    ReplacePrimaryContact,
)
from domain.decisions.identity import ChangeLegalName, RecordIdentifier
from domain.decisions.lifecycle import ArchiveCustomer
from domain.decisions.privacy import (
    ApproveErasure,
    LiftLegalHold,
    PlaceLegalHold,
    RejectErasure,
    RequestErasure,
    WithdrawErasure,
)
from domain.decisions.quality import CorrectFact, RetractFact, VerifyField
from domain.document import document_of
from domain.errors import (
    FourEyesViolation,
    HistoryNeeded,
    InvalidField,
    NoChange,
    NotCorrectable,
    ReasonRequired,
    RoleRequired,
    SubjectErased,
    SubjectNotErasable,
    UnderLegalHold,
    UnknownItem,
    ValueNotHeld,
)
from domain.events import Actor, ActorKind, RecordedEvent
from domain.events.lifecycle import CustomerKind
from domain.events.privacy import RECORDS_SUBJECT, LegalBasis, PersonalDataErased
from domain.facts import ABSENT
from domain.file import CustomerFile
from domain.fold import History
from tests.domain.private_histories import CUSTOMER, LI_LEI, OFFICER, OTHER, SECOND, histories
from tests.domain.story import CLERK, Story, opened, uid

REQUEST, HOLD = uid(60), uid(61)
ASK = RequestErasure(request_id=REQUEST, subject=LI_LEI, legal_basis=LegalBasis.GDPR_17_1_B)
ASK_FOR_ALL = ASK.model_copy(update={"subject": CUSTOMER})
APPROVE, REJECT = ApproveErasure(request_id=REQUEST), RejectErasure(request_id=REQUEST)
WITHDRAW = WithdrawErasure(request_id=REQUEST)
KEEP, LIFT = PlaceLegalHold(hold_id=HOLD, reference="2026-civ-17"), LiftLegalHold(hold_id=HOLD)
NAME = f"/contacts/{LI_LEI}/name"
POINT = f"/contacts/{LI_LEI}/points/{uid(11)}"
USCC = RecordIdentifier(scheme="CN_USCC", value="9144030071526726XG")


def asked(command: RequestErasure = ASK, **registration: Any) -> Story:
    story = opened(**registration)
    story.do(command, by=OFFICER)
    return story


def erased(command: RequestErasure = ASK, **registration: Any) -> Story:
    story = asked(command, **registration)
    story.do(APPROVE, by=SECOND)
    return story


def person(**registration: Any) -> dict[str, Any]:
    return {"customer_kind": CustomerKind.INDIVIDUAL, **registration}


# --- who asks, and who decides --------------------------------------------------------------------------------------


def test_an_approval_erases_at_once_and_says_what() -> None:
    story = asked()
    approved, gone = story.do(APPROVE, by=SECOND)
    assert isinstance(gone.payload, PersonalDataErased)
    assert (gone.payload.subject, gone.payload.request_id, gone.payload.approver_id) == (LI_LEI, REQUEST, "u-502")
    assert gone.payload.fields == (NAME, POINT)
    assert gone.payload.legal_basis is LegalBasis.GDPR_17_1_B
    assert gone.envelope.reason is not None
    assert approved.envelope.effective_from is None
    marker = {"erased": True, "by": str(gone.envelope.event_id)}
    assert story.shows(NAME) == marker
    assert story.shows(NAME, "2026-01-05T12:00") == marker
    assert story.shows(POINT)["value"] == marker
    assert story.whole().profile_version == gone.envelope.version
    assert not story.whole().privacy.requests


@pytest.mark.parametrize("command", [ASK, KEEP])
def test_only_a_human_privacy_officer_asks(command: Any) -> None:
    opened().refuses(RoleRequired, command, pointer="")
    opened().refuses(FourEyesViolation, command, pointer="", rule="I6", by=Actor(id="b", kind=ActorKind.SERVICE))
    opened().refuses(ReasonRequired, command, pointer="/reason", by=OFFICER, reason=None)


def test_nobody_asks_for_what_a_restore_records() -> None:
    lost = ASK.model_copy(update={"legal_basis": LegalBasis.ERASED_BEFORE})
    opened().refuses(InvalidField, lost, pointer="/legal_basis", by=OFFICER)


@pytest.mark.parametrize("answer", [APPROVE, REJECT, LIFT])
@pytest.mark.parametrize(
    ("actor", "why"),
    [
        (OFFICER, "same actor as requester u-501"),
        (CLERK, "the role privacy is needed"),
        (Actor(id="bot", kind=ActorKind.SERVICE, roles=("privacy",)), "only a human decides"),
        (Actor(id="u-503", roles=("privacy",), on_behalf_of="u-501"), "acts for the requester"),
    ],
)
def test_another_officer_decides(answer: Any, actor: Actor, why: str) -> None:
    story = asked()
    if answer is LIFT:
        story.do(KEEP, by=OFFICER)
    refusal = story.refuses(FourEyesViolation, answer, pointer="/approver", by=actor)
    assert [field.detail for field in refusal.fields] == [why]


def test_whoever_it_was_asked_for_does_not_decide() -> None:
    story = opened()
    story.do(ASK, by=OFFICER.model_copy(update={"on_behalf_of": "u-502"}))
    story.refuses(FourEyesViolation, APPROVE, pointer="/approver", by=SECOND)


def test_a_request_is_turned_down_or_withdrawn_and_then_gone() -> None:
    for answer, by in ((REJECT, SECOND), (WITHDRAW, OFFICER)):
        story = asked()
        if answer is WITHDRAW:
            story.refuses(FourEyesViolation, answer, pointer="/request_id", by=SECOND)
        story.do(answer, by=by)
        story.refuses(UnknownItem, APPROVE, pointer="/request_id", by=SECOND)
        assert story.shows(NAME) == "Li Lei"
        story.do(ASK, by=OFFICER)


def test_a_subject_is_asked_for_once_and_a_request_has_an_id_of_its_own() -> None:
    story = asked()
    story.refuses(NoChange, ASK.model_copy(update={"request_id": uid(62)}), pointer="/subject", by=OFFICER)
    with pytest.raises(InvalidField):
        story.do(ASK, by=OFFICER)


def test_a_subject_is_a_person_of_the_file() -> None:
    nobody = ASK.model_copy(update={"subject": uid(99)})
    opened().refuses(SubjectNotErasable, nobody, pointer="/subject", by=OFFICER)
    opened().refuses(SubjectNotErasable, ASK_FOR_ALL, pointer="/subject", by=OFFICER)
    opened(**person()).do(ASK_FOR_ALL, by=OFFICER)


def test_a_person_whom_the_file_no_longer_shows_can_be_erased() -> None:
    story = opened()
    added = next(event for event in story.events if event.payload.type == "customer.contact-added")
    story.do(AddContact(contact_id=OTHER, name="Han Mei", is_primary=True))
    story.do(RetractFact(retracts=added.envelope.event_id))
    story.do(ASK, by=OFFICER)
    _, gone = story.do(APPROVE, by=SECOND)
    assert isinstance(gone.payload, PersonalDataErased)
    assert gone.payload.fields == (NAME, POINT)


def test_an_archived_file_can_be_erased_from() -> None:
    story = opened()
    story.do(ArchiveCustomer(reason_code="LOST"))
    story.do(ASK, by=OFFICER)
    story.do(APPROVE, by=SECOND)


# --- hold -----------------------------------------------------------------------------------------------------------


def test_under_hold_a_request_waits_and_its_approval_is_refused_aloud() -> None:
    story = opened()
    story.do(KEEP, by=OFFICER)
    story.do(ASK, by=OFFICER)
    refusal = story.refuses(UnderLegalHold, APPROVE, pointer="/after_hold", by=SECOND)
    assert "2026-civ-17" in refusal.detail
    assert REQUEST in story.whole().privacy.requests
    story.do(REJECT, by=SECOND)


def test_what_was_approved_under_hold_is_carried_out_by_whoever_lifts_the_last_one() -> None:
    story = opened()
    story.do(KEEP, PlaceLegalHold(hold_id=uid(63), reference="another"), by=OFFICER)
    story.do(ASK, by=OFFICER)
    [approved] = story.do(APPROVE.model_copy(update={"after_hold": True}), by=SECOND)
    assert approved.payload.after_hold  # type: ignore[attr-defined]
    story.refuses(NoChange, APPROVE.model_copy(update={"after_hold": True}), pointer="/request_id", by=SECOND)
    assert len(story.do(LIFT, by=SECOND)) == 1
    assert story.shows(NAME) == "Li Lei"
    lifted, gone = story.do(LiftLegalHold(hold_id=uid(63)), by=SECOND)
    assert lifted.payload.type == "customer.legal-hold-lifted"
    assert isinstance(gone.payload, PersonalDataErased)
    assert gone.payload.approver_id == "u-502"
    assert story.shows(NAME)["erased"]
    story.refuses(UnknownItem, LIFT, pointer="/hold_id", by=SECOND)


def test_a_hold_lifted_erases_nothing_that_nobody_approved_and_nothing_twice() -> None:
    story = opened(**person())
    story.do(KEEP, by=OFFICER)
    story.do(ASK, RequestErasure(request_id=uid(62), subject=CUSTOMER, legal_basis=LegalBasis.PIPL_47), by=OFFICER)
    for request in (uid(62), REQUEST):
        story.do(ApproveErasure(request_id=request, after_hold=True), by=SECOND)
    assert [event.payload.type for event in story.do(LIFT, by=SECOND)[1:]] == ["customer.personal-data-erased"] * 2
    assert story.whole().is_erased
    open_one = asked()
    open_one.do(KEEP, by=OFFICER)
    assert len(open_one.do(LIFT, by=SECOND)) == 1


# --- afterwards -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        AddContact(contact_id=LI_LEI, name="Li Lei"),
        ChangeContactDetails(contact_id=LI_LEI, changed={"title": "CEO"}),
        ChangeContactDetails(contact_id=LI_LEI, changed={"title": None}),
        ChangeContactPoint(contact_id=LI_LEI, point_id=uid(11), kind="PHONE", value=None),
        ChangeContactPoint(contact_id=LI_LEI, kind="PHONE", value="+86 755 8601 3389"),
    ],
)
def test_nothing_is_recorded_about_an_erased_person_again(command: Any) -> None:
    erased().refuses(SubjectErased, command, pointer="/contact_id")


def test_an_erased_person_is_not_asked_for_again() -> None:
    erased().refuses(SubjectErased, ASK, pointer="/subject", by=OFFICER)


def test_an_erased_person_can_be_replaced_and_taken_off_the_file() -> None:
    story = erased()
    story.do(AddContact(contact_id=OTHER, name="Han Mei"))
    story.do(ReplacePrimaryContact(new_contact_id=OTHER))
    story.do(RemoveContact(contact_id=LI_LEI, removal_reason="OBJECTION"))
    assert story.shows(NAME) is ABSENT


def test_what_was_erased_is_neither_corrected_nor_retracted_nor_verified() -> None:
    story = erased()
    added = next(event for event in story.events if event.payload.type == "customer.contact-added").envelope.event_id
    story.refuses(NotCorrectable, CorrectFact(corrects=added, replacement={"name": "X"}), pointer="/corrects")
    story.refuses(NotCorrectable, RetractFact(retracts=added), pointer="/retracts")
    checked = VerifyField(path=NAME, value_event_id=added, method="CALLBACK", result="MATCH")
    story.refuses(ValueNotHeld, checked, pointer="/path")


def test_nobody_takes_the_id_of_the_records() -> None:
    with pytest.raises(InvalidField):
        opened().do(AddContact(contact_id=RECORDS_SUBJECT, name="Li Lei"))


def test_a_person_erased_as_a_customer_leaves_an_empty_file_that_takes_nothing() -> None:
    story = opened(**person(identifiers=(USCC,)))
    assert story.whole().claims()
    story.do(ASK_FOR_ALL, by=OFFICER)
    story.do(KEEP, by=OFFICER)
    story.do(LIFT, by=SECOND)
    _, gone = story.do(APPROVE, by=SECOND)
    assert isinstance(gone.payload, PersonalDataErased)
    assert gone.payload.fields == ("/",)
    file = story.whole()
    assert (file.is_erased, file.kind, file.slots, file.claims()) == (True, None, {}, set())
    assert file.registered_at is not None
    for command, by in (
        (ChangeLegalName(name="Li Lei"), CLERK),
        (ApplyTag(group="REGION", code="EAST"), CLERK),
        (ASK, OFFICER),
        (KEEP, OFFICER),
    ):
        story.refuses(SubjectErased, command, pointer="", by=by)


# --- any history ----------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(histories())
def test_no_history_with_erasures_makes_the_fold_fail_or_shows_what_is_gone(story: Story) -> None:
    file = story.whole()
    assert file.history is not None
    for subject in file.privacy.erased:
        if subject == story.customer_id:
            assert not file.slots
            assert not file.history.events
        else:
            assert "Secret" not in _shown(file, subject)
            assert "Secret" not in _remembered(file.history, subject)
    document_of({slot: fact.value for slot, fact in file.visible(story.now).items()})


def _shown(file: CustomerFile, subject: UUID) -> str:
    below = f"/contacts/{subject}"
    return str([[segment.fact.value for segment in line] for slot, line in file.slots.items() if below in slot])


def _remembered(history: History, subject: UUID) -> str:
    events: list[RecordedEvent] = [known.event for known in history.events.values()] + [*history.superseded.values()]
    return str([event.payload for event in events if str(subject) in str(event.payload)])


def test_a_row_without_its_history_cannot_take_an_erasure_in() -> None:
    story = asked()
    row = story.row.copy()
    [_, gone] = story.do(APPROVE, by=SECOND)
    with pytest.raises(HistoryNeeded):
        row.apply(gone)
