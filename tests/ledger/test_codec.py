"""The codec: what goes in comes out, and whatever is not what went in is named."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import struct
from datetime import UTC
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import given
from hypothesis import strategies as st

from domain.events import Payload, RecordedEvent
from domain.events.classification import AttributeRecorded, TagApplied
from domain.events.contacts import ContactAdded, ContactDetails, ContactDetailsChanged
from domain.events.quality import FactCorrected
from domain.facts import ABSENT
from ledger import codec, errors
from ledger.frame import MAGIC, framed, unframed
from ledger.plain import PlainEvent, PlainPart, to_json, to_plain
from tests.ledger.examples import CONTACT, CUSTOMER, EXAMPLES, recorded
from tests.ledger.strategies import payloads
from tests.make import Stream

DATA_KEYS = {CUSTOMER: b"c" * 32, CONTACT: b"p" * 32}
EXAMPLE = EXAMPLES[ContactAdded.type]


def keys_for(event: RecordedEvent) -> dict[UUID, bytes]:
    return {subject: os.urandom(32) for subject in codec.subjects_of(event)}


def with_entry(stored: StoredEvent, **members: Any) -> StoredEvent:
    """The stored event, members of its entry replaced; None takes one away."""
    entry, parts = unframed(stored.state)
    changed = {name: value for name, value in (orjson.loads(entry) | members).items() if value is not None}
    return dataclasses.replace(stored, state=framed(orjson.dumps(changed), parts))


def with_parts(stored: StoredEvent, *parts: tuple[int, bytes]) -> StoredEvent:
    return dataclasses.replace(stored, state=framed(unframed(stored.state).entry, parts))


# --- round trips ----------------------------------------------------------------------------------------------------


@given(payloads())
def test_every_event_comes_back_as_it_was(payload: Payload) -> None:
    event = recorded(payload)
    data_keys = keys_for(event)
    stored = codec.encode(event, data_keys)
    back = codec.decode(stored, data_keys)
    assert back == event
    assert list(back.payload.assertions()) == list(event.payload.assertions())


def test_an_event_with_nothing_but_the_necessary_comes_back() -> None:
    event = Stream().attribute("note", None)
    data_keys = keys_for(event)
    stored = codec.encode(event, data_keys)
    assert codec.decode(stored, data_keys) == event
    entry = orjson.loads(unframed(stored.state).entry)
    assert {"effective_to", "corrects", "retracts", "correlation"}.isdisjoint(entry)


def test_left_out_and_null_stay_different() -> None:
    stream = Stream()
    event = stream.add(ContactDetailsChanged(contact_id=uuid4(), changed=ContactDetails(title=None)))
    data_keys = keys_for(event)
    payload = codec.decode(codec.encode(event, data_keys), data_keys).payload
    assert isinstance(payload, ContactDetailsChanged)
    assert payload.changed.model_fields_set == {"title"}
    assert [value for _, value in payload.assertions()] == [ABSENT]


def test_members_of_the_envelope_that_read_like_defaults_are_kept() -> None:
    event = Stream().attribute("note", 1, request_id="FACT", idempotency_key="False")
    data_keys = keys_for(event)
    assert codec.decode(codec.encode(event, data_keys), data_keys) == event


def test_a_correction_of_a_correction_comes_back() -> None:
    stream = Stream()
    inner = FactCorrected(
        replaced_type=ContactAdded.type, replacement=ContactAdded(contact_id=CONTACT, name="王方", department=None)
    )
    event = stream.add(FactCorrected(replaced_type=FactCorrected.type, replacement=inner))
    data_keys = keys_for(event)
    stored = codec.encode(event, data_keys)
    assert codec.decode(stored, data_keys) == event
    assert "王方" not in str(to_plain(event).parts[0])


def test_a_correction_by_an_older_version_of_an_event_is_upcast() -> None:
    plain = to_plain(EXAMPLES[FactCorrected.type])
    content = plain.parts[0].content | {
        "replacement_schemas": [1],
        "payload": {
            "replaced_type": "customer.owner-assigned",
            "replacement": {"role": "RISK_OFFICER", "from": None, "to": "u-9"},
        },
    }
    stored = codec.seal(PlainEvent(plain.entry, (PlainPart(CUSTOMER, content),)), DATA_KEYS)
    payload = codec.decode(stored, DATA_KEYS).payload
    assert list(payload.assertions()) == [("/owner/RISK_OFFICER", "u-9")]


def test_each_subject_has_a_part_of_its_own_and_the_customer_the_first() -> None:
    parts = to_plain(EXAMPLE).parts
    assert [part.subject for part in parts] == [CUSTOMER, CONTACT]
    assert parts[1].content == {"payload": {"name": "王芳", "title": "采购经理", "department": "采购部"}}


def test_a_part_of_the_customer_does_not_say_whose_it_is() -> None:
    own, of_contact = orjson.loads(unframed(codec.encode(EXAMPLE, DATA_KEYS).state).entry)["parts"]
    assert own.keys() == {"salt", "key", "ct"}
    assert of_contact["subject"] == str(CONTACT)


def test_an_entry_that_names_the_customer_in_its_own_part_is_read_as_before() -> None:
    stored = codec.encode(EXAMPLE, DATA_KEYS)
    entry, parts = unframed(stored.state)
    members = orjson.loads(entry)
    members["parts"][0]["subject"] = str(CUSTOMER)
    before = dataclasses.replace(stored, state=framed(to_json(members), parts))
    assert codec.subjects_in(before) == codec.subjects_in(stored) == {CUSTOMER, CONTACT}
    assert codec.decode(before, DATA_KEYS) == EXAMPLE


def test_what_is_personal_to_the_customer_stays_in_part_0() -> None:
    event = recorded(ContactAdded(contact_id=CUSTOMER, name="王芳"))
    assert codec.subjects_of(event) == {CUSTOMER}
    assert codec.decode(codec.encode(event, DATA_KEYS), DATA_KEYS) == event


def test_equal_events_are_stored_differently() -> None:
    stored = [codec.encode(EXAMPLE, DATA_KEYS).state for _ in range(2)]
    assert stored[0] != stored[1]


def test_the_leaf_hash_is_that_of_rfc_6962() -> None:
    assert codec.entry_hash(b"entry") == hashlib.sha256(b"\x00entry").digest()


# --- what cannot be stored ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        AttributeRecorded.model_construct(key="key", value={1: "an integer as name"}),
        TagApplied.model_construct(taxonomy_version=2**64, group="G", code="C"),
        AttributeRecorded.model_construct(key="\ud800", value=1),
        AttributeRecorded.model_construct(key="key", value=object()),
    ],
)
def test_content_that_json_cannot_carry_is_refused(payload: Payload) -> None:
    with pytest.raises(errors.ContentNotStorable):
        codec.encode(recorded(payload), DATA_KEYS)


def test_a_time_without_offset_is_refused() -> None:
    naive = EXAMPLE.envelope.recorded_at.replace(tzinfo=None)
    event = RecordedEvent(EXAMPLE.envelope.model_copy(update={"recorded_at": naive}), EXAMPLE.payload)
    with pytest.raises(errors.ContentNotStorable):
        codec.encode(event, DATA_KEYS)


def test_an_entry_that_is_too_long_for_the_log_is_refused() -> None:
    envelope = EXAMPLE.envelope.model_copy(update={"correlation_id": "x" * codec.LONGEST_ENTRY_BYTES})
    with pytest.raises(errors.EntryTooLong):
        codec.encode(RecordedEvent(envelope, EXAMPLE.payload), DATA_KEYS)


def test_encoding_without_a_data_key_names_the_subject() -> None:
    with pytest.raises(errors.DataKeyMissing) as caught:
        codec.encode(EXAMPLE, {CUSTOMER: b"c" * 32})
    assert caught.value.subject == CONTACT


# --- what is not what was stored ------------------------------------------------------------------------------------


@given(st.data())
def test_a_changed_byte_is_detected(data: st.DataObject) -> None:
    """By decoding, or, where only the entry's own words changed, by the hash that the log has of them."""
    stored = codec.encode(EXAMPLE, DATA_KEYS)
    position = data.draw(st.integers(0, len(stored.state) - 1))
    flipped = bytearray(stored.state)
    flipped[position] ^= data.draw(st.integers(1, 255))
    changed = dataclasses.replace(stored, state=bytes(flipped))
    try:
        codec.decode(changed, DATA_KEYS)
    except (errors.UnreadableEvent, errors.DataKeyMissing):
        return
    entries = [unframed(state).entry for state in (stored.state, changed.state)]
    assert codec.entry_hash(entries[0]) != codec.entry_hash(entries[1])
    assert unframed(stored.state).parts == unframed(changed.state).parts


@given(st.data())
def test_a_frame_cut_short_is_named(data: st.DataObject) -> None:
    stored = codec.encode(EXAMPLE, DATA_KEYS)
    length = data.draw(st.integers(0, len(stored.state) - 1))
    with pytest.raises(errors.UnreadableEvent):
        codec.decode(dataclasses.replace(stored, state=stored.state[:length]), DATA_KEYS)


@pytest.mark.parametrize(
    "state",
    [
        MAGIC,
        MAGIC + struct.pack(">I", 2**32 - 1),
        MAGIC + struct.pack(">I", 2) + b"{}",
        framed(b"{}", [(0, b"a")]) + b"more",
        framed(b"{}", [(1, b"a"), (0, b"b")]),
        framed(b"{}", [(0, b"a"), (0, b"b")]),
    ],
)
def test_a_malformed_frame_is_named(state: bytes) -> None:
    with pytest.raises(errors.MalformedFrame):
        codec.decode(StoredEvent(CUSTOMER, 7, "customer.contact-added", state), DATA_KEYS)


@pytest.mark.parametrize("entry", [b"", b"state", b"[]", b"{}", b"\xff", b"\x92DSR\x01"])
def test_an_entry_that_is_none_is_named(entry: bytes) -> None:
    with pytest.raises(errors.MalformedEntry):
        codec.decode(StoredEvent(CUSTOMER, 7, "customer.contact-added", entry), DATA_KEYS)


@pytest.mark.parametrize(
    "members",
    [
        {"actor": None},
        {"parts": None},
        {"parts": []},
        {"parts": {}},
        {"parts": [1]},
        {"parts": [{"subject": str(CUSTOMER)}]},
        {"parts": [{"subject": "nobody", "salt": "", "key": "", "ct": ""}]},
        {"parts": [{"subject": str(CUSTOMER), "salt": "?", "key": "", "ct": ""}]},
        {"parts": [{"subject": str(CUSTOMER), "salt": 1, "key": "", "ct": ""}]},
        {"more": 1},
        {"type": 1},
        {"schema": "1"},
        {"version": 7.0},
        {"recorded_at": "2026-03-02T08:30:00"},
        {"recorded_at": 1},
        {"recorded_at": "2026-W10-1T08:30:00.000000Z"},
        {"effective_from": "2026-03-02 08:30:00.000000Z"},
        {"effective_to": "2026-03-02T08:30:00.000000+"},
    ],
)
def test_an_entry_with_other_members_is_named(members: dict[str, Any]) -> None:
    with pytest.raises(errors.MalformedEntry):
        codec.decode(with_entry(codec.encode(EXAMPLE, DATA_KEYS), **members), DATA_KEYS)


@pytest.mark.parametrize("member", ["recorded_at", "effective_from", "effective_to"])
def test_an_entry_with_an_impossible_time_is_named(member: str) -> None:
    stored = with_entry(codec.encode(EXAMPLE, DATA_KEYS), **{member: "2026-02-30T08:30:00.000000Z"})
    with pytest.raises(errors.MalformedPart):
        codec.decode(stored, DATA_KEYS)


def test_the_times_of_an_entry_are_of_one_time_zone() -> None:
    envelope = codec.decode(codec.encode(EXAMPLE, DATA_KEYS), DATA_KEYS).envelope
    assert envelope.effective_from is not None
    assert envelope.recorded_at.tzinfo is envelope.effective_from.tzinfo is UTC


def test_an_entry_with_a_null_member_is_named() -> None:
    entry, parts = unframed(codec.encode(EXAMPLE, DATA_KEYS).state)
    state = framed(orjson.dumps(orjson.loads(entry) | {"corrects": None}), parts)
    with pytest.raises(errors.MalformedEntry):
        codec.decode(StoredEvent(CUSTOMER, 7, EXAMPLE.payload.type, state), DATA_KEYS)


@pytest.mark.parametrize(
    "row", [{"originator_id": CONTACT}, {"originator_version": 8}, {"topic": "customer.contact-removed"}]
)
def test_an_entry_in_another_row_is_named(row: dict[str, Any]) -> None:
    with pytest.raises(errors.EntryMismatch):
        codec.decode(dataclasses.replace(codec.encode(EXAMPLE, DATA_KEYS), **row), DATA_KEYS)


def test_an_entry_that_names_another_actor_than_its_part_is_named() -> None:
    with pytest.raises(errors.EntryMismatch):
        codec.decode(with_entry(codec.encode(EXAMPLE, DATA_KEYS), actor="u-666"), DATA_KEYS)


def test_a_ciphertext_that_is_gone_is_missing() -> None:
    stored = codec.encode(EXAMPLE, DATA_KEYS)
    with pytest.raises(errors.PartMissing) as caught:
        codec.decode(with_parts(stored, unframed(stored.state).parts[0]), DATA_KEYS)
    assert (caught.value.part, caught.value.subject) == (1, str(CONTACT))


def test_an_event_without_any_ciphertext_is_missing_its_parts() -> None:
    with pytest.raises(errors.PartMissing):
        codec.decode(with_parts(codec.encode(EXAMPLE, DATA_KEYS)), DATA_KEYS)


def test_a_part_that_the_entry_does_not_name_is_tampering() -> None:
    stored = codec.encode(EXAMPLE, DATA_KEYS)
    with pytest.raises(errors.Tampered):
        codec.decode(with_parts(stored, *unframed(stored.state).parts, (2, b"more")), DATA_KEYS)


def test_swapped_parts_are_tampering() -> None:
    stored = codec.encode(EXAMPLE, DATA_KEYS)
    (_, first), (_, second) = unframed(stored.state).parts
    with pytest.raises(errors.Tampered):
        codec.decode(with_parts(stored, (0, second), (1, first)), DATA_KEYS)


def test_a_part_of_another_event_of_the_stream_is_tampering_even_with_its_commitment() -> None:
    stored = codec.encode(EXAMPLE, DATA_KEYS)
    envelope = EXAMPLE.envelope.model_copy(update={"version": 8})
    other = codec.encode(RecordedEvent(envelope, EXAMPLE.payload), DATA_KEYS)
    entry, parts = unframed(other.state)
    moved = with_entry(with_parts(stored, *parts), parts=orjson.loads(entry)["parts"])
    with pytest.raises(errors.Tampered):
        codec.decode(moved, DATA_KEYS)


def test_another_data_key_is_the_wrong_key_and_not_tampering() -> None:
    stored = codec.encode(EXAMPLE, DATA_KEYS)
    with pytest.raises(errors.WrongKey) as caught:
        codec.decode(stored, DATA_KEYS | {CONTACT: b"x" * 32})
    assert caught.value.part == 1


def test_a_changed_key_commitment_is_the_wrong_key() -> None:
    stored = codec.encode(EXAMPLE, DATA_KEYS)
    commitments = orjson.loads(unframed(stored.state).entry)["parts"]
    commitments[0]["key"] = commitments[1]["key"]
    with pytest.raises(errors.WrongKey):
        codec.decode(with_entry(stored, parts=commitments), DATA_KEYS)


def test_decoding_without_a_data_key_names_the_subject() -> None:
    with pytest.raises(errors.DataKeyMissing) as caught:
        codec.decode(codec.encode(EXAMPLE, DATA_KEYS), {CUSTOMER: b"c" * 32})
    assert caught.value.subject == CONTACT


# --- genuine, but not to be understood ------------------------------------------------------------------------------


def resealed(content: Any, **entry: Any) -> StoredEvent:
    """A genuine event of one part with this content."""
    plain = to_plain(EXAMPLES[TagApplied.type])
    return codec.seal(PlainEvent(plain.entry | entry, (PlainPart(CUSTOMER, content),)), DATA_KEYS)


def test_an_unknown_event_type_is_named() -> None:
    stored = resealed(to_plain(EXAMPLES[TagApplied.type]).parts[0].content, type="customer.from-the-future")
    with pytest.raises(errors.UnknownEventType):
        codec.decode(stored, DATA_KEYS)


@pytest.mark.parametrize("schema", [0, 2, -1])
def test_an_unknown_schema_version_is_named(schema: int) -> None:
    stored = resealed(to_plain(EXAMPLES[TagApplied.type]).parts[0].content, schema=schema)
    with pytest.raises(errors.UnknownSchemaVersion):
        codec.decode(stored, DATA_KEYS)


@pytest.mark.parametrize(
    "content",
    [
        1,
        [],
        {},
        {"payload": {}},
        {"payload": {}, "envelope": {}},
        {"payload": {"group": "secret"}, "envelope": {"actor": {"id": "u-118"}, "policy_version": 1}},
        {"payload": [], "envelope": {"actor": {"id": "u-118"}, "policy_version": 1}},
    ],
)
def test_content_that_builds_no_event_is_named_and_not_shown(content: Any) -> None:
    with pytest.raises(errors.MalformedPart) as caught:
        codec.decode(resealed(content), DATA_KEYS)
    assert "secret" not in str(caught.value)


def test_a_correction_by_an_unknown_event_is_named() -> None:
    plain = to_plain(EXAMPLES[FactCorrected.type])
    content = plain.parts[0].content | {"payload": {"replaced_type": "customer.unheard-of", "replacement": {}}}
    stored = codec.seal(PlainEvent(plain.entry, (PlainPart(CUSTOMER, content),)), DATA_KEYS)
    with pytest.raises(errors.UnknownEventType):
        codec.decode(stored, DATA_KEYS)
