"""What belongs to whom in an event, and the event without what belonged to somebody who was erased.

What must stay true: an event erased here is the event that the ledger reads once the subject's part is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from domain.erased import Erased
from domain.events.base import Payload, Personal, RecordedEvent
from domain.events.quality import FactCorrected


@cache
def personal_fields(payload_class: type[Payload]) -> tuple[tuple[str, str], ...]:
    """The fields marked `Personal`, each with the field that names its subject."""
    return tuple(
        (name, mark.subject)
        for name, field in payload_class.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, Personal)
    )


def subjects_in(payload: Payload) -> set[UUID]:
    """Who has values of their own in it, a correction's replacement included."""
    subjects: set[UUID] = {getattr(payload, subject) for _, subject in personal_fields(type(payload))}
    return subjects | subjects_in(payload.replacement) if isinstance(payload, FactCorrected) else subjects


def erased_event(event: RecordedEvent, subject: UUID, by: UUID) -> RecordedEvent:
    """The event with an Erased in place of each of the subject's values; itself if there are none any more."""
    if subject not in subjects_in(event.payload):
        return event
    payload = _erased(event.payload, subject, Erased(by=by), event.has_skeleton)
    return event if payload is event.payload else replace(event, payload=payload)


def erased_slots(event: RecordedEvent, subject: UUID) -> set[str]:
    """The slots into which the event had put values of the subject."""
    values = dict(event.payload.assertions())
    left = dict(erased_event(event, subject, event.envelope.event_id).payload.assertions())
    return {slot for slot, value in values.items() if slot not in left or left[slot] != value}


def _erased(payload: Payload, subject: UUID, erased: Erased, has_skeleton: bool) -> Payload:
    values: dict[str, Any] = {}
    for name, subject_field in personal_fields(type(payload)):
        if getattr(payload, subject_field) == subject:
            field = type(payload).model_fields[name]
            if has_skeleton:
                values[name] = _in_place(getattr(payload, name), erased)
            else:
                values[name] = erased if field.is_required() else field.get_default()
    if isinstance(payload, FactCorrected):
        values["replacement"] = _erased(payload.replacement, subject, erased, has_skeleton)
    changed = {name: value for name, value in values.items() if value != getattr(payload, name)}
    return payload.model_copy(update=changed) if changed else payload


def _in_place(value: Any, erased: Erased) -> Any:
    """What stands in place of a value: of an object each member's, of null and of what is erased already itself."""
    if value is None or isinstance(value, Erased):
        return value
    if not isinstance(value, BaseModel):
        return erased
    members: Mapping[str, Any] = {name: _in_place(getattr(value, name), erased) for name in value.model_fields_set}
    return value.model_copy(update=members)
