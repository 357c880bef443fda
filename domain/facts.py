"""Facts in slots over valid time: what a slot holds at which instant, given the facts that count.

The rule (time.md, section 4): among the facts whose effective interval [from, to) covers an instant, the one
with the greatest (effective_from, rank) holds the slot. A timeline is that rule evaluated for every instant:
ordered, non-overlapping segments, each held by one fact. Nothing here knows events, customers or storage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from heapq import heappop, heappush
from typing import Any, Final, Literal


class _Absent(Enum):
    """The value of a slot that was taken away. JSON null is a value; this is not."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent.ABSENT
Absent = Literal[_Absent.ABSENT]


@dataclass(frozen=True, slots=True)
class Fact:
    """One assertion about one slot.

    `effective_from` and `effective_to` (exclusive, None = open) are aware datetimes. `rank` is the order of
    recording that decides ties: the version of the asserting event, or, for a correction, the rank of what it
    corrects. `version` is the version of the asserting event itself.
    """

    slot: str
    value: Any
    effective_from: datetime
    effective_to: datetime | None
    rank: int
    version: int

    @property
    def precedence(self) -> tuple[datetime, int, int]:
        """What wins: the later effective, then the later recorded; the version keeps the order total."""
        return (self.effective_from, self.rank, self.version)


@dataclass(frozen=True, slots=True)
class Segment:
    """`fact` holds its slot for every instant in [start, end); end None = for ever."""

    start: datetime
    end: datetime | None
    fact: Fact

    def covers(self, instant: datetime) -> bool:
        return self.start <= instant and (self.end is None or instant < self.end)


Timeline = tuple[Segment, ...]


def timeline(facts: Iterable[Fact]) -> Timeline:
    """The segments of one slot, in order, for any facts in any order. O(n log n)."""
    ordered = sorted(facts, key=lambda fact: fact.precedence)
    boundaries = sorted(
        {fact.effective_from for fact in ordered}
        | {fact.effective_to for fact in ordered if fact.effective_to is not None}
    )
    ends: list[datetime | None] = [*boundaries[1:], None] if boundaries else []
    covering: list[tuple[int, Fact]] = []  # a heap whose top has the greatest precedence
    segments: list[Segment] = []
    upcoming = 0
    for start, end in zip(boundaries, ends, strict=True):
        while upcoming < len(ordered) and ordered[upcoming].effective_from == start:
            heappush(covering, (-upcoming, ordered[upcoming]))
            upcoming += 1
        while covering and _ended(covering[0][1], start):
            heappop(covering)
        if covering:
            _append(segments, Segment(start, end, covering[0][1]))
    return tuple(segments)


def with_fact(segments: Sequence[Segment], fact: Fact) -> Timeline:
    """The timeline after `fact` joins: at each instant the greater of what held and the new fact.

    Right for any fact added; facts that no longer hold any instant need not be known for it.
    """
    merged: list[Segment] = []
    gap_start = fact.effective_from
    for segment in segments:
        if gap_start < segment.start and not _ended(fact, gap_start):
            _append_span(merged, gap_start, _earlier(segment.start, fact.effective_to), fact)
        _merge(merged, segment, fact)
        if segment.end is None:
            return tuple(merged)
        gap_start = max(gap_start, segment.end)
    if not _ended(fact, gap_start):
        _append_span(merged, gap_start, fact.effective_to, fact)
    return tuple(merged)


def holder_at(segments: Sequence[Segment], instant: datetime) -> Fact | None:
    """The fact that holds the slot at `instant`, if any (it may assert ABSENT)."""
    for segment in reversed(segments):
        if segment.start <= instant:
            return segment.fact if segment.covers(instant) else None
    return None


def from_instant(segments: Sequence[Segment], instant: datetime) -> Timeline:
    """The segments still needed at `instant`: those that end later, and the last one if none covers it.

    The first kept segment's start is how far back the result can be trusted.
    """
    first = len(segments)
    for index, segment in enumerate(segments):
        if segment.end is None or instant < segment.end:
            first = index
            break
    if first == len(segments) or segments[first].start > instant:
        first = max(0, first - 1)
    return tuple(segments[first:])


def same_json(left: Any, right: Any) -> bool:
    """Equality by JSON type: 1, true and "1" are three values; 1 and 1.0 are one number."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same_json(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same_json, left, right))
    return bool(left == right)


def _ended(fact: Fact, instant: datetime) -> bool:
    return fact.effective_to is not None and fact.effective_to <= instant


def _earlier(left: datetime, right: datetime | None) -> datetime:
    return left if right is None else min(left, right)


def _merge(merged: list[Segment], segment: Segment, fact: Fact) -> None:
    """Append `segment`, its part that `fact` covers and outranks handed to `fact`."""
    start = max(segment.start, fact.effective_from)
    end = segment.end if fact.effective_to is None else _earlier_end(segment.end, fact.effective_to)
    if fact.precedence < segment.fact.precedence or (end is not None and end <= start):
        _append(merged, segment)
        return
    if segment.end is not None and segment.end <= start:
        _append(merged, segment)
        return
    _append_span(merged, segment.start, start, segment.fact)
    _append_span(merged, start, end, fact)
    if end is not None:
        _append_span(merged, end, segment.end, segment.fact)


def _earlier_end(left: datetime | None, right: datetime) -> datetime:
    return right if left is None else min(left, right)


def _append_span(segments: list[Segment], start: datetime, end: datetime | None, fact: Fact) -> None:
    if end is None or start < end:
        _append(segments, Segment(start, end, fact))


def _append(segments: list[Segment], segment: Segment) -> None:
    """Add a segment; one that continues the same fact is joined to its neighbour."""
    if segments and segments[-1].fact is segment.fact and segments[-1].end == segment.start:
        segments[-1] = Segment(segments[-1].start, segment.end, segment.fact)
    else:
        segments.append(segment)
