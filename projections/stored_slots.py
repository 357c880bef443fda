"""The timelines of a file as a row of read.profile keeps them: JSON arrays, taken apart when somebody asks for them.

A write looks at a few of a file's slots and changes one. To take all of them apart, and to put them together again,
cost more than to decide it. What must stay true: whoever asks gets the timeline that was stored; and what nobody
replaced is stored again as it was, value for value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from datetime import datetime
from typing import Any, Final

from domain.facts import ABSENT, Fact, Segment, Timeline

Arrays = list[list[Any]]
"""The segments of a slot. Each says start, end, version, effective_from, effective_to, rank and, unless it is absent,
the value. Nearly all hold for as long as their fact is effective, which is for good, and rank by their version: these
say version and effective_from alone, and the value."""

_ABSENT: Final = (2, 6)
"""The lengths of those without a value, so that null stays one."""
_LONGEST_SHORT: Final = 3


class StoredSlots(MutableMapping[str, Timeline]):
    """Timelines by slot: those that were stored, and those that have been taken apart or have come since.

    Neither ever changes, so copies share them.
    """

    def __init__(self, arrays: dict[str, Arrays], lines: dict[str, Timeline]) -> None:
        """A slot is in one of them at least; where in both, they say the same."""
        self._arrays = arrays
        self._lines = lines

    @classmethod
    def of(cls, slots: Mapping[str, Timeline]) -> StoredSlots:
        """The slots of any file; those that come from a row are these already."""
        return slots if isinstance(slots, StoredSlots) else cls({}, dict(slots))

    def __copy__(self) -> StoredSlots:
        return StoredSlots(self._arrays.copy(), self._lines.copy())

    def __getitem__(self, slot: str) -> Timeline:
        line = self._lines.get(slot)
        if line is None:
            line = self._lines[slot] = _timeline(slot, self._arrays[slot])
        return line

    def get(self, slot: str, default: Any = None) -> Any:
        """The base class would find out by an exception."""
        line = self._lines.get(slot)
        if line is None and slot in self._arrays:
            line = self[slot]
        return default if line is None else line

    def __contains__(self, slot: object) -> bool:
        return slot in self._lines or slot in self._arrays

    def __setitem__(self, slot: str, line: Timeline) -> None:
        self._arrays.pop(slot, None)
        self._lines[slot] = line

    def __delitem__(self, slot: str) -> None:
        if slot not in self:
            raise KeyError(slot)
        self._arrays.pop(slot, None)
        self._lines.pop(slot, None)

    def __iter__(self) -> Iterator[str]:
        yield from self._arrays
        yield from [slot for slot in self._lines if slot not in self._arrays]

    def __len__(self) -> int:
        return len(self._arrays.keys() | self._lines.keys())

    def arrays(self) -> dict[str, Arrays]:
        """How all of them are stored."""
        for slot, line in self._lines.items():
            if slot not in self._arrays:
                self._arrays[slot] = list(map(_array, line))
        return self._arrays


def _array(segment: Segment) -> list[Any]:
    fact = segment.fact
    if segment.end is fact.effective_to is None and fact.rank == fact.version and segment.start == fact.effective_from:
        array = [fact.version, fact.effective_from]
    else:
        array = [segment.start, segment.end, fact.version, fact.effective_from, fact.effective_to, fact.rank]
    if fact.value is not ABSENT:
        array.append(fact.value)
    return array


def _timeline(slot: str, arrays: Arrays) -> Timeline:
    """The segments of a slot; pieces of one fact share it again, as with_fact joins pieces by identity."""
    facts: dict[int, Fact] = {}
    return tuple(_segment(slot, array, facts) for array in arrays)


def _segment(slot: str, array: list[Any], facts: dict[int, Fact]) -> Segment:
    value = ABSENT if len(array) in _ABSENT else array[-1]
    if len(array) <= _LONGEST_SHORT:
        version, start = array[0], datetime.fromisoformat(array[1])
        return Segment(start, None, Fact(slot, value, start, None, version, version))
    start, end, version, fact_from, fact_to, rank = array[:6]
    fact = facts.get(version)
    if fact is None:
        fact = Fact(slot, value, datetime.fromisoformat(fact_from), _instant(fact_to), rank, version)
        facts[version] = fact
    return Segment(datetime.fromisoformat(start), _instant(end), fact)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
