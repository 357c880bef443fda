"""A file replayed: what each event of a stream did to what the file shows, with a hash before and after.

The state is what shows at the instant at which the event was recorded, as known just before it and with it, so that
the difference is the event's alone: what begins or ends by itself between two events shows as a hash before that is
not the one after the last. What must stay true: the hash is that of the profile at the event's version and instant,
which anybody can ask for and hash alike, as far as they may see it: a hash of more would give it away to who guesses.
Facts are kept for the corrections to come; of events nothing is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from domain.canonical import canonical, canonical_object
from domain.events.base import RecordedEvent
from domain.facts import Fact, Timeline, from_instant, holder_at, same_json, with_fact
from domain.fold import LiveFacts, visible
from domain.masking import Mask
from domain.values import EARLIEST


class Step(NamedTuple):
    """What one event did. `changed`: the slots that show something else with it than without, in their order."""

    before: str
    after: str
    changed: list[str]


class Replay:
    """Takes a stream's events in their order. What `mask` hides is not in what it says."""

    def __init__(self, mask: Mask | None = None) -> None:
        self._mask = mask
        self._facts = LiveFacts()
        self._lines: dict[str, Timeline] = {}
        self._instant = EARLIEST
        self._texts: dict[str, tuple[Fact, str]] = {}

    def take(self, event: RecordedEvent) -> Step:
        self._instant = max(self._instant, event.envelope.recorded_at)
        before = self._shown()
        was = self._hash(before)
        self._apply(event)
        after = self._shown()
        changed = {slot for slot in before.keys() | after.keys() if _differ(before.get(slot), after.get(slot))}
        return Step(was, self._hash(after) if changed else was, sorted(map(self._name, changed)))

    def state_hash(self) -> str:
        """The hash of what shows with all that was taken, at the instant of the last of it."""
        return self._hash(self._shown())

    def _apply(self, event: RecordedEvent) -> None:
        """Keep of every slot's timeline what still matters from this instant on."""
        touched = self._facts.apply(event)
        if event.envelope.corrects or event.envelope.retracts:
            lines = {slot: self._facts.timeline(slot) for slot in touched}
        else:
            lines = {fact.slot: with_fact(self._lines.get(fact.slot, ()), fact) for fact in event.facts}
        self._lines.update((slot, from_instant(line, self._instant)) for slot, line in lines.items())

    def _shown(self) -> dict[str, Fact]:
        holders = {slot: holder_at(line, self._instant) for slot, line in self._lines.items()}
        return visible({slot: fact for slot, fact in holders.items() if fact is not None})

    def _hash(self, shown: Mapping[str, Fact]) -> str:
        text = canonical_object({self._name(slot): self._text(fact) for slot, fact in shown.items()})
        return hashlib.sha256(text.encode()).hexdigest()

    def _name(self, slot: str) -> str:
        return slot if self._mask is None else self._mask.pointer(slot)

    def _text(self, fact: Fact) -> str:
        known = self._texts.get(fact.slot)
        if known is None or known[0] is not fact:
            value = fact.value if self._mask is None else self._mask.value(fact.slot, fact.value)
            known = self._texts[fact.slot] = fact, canonical(value)
        return known[1]


def state_hash(values: Mapping[str, Any]) -> str:
    """The hash of a state: SHA-256 of the canonical JSON of one object, slot to value."""
    return hashlib.sha256(canonical(values).encode()).hexdigest()


def _differ(left: Fact | None, right: Fact | None) -> bool:
    if left is None or right is None:
        return left is not right
    return left is not right and not same_json(left.value, right.value)
