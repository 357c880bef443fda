"""Who may not see a value sees that there is one, and nothing that depends on it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.canonical import canonical
from domain.document import document_of
from domain.erasure import erased_event
from domain.events import EVENT_TYPES, Payload
from domain.events.privacy import erased_class
from domain.facts import ABSENT
from domain.masking import HIGHEST, Mask, is_marker, level_of_event, level_of_item, level_of_payload, marker, slot_at
from domain.slots import SLOTS, Sensitivity, sensitivity_of
from ledger.plain import to_json
from tests.domain.payloads import PAYLOADS
from tests.domain.story import opened, uid

PUBLIC, INTERNAL, CONFIDENTIAL, SENSITIVE = Sensitivity
MARKED = {level: marker(level) for level in Sensitivity}
RIC = "110101199003070935"
_CANARY = "canary"


def json_of(payload: Payload) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads(to_json(payload))
    return content


@pytest.mark.parametrize(
    ("slot", "ceiling", "hidden"),
    [
        ("/identity/legal_name", INTERNAL, None),
        ("/contacts/x", INTERNAL, None),
        ("/contacts/x/name", INTERNAL, CONFIDENTIAL),
        ("/contacts/x/name", CONFIDENTIAL, None),
        ("/needs/x/budget", INTERNAL, CONFIDENTIAL),
        ("/addresses/OFFICE", INTERNAL, None),
        ("/addresses/HOME", CONFIDENTIAL, SENSITIVE),
        (f"/identifiers/CN_RIC/{RIC}", CONFIDENTIAL, SENSITIVE),
        (f"/identifiers/CN_RIC/{RIC}", SENSITIVE, None),
        ("/of/no/kind", CONFIDENTIAL, SENSITIVE),
    ],
)
def test_what_is_above_the_ceiling_is_hidden(slot: str, ceiling: Sensitivity, hidden: Sensitivity | None) -> None:
    mask = Mask(ceiling)
    assert mask.level(slot) is hidden
    assert mask.value(slot, "v") == ("v" if hidden is None else {"masked": True, "class": hidden.value})


def test_a_personal_contact_point_is_hidden_for_its_usage() -> None:
    work, personal = ({"kind": "PHONE", "value": "1", "usage": usage} for usage in ("WORK", "PERSONAL"))
    mask = Mask(CONFIDENTIAL)
    assert mask.value("/contacts/x/points/y", work) == work
    assert mask.value("/contacts/x/points/y", personal) == MARKED[SENSITIVE]


def test_a_pointer_that_holds_the_value_is_shown_without_it() -> None:
    mask = Mask(CONFIDENTIAL)
    assert mask.pointer(f"/identifiers/CN_RIC/{RIC}") == "/identifiers/CN_RIC/*"
    assert mask.pointer("/identifiers/DUNS/123456789") == "/identifiers/DUNS/123456789"
    assert mask.pointer("/addresses/HOME") == "/addresses/HOME"
    assert mask.pointer("/of/no/kind") == "/of/*/*"
    assert mask.names_hidden_value(f"/identifiers/CN_RIC/{RIC}/issuer")
    assert not mask.names_hidden_value("/identifiers/CN_RIC")
    assert not mask.names_hidden_value("/addresses/HOME/city")


def test_hidden_identifiers_of_one_scheme_are_one_in_the_document() -> None:
    values = {f"/identifiers/CN_RIC/{RIC}": {"issuer": "i"}, "/identifiers/CN_RIC/2": {}, "/identifiers/LEI/3": {}}
    assert document_of(Mask(INTERNAL).values(values)) == {
        "identifiers": {"CN_RIC": {"*": MARKED[SENSITIVE]}, "LEI": {"3": {}}}
    }


@pytest.mark.parametrize(
    ("path", "ceiling", "highest"),
    [
        ("", CONFIDENTIAL, SENSITIVE),
        ("", SENSITIVE, None),
        ("/addresses", CONFIDENTIAL, SENSITIVE),
        ("/addresses/OFFICE", CONFIDENTIAL, None),
        ("/addresses/HOME", CONFIDENTIAL, SENSITIVE),
        ("/contacts", INTERNAL, CONFIDENTIAL),
        ("/contacts/x", INTERNAL, CONFIDENTIAL),
        ("/contacts/x/points", INTERNAL, CONFIDENTIAL),
        ("/needs/x/budget/max", INTERNAL, CONFIDENTIAL),
        ("/needs/x/statement", INTERNAL, None),
        ("/tier", INTERNAL, None),
        ("/identifiers", CONFIDENTIAL, SENSITIVE),
        ("/identifiers/LEI/", CONFIDENTIAL, None),
    ],
)
def test_what_may_be_at_a_path_and_below(path: str, ceiling: Sensitivity, highest: Sensitivity | None) -> None:
    assert Mask(ceiling).level_within(path) is highest


def test_a_path_lies_in_the_longest_slot_there_is() -> None:
    assert slot_at("/contacts/x/points/y/value") == "/contacts/x/points/y"
    assert slot_at("/attributes/a/b/c") == "/attributes/a"
    assert slot_at("/contacts") is None
    assert slot_at("") is None


EVENT: dict[str, Any] = {
    "type": "customer.attribute-recorded",
    "data": {"key": "k", "value": "v"},
    "reason": {"code": "C", "text": "why"},
    "source": {"kind": "VISIT", "detail": "who said so", "row": 1},
    "evidence": [{"note": "n", "sha256": "0"}, {"document_id": "d"}],
    "actor": {"id": "u-1"},
}


def test_of_an_event_that_may_not_be_read_content_and_words_are_hidden() -> None:
    hidden = MARKED[CONFIDENTIAL]
    assert Mask(INTERNAL).event(EVENT, CONFIDENTIAL) == {
        **EVENT,
        "data": hidden,
        "reason": {"code": "C", "text": hidden},
        "source": {"kind": "VISIT", "detail": hidden, "row": 1},
        "evidence": [{"note": hidden, "sha256": "0"}, {"document_id": "d"}],
    }
    assert Mask(CONFIDENTIAL).event(EVENT, CONFIDENTIAL) == EVENT


def test_a_reason_that_is_one_text_is_hidden_and_what_is_not_there_stays_away() -> None:
    assert Mask(INTERNAL).event({"reason": "why"}, SENSITIVE) == {"reason": MARKED[SENSITIVE]}
    bare: dict[str, Any] = {"reason": None, "evidence": [], "source": None}
    assert Mask(INTERNAL).event(bare, SENSITIVE) == bare


def test_an_erasure_tells_of_its_slots_without_the_values_in_their_names() -> None:
    data = {"fields": [f"/identifiers/CN_RIC/{RIC}", "/contacts/x/name"], "subject": "s"}
    shown = Mask(INTERNAL).event({"type": "customer.personal-data-erased", "data": data}, INTERNAL)
    assert shown["data"] == {"fields": ["/identifiers/CN_RIC/*", "/contacts/x/name"], "subject": "s"}


def test_of_a_contact_point_the_old_value_may_have_been_personal() -> None:
    event = {"type": "customer.contact-point-changed", "data": {"value": "2", "old_value": "1"}}
    assert Mask(CONFIDENTIAL).event(event, CONFIDENTIAL)["data"] == {"value": "2", "old_value": MARKED[SENSITIVE]}
    assert Mask(SENSITIVE).event(event, CONFIDENTIAL) == event


def test_what_an_event_says_is_of_the_highest_class_of_what_it_speaks_of() -> None:
    levels = {payload.type.removeprefix("customer."): level_of_payload(payload) for payload in PAYLOADS}
    assert {name for name, level in levels.items() if level is SENSITIVE} == {"identifier-recorded", "address-changed"}
    assert {name for name, level in levels.items() if level is CONFIDENTIAL} == {
        "contact-added",
        "contact-details-changed",
        "contact-point-changed",
        "need-identified",
        "need-revised",
        "attribute-recorded",
        "attribute-removed",
    }


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.type)
def test_an_event_read_back_from_json_is_of_the_same_class(payload: Payload) -> None:
    assert level_of_event(payload.type, json_of(payload)) is level_of_payload(payload)


@pytest.mark.parametrize(
    ("data", "level"),
    [
        ({"retracted_type": "t", "slots": ["/tier/VALUE", "/addresses/HOME"]}, SENSITIVE),
        ({"retracted_type": "t", "slots": ["/contacts/x/name"]}, CONFIDENTIAL),
    ],
)
def test_a_retraction_speaks_of_the_slots_that_it_empties(data: dict[str, Any], level: Sensitivity) -> None:
    assert level_of_event("customer.fact-retracted", data) is level


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.type)
def test_what_an_event_did_says_as_much(payload: Payload) -> None:
    changes = [
        {"path": slot, "kind": "CHANGE", **({} if value is ABSENT else {"new": orjson.loads(orjson.dumps(value))})}
        for slot, value in payload.assertions()
    ]
    item = {"type": payload.type, "data": json_of(payload), "changes": changes}
    assert level_of_item(item) is level_of_payload(payload)
    assert level_of_item({**item, "changes": []}) is level_of_payload(payload)


def test_a_correction_and_a_verification_speak_of_what_they_correct_and_verify() -> None:
    home = {"address_kind": "HOME", "country": "DE"}
    correction = {"replaced_type": "customer.address-changed", "replacement": home}
    assert level_of_event("customer.fact-corrected", correction) is SENSITIVE
    verified = {"path": "/contacts/x/name", "value_event_id": str(uid(7)), "method": "CALLBACK", "result": "MATCH"}
    assert level_of_event("customer.field-verified", verified) is CONFIDENTIAL


def test_what_cannot_be_understood_is_hidden() -> None:
    assert level_of_event("customer.of-tomorrow", {}) is HIGHEST
    assert level_of_event("customer.tier-reassigned", {"scheme": 1}) is HIGHEST


def test_an_event_whose_values_were_erased_is_of_the_class_that_it_was() -> None:
    story = opened()
    for event in story.events:
        erased = erased_event(event, uid(10), uid(99)).payload
        assert level_of_event(erased.type, json_of(erased)) is level_of_payload(event.payload), erased.type
    whole = erased_class("customer.contact-added")(by=uid(99))
    assert level_of_event("customer.contact-added", json_of(whole)) is INTERNAL


# --- for all that can be ----------------------------------------------------------------------------------------------

_segments = st.sampled_from(["CN_RIC", "LEI", "HOME", "OFFICE", "legal_name", "x", "VALUE"])
_filled = {"{value}": f"{_CANARY}1", "{code}": f"{_CANARY}2"}


@st.composite
def _slots(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(SLOTS))
    names = kind.pattern.split("/")
    return "/".join(
        _filled.get(name, draw(_segments) if name.startswith("{") else name) if name else "" for name in names
    )


_values = st.recursive(
    st.just(f"{_CANARY}3"),
    lambda inner: st.lists(inner, min_size=1) | st.dictionaries(st.just(f"{_CANARY}4"), inner, min_size=1),
    max_leaves=4,
)
_ceilings = st.sampled_from(Sensitivity)


@given(st.dictionaries(_slots(), _values), _ceilings)
def test_nothing_of_a_hidden_value_is_in_the_document(values: dict[str, Any], ceiling: Sensitivity) -> None:
    mask = Mask(ceiling)
    hidden = {slot: value for slot, value in values.items() if sensitivity_of(slot, is_individual=True) > ceiling}
    assert _CANARY not in canonical(document_of(mask.values(hidden)))
    assert all(map(is_marker, mask.values(hidden).values()))
    shown = {slot: value for slot, value in values.items() if slot not in hidden}
    assert mask.values(shown) == shown
    assert mask.values(values) == {**mask.values(hidden), **shown}


@given(_slots(), _values, st.lists(_ceilings, min_size=2, max_size=2).map(sorted))
def test_who_may_see_more_sees_no_less(slot: str, value: Any, ceilings: list[Sensitivity]) -> None:
    lower, higher = (Mask(ceiling).value(slot, value) for ceiling in ceilings)
    assert lower in (value, higher) or is_marker(lower)
    assert Mask(HIGHEST).value(slot, value) == value


@given(_slots(), _values, _values, _ceilings)
def test_what_is_seen_of_a_change_does_not_depend_on_what_is_hidden(
    slot: str, old: Any, new: Any, ceiling: Sensitivity
) -> None:
    mask = Mask(ceiling)
    seen = mask.change({"path": slot, "kind": "CHANGE", "old": old, "new": new})
    if mask.level(slot) is None:
        assert seen == {"path": slot, "kind": "CHANGE", "old": old, "new": new}
    else:
        assert _CANARY not in canonical(seen)
        assert seen == mask.change({"path": slot, "kind": "CHANGE", "old": 1, "new": None})


@given(st.sampled_from(PAYLOADS), _ceilings)
def test_an_event_is_hidden_exactly_where_one_of_its_slots_is(payload: Payload, ceiling: Sensitivity) -> None:
    mask = Mask(ceiling)
    level = level_of_payload(payload)
    event = {"type": payload.type, "data": json_of(payload), "reason": {"text": "why"}}
    has_hidden = any(mask.level(slot, value) for slot, value in payload.assertions())
    if has_hidden:
        assert is_marker(mask.event(event, level)["data"])
        assert is_marker(mask.event(event, level)["reason"]["text"])
    elif ceiling > PUBLIC:
        assert mask.event(event, level) == event


def test_every_event_type_is_of_some_class() -> None:
    assert {payload.type for payload in PAYLOADS} == set(EVENT_TYPES)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.type)
def test_where_something_sensitive_is_told_there_is_a_sign_of_it(payload: Payload) -> None:
    changes = [{"path": slot, "kind": "CHANGE"} for slot, _ in payload.assertions()]
    told = orjson.dumps([{"type": payload.type, "data": json_of(payload), "changes": changes}])
    assert Mask(CONFIDENTIAL).may_hide(told) or level_of_payload(payload) <= CONFIDENTIAL
    assert Mask(INTERNAL).may_hide(told)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.type)
def test_no_event_tells_of_something_sensitive_and_of_other_slots_besides(payload: Payload) -> None:
    """Who sees but a slot that shows would not notice that the event's words may be about one that does not."""
    assert len({Mask(CONFIDENTIAL).level(slot, value) for slot, value in payload.assertions()}) <= 1


def test_there_is_a_sign_of_what_an_event_repeats() -> None:
    mask = Mask(CONFIDENTIAL)
    assert not mask.may_hide(b'[{"path":"/addresses/OFFICE","value":{"usage":"WORK"},"old_value":null}]')
    for told in (b'"/addresses/HOME"', b'"/identifiers/CN_RIC/1"', b'{"old_value":"1"}', b'{"usage":"PERSONAL"}'):
        assert mask.may_hide(told)
    for name in ("field-verified", "fact-retracted", "fact-corrected", "personal-data-erased"):
        assert mask.may_hide(b'{"type":"customer.%b"}' % name.encode())
