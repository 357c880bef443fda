"""The event types: declared once, complete, and read back as they were."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from domain.decisions import COMMANDS
from domain.events import EVENT_TYPES, Payload
from domain.events.base import declare
from domain.events.lifecycle import CustomerReinstated
from domain.events.quality import FactCorrected
from tests.domain.payloads import PAYLOADS


def test_there_is_a_payload_of_every_event_type_to_test_with() -> None:
    assert {payload.type for payload in PAYLOADS} == set(EVENT_TYPES)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.type)
def test_a_payload_is_read_back_as_it_was(payload: Payload) -> None:
    assert EVENT_TYPES[payload.type].model_validate(payload.model_dump(mode="json")) == payload


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.type)
def test_a_payload_asserts_each_slot_once_and_a_decision_none(payload: Payload) -> None:
    slots = [slot for slot, _ in payload.assertions()]
    assert len(slots) == len(set(slots))
    assert not (payload.decision and slots)


def test_every_fact_has_a_command_so_that_it_can_be_corrected() -> None:
    facts = {p.type for p in PAYLOADS if list(p.assertions()) and not isinstance(p, FactCorrected)}
    assert facts == set(COMMANDS)


def test_a_stored_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="is taken"):
        declare(CustomerReinstated)


@pytest.mark.parametrize("replaced_type", ["customer.unheard-of", None, "customer.need-closed"])
def test_a_correction_replaces_a_known_type_with_its_content(replaced_type: str | None) -> None:
    with pytest.raises(ValidationError):
        FactCorrected.model_validate({"replaced_type": replaced_type, "replacement": {"to_code": "A"}})


def test_no_payload_takes_a_field_that_it_does_not_have() -> None:
    for payload_class in EVENT_TYPES.values():
        with pytest.raises(ValidationError, match="Extra inputs"):
            payload_class.model_validate({"colour": "red"})
