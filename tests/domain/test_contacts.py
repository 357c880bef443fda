"""Stories of addresses, contact persons and contact points."""

from __future__ import annotations

import pytest

from domain.decisions.contacts import (
    AddContact,
    ChangeAddress,
    ChangeContactDetails,
    ChangeContactPoint,
    NewPoint,
    RemoveContact,
    ReplacePrimaryContact,
)
from domain.decisions.quality import RetractFact
from domain.errors import (
    InvalidField,
    NoChange,
    ObservedAtRequired,
    PersonalContactNeedsConsent,
    PrimaryContactRequired,
    ReasonRequired,
    UnknownCode,
    UnknownItem,
)
from domain.events.contacts import AddressKind, ContactDetails, ContactPointKind, RemovalReason, Usage
from domain.facts import ABSENT
from tests.domain.story import IMPORTER, PHONE, Story, opened, uid

FIRST, SECOND, STRANGER = uid(10), uid(20), uid(99)
LEFT = RemovalReason.LEFT_COMPANY
POINT = f"/contacts/{FIRST}/points/{uid(11)}"


def test_the_first_contact_is_the_primary_one_and_a_second_is_not() -> None:
    story = with_two_contacts()
    assert story.shows("/primary_contact") == str(FIRST)
    assert story.shows(f"/contacts/{SECOND}/name") == "Han Meimei"


def test_a_contact_added_as_primary_replaces_the_one_before() -> None:
    story, command = opened(), AddContact(contact_id=SECOND, name="Han", is_primary=True)
    added, replaced = story.do(command)
    assert [added.payload.type, replaced.payload.type] == [
        "customer.contact-added",
        "customer.primary-contact-replaced",
    ]
    assert story.shows("/primary_contact") == str(SECOND)


def test_replacing_the_primary_contact_is_major_and_needs_a_reason() -> None:
    story, replace = with_two_contacts(), ReplacePrimaryContact(new_contact_id=SECOND)
    story.refuses(ReasonRequired, replace, pointer="/reason", reason=None)
    story.refuses(ObservedAtRequired, replace, pointer="/observed_at", observed_at=None)
    story.refuses(UnknownItem, ReplacePrimaryContact(new_contact_id=STRANGER), pointer="/new_contact_id")
    story.refuses(NoChange, ReplacePrimaryContact(new_contact_id=FIRST), pointer="")
    story.do(replace)
    assert story.shows("/primary_contact") == str(SECOND)


def test_the_primary_contact_is_removed_only_with_a_replacement() -> None:
    story = with_two_contacts()
    alone = RemoveContact(contact_id=FIRST, removal_reason=LEFT)
    story.refuses(PrimaryContactRequired, alone, pointer="/new_primary_contact_id")
    same = alone.model_copy(update={"new_primary_contact_id": FIRST})
    story.refuses(PrimaryContactRequired, same, pointer="/new_primary_contact_id")
    story.do(alone.model_copy(update={"new_primary_contact_id": SECOND}), reason=None)
    assert story.shows("/primary_contact") == str(SECOND)
    assert story.shows(f"/contacts/{FIRST}/name") is ABSENT


def test_the_last_contact_takes_the_primary_contact_along() -> None:
    story = opened()
    story.do(RemoveContact(contact_id=FIRST, removal_reason=LEFT))
    assert story.shows("/primary_contact") is ABSENT
    assert not [slot for slot in story.whole().visible(story.now) if slot.startswith("/contacts")]


def test_removing_a_contact_is_major_and_names_a_contact_of_the_file() -> None:
    story = with_two_contacts()
    remove = RemoveContact(contact_id=SECOND, removal_reason=LEFT)
    story.refuses(ObservedAtRequired, remove, pointer="/observed_at", observed_at=None)
    story.refuses(UnknownItem, RemoveContact(contact_id=STRANGER, removal_reason=LEFT), pointer="/contact_id")
    story.do(remove)


def test_a_back_dated_removal_may_not_leave_the_later_contacts_without_a_primary_one() -> None:
    story = opened()
    story.do(AddContact(contact_id=SECOND, name="Han Meimei"), now="2026-03-01")
    remove = RemoveContact(contact_id=FIRST, removal_reason=LEFT)
    story.refuses(PrimaryContactRequired, remove, pointer="", now="2026-03-10", effective_from="2026-02-20")


def test_retracting_the_primary_contact_of_a_file_with_others_is_refused_for_an_importer_too() -> None:
    story = with_two_contacts()
    retract = RetractFact(retracts=first_event(story, "customer.contact-added"))
    story.refuses(PrimaryContactRequired, retract, pointer="")
    story.refuses(PrimaryContactRequired, retract, pointer="", by=IMPORTER, initial_load=True)


def test_changed_details_keep_what_stood_before() -> None:
    story = opened()
    details = ContactDetails(title="CEO", department="Board")
    [event] = story.do(ChangeContactDetails(contact_id=FIRST, changed=details))
    [event] = story.do(ChangeContactDetails(contact_id=FIRST, changed=ContactDetails(title="CTO", department=None)))
    assert event.payload.model_dump()["old"] == {
        "name": None,
        "title": "CEO",
        "department": "Board",
        "buying_role": None,
    }
    assert story.shows(f"/contacts/{FIRST}/title") == "CTO"
    assert story.shows(f"/contacts/{FIRST}/department") is ABSENT


def test_details_change_for_a_contact_of_the_file_that_keeps_its_name() -> None:
    story = opened()
    nobody = ChangeContactDetails(contact_id=STRANGER, changed=ContactDetails(title="CEO"))
    story.refuses(UnknownItem, nobody, pointer="/contact_id")
    nameless = ChangeContactDetails(contact_id=FIRST, changed=ContactDetails(name=None))
    story.refuses(InvalidField, nameless, pointer="/changed/name")
    nothing = ChangeContactDetails(contact_id=FIRST, changed=ContactDetails())
    story.refuses(InvalidField, nothing, pointer="/changed")
    same = ChangeContactDetails(contact_id=FIRST, changed=ContactDetails(name="Li Lei", title=None))
    story.refuses(NoChange, same, pointer="")


@pytest.mark.parametrize(
    ("kind", "written", "kept", "number_type"),
    [
        ("PHONE", "0755-86013388", "+8675586013388", "FIXED_LINE"),
        ("PHONE", "400-800-1024", "+864008001024", "SHARED_COST"),
        ("PHONE", "0755 86013388 x718", "+8675586013388;ext=718", "FIXED_LINE"),
        ("MOBILE", "+86 138 0013 8000", "+8613800138000", "MOBILE"),
        ("EMAIL", "Li.Lei@EXAMPLE.com", "Li.Lei@example.com", None),
        ("EMAIL", "张三@例子.公司", "张三@例子.公司", None),
        ("WECHAT", "li_lei-88", "li_lei-88", None),
        ("POST", "PO Box 7, Shenzhen", "PO Box 7, Shenzhen", None),
    ],
)
def test_a_contact_point_is_kept_in_one_form(kind: str, written: str, kept: str, number_type: str | None) -> None:
    story = opened()
    story.do(ChangeContactPoint(contact_id=FIRST, point_id=uid(12), kind=ContactPointKind(kind), value=written))
    shown = story.shows(f"/contacts/{FIRST}/points/{uid(12)}")
    assert (shown["value"], shown.get("number_type")) == (kept, number_type)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("PHONE", "1388888"),
        ("MOBILE", "call me"),
        ("FAX", "+999 1"),
        ("EMAIL", "li.lei"),
        ("EMAIL", "a@b@c.com"),
        ("WECHAT", "@li"),
        ("WECHAT", "٣٣٣٣٣٣"),
    ],
)
def test_a_contact_point_that_cannot_be_is_refused(kind: str, value: str) -> None:
    command = ChangeContactPoint(contact_id=FIRST, kind=ContactPointKind(kind), value=value)
    opened().refuses(InvalidField, command, pointer="/value")


def test_a_phone_written_in_another_way_is_no_change() -> None:
    story = opened()
    same = ChangeContactPoint(contact_id=FIRST, point_id=uid(11), kind=ContactPointKind.PHONE, value="075586013388")
    story.refuses(NoChange, same, pointer="")
    assert story.shows(POINT)["value"] == PHONE.replace(" ", "")


def test_a_contact_point_of_null_is_taken_away_once() -> None:
    story = opened()
    gone = ChangeContactPoint(contact_id=FIRST, point_id=uid(11), kind=ContactPointKind.PHONE, value=None)
    [event] = story.do(gone)
    assert event.payload.model_dump()["old_value"] == "+8675586013388"
    assert story.shows(POINT) is ABSENT
    story.refuses(NoChange, gone, pointer="")


def test_personal_contact_points_need_a_consent_and_an_initial_load_is_no_exemption() -> None:
    story = opened()
    personal = ChangeContactPoint(
        contact_id=FIRST, kind=ContactPointKind.MOBILE, value="+86 138 0013 8000", usage=Usage.PERSONAL
    )
    story.refuses(PersonalContactNeedsConsent, personal, pointer="/usage")
    story.refuses(PersonalContactNeedsConsent, personal, pointer="/usage", by=IMPORTER, initial_load=True)
    point = NewPoint(kind=ContactPointKind.MOBILE, value="+86 138 0013 8000", usage=Usage.PERSONAL)
    story.refuses(PersonalContactNeedsConsent, AddContact(name="Han", points=[point]), pointer="/points/0/usage")


def test_a_bad_point_of_a_new_contact_is_named_by_its_place() -> None:
    good, bad = (NewPoint(kind=ContactPointKind.PHONE, value=value) for value in (PHONE, "1388888"))
    opened().refuses(InvalidField, AddContact(name="Han", points=[good, bad]), pointer="/points/1/value")


def test_points_need_a_contact_that_shows_at_their_effective_time() -> None:
    story = opened()
    story.do(AddContact(contact_id=SECOND, name="Han"), now="2026-03-01")
    early = ChangeContactPoint(contact_id=SECOND, kind=ContactPointKind.OTHER, value="a door")
    story.refuses(UnknownItem, early, pointer="/contact_id", now="2026-03-02", effective_from="2026-02-27")
    story.do(early, effective_from="2026-03-01")


def test_addresses_of_one_kind_follow_each_other_and_name_a_country() -> None:
    story = opened()
    story.do(ChangeAddress(address_kind=AddressKind.OFFICE, country="CN", city="深圳", lines=["科技园 1 号"]))
    story.do(ChangeAddress(address_kind=AddressKind.OFFICE, country="GB"))
    assert story.shows("/addresses/OFFICE") == {"country": "GB", "lines": []}
    nowhere = ChangeAddress(address_kind=AddressKind.OFFICE, country="ZZ")
    story.refuses(UnknownCode, nowhere, pointer="/country")


def with_two_contacts() -> Story:
    story = opened()
    story.do(AddContact(contact_id=SECOND, name="Han Meimei"))
    return story


def first_event(story: Story, stored_name: str) -> object:
    return next(event.envelope.event_id for event in story.events if event.payload.type == stored_name)
