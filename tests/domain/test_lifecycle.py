"""Stories of opening, archiving and reinstating a file."""

from __future__ import annotations

from typing import Any

import pytest

from domain.decisions.classification import RecordAttribute
from domain.decisions.identity import RecordIdentifier
from domain.decisions.lifecycle import ArchiveCustomer, FirstContact, RegisterCustomer, Registration, ReinstateCustomer
from domain.decisions.quality import CorrectFact, RetractFact
from domain.errors import CustomerArchived, EffectiveDateOutOfRange, InvalidField, NoChange, ReasonRequired
from domain.events.contacts import ContactPointKind
from domain.events.lifecycle import ArchiveReason, CustomerKind
from tests.domain.story import IMPORTER, PHONE, Story, at, opened, uid

ARCHIVE = ArchiveCustomer(reason_code=ArchiveReason.LOST)
PERSON = CustomerKind.INDIVIDUAL


def test_a_registration_is_one_decision_and_ordinary_facts() -> None:
    identifier = RecordIdentifier(scheme="LEI", value="HWUPKR0MPOU8FGXBT394")
    story = opened(country="CN", identifiers=[identifier])
    assert [event.payload.type.removeprefix("customer.") for event in story.events] == [
        "registered",
        "legal-name-changed",
        "identifier-recorded",
        "address-changed",
        "contact-added",
        "contact-point-changed",
        "owner-assigned",
    ]
    assert [event.envelope.version for event in story.events] == list(range(1, 8))
    assert story.events[0].facts == ()


def test_a_registration_may_be_effective_before_it_is_recorded() -> None:
    story = Story()
    registration = Registration(customer_kind=PERSON, name="Li Lei", contact=with_phone())
    commands = [command for _, command in registration.commands(initial_load=False)]
    story.do(*commands, now="2026-01-20", effective_from="2026-01-05")
    assert story.events[0].envelope.effective_from is None
    assert story.whole().effective_since == at("2026-01-05")
    assert story.shows("/identity/legal_name", "2026-01-06") == "Li Lei"


def test_a_file_is_opened_with_a_name_and_a_contact_point() -> None:
    with pytest.raises(InvalidField) as caught:
        list(Registration(customer_kind=PERSON).commands(initial_load=False))
    assert caught.value.rule == "P5"
    assert [field.pointer for field in caught.value.fields] == ["/name", "/contact/points"]


def test_an_initial_load_may_omit_both_but_a_contact_it_gives_has_a_name() -> None:
    bare = Registration(customer_kind=PERSON)
    assert [type(command) for _, command in bare.commands(initial_load=True)] == [RegisterCustomer]
    nameless = Registration(customer_kind=PERSON, contact=with_phone())
    with pytest.raises(InvalidField) as caught:
        list(nameless.commands(initial_load=True))
    assert [field.pointer for field in caught.value.fields] == ["/contact/name"]


def test_each_command_of_a_registration_knows_its_place_in_the_body() -> None:
    identifier = RecordIdentifier(scheme="DUNS", value="123456789")
    registration = Registration(customer_kind=PERSON, name="Li", contact=with_phone(), identifiers=[identifier])
    places = [place for place, _ in registration.commands(initial_load=False)]
    assert places == ["", "", "/identifiers/0", "/contact"]


def test_an_archived_file_takes_no_new_fact_from_anybody() -> None:
    story, fact = archived(), RecordAttribute(key="k", value=1)
    story.refuses(CustomerArchived, fact)
    story.refuses(CustomerArchived, fact, by=IMPORTER, initial_load=True)
    story.refuses(CustomerArchived, ARCHIVE)


def test_an_archived_file_can_be_corrected_retracted_and_reinstated() -> None:
    story = archived()
    attribute = next(e.envelope.event_id for e in story.events if e.payload.type == "customer.attribute-recorded")
    [corrected] = story.do(CorrectFact(corrects=attribute, replacement={"value": 2}))
    story.do(RetractFact(retracts=corrected.envelope.event_id))
    story.do(ReinstateCustomer())
    assert not story.whole().archived
    story.do(RecordAttribute(key="k", value=1))


def test_archiving_gives_its_own_reason_and_reinstating_needs_one() -> None:
    story = opened()
    story.refuses(NoChange, ReinstateCustomer(), pointer="")
    [event] = story.do(ARCHIVE, reason=None)
    assert event.envelope.reason is not None
    assert event.envelope.reason.code == "LOST"
    story.refuses(ReasonRequired, ReinstateCustomer(), pointer="/reason", reason=None)


@pytest.mark.parametrize("stated", [{"effective_from": "2026-01-04"}, {"effective_to": "2026-12-01"}])
def test_a_decision_happens_when_it_happens_in_an_initial_load_too(stated: dict[str, Any]) -> None:
    story = opened()
    story.refuses(EffectiveDateOutOfRange, ARCHIVE, pointer="/effective_from", **stated)
    story.refuses(EffectiveDateOutOfRange, ARCHIVE, pointer="/effective_from", by=IMPORTER, initial_load=True, **stated)


def with_phone() -> FirstContact:
    return FirstContact.model_validate(
        {"points": [{"point_id": uid(11), "kind": ContactPointKind.PHONE, "value": PHONE}]}
    )


def archived() -> Story:
    story = opened()
    story.do(RecordAttribute(key="k", value=7))
    story.do(ARCHIVE)
    return story
