"""Stories of tags, owners and custom fields, and the subtle forms of "no change" (I15)."""

from __future__ import annotations

from typing import Any

import pytest

from domain.decisions.classification import ApplyTag, AssignOwner, RecordAttribute, RemoveAttribute, RemoveTag
from domain.errors import NoChange, ReasonRequired, UnknownCode
from domain.events.classification import OwnerRole
from domain.facts import ABSENT
from tests.domain.story import IMPORTER, opened

EAST = ApplyTag(group="REGION", code="EAST")


def test_a_tag_is_applied_and_removed_once() -> None:
    story = opened()
    story.do(EAST)
    assert story.shows("/tags/REGION/EAST") is True
    story.refuses(NoChange, EAST, pointer="")
    story.do(RemoveTag(group="REGION", code="EAST"))
    assert story.shows("/tags/REGION/EAST") is ABSENT
    story.refuses(NoChange, RemoveTag(group="REGION", code="EAST"), pointer="/code")


def test_a_tag_stands_in_the_taxonomy_for_an_importer_too() -> None:
    for command, pointer in [
        (ApplyTag(group="REGION", code="EASTERN"), "/code"),
        (ApplyTag(group="REGIO", code="EAST"), "/group"),
        (RemoveTag(group="REGIO", code="EAST"), "/group"),
    ]:
        opened().refuses(UnknownCode, command, pointer=pointer)
        opened().refuses(UnknownCode, command, pointer=pointer, by=IMPORTER, initial_load=True)


def test_replacing_an_owner_needs_a_reason_and_keeps_who_held_the_role() -> None:
    story = opened(owner=None)
    story.do(AssignOwner(role=OwnerRole.ACCOUNT_MANAGER, to_staff="u-1"), reason=None)
    handover = AssignOwner(role=OwnerRole.ACCOUNT_MANAGER, to_staff="u-2", handover_note="All files handed over")
    story.refuses(ReasonRequired, handover, pointer="/reason", reason=None)
    [event] = story.do(handover)
    assert event.payload.model_dump()["from_staff"] == "u-1"
    story.do(handover.model_copy(update={"to_staff": "u-3"}), reason=None, by=IMPORTER, initial_load=True)
    assert story.shows("/owner/ACCOUNT_MANAGER") == "u-3"


def test_each_role_has_an_owner_of_its_own() -> None:
    story = opened()
    story.do(AssignOwner(role=OwnerRole.RISK_OFFICER, to_staff="u-9"), reason=None)
    assert story.shows("/owner/ACCOUNT_MANAGER") == "u-204"


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}, 1.5, 2**64 - 1, -(2**63), {"a": [1, None]}])
def test_an_attribute_keeps_any_json_value_null_included(value: Any) -> None:
    story = opened()
    story.do(RecordAttribute(key="a/b~c", value=value))
    shown = story.shows("/attributes/a~1b~0c")
    assert shown == value
    assert type(shown) is type(value)
    story.refuses(NoChange, RecordAttribute(key="a/b~c", value=value), pointer="")


@pytest.mark.parametrize(("before", "after"), [(1, True), (True, "1"), ("1", 1), (0, False), (None, 0), ([1], [True])])
def test_values_of_different_json_types_are_different(before: Any, after: Any) -> None:
    story = opened()
    story.do(RecordAttribute(key="k", value=before))
    story.do(RecordAttribute(key="k", value=after))
    assert type(story.shows("/attributes/k")) is type(after)


def test_one_and_one_point_zero_are_one_number() -> None:
    story = opened()
    story.do(RecordAttribute(key="k", value=1))
    story.refuses(NoChange, RecordAttribute(key="k", value=1.0), pointer="")


def test_a_null_is_a_change_from_nothing_and_is_removed_like_any_value() -> None:
    story = opened()
    story.refuses(NoChange, RemoveAttribute(key="k"), pointer="/key")
    story.do(RecordAttribute(key="k", value=None))
    assert story.shows("/attributes/k") is None
    story.do(RemoveAttribute(key="k"))
    assert story.shows("/attributes/k") is ABSENT


def test_the_same_value_that_extends_an_ended_period_is_a_change() -> None:
    story, command = opened(), RecordAttribute(key="k", value="v")
    story.do(command, now="2026-02-01", effective_to="2026-03-01")
    story.refuses(NoChange, command, pointer="", effective_to="2026-02-20")
    story.do(command)
    assert story.shows("/attributes/k", "2026-03-02") == "v"


def test_the_same_value_from_an_earlier_time_is_a_change_and_from_a_later_one_is_not() -> None:
    story, command = opened(), RecordAttribute(key="k", value="v")
    story.do(command, now="2026-02-01")
    story.refuses(NoChange, command, pointer="", now="2026-02-02", effective_from="2026-02-01")
    story.refuses(NoChange, command, pointer="", now="2026-02-02", effective_from="2026-05-01")
    story.do(command, now="2026-02-02", effective_from="2026-01-20")


def test_an_absence_that_ends_a_pending_value_is_a_change() -> None:
    story = opened()
    story.do(RecordAttribute(key="k", value="v"), now="2026-02-01", effective_from="2026-03-01")
    story.refuses(NoChange, RemoveAttribute(key="k"), pointer="/key", now="2026-02-02")
    story.do(RemoveAttribute(key="k"), now="2026-02-02", effective_from="2026-04-01")
    assert story.shows("/attributes/k", "2026-03-31") == "v"
    assert story.shows("/attributes/k", "2026-04-01") is ABSENT


def test_no_change_is_refused_in_an_initial_load_too() -> None:
    story = opened()
    story.do(EAST)
    story.refuses(NoChange, EAST, pointer="", by=IMPORTER, initial_load=True)
