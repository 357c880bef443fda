"""Slots and pointers, and the profile document that they describe."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.document import document_of, narrowed
from domain.slots import SLOTS, kind_of, pointer, segments_of
from tests.domain.payloads import PAYLOADS
from tests.domain.story import opened

text = st.text(min_size=1, max_size=8) | st.sampled_from(["~", "/", "~1", "~0", "a/b~c", "~01"])


@given(st.lists(text, min_size=1, max_size=4))
def test_a_pointer_holds_its_segments(segments: list[str]) -> None:
    assert segments_of(pointer(*segments)) == segments


@given(st.sets(text, max_size=6))
def test_every_visible_slot_resolves_in_the_document(keys: set[str]) -> None:
    values: dict[str, Any] = {pointer("attributes", key): {"of": key} for key in keys}
    values |= {slot: fact.value for slot, fact in opened().row.visible(opened().now).items()}
    document = document_of(values)
    for slot, value in values.items():
        found = resolved(document, slot)
        assert isinstance(found, dict) if is_contact(slot) else found == value


def test_a_presence_slot_is_the_object_of_its_children() -> None:
    values = {
        "/contacts/1/points/2": {"kind": "PHONE"},
        "/contacts/1/name": "Li",
        "/contacts/1": True,
        "/needs/3": True,
    }
    assert document_of(values) == {
        "contacts": {"1": {"name": "Li", "points": {"2": {"kind": "PHONE"}}}},
        "needs": {"3": {}},
    }


def test_a_document_is_narrowed_to_pointers_with_the_items_they_stand_in() -> None:
    values = {"/contacts/1": True, "/contacts/1/name": "Li", "/contacts/10": True, "/tier/VALUE": {"code": "A"}}
    assert narrowed(values, ["/contacts/1/name"]) == {"/contacts/1": True, "/contacts/1/name": "Li"}
    assert narrowed(values, ["/contacts/1"]) == {"/contacts/1": True, "/contacts/1/name": "Li"}
    assert narrowed(values, ["/tier", "/nothing"]) == {"/tier/VALUE": {"code": "A"}}
    assert narrowed(values, [""]) == values


def test_every_slot_that_an_event_asserts_has_a_row_and_every_row_an_event() -> None:
    asserted = {slot for payload in PAYLOADS for slot, _ in payload.assertions()}
    assert [slot for slot in asserted if kind_of(slot) is None] == []
    assert {kind.pattern for slot in asserted if (kind := kind_of(slot))} == {kind.pattern for kind in SLOTS}


def test_the_pattern_that_says_most_names_the_kind_of_a_slot() -> None:
    language, stranger = kind_of("/identity/legal_name_language"), kind_of("/contacts/1/points")
    assert language is not None
    assert language.value == "BCP 47 tag"
    assert getattr(kind_of("/addresses/HOME"), "pattern", None) == "/addresses/HOME"
    assert getattr(kind_of("/addresses/OFFICE"), "pattern", None) == "/addresses/{address_kind}"
    assert getattr(kind_of("/identifiers/CN_RIC/1"), "pattern", None) == "/identifiers/CN_RIC/{value}"
    assert (stranger, kind_of("/attributes/"), kind_of("/tier/VALUE/code")) == (None, None, None)


def resolved(document: Any, slot: str) -> Any:
    """RFC 6901, for objects: written here anew."""
    place = document
    for token in slot.removeprefix("/").split("/"):
        place = place[token.replace("~1", "/").replace("~0", "~")]
    return place


def is_contact(slot: str) -> bool:
    return slot.startswith("/contacts/") and slot.count("/") == 2
