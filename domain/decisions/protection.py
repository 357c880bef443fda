"""What the policy asks of one event: a second person, words and evidence, time since another event.

What must stay true: a protected change is known by what it does to the file, whichever command does it: a new fact, one
with other dates, a correction or a retraction alike. Nothing is asked of an event that a second person agrees to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from domain.code_schemes import tier_edition
from domain.decisions.base import Case
from domain.errors import (
    EvidenceRequired,
    FieldError,
    FourEyesViolation,
    HistoryNeeded,
    ReasonRequired,
    StillCoolingOff,
)
from domain.events.base import RecordedEvent
from domain.events.classification import TierBasis, TierReassigned
from domain.events.envelope import ActorKind
from domain.events.quality import FactCorrected, FactRetracted
from domain.facts import ABSENT, Timeline, holder_at, same_json
from domain.policy import Policy, Requirement
from domain.second_person import persons
from domain.slots import segments_of
from domain.values import EARLIEST

_TIER: Final = "/tier/"


class Moving(NamedTuple):
    """A slot that an event is about to move, perhaps in a protected way; `before` is complete from `since`."""

    slot: str
    since: datetime
    before: Timeline


class Moved(NamedTuple):
    """From `start` on a slot says something else: `old` and `new` are values, or ABSENT."""

    start: datetime
    old: Any
    new: Any


def watched(event: RecordedEvent, case: Case) -> Sequence[Moving]:
    """What to look at again once the event is in the file: of nearly every event nothing. Raises HistoryNeeded."""
    payload, policy = event.payload, case.policy
    takes_back = isinstance(payload, FactCorrected | FactRetracted)
    if not takes_back and payload.type not in policy.watched_events:
        prefixes = policy.watched_slots
        for fact in event.facts:
            if fact.slot.startswith(prefixes):
                break
        else:
            return ()
    return () if payload.decision or case.proposed is not None else _watched(event, case, takes_back=takes_back)


def _watched(event: RecordedEvent, case: Case, *, takes_back: bool) -> Sequence[Moving]:
    if _is_of(event) in case.policy.watched_events:
        raise _alone(case, f"{_is_of(event)} needs a second person")
    slots = [fact.slot for fact in event.facts]
    if isinstance(event.payload, FactRetracted):
        slots += event.payload.slots
    chosen = [slot for slot in slots if slot.startswith(case.policy.watched_slots)]
    if not chosen or _stands_alone(event, case):
        return ()
    since = EARLIEST if takes_back else event.envelope.effective_from or case.now
    return [Moving(slot, since, case.file.timeline(slot, since)) for slot in chosen]


def require_second_person(event: RecordedEvent, case: Case, moving: Sequence[Moving]) -> None:
    """FourEyesViolation where what the event did to these slots is protected; it is in the file already."""
    for slot, since, before in moving:
        after = case.file.timeline(slot, since)
        for moved in _moved(before, after, since):
            if slot.startswith(_TIER) and _is_protected_tier(event, case, slot, moved):
                raise _alone(case, f"this change of {slot} needs a second person")
            for entry in case.policy.protections(_is_of(event), slot):
                if entry.is_about_move(moved.old, moved.new) and (
                    not entry.protected_tier or _has_protected_tier(case, moved.start)
                ):
                    raise _alone(case, f"{entry.name} needs a second person")


def is_protected(policy: Policy, scheme: str, before: str | None, after: str | None, at: datetime) -> bool:
    """Rule I6: into or out of a protected tier, or a raise by so many steps."""
    if {before, after} & policy.protected_tiers:
        return True
    codes = tier_edition(scheme, at).codes
    if before not in codes or after not in codes:
        return False
    return codes.index(after) - codes.index(before) >= policy.protected_raise_steps


def require_stated(event: RecordedEvent, case: Case) -> None:
    """The reason and the evidence that the policy asks for, besides those that the event asks for anyway."""
    envelope = event.envelope
    for entry in case.policy.requirements[event.payload.type]:
        if not any(_asks(entry, case, fact.slot, fact.value, fact.effective_from) for fact in event.facts):
            continue
        words = (envelope.reason.text or "") if envelope.reason else ""
        if entry.reason_characters is not None and len(words) < entry.reason_characters:
            raise ReasonRequired(
                "the policy asks for a reason in words",
                FieldError("/reason/text", f"at least {entry.reason_characters} characters"),
            )
        if entry.reason and envelope.reason is None:
            raise ReasonRequired("the policy asks for a reason", FieldError("/reason", "say why"))
        if len(envelope.evidence) < entry.evidence:
            raise EvidenceRequired(
                "the policy asks for evidence", FieldError("/evidence", f"name at least {entry.evidence}")
            )


def require_cool(event: RecordedEvent, case: Case) -> None:
    """Rule I18: some events wait for a while after others. Raises HistoryNeeded, as a row does not know when."""
    for entry in case.policy.cooling_off[event.payload.type]:
        if case.file.history is None:
            raise HistoryNeeded("/")
        for known in case.file.history.events.values():
            until = known.event.envelope.recorded_at + timedelta(hours=entry.hours)
            if _is_of(known.event) == entry.after and until > case.now:
                raise StillCoolingOff(
                    f"{entry.event} waits {entry.hours} hours after {entry.after}",
                    FieldError("", f"event {known.event.envelope.event_id}; come back at {until.isoformat()}"),
                )


def _is_of(event: RecordedEvent) -> str:
    """The type of what was recorded, or of what a correction or retraction is about."""
    match event.payload:
        case FactCorrected(replaced_type=stored_name) | FactRetracted(retracted_type=stored_name):
            return stored_name
        case payload:
            return payload.type


def _stands_alone(event: RecordedEvent, case: Case) -> bool:
    """What a rule decided, or two persons already, or what a service carries over from elsewhere."""
    payload, actor = event.payload, case.actor
    if isinstance(payload, TierReassigned) and payload.basis is not TierBasis.MANUAL:
        return True
    is_rule = actor.kind is ActorKind.SERVICE and actor.on_behalf_of is None
    is_carried = is_rule and not case.policy.services_alone.isdisjoint(actor.roles)
    return is_carried and not any(fact.slot.startswith(_TIER) for fact in event.facts)


def _asks(entry: Requirement, case: Case, slot: str, value: Any, at: datetime) -> bool:
    if not entry.is_about_slot(slot):
        return False
    moves = entry.is_about_move(case.file.value(slot, at), value)
    return moves and (not entry.protected_tier or _has_protected_tier(case, at))


def _is_protected_tier(event: RecordedEvent, case: Case, slot: str, moved: Moved) -> bool:
    """Also where a person's own decisions together raise the tier by so many steps, one after the other."""
    _, scheme = segments_of(slot)
    old, new = _code(moved.old), _code(moved.new)
    if is_protected(case.policy, scheme, old, new, moved.start):
        return True
    codes = tier_edition(scheme, moved.start).codes
    if old not in codes or new not in codes or codes.index(new) < codes.index(old):
        return False
    if case.file.history is None:
        raise HistoryNeeded(slot)
    others = case.file.history.without(slot, partial(_decided_alone, persons(event.envelope.actor)))
    return is_protected(case.policy, scheme, _code(_value(others, moved.start)), new, moved.start)


def _decided_alone(who: frozenset[str], event: RecordedEvent) -> bool:
    payload, envelope = event.payload, event.envelope
    by_one = not isinstance(payload, TierReassigned) or payload.basis is TierBasis.MANUAL
    return by_one and envelope.proposed is None and not who.isdisjoint(persons(envelope.actor))


def _code(value: Any) -> str | None:
    return None if value is ABSENT else str(value["code"])


def _has_protected_tier(case: Case, since: datetime) -> bool:
    """Whether the customer has a protected tier at that time, or is known to come to have one."""
    slots = case.file.slots if case.file.history is None else case.file.history.slots
    return any(
        segment.fact.value is not ABSENT
        and segment.fact.value["code"] in case.policy.protected_tiers
        and (segment.end is None or segment.end > since)
        for slot in list(slots)
        if slot.startswith(_TIER)
        for segment in case.file.timeline(slot, since)
    )


def _moved(before: Timeline, after: Timeline, since: datetime) -> Iterator[Moved]:
    """Where two timelines of a slot say different things from `since` on."""
    bounds = {since}
    for segment in (*before, *after):
        bounds |= {instant for instant in (segment.start, segment.end) if instant is not None and instant > since}
    for start in sorted(bounds):
        old, new = _value(before, start), _value(after, start)
        if not _same(old, new):
            yield Moved(start, old, new)


def _value(timeline: Timeline, instant: datetime) -> Any:
    fact = holder_at(timeline, instant)
    return ABSENT if fact is None else fact.value


def _same(left: Any, right: Any) -> bool:
    return left is right if left is ABSENT or right is ABSENT else same_json(left, right)


def _alone(case: Case, detail: str) -> FourEyesViolation:
    return FourEyesViolation.alone(case.file.customer_id, detail, FieldError("", "make a proposal instead"))
