"""Proposals: any change of facts, proposed by one person and agreed to by another (I6, I13, I18).

A proposal is decided twice: when it is made, to see that it would be accepted then, and when it is agreed to, anew,
with the circumstances that the proposer stated. What must stay true: what a second person agrees to is what the first
one had seen: once anything has moved that the changes touch, the proposal is stale.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Annotated, Any, ClassVar, Final, Self
from uuid import UUID

from pydantic import Field, ValidationError

from domain.access import Action
from domain.decisions.base import COMMANDS, Case, Change, Command, Draft, NewId
from domain.decisions.quality import CorrectFact, RetractFact
from domain.decisions.record import Order, decided
from domain.erasure import subjects_in
from domain.errors import (
    EffectiveDateOutOfRange,
    FieldError,
    FourEyesViolation,
    InvalidField,
    Refusal,
    RequestStale,
    UnknownItem,
)
from domain.events.base import RecordedEvent
from domain.events.envelope import Proposed
from domain.events.proposals import (
    MOST_PROPOSED,
    ChangeProposed,
    ProposalApproved,
    ProposalRejected,
    ProposalWithdrawn,
    ProposedChange,
    SeenValue,
)
from domain.events.quality import FactRetracted
from domain.facts import ABSENT
from domain.file import CustomerFile
from domain.proposals import OpenProposal
from domain.second_person import Asker, objections
from domain.slots import parent_of, pointer, segments_of
from domain.values import Instant, Text

PROPOSABLE: Final[Mapping[str, type[Command]]] = ChainMap(
    {CorrectFact.records.type: CorrectFact, RetractFact.records.type: RetractFact}, COMMANDS
)
"""What may be proposed, by the stored name of the event: what a list of changes may hold, and what takes it back."""


def proposed_change(change: Change) -> ProposedChange:
    """A change as a proposal keeps it; its command has been given its ids."""
    command = change.command
    fields = command.model_dump(mode="json", exclude_unset=True)
    return ProposedChange(type=command.records.type, fields=fields, circumstances=change.circumstances)


def command_of(change: ProposedChange) -> Command:
    """The command that was proposed. Raises RequestStale for what is no command any more."""
    try:
        return PROPOSABLE[change.type].model_validate(change.fields)
    except (KeyError, ValidationError) as error:
        raise RequestStale(
            "what was proposed cannot be carried out any more",
            FieldError("/proposal_id", f"{change.type}; propose anew"),
        ) from error


def identifiers_in(changes: Iterable[ProposedChange]) -> frozenset[tuple[str, str]]:
    """The identifiers whose holders the decision about these changes needs to know."""
    return frozenset().union(*(command_of(change).identifiers() for change in changes))


class ProposeChanges(Command):
    """One or more changes, all or nothing, for a second person to agree to."""

    records: ClassVar[type[ChangeProposed]] = ChangeProposed
    action: ClassVar[Action] = Action.PROPOSE
    on_archived_file: ClassVar[bool] = True  # what is proposed says itself whether it is for archived files

    proposal_id: UUID | None = None
    changes: Annotated[tuple[ProposedChange, ...], Field(min_length=1, max_length=MOST_PROPOSED)]
    expires_at: Instant | None = None

    def with_ids(self, new_id: NewId) -> Self:
        return self.model_copy(update={"proposal_id": self.proposal_id or new_id()})

    def decide(self, case: Case) -> Iterator[Draft]:
        if self.proposal_id in case.file.proposals:
            raise InvalidField(
                "another open proposal has this id", FieldError("/proposal_id", "choose another, or none")
            )
        if self.expires_at is not None and self.expires_at <= case.now:
            raise EffectiveDateOutOfRange("already over", FieldError("/expires_at", "must lie in the future"))
        proposal_id = self.proposal_id or case.file.customer_id
        events = list(_foreseen(case, proposal_id, self.changes))
        seen = _seen(case, events)
        slots = tuple(dict.fromkeys(each.slot for each in seen))
        yield Draft(
            ChangeProposed(
                proposal_id=proposal_id,
                subject=_subject(case, events, slots),
                commands=tuple(change.type for change in self.changes),
                slots=slots,
                changes=self.changes,
                seen=seen,
                expires_at=self.expires_at or case.now + case.policy.request_valid,
            )
        )

    def identifiers(self) -> frozenset[tuple[str, str]]:
        return identifiers_in(self.changes)


class _Answer(Command):
    on_archived_file: ClassVar[bool] = True

    proposal_id: UUID
    comment: Text | None = None

    def _open_proposal(self, case: Case) -> OpenProposal:
        proposal = case.file.proposals.get(self.proposal_id)
        if proposal is None:
            raise UnknownItem("no such open proposal on this file", FieldError("/proposal_id", "unknown or answered"))
        return proposal

    def _require_second_person(self, case: Case, proposal: OpenProposal) -> None:
        owner = case.file.value(pointer("owner", "ACCOUNT_MANAGER"), case.now)
        asker = Asker(proposal.requester, proposal.requester_for)
        found = objections(case.actor, asker, case.policy.approver_roles, owner, deputy_of=case.deputy_of)
        if found:
            broken = [FieldError("/approver", why) for why in found]
            raise FourEyesViolation(f"{case.actor.id} may not decide proposal {proposal.proposal_id}", *broken)


class ApproveProposal(_Answer):
    """By another human who may approve: not the proposer, not whom either acts for, not the account owner.

    What was proposed is decided anew and recorded at once, with the proposer's reasons and evidence.
    """

    records: ClassVar[type[ProposalApproved]] = ProposalApproved
    action: ClassVar[Action] = Action.DECIDE_PROPOSAL
    touches_contacts: ClassVar[bool] = True

    def decide(self, case: Case) -> Iterator[Draft]:
        proposal = self._open_proposal(case)
        self._require_second_person(case, proposal)
        if case.now >= proposal.expires_at:
            raise RequestStale(
                "the proposal has expired", FieldError("/proposal_id", f"on {proposal.expires_at.isoformat()}")
            )
        for seen in proposal.content.seen:
            held = case.file.holder(seen.slot, seen.valid_at or case.now)
            if (None if held is None else held.version) != seen.version:
                raise RequestStale(
                    "the file has moved on",
                    FieldError("/proposal_id", f"{_without_value(seen.slot)} has changed since"),
                )
        self._require_acceptable(case, proposal)
        yield Draft(ProposalApproved(proposal_id=self.proposal_id, comment=self.comment))

    def changes_agreed(self, case: Case) -> Sequence[Change]:
        proposal = case.file.proposals.get(self.proposal_id)
        return () if proposal is None else tuple(_changes(proposal.content.changes, proposal.link))

    def _require_acceptable(self, case: Case, proposal: OpenProposal) -> None:
        """Whatever would be refused now was accepted when it was proposed: something else has moved on."""
        try:
            for _ in _foreseen(case, proposal.proposal_id, proposal.content.changes):
                pass
        except RequestStale:
            raise
        except Refusal as refusal:
            again = FieldError("/proposal_id", "make another proposal")
            raise RequestStale(f"what was proposed is refused by now: {refusal.detail}", again) from refusal


class RejectProposal(_Answer):
    """By whoever could approve it."""

    records: ClassVar[type[ProposalRejected]] = ProposalRejected
    action: ClassVar[Action] = Action.DECIDE_PROPOSAL

    def decide(self, case: Case) -> Iterator[Draft]:
        self._require_second_person(case, self._open_proposal(case))
        yield Draft(ProposalRejected(proposal_id=self.proposal_id, comment=self.comment))


class WithdrawProposal(_Answer):
    """By whoever made it."""

    records: ClassVar[type[ProposalWithdrawn]] = ProposalWithdrawn
    action: ClassVar[Action] = Action.PROPOSE

    def decide(self, case: Case) -> Iterator[Draft]:
        proposal = self._open_proposal(case)
        if proposal.requester != case.actor.id:
            raise FourEyesViolation(
                "only the proposer can withdraw a proposal",
                FieldError("/proposal_id", f"made by {proposal.requester}"),
            )
        yield Draft(ProposalWithdrawn(proposal_id=self.proposal_id, comment=self.comment))


def _subject(case: Case, events: Iterable[RecordedEvent], slots: Iterable[str]) -> UUID:
    """Whom all of it speaks of. If there were two, it would have to be torn apart when one of them is erased."""
    people = {UUID(segments_of(slot)[1]) for slot in slots if slot.startswith("/contacts/") and parent_of(slot)}
    people = people.union(*(subjects_in(event.payload) for event in events)) - {case.file.customer_id}
    if len(people) > 1:
        raise InvalidField(
            "a proposal speaks of one person at most; make one for each",
            FieldError("/changes", f"{len(people)} contact persons: {', '.join(sorted(map(str, people)))}"),
        )
    return next(iter(people), case.file.customer_id)


def _changes(proposed: Iterable[ProposedChange], link: Proposed) -> Iterator[Change]:
    for number, change in enumerate(proposed):
        yield Change(command_of(change), change.circumstances, f"/changes/{number}", link)


def _foreseen(case: Case, proposal_id: UUID, proposed: Iterable[ProposedChange]) -> Iterator[RecordedEvent]:
    """The events as they would be recorded now; their ids mean nothing. Raises Refusal or HistoryNeeded."""
    file = case.file.trial()
    trial = replace(case, file=file)
    order = Order(file.customer_id, (), case.actor)
    ids = map(_placeholder, count(1))
    link = Proposed(proposal_id=proposal_id, event_id=proposal_id, proposer=case.actor.id)
    for change in _changes(proposed, link):
        if change.circumstances.initial_load:
            raise InvalidField(
                "an initial load is not proposed", FieldError(f"{change.pointer}/initial_load", "leave it out")
            )
        yield from decided(order, change, trial.of(change), lambda: next(ids))


def _without_value(slot: str) -> str:
    """A slot's name without the value that it may hold, which is not everybody's to see."""
    return pointer(*segments_of(slot)[:2]) if slot.startswith("/identifiers/") else slot


def _placeholder(number: int) -> UUID:
    return UUID(int=number)


def _seen(case: Case, events: Iterable[RecordedEvent]) -> tuple[SeenValue, ...]:
    """What the file says where the events would move it."""
    seen: dict[tuple[str, datetime | None], SeenValue] = {}
    for event in events:
        start = event.envelope.effective_from
        valid_at = None if start == case.now else start
        slots: list[str] = [fact.slot for fact in event.facts]
        if isinstance(event.payload, FactRetracted):
            slots += event.payload.slots
        for slot in slots:
            if (slot, valid_at) not in seen:
                seen[slot, valid_at] = _seen_value(case.file, slot, valid_at, case.now)
    return tuple(seen.values())


def _seen_value(file: CustomerFile, slot: str, valid_at: datetime | None, now: datetime) -> SeenValue:
    held = file.holder(slot, valid_at or now)
    if held is None:
        return SeenValue(slot=slot, valid_at=valid_at, absent=True)
    absent: dict[str, Any] = {"absent": True} if held.value is ABSENT else {"value": held.value}
    return SeenValue(slot=slot, valid_at=valid_at, version=held.version, **absent)
