"""The policy: what its document may say, and how one edition follows another."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from domain.decisions.policies import (
    ApproveRevision,
    PolicyCase,
    PolicyCommand,
    ProposeRevision,
    RejectRevision,
    WithdrawRevision,
)
from domain.errors import (
    EffectiveDateOutOfRange,
    FourEyesViolation,
    InvalidField,
    NoChange,
    ReasonRequired,
    Refusal,
    RequestStale,
    RoleRequired,
    UnknownItem,
)
from domain.events import Actor, ActorKind, Envelope, Reason, RecordedEvent
from domain.policy import first_edition, read_document
from domain.policy_file import PolicyFile, RevisionState
from tests.domain.story import uid
from tests.make import at

ADMIN, OTHER = Actor(id="u-701", roles=("administrator",)), Actor(id="u-702", roles=("administrator",))
REVISION = uid(80)
APPROVE, REJECT = ApproveRevision(revision_id=REVISION), RejectRevision(revision_id=REVISION)
WITHDRAW = WithdrawRevision(revision_id=REVISION)
FIRST = first_edition().document.model_dump(mode="json")
STRICTER = {**FIRST, "approval": {**FIRST["approval"], "valid_days": 3}}
BECAUSE = Reason(text="resolution 2026-17 of the risk committee")


class PolicyStory:
    """A policy's stream; the clock stands still between decisions."""

    def __init__(self) -> None:
        self.file = PolicyFile()
        self.now = at("2026-02-01")

    def do(self, command: PolicyCommand, by: Actor = ADMIN) -> list[RecordedEvent]:
        payloads = command.with_ids(uuid7).decide(PolicyCase(self.file, by, self.now))
        events = []
        for number, payload in enumerate(payloads, start=self.file.version + 1):
            envelope = Envelope(
                event_id=uuid7(),
                customer_id=uid(99),
                version=number,
                recorded_at=self.now,
                effective_from=None,
                actor=by,
                reason=command.reason,
                policy_version=self.file.number,
            )
            events.append(RecordedEvent(envelope, payload))
            self.file.apply(events[-1])
        return events

    def refuses(self, error: type[Refusal], command: PolicyCommand, pointer: str, by: Actor = ADMIN) -> str:
        with pytest.raises(error) as caught:
            self.do(command, by)
        assert [field.pointer for field in caught.value.fields][:1] == [pointer]
        return caught.value.fields[0].detail


def proposing(document: dict[str, Any] = STRICTER, **said: Any) -> ProposeRevision:
    return ProposeRevision(**{"revision_id": REVISION, "based_on": 1, "document": document, "reason": BECAUSE, **said})


def proposed() -> PolicyStory:
    story = PolicyStory()
    story.do(proposing())
    return story


def test_while_nothing_was_revised_the_first_edition_is_in_force() -> None:
    assert PolicyFile().policy() == first_edition()
    assert read_document(FIRST) == first_edition().document


@pytest.mark.parametrize(
    ("member", "content", "pointer", "hint"),
    [
        ("protected", [{"name": "x", "event": "customer.owner-asigned"}], "/protected/0", "customer.owner-assigned?"),
        ("protected", [{"name": "x", "event": "customer.archived"}], "/protected/0", "is a decision"),
        ("protected", [{"name": "x", "slot": "/owners/{role}"}], "/protected/0", "did you mean /owner/{role}?"),
        ("protected", [{"name": "x"}], "/protected/0", "name an event, a slot, or both"),
        ("protected", [{"name": "x", "slot": "/tier/{scheme}", "member": "a"}], "/protected/0", "belong together"),
        ("protected", [{"slot": "/tier/{scheme}"}], "/protected/0/name", "Field required"),
        ("required", [{"event": "customer.tag-aplied"}], "/required/0", "customer.tag-applied?"),
        ("cooling_off", [{"event": "a", "after": "b", "hours": 1}], "/cooling_off/0", "there is no such event"),
        ("approval", {**FIRST["approval"], "roles": ["aprover"]}, "/approval/roles/0", "did you mean approver?"),
        ("approval", {**FIRST["approval"], "roles": []}, "/approval/roles", "at least 1"),
        ("tier", {**FIRST["tier"], "protected": ["HIGH_VALU"]}, "/tier", "did you mean HIGH_VALUE?"),
        ("effective_date", {**FIRST["effective_date"], "backdated_days": 400}, "/effective_date", "may not exceed"),
        ("second_person", {"erasure": False}, "/second_person/erasure", "True"),
        ("colour", "red", "/colour", "there is no such member"),
    ],
)
def test_a_document_that_makes_no_sense_is_refused_where_it_makes_none(
    member: str, content: Any, pointer: str, hint: str
) -> None:
    detail = PolicyStory().refuses(InvalidField, proposing({**FIRST, member: content}), "/document" + pointer)
    assert hint in detail


def test_another_administrator_agrees_and_the_edition_is_in_force() -> None:
    story = proposed()
    approved, revised = story.do(APPROVE, by=OTHER)
    assert [approved.payload.type, revised.payload.type] == ["policy.revision-approved", "policy.revised"]
    assert (story.file.number, story.file.policy().request_valid) == (2, timedelta(days=3))
    assert story.file.policy().version == 2
    edition = story.file.editions[-1]
    assert (edition.proposer, edition.approver, edition.since) == ("u-701", "u-702", story.now)
    revision = story.file.revisions[REVISION]
    assert (revision.state, revision.edition, revision.decided_by) == (RevisionState.APPROVED, 2, "u-702")


@pytest.mark.parametrize("answer", [APPROVE, REJECT])
@pytest.mark.parametrize(
    ("actor", "why"),
    [
        (ADMIN, "same actor as requester u-701"),
        (Actor(id="u-703", roles=("approver",)), "the role administrator is needed"),
        (Actor(id="bot", kind=ActorKind.SERVICE, roles=("administrator",)), "only a human decides"),
        (Actor(id="u-703", roles=("administrator",), on_behalf_of="u-701"), "acts for the requester"),
    ],
)
def test_nobody_changes_the_policy_alone(answer: PolicyCommand, actor: Actor, why: str) -> None:
    assert proposed().refuses(FourEyesViolation, answer, "/approver", by=actor) == why


def test_a_deputy_of_the_proposer_does_not_agree() -> None:
    story = proposed()
    with pytest.raises(FourEyesViolation) as caught:
        APPROVE.decide(PolicyCase(story.file, OTHER, story.now, frozenset({ADMIN.id})))
    assert caught.value.fields[0].detail == "is a deputy of the requester"


def test_only_a_human_administrator_proposes_and_says_why() -> None:
    story = PolicyStory()
    story.refuses(RoleRequired, proposing(), "", by=Actor(id="u-1", roles=("editor",)))
    story.refuses(FourEyesViolation, proposing(), "", by=Actor(id="bot", kind=ActorKind.SERVICE))
    story.refuses(ReasonRequired, proposing(reason=None), "/reason")
    story.refuses(NoChange, proposing(FIRST), "/document")
    story.refuses(EffectiveDateOutOfRange, proposing(expires_at=at("2026-01-31")), "/expires_at")
    story.do(proposing())
    story.refuses(InvalidField, proposing(), "/revision_id")


def test_a_revision_is_of_the_edition_that_was_looked_at() -> None:
    story = proposed()
    second = proposing({**STRICTER, "protected": []}, revision_id=uid(81))
    story.do(second)
    story.do(APPROVE, by=OTHER)
    story.refuses(RequestStale, ApproveRevision(revision_id=uid(81)), "/revision_id", by=OTHER)
    story.refuses(RequestStale, proposing({**STRICTER, "protected": []}, revision_id=uid(82)), "/based_on")
    story.do(WithdrawRevision(revision_id=uid(81)))


def test_a_revision_expires_is_withdrawn_by_its_proposer_and_answered_once() -> None:
    story = proposed()
    story.refuses(FourEyesViolation, WITHDRAW, "/revision_id", by=OTHER)
    story.now = at("2026-02-04")
    story.refuses(RequestStale, APPROVE, "/revision_id", by=OTHER)
    story.do(WITHDRAW)
    for answer in (APPROVE, REJECT, WITHDRAW):
        story.refuses(UnknownItem, answer, "/revision_id", by=OTHER)
    assert story.file.number == 1


def test_the_policy_of_a_past_moment_is_the_one_of_then() -> None:
    story = PolicyStory()
    events = story.do(proposing())
    story.now = at("2026-02-02")
    events += story.do(APPROVE, by=OTHER)
    assert [PolicyFile.of(events, at(day)).number for day in ("2026-01-01", "2026-02-01", "2026-02-02")] == [1, 1, 2]
