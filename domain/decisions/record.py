"""From an order (one or more commands on one file) to events, or to the first refusal. All or nothing.

Here stand the rules that hold for every event: I2, I10, I12 to I15, required reasons and evidence, and who may
mark an initial load. The draft file that it returns is the file after the events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from uuid import UUID

from domain.access import Role, has_role
from domain.decisions.base import CHECKS, Case, Change, Command, Draft, NewId
from domain.decisions.protection import require_cool, require_second_person, require_stated, watched
from domain.erasure import subjects_in
from domain.errors import (
    CustomerArchived,
    EffectiveDateOutOfRange,
    EffectivePeriodInvalid,
    EvidenceRequired,
    FieldError,
    FourEyesViolation,
    NoChange,
    NotCorrectable,
    ObservedAtRequired,
    PrimaryContactRequired,
    ReasonRequired,
    Refusal,
    RoleRequired,
)
from domain.events.base import RecordedEvent
from domain.events.envelope import Actor, Envelope
from domain.events.lifecycle import CustomerRegistered
from domain.facts import ABSENT, Timeline, same_json
from domain.file import CustomerFile
from domain.policy import Policy

IMPORTER = Role.IMPORTER
BACKDATED = "BACKDATED"


@dataclass(frozen=True, slots=True)
class Order:
    """What one request asks to record on one file."""

    customer_id: UUID
    changes: tuple[Change, ...]
    actor: Actor
    request_id: str | None = None
    idempotency_key: str | None = None
    trace_id: str | None = None
    """Of the trace that the request belongs to; what the person states as `correlation_id` goes before it."""
    deputy_of: frozenset[str] = frozenset()
    """In whose place the actor may act by a delegation in force, whether they say that they do or not."""


def record(
    order: Order,
    file: CustomerFile,
    now: datetime,
    new_id: NewId,
    holders: Mapping[tuple[str, str], UUID],
    *,
    policy: Policy,
) -> tuple[CustomerFile, list[RecordedEvent]]:
    """Decide every change in order, each seeing the ones before it.

    `file` must be folded forward to `now`; it is changed (give a copy). Raises Refusal with pointers into the
    request body, or HistoryNeeded when `file` has no history and one is needed.
    """
    events: list[RecordedEvent] = []
    for item in order.changes:
        case = Case(file, order.actor, now, item.circumstances, policy, holders, item.proposed, order.deputy_of)
        events += decided(order, item, case, new_id)
    return file, events


def decided(order: Order, item: Change, case: Case, new_id: NewId) -> list[RecordedEvent]:
    """The events of one change, and of those that are decided with it. Raises what `record` raises."""
    events: list[RecordedEvent] = []
    agreed = item.command.changes_agreed(case)
    try:
        _admit(item, case)
        for draft in item.command.decide(case):
            event = _event(order, case, draft, new_id())
            _demand(event, draft, case)
            _apply(event, case)
            events.append(event)
        _one_primary_contact(case, item.command)
        for change in agreed:
            events += decided(order, change, case.of(change), new_id)
    except Refusal as refusal:
        refusal.move_below(item.pointer)
        raise
    return events


def masked_from(event: RecordedEvent, file: CustomerFile) -> datetime | None:
    """The first instant within the event's effective period at which another fact hides what it says."""
    hidden = [
        max(segment.start, fact.effective_from)
        for fact in event.facts
        for segment in file.timeline(fact.slot, fact.effective_from)
        if segment.fact.version != fact.version
        and (segment.end is None or segment.end > fact.effective_from)
        and (fact.effective_to is None or segment.start < fact.effective_to)
    ]
    return min(hidden, default=None)


def _admit(item: Change, case: Case) -> None:
    case.require_living(case.file.customer_id, "")
    if case.file.archived and not item.command.on_archived_file:
        raise CustomerArchived("the file is archived; reinstate it first")
    if item.circumstances.initial_load and not has_role(case.actor.roles, IMPORTER):
        raise RoleRequired(
            "only an importer may mark an initial load",
            FieldError("/initial_load", f"{case.actor.id} does not have the role {IMPORTER}"),
            role=IMPORTER,
        )


def _event(order: Order, case: Case, draft: Draft, event_id: UUID) -> RecordedEvent:
    stated, payload = case.circumstances, draft.payload
    decision = payload.decision or draft.retracts is not None
    effective_from = None if decision else draft.effective_from or case.effective_from
    if (check := CHECKS.get(type(payload))) is not None:
        payload = check(payload, case.at(effective_from) if effective_from else case)
    for subject in subjects_in(payload):
        case.require_living(subject, "")
    envelope = Envelope(
        event_id=event_id,
        customer_id=order.customer_id,
        version=case.file.version + 1,
        recorded_at=case.now,
        effective_from=effective_from,
        effective_to=None if decision else draft.effective_to or stated.effective_to,
        observed_at=stated.observed_at,
        actor=order.actor,
        source=stated.source,
        reason=stated.reason or draft.reason,
        evidence=stated.evidence or draft.evidence,
        certainty=stated.certainty,
        probability=stated.probability,
        correlation_id=stated.correlation_id or order.trace_id,
        causation_id=stated.causation_id,
        request_id=order.request_id,
        idempotency_key=order.idempotency_key,
        policy_version=case.policy.version,
        initial_load=stated.initial_load,
        corrects=draft.corrects,
        retracts=draft.retracts,
        proposed=draft.proposed or case.proposed,
    )
    return RecordedEvent(envelope, payload)


def _demand(event: RecordedEvent, draft: Draft, case: Case) -> None:
    """The required parts of an envelope; an initial load is exempt from I13 and from required fields."""
    envelope, payload = event.envelope, event.payload
    _period(event, case)
    if envelope.observed_at is not None and envelope.observed_at > case.now:
        raise ObservedAtRequired("nobody learns a thing later than now", FieldError("/observed_at", "is in the future"))
    if envelope.initial_load:
        return
    if envelope.effective_from is not None and not draft.backdating_settled:
        _backdating(event, case)
    if payload.type in case.policy.requirements:
        require_stated(event, case)
    if payload.type in case.policy.cooling_off:
        require_cool(event, case)
    if payload.needs_reason and envelope.reason is None:
        raise ReasonRequired("this change needs a reason", FieldError("/reason", "give a code, a text, or both"))
    if payload.needs_evidence and not draft.initial_value and not envelope.evidence:
        raise EvidenceRequired("this change needs evidence", FieldError("/evidence", "name at least one piece"))
    if payload.major and not draft.initial_value and envelope.observed_at is None:
        raise ObservedAtRequired(
            "a major change must say when it was learned",
            FieldError("/observed_at", "needed to check the 24-hour rule"),
        )


def _period(event: RecordedEvent, case: Case) -> None:
    envelope, stated = event.envelope, case.circumstances
    if envelope.effective_from is None:
        opens_the_file = isinstance(event.payload, CustomerRegistered)  # its first facts use the stated dates
        if (stated.effective_from or stated.effective_to) and not opens_the_file:
            raise EffectiveDateOutOfRange(
                "a decision happens when it happens", FieldError("/effective_from", "not for decisions")
            )
        return
    if envelope.effective_from > case.now + case.policy.future:
        raise EffectiveDateOutOfRange(
            "too far in the future",
            FieldError("/effective_from", f"at most {case.policy.future.days} days from now"),
        )
    if (
        envelope.effective_to is not None
        and envelope.effective_to < envelope.effective_from + case.policy.shortest_period
    ):
        raise EffectivePeriodInvalid(
            "effective_to must follow effective_from by a day or more", FieldError("/effective_to", "too early")
        )


def _backdating(event: RecordedEvent, case: Case) -> None:
    envelope = event.envelope
    age = case.now - (envelope.effective_from or case.now)
    backdated, most = case.policy.backdated, case.policy.second_person
    if age <= backdated:
        return
    if age > most and case.proposed is None:
        raise FourEyesViolation.alone(
            case.file.customer_id,
            f"back-dating by more than {most.days} days needs a second person",
            FieldError("/effective_from", f"at most {most.days} days ago, or make a proposal instead"),
            rule="I13",
        )
    if envelope.reason is None or envelope.reason.code != BACKDATED:
        raise EffectiveDateOutOfRange(
            f"back-dating by more than {backdated.days} days needs the reason code {BACKDATED}",
            FieldError("/reason/code", f"must be {BACKDATED}"),
        )
    if not envelope.evidence:
        raise EffectiveDateOutOfRange("back-dating needs evidence", FieldError("/evidence", "name at least one piece"))


def _apply(event: RecordedEvent, case: Case) -> None:
    """Take the event into the file; a fact that leaves every value as it was is refused (I15)."""
    facts = () if event.envelope.corrects else event.facts
    before = [case.file.timeline(fact.slot, fact.effective_from) for fact in facts]
    claims = case.file.claims() if _undoes(event) else set()
    moving = watched(event, case)
    case.file.apply(event)
    if moving:
        require_second_person(event, case, moving)
    if _undoes(event) and case.file.claims() - claims:
        raise NotCorrectable(
            "an identifier once given up may be another file's by now", FieldError("", "record the identifier anew")
        )
    _refuse_lapsing_claims(event, case)
    after = [case.file.timeline(fact.slot, fact.effective_from) for fact in facts]
    starts = [fact.effective_from for fact in facts]
    if facts and all(map(_same_values, before, after, starts)):
        raise NoChange("this says what the file already says", FieldError("", "no value would change"))


def _refuse_lapsing_claims(event: RecordedEvent, case: Case) -> None:
    """Rule I4: a revocation may not lie in the future, be it an earlier one that would hold again."""
    if not (_undoes(event) or any(fact.slot.startswith("/identifiers/") for fact in event.facts)):
        return
    if case.file.lapsing_claims():
        raise EffectiveDateOutOfRange(
            "an identifier may not be given up in the future",
            FieldError(
                "" if event.envelope.retracts else "/effective_to",
                "an earlier revocation would hold again; end it when the time has come",
            ),
        )


def _undoes(event: RecordedEvent) -> bool:
    return event.envelope.corrects is not None or event.envelope.retracts is not None


def _same_values(before: Timeline, after: Timeline, since: datetime) -> bool:
    """Compared step by step: where something changes, the first step mostly tells."""
    pairs = zip_longest(_values(before, since), _values(after, since))
    return all(
        left is not None and right is not None and left[0] == right[0] and _same(left[1], right[1])
        for left, right in pairs
    )


def _same(left: object, right: object) -> bool:
    return left is right if left is ABSENT or right is ABSENT else same_json(left, right)


def _values(timeline: Timeline, since: datetime) -> Iterator[tuple[datetime, object]]:
    """What shows from when on, from `since`: neighbours with one value joined, gaps and absences alike.

    Earlier instants are left out: a fact does not reach them, and a profile row may have let go of them.
    """
    last: tuple[datetime, object] | None = None
    for step in _steps(timeline, since):
        if last is None or not _same(last[1], step[1]):
            yield step
            last = step


def _steps(timeline: Timeline, since: datetime) -> Iterator[tuple[datetime, object]]:
    end: datetime | None = since
    for segment in timeline:
        if segment.end is not None and segment.end <= since:
            continue
        if end is not None and end < segment.start:
            yield end, ABSENT
        yield max(segment.start, since), segment.fact.value
        end = segment.end
    if end is not None:
        yield end, ABSENT


def _one_primary_contact(case: Case, command: Command) -> None:
    """Rule I10, looked at now and at the effective time: some contact, then one primary among them."""
    if not command.touches_contacts:
        return
    for instant in {case.now, case.effective_from}:
        present = {slot.split("/")[2] for slot in case.file.below("/contacts/", instant)}
        primary = case.file.value("/primary_contact", instant)
        if present and primary not in present:
            raise PrimaryContactRequired(
                "a file with contacts has exactly one primary contact",
                FieldError("", f"at {instant.isoformat()} none of the contacts would be primary"),
            )
