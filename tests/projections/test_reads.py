"""What the API reads of one customer: history, and the file's own state."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import orjson
import psycopg
import pytest
from psycopg import AsyncConnection, errors
from uuid_utils.compat import uuid7

from domain.events import Reason
from domain.events.classification import (
    OwnerAssigned,
    OwnerRole,
    TagApplied,
)
from domain.events.contacts import ContactPointChanged, ContactPointKind, Usage
from projections.events import HistoryFilter, PageAsked, WholePage, first_known, history, whole_pages
from tests.make import RECORDING_STARTS, Stream, at
from tests.projections.files import BOSS, registered, tier
from tests.projections.world import World


def history_of(world: World, stream: Stream, wanted: HistoryFilter | None = None, **page: Any) -> list[dict[str, Any]]:
    async def ask(connection: AsyncConnection[Any]) -> list[dict[str, Any]]:
        position = page.pop("position", 1_000_000)
        limit = page.pop("limit", 100)
        return await history(connection, stream.customer_id, position, wanted or HistoryFilter(), limit=limit, **page)

    return world.read(ask)


def versions(items: list[dict[str, Any]]) -> list[int]:
    return [item["version"] for item in items]


# History


def test_an_item_of_a_history_says_everything_about_its_event(world: World) -> None:
    stream = registered()
    reason = Reason(code="GROWTH", text="12-month amount 151 200")
    event = stream.add(tier("HIGH_VALUE", approver_id="u-301"), at("2026-01-01"), reason=reason, request_id="r-1")
    world.project(*stream.events)
    registration, item = history_of(world, stream)
    assert (registration["decision"], registration["changes"]) == (True, [])
    assert item["customer_id"] == str(stream.customer_id)
    assert item["event_id"] == str(event.envelope.event_id)
    assert (item["type"], item["decision"]) == ("customer.tier-reassigned", False)
    assert (item["version"], item["position"]) == (2, 2)
    assert item["effective_from"] == "2026-01-01T00:00:00.000000Z"
    assert item["effective_to"] is None
    assert item["actor"] == {"id": "u-118", "kind": "HUMAN", "name_at_time": "Li Na", "roles": ["editor"]}
    assert item["reason"] == {"code": "GROWTH", "text": "12-month amount 151 200"}
    assert item.keys().isdisjoint({"source", "evidence", "certainty", "observed_at"})  # nobody stated them
    assert item["data"]["to_code"] == "HIGH_VALUE"
    assert item["changes"] == [{"path": "/tier/VALUE", "new": {"code": "HIGH_VALUE"}, "kind": "LATE"}]


def test_a_change_tells_null_from_nothing(world: World) -> None:
    stream = Stream()
    stream.attribute("a", None)
    stream.attribute("a", False)
    stream.retract(stream.events[1])
    stream.retract(stream.events[0])
    world.project(*stream.events)
    assert [item["changes"][0] for item in history_of(world, stream)] == [
        {"path": "/attributes/a", "new": None, "kind": "CHANGE"},
        {"path": "/attributes/a", "old": None, "new": False, "kind": "CHANGE"},
        {"path": "/attributes/a", "old": False, "new": None, "kind": "CORRECTION"},
        {"path": "/attributes/a", "old": None, "kind": "CORRECTION"},
    ]


def test_a_correction_that_moves_a_fact_shows_where_it_changes_something(world: World) -> None:
    stream = Stream()
    early = stream.attribute("a", 1, at("2026-01-01"))
    stream.correct(early, early.payload, at("2026-01-03"))
    world.project(*stream.events)
    (change,) = history_of(world, stream)[1]["changes"]
    assert change == {"path": "/attributes/a", "old": 1, "new": 1, "kind": "CORRECTION"}


@pytest.mark.parametrize(
    ("days_late", "initial_load", "kind"),
    [(0, False, "CHANGE"), (1, False, "CHANGE"), (1.01, False, "LATE"), (300, True, "CHANGE"), (-9, False, "CHANGE")],
)
def test_late_is_what_was_recorded_more_than_a_day_after_it_was_so(
    world: World, days_late: float, initial_load: bool, kind: str
) -> None:
    stream = Stream()
    recorded_at = at("2026-03-01")
    stream.attribute(
        "a", 1, recorded_at - timedelta(days=days_late), recorded_at=recorded_at, initial_load=initial_load
    )
    world.project(*stream.events)
    assert history_of(world, stream)[0]["changes"][0]["kind"] == kind


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (HistoryFilter(type="customer.owner-assigned"), [3]),
        (HistoryFilter(type="customer.tag*"), [2]),
        (HistoryFilter(type="customer.t"), []),
        (HistoryFilter(type="*"), [1, 2, 3, 4]),
        (HistoryFilter(path="/owner/ACCOUNT_MANAGER"), [3]),
        (HistoryFilter(path="/tags/"), [2]),
        (HistoryFilter(path="/tag"), []),
        (HistoryFilter(actor="u-301"), [3, 4]),
        (HistoryFilter(from_position=3), [3, 4]),
        (
            HistoryFilter(since=RECORDING_STARTS + timedelta(hours=2), until=RECORDING_STARTS + timedelta(hours=4)),
            [2, 3],
        ),
        (HistoryFilter(actor="u-301", path="/attributes"), [4]),
    ],
)
def test_a_history_can_be_narrowed(world: World, wanted: HistoryFilter, found: list[int]) -> None:
    stream = registered()
    stream.add(TagApplied(taxonomy_version=1, group="G", code="C"))
    stream.add(OwnerAssigned(role=OwnerRole.ACCOUNT_MANAGER, to_staff="u-1"), actor=BOSS)
    stream.attribute("a", 1, actor=BOSS)
    world.project(*stream.events)
    assert versions(history_of(world, stream, wanted)) == found
    assert versions(history_of(world, stream, wanted, order="desc")) == found[::-1]


def test_pages_of_a_pinned_history_go_on_behind_the_last_item(world: World) -> None:
    stream = Stream()
    for number in range(5):
        stream.attribute("a", number)
    world.project(*stream.events)
    assert versions(history_of(world, stream, limit=2)) == [1, 2]
    assert versions(history_of(world, stream, limit=2, after=2)) == [3, 4]
    assert versions(history_of(world, stream, limit=9, after=2, position=4)) == [3, 4]
    assert versions(history_of(world, stream, limit=2, order="desc")) == [5, 4]
    assert versions(history_of(world, stream, limit=2, order="desc", after=4)) == [3, 2]
    assert versions(history_of(world, stream, limit=2, order="desc", position=3)) == [3, 2]


# Where a stream begins


def test_a_customer_is_known_from_its_first_event_on(world: World) -> None:
    other, stream = registered(), registered()
    world.project(*other.events, *stream.events)

    async def ask(connection: AsyncConnection[Any]) -> list[object]:
        return [
            await first_known(connection, stream.customer_id),
            await first_known(connection, uuid7()),
        ]

    known, unknown = world.read(ask)
    assert known == (2, stream.events[0].envelope.recorded_at)
    assert unknown is None


# Whole pages


def whole(
    world: World,
    stream: Stream,
    position: int | None,
    *,
    order: Literal["asc", "desc"] = "asc",
    limit: int = 9,
    after: int | None = None,
) -> tuple[WholePage, list[dict[str, Any]]]:
    asked = PageAsked(stream.customer_id, position, order, limit, after)
    found = world.read(lambda connection: whole_pages(connection, [asked]))[asked]
    return found, orjson.loads(b"[%b]" % found.items)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_whole_page_is_the_text_of_what_a_history_answers(world: World, order: Literal["asc", "desc"]) -> None:
    stream, other = registered(), registered()
    for number in range(5):
        stream.attribute("a", {"n": [number, None], "text": '"}中'})
    stream.retract(stream.events[2])
    world.project(*other.events, *stream.events)
    for position in (8, 4, 2):
        after, seen = None, []
        while True:
            page, items = whole(world, stream, position, order=order, limit=2, after=after)
            assert (page.position, page.number) == (position, len(items))
            seen += items
            if page.number < 2:
                break
            after = page.last
        assert seen == history_of(world, stream, position=position, order=order)
    assert whole(world, stream, None, order=order, limit=9)[0].position == 8


def test_an_envelope_of_which_nothing_is_left_is_refused(world: World) -> None:
    stream = registered()
    world.project(*stream.events)
    with psycopg.connect(world.conninfo) as connection, pytest.raises(errors.CheckViolation):
        connection.execute("UPDATE read.events SET envelope = '{}'")


@pytest.mark.parametrize(("usage", "is_sensitive"), [(Usage.WORK, False), (Usage.PERSONAL, True)])
def test_a_whole_page_says_whether_it_may_be_sensitive(world: World, usage: Usage, *, is_sensitive: bool) -> None:
    stream = registered()
    ids = {"contact_id": uuid7(), "point_id": uuid7()}
    stream.add(ContactPointChanged(**ids, kind=ContactPointKind.PHONE, value="+862112345678", usage=usage))
    stream.attribute("a", 1)
    world.project(*stream.events)
    assert [whole(world, stream, 3, after=after)[0].may_be_sensitive for after in (0, 2)] == [is_sensitive, False]


def test_a_whole_page_of_nothing_is_empty(world: World) -> None:
    stream, unknown = registered(), registered()
    assert whole(world, stream, None, limit=9) == (WholePage(0, 0, None, may_be_sensitive=False, items=b""), [])
    world.project(*stream.events)
    assert whole(world, unknown, None, limit=9)[0].number == 0
    assert whole(world, stream, 2, limit=9)[0].number == 0  # the read models have not passed it
    assert whole(world, stream, 1, limit=9, after=1)[0] == WholePage(1, 0, None, may_be_sensitive=False, items=b"")


def test_pages_that_are_asked_for_together_are_told_apart(world: World) -> None:
    stream, other = registered(), registered()
    for number in range(3):
        stream.attribute("a", number)
    world.project(*other.events, *stream.events)
    asked = [
        PageAsked(stream.customer_id, None, "desc", 2),
        PageAsked(stream.customer_id, 3, "asc", 2),
        PageAsked(stream.customer_id, 5, "asc", 2, after=4),
        PageAsked(other.customer_id, 9, "asc", 2),
        PageAsked(other.customer_id, None, "asc", 2),
    ]
    found = world.read(lambda connection: whole_pages(connection, asked))
    told = [versions(orjson.loads(b"[%b]" % found[one].items)) for one in asked]
    assert told == [[4, 3], [1, 2], [4], [], [1]]
    assert [found[one].last for one in asked] == [4, 3, 5, None, 1]
