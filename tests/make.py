"""Recorded events for tests, without a writer: whole envelopes from the few things that a test cares about."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from domain.events import Actor, Envelope, Payload, RecordedEvent
from domain.events.classification import AttributeRecorded
from domain.events.quality import FactCorrected, FactRetracted
from domain.policy import Policy, first_edition

ONE_PERSON = Policy(1, first_edition().document.model_copy(update={"protected": ()}))
"""A policy that leaves to one person what the first edition protects, but for tiers and old dates."""

CLERK = Actor(id="u-118", name_at_time="Li Na", roles=("editor",))


def at(text: str) -> datetime:
    """An instant in UTC from ISO text: `at("2026-03-01")`, `at("2026-03-01T08:30")`."""
    return datetime.fromisoformat(text + ("T00:00" if len(text) == 10 else "") + "+00:00")


RECORDING_STARTS = at("2026-01-05T09:00")


@dataclass
class Stream:
    """One customer's stream. Every `add` records the next version, an hour after the one before."""

    customer_id: UUID = field(default_factory=uuid7)
    events: list[RecordedEvent] = field(default_factory=list)

    def add(self, payload: Payload, effective_from: datetime | None = None, **envelope: Any) -> RecordedEvent:
        """Record `payload`; a fact is effective when it is recorded unless `effective_from` says otherwise."""
        version = len(self.events) + 1
        recorded_at = envelope.pop("recorded_at", RECORDING_STARTS + timedelta(hours=version))
        if effective_from is None and not payload.decision:
            effective_from = recorded_at
        known = {"event_id": uuid7(), "customer_id": self.customer_id, "actor": CLERK, "policy_version": 1}
        event = RecordedEvent(
            Envelope(**(known | envelope), version=version, recorded_at=recorded_at, effective_from=effective_from),
            payload,
        )
        self.events.append(event)
        return event

    def attribute(self, key: str, value: Any, effective_from: datetime | None = None, **envelope: Any) -> RecordedEvent:
        return self.add(AttributeRecorded(key=key, value=value), effective_from, **envelope)

    def correct(
        self, wrong: RecordedEvent, replacement: Payload, effective_from: datetime | None = None, **envelope: Any
    ) -> RecordedEvent:
        """Record that `replacement` should have been recorded; effective as `wrong` was unless told otherwise."""
        payload = FactCorrected(replaced_type=replacement.type, replacement=replacement)
        start = effective_from or wrong.envelope.effective_from
        return self.add(payload, start, corrects=wrong.envelope.event_id, **envelope)

    def retract(self, wrong: RecordedEvent, **envelope: Any) -> RecordedEvent:
        slots = tuple(slot for slot, _ in wrong.payload.assertions())
        payload = FactRetracted(retracted_type=wrong.payload.type, slots=slots)
        return self.add(payload, wrong.envelope.effective_from, retracts=wrong.envelope.event_id, **envelope)
