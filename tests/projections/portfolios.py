"""A small portfolio with everything that makes two times hard, from a seed: the same each time."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from domain.events import Payload, RecordedEvent
from domain.events.classification import AttributeRecorded, AttributeRemoved
from domain.events.contacts import ContactAdded, ContactDetails, ContactDetailsChanged, ContactRemoved, RemovalReason
from tests.make import RECORDING_STARTS, Stream
from tests.projections.files import registered, tier

TIERS = ("ORDINARY", "POTENTIAL", "HIGH_VALUE")
_DAYS = 40


def portfolio(seed: int, customers: int = 12, events: int = 15) -> list[Stream]:
    """Streams of facts, late and future ones too, with corrections and retractions."""
    random = Random(seed)  # noqa: S311 - no secret
    streams = [registered() for _ in range(customers)]
    for stream in streams:
        contacts = [UUID(int=random.getrandbits(128), version=4) for _ in range(2)]
        for _ in range(events):
            _add(random, stream, contacts)
    return streams


def recorded(streams: list[Stream]) -> list[RecordedEvent]:
    """All events in the order in which they were recorded."""
    return sorted(
        (event for stream in streams for event in stream.events), key=lambda event: event.envelope.recorded_at
    )


def instant(random: Random) -> datetime:
    return RECORDING_STARTS + timedelta(hours=random.randrange(-_DAYS, _DAYS) * 12)


def _add(random: Random, stream: Stream, contacts: list[UUID]) -> None:
    recorded_at = stream.events[-1].envelope.recorded_at + timedelta(hours=random.choice([0, 1, 30]))
    start = instant(random)
    end = start + timedelta(hours=12 * random.randrange(1, _DAYS)) if random.random() < 0.2 else None
    wrong = random.choice(stream.events)
    match random.randrange(8):
        case 0 if not wrong.payload.decision:
            stream.retract(wrong, recorded_at=recorded_at)
        case 1 if not wrong.payload.decision:
            stream.correct(wrong, _fact(random, contacts), recorded_at=recorded_at)
        case _:
            stream.add(_fact(random, contacts), start, effective_to=end, recorded_at=recorded_at)


def _fact(random: Random, contacts: list[UUID]) -> Payload:
    contact_id = random.choice(contacts)
    return random.choice(
        [
            tier(random.choice(TIERS)),
            tier(random.choice(TIERS)),
            AttributeRecorded(key="名/a", value=random.choice([None, 1, "1", "行\n" * 60, {"a": [True]}])),
            AttributeRemoved(key="名/a"),
            ContactAdded(contact_id=contact_id, name="Li", is_primary=random.random() < 0.5),
            ContactDetailsChanged(contact_id=contact_id, changed=ContactDetails(title="CFO")),
            ContactRemoved(contact_id=contact_id, removal_reason=RemovalReason.WRONG_DATA),
        ]
    )
