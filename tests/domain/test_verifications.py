"""Stories of verifications: a value that shows was held against a source outside."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from domain.decisions.classification import RecordAttribute, RemoveAttribute
from domain.decisions.contacts import RemoveContact
from domain.decisions.lifecycle import ArchiveCustomer
from domain.decisions.quality import RetractFact, VerifyField
from domain.errors import (
    CustomerArchived,
    EffectiveDateOutOfRange,
    EvidenceRequired,
    InvalidField,
    NotCorrectable,
    UnknownItem,
    ValueNotHeld,
)
from domain.events import RecordedEvent
from domain.events.quality import FieldVerified
from tests.domain.story import Story, opened, uid

SLOT = "/attributes/k"


def with_attribute(value: Any) -> tuple[Story, RecordedEvent]:
    story = opened()
    [event] = story.do(RecordAttribute(key="k", value=value))
    return story, event


def verified(event: RecordedEvent | UUID, path: str = SLOT) -> VerifyField:
    event_id = event if isinstance(event, UUID) else event.envelope.event_id
    return VerifyField.model_validate(
        {"path": path, "value_event_id": event_id, "method": "REGISTRY", "result": "MATCH"}
    )


def test_a_verification_is_recorded_again_and_again_and_changes_nothing() -> None:
    story, event = with_attribute(1)
    before = story.row.revision
    for _ in range(2):
        [verification] = story.do(verified(event))
        assert isinstance(verification.payload, FieldVerified)
        assert (verification.facts, verification.envelope.effective_from) == ((), None)
    assert story.row.revision == before
    assert story.shows(SLOT) == 1


def test_what_is_verified_shows_now_and_is_held_by_the_named_event() -> None:
    story, first = with_attribute(1)
    [second] = story.do(RecordAttribute(key="k", value=2))
    story.refuses(ValueNotHeld, verified(first), pointer="/value_event_id")
    story.refuses(ValueNotHeld, verified(uid(7)), pointer="/value_event_id")
    story.do(verified(second))
    story.do(RetractFact(retracts=second.envelope.event_id))
    story.refuses(ValueNotHeld, verified(second), pointer="/value_event_id")
    story.do(verified(first))
    story.do(RemoveAttribute(key="k"))
    story.refuses(UnknownItem, verified(first), pointer="/path")


def test_what_begins_later_cannot_be_verified_yet() -> None:
    story, first = with_attribute(1)
    [future] = story.do(RecordAttribute(key="k", value=2), now="2026-02-01", effective_from="2026-03-01")
    story.refuses(ValueNotHeld, verified(future), pointer="/value_event_id")
    story.do(verified(first))
    story.do(verified(future), now="2026-03-02")


def test_what_went_away_with_its_contact_cannot_be_verified() -> None:
    story = opened()
    added = next(event for event in story.events if event.payload.type == "customer.contact-added")
    name = f"/contacts/{uid(10)}/name"
    story.do(verified(added, name))
    story.do(RemoveContact.model_validate({"contact_id": uid(10), "removal_reason": "LEFT_COMPANY"}))
    story.refuses(UnknownItem, verified(added, name), pointer="/path")


@pytest.mark.parametrize("path", ["/colour", "/tier", "tier/VALUE", "/attributes/k/deeper"])
def test_a_slot_is_verified_and_nothing_else(path: str) -> None:
    story, event = with_attribute(1)
    story.refuses(InvalidField, verified(event, path), pointer="/path")


def test_a_verification_needs_evidence_and_happens_when_it_happens() -> None:
    story, event = with_attribute(1)
    story.refuses(EvidenceRequired, verified(event), pointer="/evidence", evidence=())
    story.refuses(EffectiveDateOutOfRange, verified(event), pointer="/effective_from", effective_from="2026-01-05")
    [verification] = story.do(verified(event))
    retraction = RetractFact(retracts=verification.envelope.event_id)
    story.refuses(NotCorrectable, retraction, pointer="/retracts")


def test_an_archived_file_is_not_verified() -> None:
    story, event = with_attribute(1)
    story.do(ArchiveCustomer.model_validate({"reason_code": "LOST"}))
    story.refuses(CustomerArchived, verified(event))
