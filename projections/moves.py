"""How a batch of events moves the slots it touches: computed once, for every read model that wants to know.

Starts from the rectangles of read.facts that are open just before the batch and takes the events one by one. An
ordinary fact only ever adds to a timeline (`with_fact`), from its effective_from on. A correction or retraction
takes facts away, and what comes to light beneath them is not in the rectangles: that customer's timelines are
then taken from the fold of the whole stream.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.events import RecordedEvent
from domain.facts import Fact, Segment, holder_at, with_fact
from domain.fold import History
from domain.values import LATEST

SlotKey = tuple[UUID, str]
"""Customer and slot."""

_SegmentKey = tuple[datetime, datetime | None, int]
"""Start, end and the holding event's version: what makes two segments of one slot the same."""


class Positioned(NamedTuple):
    """An event, its place in the log, and the facts it asserts at the rank of its own version."""

    position: int
    event: RecordedEvent
    facts: tuple[Fact, ...]

    @classmethod
    def of(cls, position: int, event: RecordedEvent) -> Positioned:
        return cls(position, event, event.facts)


class Open(NamedTuple):
    """A rectangle that was open before the batch; `row` is where it stands in the table."""

    customer_id: UUID
    segment: Segment
    row: str


class Rectangle(NamedTuple):
    """`segment` is how it is known from position `opened` on, until `closed` (exclusive; None = still)."""

    customer_id: UUID
    segment: Segment
    opened: int
    closed: int | None


class Closing(NamedTuple):
    """The rectangle in `row`, open before the batch, is known no more from `position` on."""

    row: str
    position: int


class Move(NamedTuple):
    """What one event did to one slot: who held it before and who after, at `instant`, as known then.

    The instant is the event's effective_from; for a correction that changes nothing there, the first one at
    which it changes something.
    """

    position: int
    event: RecordedEvent
    slot: str
    instant: datetime
    before: Fact | None
    after: Fact | None


@dataclass(slots=True)
class Moves:
    """Feed it the batch's events in order (`take`), then read `rectangles`, `closings` and `moves`.

    `opened` covers, for every slot the batch touches, at least the valid time from the earliest effective_from
    on. `histories` holds, for each customer of whom the batch corrects or retracts something, the fold of the
    stream up to just before the customer's first event in the batch; of the slots touched then, `opened` has all.
    """

    opened: Iterable[Open] = ()
    histories: Mapping[UUID, History] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    closings: list[Closing] = field(default_factory=list)
    _closed: list[Rectangle] = field(default_factory=list)
    _lines: dict[SlotKey, list[Segment]] = field(default_factory=dict)
    _stored: dict[SlotKey, dict[_SegmentKey, str]] = field(default_factory=dict)
    _fresh: dict[SlotKey, dict[_SegmentKey, Rectangle]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for customer_id, segment, row in sorted(self.opened, key=lambda stored: stored.segment.start):
            key = (customer_id, segment.fact.slot)
            self._lines.setdefault(key, []).append(segment)
            self._stored.setdefault(key, {})[_segment_key(segment)] = row

    @property
    def rectangles(self) -> list[Rectangle]:
        """Every rectangle to be written: closed again within the batch, or open at its end."""
        return [*self._closed, *(rectangle for fresh in self._fresh.values() for rectangle in fresh.values())]

    def take(self, entry: Positioned) -> None:
        """Move the slots as the event does."""
        envelope = entry.event.envelope
        history = self.histories.get(envelope.customer_id)
        if history is None:
            self._add_facts(entry)
        elif envelope.corrects or envelope.retracts:
            self._take_over(entry, history)
        else:
            history.apply(entry.event)  # for the corrections to come; what it adds itself needs no other timeline
            self._add_facts(entry)

    def _add_facts(self, entry: Positioned) -> None:
        for fact in entry.facts:
            line = self._lines.setdefault((entry.event.envelope.customer_id, fact.slot), [])
            first = _first_ending_after(line, fact.effective_from)
            before = line[first:]
            line[first:] = after = with_fact(before, fact)
            self._record(entry, fact.slot, before, after)

    def _take_over(self, entry: Positioned, history: History) -> None:
        for slot in sorted(history.apply(entry.event)):
            line = self._lines.setdefault((entry.event.envelope.customer_id, slot), [])
            before = line[:]
            line[:] = after = history.timeline(slot)
            self._record(entry, slot, before, after)

    def _record(self, entry: Positioned, slot: str, before: Sequence[Segment], after: Sequence[Segment]) -> None:
        position, event = entry.position, entry.event
        key = (event.envelope.customer_id, slot)
        self._redraw(position, key, before, after)
        instant = _moved_at(event, before, after)
        self.moves.append(Move(position, event, slot, instant, holder_at(before, instant), holder_at(after, instant)))

    def _redraw(self, position: int, key: SlotKey, before: Sequence[Segment], after: Sequence[Segment]) -> None:
        """Close the rectangles of segments that are no more, open those of new ones."""
        fresh = self._fresh.setdefault(key, {})
        gone = {_segment_key(segment) for segment in before}
        for segment in after:
            segment_key = _segment_key(segment)
            if segment_key in gone:
                gone.remove(segment_key)
            else:
                fresh[segment_key] = Rectangle(key[0], segment, position, None)
        for segment_key in gone:
            if rectangle := fresh.pop(segment_key, None):
                self._closed.append(rectangle._replace(closed=position))
            else:
                self.closings.append(Closing(self._stored[key].pop(segment_key), position))


def _segment_key(segment: Segment) -> _SegmentKey:
    return (segment.start, segment.end, segment.fact.version)


def _first_ending_after(line: Sequence[Segment], instant: datetime) -> int:
    return bisect_right(line, instant, key=lambda segment: segment.end or LATEST)


def _moved_at(event: RecordedEvent, before: Sequence[Segment], after: Sequence[Segment]) -> datetime:
    """The instant that Move promises."""
    effective_from = event.envelope.effective_from
    if not (event.envelope.corrects or event.envelope.retracts) and effective_from is not None:
        return effective_from
    segments = (*before, *after)
    boundaries = sorted({segment.start for segment in segments} | {segment.end for segment in segments if segment.end})
    candidates = boundaries if effective_from is None else [effective_from, *boundaries]
    for instant in candidates:
        held, holds = holder_at(before, instant), holder_at(after, instant)
        if (held and held.version) != (holds and holds.version):
            return instant
    return candidates[0] if candidates else event.envelope.recorded_at
