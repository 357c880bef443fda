"""The state function of time.md 4, written down as naively as it reads: the oracle of everything that is faster.

Shares nothing with domain/fold.py and domain/facts.py but the mark for absence. Goes through everything known, every
time, and is proud of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from domain.events import RecordedEvent
from domain.events.lifecycle import CustomerArchived, CustomerRegistered, CustomerReinstated
from domain.facts import ABSENT


def state(known: Sequence[RecordedEvent], valid_at: datetime) -> dict[str, Any]:
    """What shows at `valid_at`, slot to JSON value, as known from the events `known` (one stream, in order)."""
    values = {slot: event_value(event, slot) for slot, event in holders(known, valid_at).items()}
    present = {slot: value for slot, value in values.items() if value is not ABSENT}
    return {slot: value for slot, value in present.items() if not _is_orphan(slot, present)}


def holders(known: Sequence[RecordedEvent], valid_at: datetime) -> dict[str, RecordedEvent]:
    """Per slot the event that holds it, absences and orphans included."""
    best: dict[str, RecordedEvent] = {}
    taken_back = {event_id for event in known for event_id in (event.envelope.corrects, event.envelope.retracts)}
    for event in known:
        if event.envelope.event_id in taken_back or not _covers(event, valid_at):
            continue
        for slot, _ in event.payload.assertions():
            if slot not in best or _weight(event, known) > _weight(best[slot], known):
                best[slot] = event
    return best


def portfolio(files: Sequence[Sequence[RecordedEvent]], valid_at: datetime) -> dict[str, dict[str, Any]]:
    """Per customer that exists then what shows, and what decisions made of the file; each file as known."""
    return {
        str(known[0].envelope.customer_id): state(known, valid_at) | _decided(known)
        for known in files
        if known and _has_begun(known, valid_at)
    }


def _has_begun(known: Sequence[RecordedEvent], valid_at: datetime) -> bool:
    taken_back = {event_id for event in known for event_id in (event.envelope.corrects, event.envelope.retracts)}
    begins = [
        event.envelope.effective_from
        for event in known
        if event.envelope.event_id not in taken_back and list(event.payload.assertions())
    ]
    return not begins or any(begin is not None and begin <= valid_at for begin in begins)


def _decided(known: Sequence[RecordedEvent]) -> dict[str, Any]:
    kind, file_state = None, "LIVE"
    for event in known:
        match event.payload:
            case CustomerRegistered():
                kind = event.payload.customer_kind.value
            case CustomerArchived():
                file_state = "ARCHIVED"
            case CustomerReinstated():
                file_state = "LIVE"
    return {"/customer_kind": kind, "/file_state": file_state}


def event_value(event: RecordedEvent, slot: str) -> Any:
    return dict(event.payload.assertions())[slot]


def _covers(event: RecordedEvent, instant: datetime) -> bool:
    start, end = event.envelope.effective_from, event.envelope.effective_to
    return start is not None and start <= instant and (end is None or instant < end)


def _weight(event: RecordedEvent, known: Sequence[RecordedEvent]) -> tuple[datetime, int, int]:
    start = event.envelope.effective_from
    assert start is not None
    return (start, _rank(event, known), event.envelope.version)


def _rank(event: RecordedEvent, known: Sequence[RecordedEvent]) -> int:
    """The version of the fact that the chain of corrections began with."""
    for other in known if event.envelope.corrects else ():
        if other.envelope.event_id == event.envelope.corrects and list(other.payload.assertions()):
            return _rank(other, known)
    return event.envelope.version


def _is_orphan(slot: str, present: dict[str, Any]) -> bool:
    path = slot.split("/")
    return path[1] in ("contacts", "needs") and len(path) > 3 and "/".join(path[:3]) not in present
