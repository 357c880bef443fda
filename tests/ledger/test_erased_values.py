"""Erased values: what an event says once a part of it is gone, and that nothing else passes for it."""

from __future__ import annotations

import dataclasses
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from domain.erased import Erased
from domain.erasure import erased_event, personal_fields, subjects_in
from domain.events import EVENT_TYPES, Payload
from domain.events.contacts import ContactAdded, ContactDetails, ContactDetailsChanged, ContactPointChanged
from domain.events.privacy import RECORDS_SUBJECT, ErasedContent, PersonalDataErased
from domain.events.quality import FactCorrected
from domain.facts import ABSENT
from ledger import codec, errors
from ledger.frame import framed, unframed
from ledger.plain import PlainEvent, PlainPart, from_plain, to_json, to_plain
from tests.ledger import golden
from tests.ledger.examples import CONTACT, CUSTOMER, EXAMPLES, recorded
from tests.ledger.strategies import models, payloads

BY, WHOLE = UUID(int=70), UUID(int=71)
KEYS = {CUSTOMER: b"c" * 32, CONTACT: b"p" * 32, RECORDS_SUBJECT: b"r" * 32}
ADDED = EXAMPLES[ContactAdded.type]
MARKER = {"erased": True, "by": str(BY)}
_CONTACT_EVENTS = (ContactAdded, ContactDetailsChanged, ContactPointChanged)


class Destroyed(dict[UUID, bytes]):
    """Data keys, of which some were destroyed."""

    def __init__(self, keys: dict[UUID, bytes], destroyed: dict[UUID, UUID]) -> None:
        super().__init__(keys)
        self._destroyed = destroyed

    def __getitem__(self, subject: UUID) -> bytes:
        if subject in self._destroyed:
            raise errors.SubjectErased(subject, self._destroyed[subject])
        return super().__getitem__(subject)


def stored(payload: Payload) -> StoredEvent:
    return codec.encode(recorded(payload), KEYS)


def without_parts(event: StoredEvent, *gone: int) -> StoredEvent:
    entry, parts = unframed(event.state)
    return dataclasses.replace(event, state=framed(entry, [part for part in parts if part[0] not in gone]))


def contact_payloads() -> st.SearchStrategy[Payload]:
    """Of one contact person, corrections included."""
    drawn = st.one_of(*[models(each) for each in _CONTACT_EVENTS])
    plain = drawn.map(lambda payload: payload.model_copy(update={"contact_id": CONTACT}))
    return plain | plain.map(lambda payload: FactCorrected(replaced_type=payload.type, replacement=payload))


# --- a person's part ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["the stream says so", "the key is destroyed", "the ciphertext is gone too"])
def test_what_a_person_said_is_erased_and_the_rest_stands(how: str) -> None:
    event, erased, keys = stored(ADDED.payload), {CONTACT: BY}, KEYS
    if how == "the key is destroyed":
        erased, keys = {}, Destroyed(KEYS, {CONTACT: BY})
    elif how == "the ciphertext is gone too":
        event = without_parts(event, 1)
    back = codec.decode(event, keys, erased)
    assert back.envelope == ADDED.envelope
    payload: Any = back.payload
    assert (payload.name, payload.title, payload.department) == (Erased(by=BY),) * 3
    assert (payload.buying_role, payload.is_primary) == ("DECIDER", True)
    assert dict(payload.assertions())[f"/contacts/{CONTACT}/name"] == MARKER


def test_the_slots_that_were_filled_or_emptied_are_still_known() -> None:
    changed = ContactDetailsChanged(contact_id=CONTACT, changed=ContactDetails(title="采购总监", department=None))
    back = codec.decode(stored(changed), KEYS, {CONTACT: BY})
    assert list(back.payload.assertions()) == [
        (f"/contacts/{CONTACT}/department", ABSENT),
        (f"/contacts/{CONTACT}/title", MARKER),
    ]


def test_a_contact_point_keeps_what_says_nothing_about_the_person() -> None:
    back = codec.decode(stored(EXAMPLES[ContactPointChanged.type].payload), KEYS, {CONTACT: BY})
    [(_, value)] = back.payload.assertions()
    assert value == {"kind": "MOBILE", "value": MARKER, "usage": "PERSONAL", "verified": True, "number_type": "MOBILE"}
    taken_away = EXAMPLES[ContactPointChanged.type].payload.model_copy(update={"value": None})
    assert [each for _, each in codec.decode(stored(taken_away), KEYS, {CONTACT: BY}).payload.assertions()] == [ABSENT]


@given(contact_payloads())
def test_the_domain_erases_what_the_ledger_reads_as_erased(payload: Payload) -> None:
    event = recorded(payload)
    assert codec.decode(codec.encode(event, KEYS), KEYS, {CONTACT: BY}) == erased_event(event, CONTACT, BY)


@given(contact_payloads())
def test_the_same_holds_of_what_was_written_without_a_skeleton(payload: Payload) -> None:
    old = _without_skeleton(codec.encode(recorded(payload), KEYS))
    event = codec.decode(old, KEYS)
    assert event == recorded(payload)
    assert codec.decode(old, KEYS, {CONTACT: BY}) == erased_event(event, CONTACT, BY)


@given(payloads())
def test_nothing_of_anybody_who_was_erased_is_left(payload: Payload) -> None:
    event = recorded(payload)
    keys = dict.fromkeys(codec.subjects_of(event), b"k" * 32)
    erased = dict.fromkeys(subjects_in(payload) - {CUSTOMER}, BY)
    back = codec.decode(codec.encode(event, keys), keys, erased).payload
    while True:
        fields = [
            getattr(back, name) for name, subject in personal_fields(type(back)) if getattr(back, subject) in erased
        ]
        assert all(value is None or isinstance(value, Erased) for field in fields for value in _leaves(field))
        if not isinstance(back, FactCorrected):
            break
        back = back.replacement
    assert len(list(back.assertions())) == len(list(payload.assertions()))


def _leaves(value: Any) -> list[Any]:
    is_object = isinstance(value, BaseModel) and not isinstance(value, Erased)
    return [getattr(value, name) for name in type(value).model_fields] if is_object else [value]


@pytest.mark.parametrize("path", [path for path in golden.FOLDER.glob("*.json") if "contact-" in path.name], ids=str)
def test_events_of_every_age_are_read_without_the_person(path: Any) -> None:
    plain = golden.read(path)
    erased = {number: BY for number, part in enumerate(plain.parts) if part.subject == CONTACT}
    event = from_plain(PlainEvent(plain.entry, plain.parts, erased))
    assert event.has_skeleton == (len(plain.parts) == 1 or "skeleton" in path.name)
    shown = to_json(event.payload).decode()
    assert not [text for part in plain.parts[1:] for text in _texts(part.content) if text in shown]


# --- everything -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored_name", sorted(EVENT_TYPES))
def test_a_whole_customer_leaves_the_entry_and_what_outlives_erasure(stored_name: str) -> None:
    event = EXAMPLES[stored_name]
    back = codec.decode(codec.encode(event, KEYS), KEYS, {CONTACT: BY, CUSTOMER: WHOLE})
    if event.payload.outlives_erasure:
        assert back == event
        return
    assert isinstance(back.payload, ErasedContent)
    assert (back.payload.type, back.payload.decision) == (stored_name, event.payload.decision)
    assert orjson.loads(to_json(back.payload)) == {"erased": True, "by": str(WHOLE)}
    assert list(back.payload.assertions()) == []
    kept = {"event_id", "customer_id", "version", "recorded_at", "effective_from", "effective_to", "corrects",
            "retracts", "correlation_id"}  # fmt: skip
    for name, value in back.envelope.__dict__.items():
        assert value == (getattr(event.envelope, name) if name in kept else value)
    assert orjson.loads(to_json(back.envelope.actor)) == {"id": "u-118", "roles": []}
    assert (back.envelope.reason, back.envelope.evidence, back.envelope.policy_version) == (None, (), 0)


def test_an_erasure_is_told_by_its_entry_alone_and_only_by_its_own() -> None:
    erasure = codec.encode(EXAMPLES[PersonalDataErased.type], KEYS)
    bare = without_parts(erasure, 0)
    event_id = EXAMPLES[PersonalDataErased.type].envelope.event_id
    assert codec.erasures_in([stored(ADDED.payload), bare]) == {CONTACT: event_id}
    assert codec.erasures_in([codec.checked(erasure)]) == {CONTACT: event_id}
    assert codec.erasures_in([dataclasses.replace(erasure, state=b"\xff")]) == {}
    unfit = [(erasure, member) for member in (None, 7, "nobody", str(RECORDS_SUBJECT).upper(), [str(CONTACT)])]
    for event, member in (*unfit, (stored(ADDED.payload), str(CONTACT))):
        malformed = _with_entry(event, erases=member)
        with pytest.raises(errors.MalformedEntry):
            codec.checked(malformed)
        assert codec.erasures_in([malformed]) == {}
    with pytest.raises(errors.MalformedEntry):
        codec.checked(_with_entry(erasure, event_id="none"))
    with pytest.raises(errors.EntryMismatch):
        codec.decode(_with_entry(erasure, erases=str(uuid4())), KEYS)


def test_the_records_of_erasures_are_under_a_key_of_their_own() -> None:
    for event in EXAMPLES.values():
        subjects = codec.subjects_in(codec.encode(event, KEYS))
        assert (RECORDS_SUBJECT in subjects) == event.payload.outlives_erasure
        assert (CUSTOMER in subjects) != event.payload.outlives_erasure


# --- what does not pass for it --------------------------------------------------------------------------------------


def test_a_part_that_is_gone_is_missing_unless_something_erased_it() -> None:
    gone = without_parts(stored(ADDED.payload), 1)
    with pytest.raises(errors.PartMissing) as caught:
        codec.decode(gone, KEYS)
    assert (caught.value.part, caught.value.subject) == (1, str(CONTACT))
    with pytest.raises(errors.PartMissing):
        codec.decode(gone, {CUSTOMER: KEYS[CUSTOMER]}, {uuid4(): BY})


def test_wrong_key_tampered_and_no_key_are_not_erased() -> None:
    event = stored(ADDED.payload)
    for keys, verdict in (
        ({**KEYS, CONTACT: b"x" * 32}, errors.WrongKey),
        ({CUSTOMER: KEYS[CUSTOMER]}, errors.DataKeyMissing),
    ):
        with pytest.raises(verdict):
            codec.decode(event, keys)
    entry, parts = unframed(event.state)
    altered = [(number, ct[:-1] + bytes([ct[-1] ^ 1])) for number, ct in parts]
    with pytest.raises(errors.Tampered):
        codec.decode(dataclasses.replace(event, state=framed(entry, altered)), KEYS)


@pytest.mark.parametrize("skeleton", [[], "no list", [["name"]], [{"contact_id": True}]])
def test_a_skeleton_that_does_not_fit_is_a_malformed_part(skeleton: Any) -> None:
    plain = to_plain(ADDED)
    content = {**plain.parts[0].content, "skeleton": skeleton}
    parts = (PlainPart(CUSTOMER, orjson.loads(to_json(content))), *plain.parts[1:])
    with pytest.raises(errors.MalformedPart):
        from_plain(PlainEvent(orjson.loads(to_json(plain.entry)), parts, {1: BY}))


def test_nobody_claims_in_a_body_that_something_was_erased() -> None:
    for name in (MARKER, Erased(by=BY).model_dump(mode="json")):
        with pytest.raises(ValidationError):
            ContactAdded.model_validate({"contact_id": CONTACT, "name": name})
        with pytest.raises(ValidationError):
            ContactDetails.model_validate_json(orjson.dumps({"name": name}))
    assert "rased" not in str(ContactAdded.model_json_schema()["properties"])


def test_what_was_erased_is_not_recorded_again() -> None:
    again = codec.decode(stored(ADDED.payload), KEYS, {CONTACT: BY})
    with pytest.raises(errors.ContentNotStorable):
        codec.encode(again, KEYS)


# --- helpers --------------------------------------------------------------------------------------------------------


def _without_skeleton(event: StoredEvent) -> StoredEvent:
    plain = codec.unseal(event, KEYS)
    first = {name: value for name, value in plain.parts[0].content.items() if name != "skeleton"}
    entry = {name: value for name, value in plain.entry.items() if name != "parts"}
    return codec.seal(PlainEvent(entry, (PlainPart(CUSTOMER, first), *plain.parts[1:])), KEYS)


def _with_entry(event: StoredEvent, **members: Any) -> StoredEvent:
    entry, parts = unframed(event.state)
    changed = {name: value for name, value in (orjson.loads(entry) | members).items() if value is not None}
    return dataclasses.replace(event, state=framed(orjson.dumps(changed), parts))


def _texts(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(_texts, value.values()))
    if isinstance(value, list | tuple):
        return set().union(*map(_texts, value))
    if hasattr(value, "model_dump"):
        return _texts(value.model_dump(mode="json"))
    return {value} if isinstance(value, str) else set()
