"""The fold: every fact of one customer that counts, from its events. Pure and total (time.md, section 4).

Total: no recorded history can make it fail. A correction or retraction of something unknown takes nothing away;
a correction's own facts count all the same. Facts taken away once stay away, whatever happens to the correction.
A subject's values are erased where events are at hand (History); elsewhere events come without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.erasure import erased_event
from domain.events.base import RecordedEvent
from domain.events.envelope import Envelope
from domain.events.privacy import PersonalDataErased
from domain.events.proposals import ChangeProposed
from domain.facts import ABSENT, Fact, Timeline, holder_at, timeline
from domain.slots import parent_of


@dataclass(frozen=True, slots=True)
class FactEvent:
    """A fact-bearing event as later corrections need it, with the facts that it asserted."""

    event: RecordedEvent
    facts: tuple[Fact, ...]


@dataclass(slots=True)
class LiveFacts:
    """The facts of one customer that count after the events applied so far, in recording order.

    Of the events themselves nothing is kept but what they asserted.
    """

    _asserted: dict[UUID, tuple[Fact, ...]] = field(default_factory=dict)
    _live: dict[str, dict[UUID, Fact]] = field(default_factory=dict)

    def apply(self, event: RecordedEvent) -> set[str]:
        """Fold one event in; the slots whose facts it changed."""
        envelope = event.envelope
        aimed_at = envelope.corrects or envelope.retracts
        taken_away = self._take_away(aimed_at) if aimed_at else ()
        touched = {fact.slot for fact in taken_away}
        rank = taken_away[0].rank if taken_away and envelope.corrects else envelope.version
        if facts := event.facts if rank == envelope.version else event.facts_ranked(rank):
            self._asserted[envelope.event_id] = facts
            for fact in facts:
                self._live.setdefault(fact.slot, {})[envelope.event_id] = fact
                touched.add(fact.slot)
        return touched

    def _take_away(self, event_id: UUID) -> tuple[Fact, ...]:
        facts = self._asserted.get(event_id, ())
        for fact in facts:
            self._live[fact.slot].pop(event_id, None)
        return facts

    @property
    def slots(self) -> list[str]:
        return [slot for slot, facts in self._live.items() if facts]

    def timeline(self, slot: str) -> Timeline:
        return timeline(self._live.get(slot, {}).values())

    def holder(self, slot: str, valid_at: datetime) -> Fact | None:
        """The fact that holds `slot` at `valid_at`; it may assert ABSENT."""
        return holder_at(self.timeline(slot), valid_at)

    def visible(self, valid_at: datetime) -> dict[str, Fact]:
        """The facts that show at `valid_at`: by slot, absences and orphans left out."""
        holders = {slot: self.holder(slot, valid_at) for slot in self.slots}
        return visible({slot: fact for slot, fact in holders.items() if fact})

    def first_effective(self) -> datetime | None:
        """The earliest instant from which any counting fact is effective."""
        return min((fact.effective_from for facts in self._live.values() for fact in facts.values()), default=None)


@dataclass(slots=True)
class History(LiveFacts):
    """The same with the events that asserted them, for who decides corrections."""

    events: dict[UUID, FactEvent] = field(default_factory=dict)
    superseded: dict[UUID, RecordedEvent] = field(default_factory=dict)
    proposed_about: set[UUID] = field(default_factory=set)
    """Whom proposals have spoken of, agreed to or not: they may be known from nothing else."""

    @classmethod
    def of(cls, events: Iterable[RecordedEvent]) -> History:
        history = cls()
        for event in events:
            history.apply(event)
        return history

    def copy(self) -> History:
        """Another one, which can be changed apart from this one."""
        live = {slot: dict(facts) for slot, facts in self._live.items()}
        return History(dict(self._asserted), live, dict(self.events), dict(self.superseded), set(self.proposed_about))

    def without(self, slot: str, is_left_out: Callable[[RecordedEvent], bool]) -> Timeline:
        """The timeline of a slot if these events had never been; what only they took back counts again."""
        return timeline(
            fact
            for event_id, known in self.events.items()
            if not is_left_out(known.event) and ((by := self.superseded.get(event_id)) is None or is_left_out(by))
            for fact in known.facts
            if fact.slot == slot
        )

    def apply(self, event: RecordedEvent) -> set[str]:
        """Fold one event in; the slots whose facts it changed."""
        envelope = event.envelope
        if isinstance(event.payload, PersonalDataErased):
            return self._erase(event.payload.subject, envelope)
        if isinstance(event.payload, ChangeProposed):
            self.proposed_about |= {event.payload.subject}
        aimed_at = envelope.corrects or envelope.retracts
        if aimed_at in self.events:
            self.superseded.setdefault(aimed_at, event)
        touched = LiveFacts.apply(self, event)  # a class with slots is made twice, which super() does not see through
        if facts := self._asserted.get(envelope.event_id):
            self.events[envelope.event_id] = FactEvent(event, facts)
        return touched

    def _erase(self, subject: UUID, by: Envelope) -> set[str]:
        """Put events in the place of those that held values of the subject, which the ledger will read from now on."""
        if subject == by.customer_id:
            touched = set(self.slots)
            for known in (self._asserted, self._live, self.events, self.superseded):
                known.clear()
            return touched
        touched = set()
        for event_id, (event, facts) in [(known, (it.event, it.facts)) for known, it in self.events.items()]:
            erased = erased_event(event, subject, by.event_id)
            if erased is not event:
                touched |= self._replace(event_id, facts, erased)
        for event_id, later in self.superseded.items():
            self.superseded[event_id] = erased_event(later, subject, by.event_id)
        return touched

    def _replace(self, event_id: UUID, before: tuple[Fact, ...], event: RecordedEvent) -> set[str]:
        facts = event.facts_ranked(before[0].rank) if before else ()
        live = {fact.slot for fact in before if self._live[fact.slot].pop(event_id, None) is not None}
        for fact in facts:
            if fact.slot in live:
                self._live[fact.slot][event_id] = fact
        self._asserted[event_id] = facts
        self.events[event_id] = FactEvent(event, facts)
        return live


def visible(holders: dict[str, Fact]) -> dict[str, Fact]:
    """What shows among the facts that hold at one instant: no absences, no child without its parent."""
    present = {slot: fact for slot, fact in holders.items() if fact.value is not ABSENT}
    return {slot: fact for slot, fact in present.items() if (parent := parent_of(slot)) is None or parent in present}
