"""Events and their plain form: what an entry and each part say before encryption. Owns what stands where.

The entry holds neither names nor free text; anyone may read it. Part 0 is the rest of the envelope and the content,
under the customer's data key; fields marked `Personal` to somebody else stand in parts of their own, of which part 0
holds a skeleton: their members, true for a value and null for null. What outlives erasure has its part 0 under the
key of the records. What must stay true: whatever was ever written is read as today's event (upcasts.py) or ends in a
named error, nothing is built past the models' validation, and an event whose parts were erased is read all the same.

Null members that nobody set are left out, and times are RFC 3339 in UTC with six digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from pydantic import BaseModel, ValidationError

from domain.erased import Erased
from domain.erasure import personal_fields, subjects_in
from domain.events import EVENT_TYPES, Actor, Envelope, Payload, RecordedEvent
from domain.events.envelope import Certainty
from domain.events.privacy import RECORDS_SUBJECT, PersonalDataErased, erased_class
from domain.events.quality import FactCorrected
from ledger.errors import ContentNotStorable, EntryMismatch, MalformedPart, UnknownEventType, UnknownSchemaVersion
from ledger.upcasts import Content, upcast

_IN_ENTRY: Final = frozenset(
    ["event_id", "customer_id", "version", "recorded_at", "effective_from", "effective_to", "corrects", "retracts",
     "correlation_id"]
)  # fmt: skip
_JSON_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME


class PlainPart(NamedTuple):
    """What one data subject's part says: JSON-ready content."""

    subject: UUID
    content: Content


_NONE_ERASED: Final[Mapping[int, UUID]] = MappingProxyType({})


class PlainEvent(NamedTuple):
    """An event before encryption: the entry but for its commitments, and what they will commit to.

    `erased`: by number the parts that are gone, and the event that erased each; their content is empty here.
    """

    entry: Content
    parts: tuple[PlainPart, ...]
    erased: Mapping[int, UUID] = _NONE_ERASED


def to_plain(event: RecordedEvent) -> PlainEvent:
    """Divide an event into its entry and the content of its parts, the other subjects' in ascending order."""
    envelope, payload = event.envelope, event.payload
    customer_id = envelope.customer_id
    own, personal = _split(payload, customer_id)
    stated = envelope.__dict__.items()
    rest = {name: value for name, value in stated if name not in _IN_ENTRY and says_something(value)}
    content: Content = {"envelope": rest, "payload": own}
    if isinstance(payload, FactCorrected):
        content["replacement_schemas"] = list(_replacement_schemas(payload))
    others = [PlainPart(subject, {"payload": personal[subject]}) for subject in sorted(personal)]
    if others:
        content["skeleton"] = [_skeleton(personal[part.subject]) for part in others]
    first = PlainPart(RECORDS_SUBJECT if payload.outlives_erasure else customer_id, content)
    return PlainEvent(_entry_of(envelope, payload), (first, *others))


def subjects_of(event: RecordedEvent) -> set[UUID]:
    """Whose data keys an event needs to be encoded, those included who have nothing to say in it after all."""
    if event.payload.outlives_erasure:
        return {RECORDS_SUBJECT}
    return {event.envelope.customer_id, *subjects_in(event.payload)}


def from_plain(plain: PlainEvent) -> RecordedEvent:
    """Build the event, its payload upcast to today's schema version. Raises UnreadableEvent."""
    entry = plain.entry
    try:
        if 0 in plain.erased:
            return _without_content(entry, plain.erased[0])
        first = plain.parts[0].content
        payload, skeleton = first["payload"], first.get("skeleton")
        lost: dict[UUID, Erased] = {}
        for number, part in enumerate(plain.parts[1:], start=1):
            if number not in plain.erased:
                _merge(payload, part.content["payload"])
            elif skeleton is None:
                lost[part.subject] = Erased(by=plain.erased[number])
            else:
                _merge(payload, _fleshed(skeleton[number - 1], Erased(by=plain.erased[number])))
        event_payload = _payload_of(entry, payload, first.get("replacement_schemas", []), lost)
        envelope = _envelope_of(entry, first["envelope"])
        has_skeleton = skeleton is not None or len(plain.parts) == 1
    except ValidationError as error:
        # Neither its text nor itself: both show the values, which would end up in a log file.
        places = ", ".join("/".join(map(str, problem["loc"])) for problem in error.errors(include_input=False))
        raise MalformedPart(entry["stream"], entry["version"], f"invalid: {places}") from None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise MalformedPart(entry["stream"], entry["version"], type(error).__name__) from None
    if isinstance(event_payload, PersonalDataErased) and str(event_payload.subject) != entry.get("erases"):
        raise EntryMismatch(entry["stream"], entry["version"], "the entry erases another subject than its part")
    return RecordedEvent(envelope, event_payload, has_skeleton)


def says_something(value: Any) -> bool:
    """Whether a member of the envelope differs from what leaving it out means: None, False, (), Certainty.FACT."""
    return value is not None and value is not False and value != () and value is not Certainty.FACT


def _entry_of(envelope: Envelope, payload: Payload) -> Content:
    entry: Content = {
        "stream": envelope.customer_id,
        "version": envelope.version,
        "event_id": envelope.event_id,
        "type": payload.type,
        "schema": payload.schema_version,
        "recorded_at": _time(envelope.recorded_at),
        "actor": envelope.actor.id,
    }
    if envelope.effective_from is not None:
        entry["effective_from"] = _time(envelope.effective_from)
    if envelope.effective_to is not None:
        entry["effective_to"] = _time(envelope.effective_to)
    if envelope.corrects is not None:
        entry["corrects"] = envelope.corrects
    if envelope.retracts is not None:
        entry["retracts"] = envelope.retracts
    if envelope.correlation_id is not None:
        entry["correlation"] = envelope.correlation_id
    if isinstance(payload, PersonalDataErased):
        entry["erases"] = payload.subject
    return entry


def _envelope_of(entry: Content, rest: Content) -> Envelope:
    envelope = Envelope.model_validate(
        {
            **rest,
            "event_id": entry["event_id"],
            "customer_id": entry["stream"],
            "version": entry["version"],
            "recorded_at": _instant(entry["recorded_at"]),
            "effective_from": _instant(entry.get("effective_from")),
            "effective_to": _instant(entry.get("effective_to")),
            "corrects": entry.get("corrects"),
            "retracts": entry.get("retracts"),
            "correlation_id": entry.get("correlation"),
        }
    )
    if envelope.actor.id != entry["actor"]:
        raise EntryMismatch(entry["stream"], entry["version"], "the entry names another actor than its part")
    return envelope


def _without_content(entry: Content, by: UUID) -> RecordedEvent:
    """What the entry alone says. Of the actor it is the id: what kind of actor that was is gone, as is the policy."""
    if entry["type"] not in EVENT_TYPES:
        raise UnknownEventType(entry["stream"], entry["version"], f"unknown event type {entry['type']!r}")
    unknown: Any = None
    actor = Actor.model_construct(_fields_set={"id"}, id=entry["actor"], kind=unknown)
    envelope = _envelope_of(entry, {"actor": actor, "policy_version": 0})
    return RecordedEvent(envelope, erased_class(entry["type"])(by=by))


def _instant(text: str | None) -> datetime | None:
    """In UTC itself, as two times of one time zone are compared at once; the models would make each its own zone."""
    return None if text is None else datetime.fromisoformat(text)


def _payload_of(
    entry: Content, content: Content, replacement_schemas: list[int], lost: Mapping[UUID, Erased]
) -> Payload:
    """`lost`: whose parts were erased and left no skeleton; their fields that an event needs are Erased as a whole."""
    content = _current(entry, entry["type"], entry["schema"], content)
    _fill(entry["type"], content, lost)
    inner = content
    for schema in replacement_schemas:
        stored_name = inner["replaced_type"]
        inner["replacement"] = _current(entry, stored_name, schema, inner["replacement"])
        inner = inner["replacement"]
        _fill(stored_name, inner, lost)
    return EVENT_TYPES[entry["type"]].model_validate(content)


def _fill(stored_name: str, content: Content, lost: Mapping[UUID, Erased]) -> None:
    if not lost:
        return
    payload_class = EVENT_TYPES[stored_name]
    for name, subject_field in personal_fields(payload_class):
        erased = lost.get(UUID(content[subject_field]))
        if erased is not None and payload_class.model_fields[name].is_required():
            content[name] = erased


def _current(entry: Content, stored_name: str, stored_version: int, content: Content) -> Content:
    """The content as of today's schema version of a stored name."""
    payload_class = EVENT_TYPES.get(stored_name)
    if payload_class is None:
        raise UnknownEventType(entry["stream"], entry["version"], f"unknown event type {stored_name!r}")
    try:
        return upcast(stored_name, stored_version, payload_class.schema_version, content)
    except LookupError as error:
        raise UnknownSchemaVersion(entry["stream"], entry["version"], str(error)) from error


def _split(payload: Payload, customer_id: UUID) -> tuple[Content, dict[UUID, Content]]:
    """The payload's content without what is personal to others, and that by its subject.

    A subject's content repeats the structure down to its members, so that `_merge` puts both together.
    """
    content = _members(payload)
    personal: dict[UUID, Content] = {}
    for field, subject_field in personal_fields(type(payload)):
        subject = getattr(payload, subject_field)
        if field in content and subject != customer_id:
            personal.setdefault(subject, {})[field] = content.pop(field)
    if isinstance(payload, FactCorrected):
        content["replacement"], below = _split(payload.replacement, customer_id)
        for subject, members in below.items():
            personal.setdefault(subject, {})["replacement"] = members
    return content, personal


def _merge(content: Content, members: Content) -> None:
    for name, value in members.items():
        if name == "replacement" and name in content:
            _merge(content[name], value)
        else:
            content[name] = value


def _skeleton(members: Content) -> Content:
    """A part's members, true in place of every value. Raises ContentNotStorable for what was erased before."""
    return {name: _bone(name, value) for name, value in members.items()}


def _bone(name: str, value: Any) -> Any:
    match value:
        case None:
            return None
        case Erased():
            raise ContentNotStorable("a value that was erased is not recorded again")
        case BaseModel():
            return _skeleton(_members(value))
        case dict() if name == "replacement":
            return _skeleton(value)
        case _:
            return True


def _fleshed(skeleton: Content, erased: Erased) -> Content:
    """What stands for a part that was erased."""
    return {name: _fleshed_bone(bone, erased) for name, bone in skeleton.items()}


def _fleshed_bone(bone: Any, erased: Erased) -> Any:
    if isinstance(bone, dict):
        return _fleshed(bone, erased)
    return None if bone is None else erased


def _replacement_schemas(payload: Payload) -> Iterator[int]:
    """The schema versions of a correction's replacement, of that one's replacement if it is one too, and so on."""
    while isinstance(payload, FactCorrected):
        payload = payload.replacement
        yield payload.schema_version


def _members(model: BaseModel) -> Content:
    """A model's fields but for those that nobody set and that are null: left out and null stay different.

    Other defaults are written, so that a changed default does not change history.
    """
    given = model.model_fields_set
    return {name: value for name, value in model.__dict__.items() if value is not None or name in given}


def to_json(content: Content | BaseModel) -> bytes:
    """Compact sorted JSON. Raises ContentNotStorable."""
    try:
        return orjson.dumps(content, _jsonable, _JSON_OPTIONS)
    except orjson.JSONEncodeError as error:
        raise ContentNotStorable(str(error.__cause__ or error)) from error


def _jsonable(value: Any) -> Any:
    match value:
        case BaseModel():
            return _members(value)
        case datetime():
            return _time(value)
        case date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case _:
            raise TypeError(f"no JSON value: {type(value).__name__}")


@lru_cache
def _time(instant: datetime) -> str:  # of a whole batch mostly the same
    if instant.tzinfo is not UTC:
        if instant.utcoffset() is None:
            raise ContentNotStorable("a time without an offset from UTC")
        instant = instant.astimezone(UTC)
    return instant.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
