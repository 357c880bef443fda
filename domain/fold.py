"""The fold: every fact of one customer that counts, from its events. Pure and total (time.md, section 4).

Total: no recorded history can make it fail. A correction or retraction of something unknown takes nothing away;
a correction's own facts count all the same. Facts taken away once stay away, whatever happens to the correction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.events.base import RecordedEvent
from domain.facts import ABSENT, Fact, Timeline, holder_at, timeline
from domain.slots import parent_of


@dataclass(frozen=True, slots=True)
class FactEvent:
    """A fact-bearing event as later corrections need it: the facts it asserted and the rank they carry."""

    event: RecordedEvent
    facts: tuple[Fact, ...]
    rank: int


@dataclass(slots=True)
class History:
    """The facts of one customer as known after the events applied so far, in recording order."""

    events: dict[UUID, FactEvent] = field(default_factory=dict)
    superseded: dict[UUID, RecordedEvent] = field(default_factory=dict)
    _live: dict[str, dict[UUID, Fact]] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Iterable[RecordedEvent]) -> History:
        history = cls()
        for event in events:
            history.apply(event)
        return history

    def apply(self, event: RecordedEvent) -> set[str]:
        """Fold one event in; the slots whose facts it changed."""
        envelope = event.envelope
        aimed_at = envelope.corrects or envelope.retracts
        target = self.events.get(aimed_at) if aimed_at else None
        touched = self._take_away(target, event) if target else set()
        rank = target.rank if target and envelope.corrects else envelope.version
        if facts := event.facts if rank == envelope.version else event.facts_ranked(rank):
            self.events[envelope.event_id] = FactEvent(event, facts, rank)
            for fact in facts:
                self._live.setdefault(fact.slot, {})[envelope.event_id] = fact
                touched.add(fact.slot)
        return touched

    def _take_away(self, target: FactEvent, by: RecordedEvent) -> set[str]:
        event_id = target.event.envelope.event_id
        self.superseded.setdefault(event_id, by)
        for fact in target.facts:
            self._live[fact.slot].pop(event_id, None)
        return {fact.slot for fact in target.facts}

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


def visible(holders: dict[str, Fact]) -> dict[str, Fact]:
    """What shows among the facts that hold at one instant: no absences, no child without its parent."""
    present = {slot: fact for slot, fact in holders.items() if fact.value is not ABSENT}
    return {slot: fact for slot, fact in present.items() if (parent := parent_of(slot)) is None or parent in present}
