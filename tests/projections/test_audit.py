"""The audit trail of all customers, searched: against everything there is, filtered naively."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import orjson
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection
from uuid_utils.compat import uuid7

from domain.events.classification import TagApplied
from domain.facts import same_json
from domain.values import LATEST
from projections.audit import AuditFilter, search
from projections.events import HistoryFilter, history
from tests.make import RECORDING_STARTS, Stream, at
from tests.projections.files import BOSS, registered, tier
from tests.projections.histories import streams
from tests.projections.world import World

Items = list[dict[str, Any]]

_ON_POSTGRES = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


async def whole_search(
    connection: AsyncConnection[Any], wanted: AuditFilter, *, position: int = 1_000_000, limit: int = 2
) -> Items:
    """All of its pages."""
    items: Items = []
    after: int | None = 0
    while after is not None:
        found, after = await search(connection, position, wanted, limit=limit, after=after)
        items += found
    return items


# --- against everything there is ------------------------------------------------------------------------------------


def _fits(wanted: AuditFilter, item: dict[str, Any]) -> bool:
    recorded_at = datetime.fromisoformat(item["recorded_at"])
    return (
        wanted.actor in {None, item["actor"]["id"]}
        and (wanted.type is None or _begins(item["type"], wanted.type))
        and (wanted.since is None or wanted.since <= recorded_at)
        and (wanted.until is None or recorded_at < wanted.until)
        and (wanted.overlaps is None or _overlaps(item, *wanted.overlaps))
        and (
            (wanted.path, wanted.old, wanted.new) == (None, None, None)
            or any(_change_fits(wanted, change) for change in item["changes"])
        )
    )


def _begins(name: str, wanted: str) -> bool:
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted


def _overlaps(item: dict[str, Any], start: datetime, end: datetime) -> bool:
    if item["effective_from"] is None:
        return False
    until = datetime.fromisoformat(item["effective_to"]) if item["effective_to"] else LATEST
    return datetime.fromisoformat(item["effective_from"]) < end and start < until


def _change_fits(wanted: AuditFilter, change: dict[str, Any]) -> bool:
    path = wanted.path
    return (
        (path is None or change["path"] == path or change["path"].startswith(path + "/"))
        and _is_value(wanted.old, change, "old")
        and _is_value(wanted.new, change, "new")
    )


def _is_value(text: str | None, change: dict[str, Any], side: str) -> bool:
    return text is None or (side in change and same_json(change[side], orjson.loads(text)))


_PATHS = ["/attributes", "/attributes/a", "/tags", "/contacts", "/tier"]
_VALUES = ["1", "true", "null", '"1"', "[]", '"Li"']
_INSTANTS = st.integers(-3, 200).map(lambda hours: RECORDING_STARTS + timedelta(hours=hours))
_FILTERS = st.builds(
    AuditFilter,
    actor=st.sampled_from([None, None, "u-118", "u-301"]),
    type=st.sampled_from([None, None, "customer.attribute*", "customer.fact-corrected", "*"]),
    path=st.none() | st.sampled_from(_PATHS),
    since=st.none() | _INSTANTS,
    until=st.none() | _INSTANTS,
    overlaps=st.none() | st.tuples(_INSTANTS, st.integers(1, 99)).map(lambda t: (t[0], t[0] + timedelta(hours=t[1]))),
    old=st.none() | st.sampled_from(_VALUES),
    new=st.none() | st.sampled_from(_VALUES),
)


@_ON_POSTGRES
@given(stream=streams(), wanted=st.lists(_FILTERS, min_size=1, max_size=8), limit=st.integers(1, 5))
def test_a_search_finds_what_fits_and_nothing_else(
    shared_world: World, stream: Stream, wanted: list[AuditFilter], limit: int
) -> None:
    shared_world.project(*stream.events)

    async def ask(connection: AsyncConnection[Any]) -> None:
        whole = await history(connection, stream.customer_id, 1_000_000, HistoryFilter(), limit=100)
        for one in wanted:
            expected = [item for item in whole if _fits(one, item)]
            everywhere = await whole_search(connection, one, limit=limit + 20)
            assert [item for item in everywhere if item["customer_id"] == str(stream.customer_id)] == expected
            positions = [item["position"] for item in everywhere]
            assert positions == sorted(set(positions))
            fields = {name: getattr(one, name) for name in AuditFilter.__slots__} | {"customer_id": stream.customer_id}
            assert await whole_search(connection, AuditFilter(**fields), limit=limit) == expected

    shared_world.read(ask)


# --- one by one -----------------------------------------------------------------------------------------------------


@pytest.fixture
def two_files(world: World) -> Callable[..., list[int]]:
    """Two files' events at positions 1 to 6; asks for the positions that fit."""
    acme, beta = registered(), registered()
    acme.add(tier("POTENTIAL"), at("2026-01-01"), actor=BOSS)
    acme.attribute("a", 1, at("2026-02-01"), effective_to=at("2026-03-01"))
    beta.attribute("ab", 2)
    beta.add(TagApplied(taxonomy_version=1, group="G", code="C"), actor=BOSS)
    world.project(*acme.events, *beta.events)

    def ask(position: int = 6, **wanted: Any) -> list[int]:
        wanted_filter = AuditFilter(**wanted)
        items = world.read(lambda connection: whole_search(connection, wanted_filter, position=position))
        return [item["position"] for item in items]

    return ask


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"position": 3}, [1, 2, 3]),
        ({"actor": "u-301"}, [2, 6]),
        ({"actor": "u-301", "path": "/tags/"}, [6]),
        ({"type": "customer.registered"}, [1, 4]),
        ({"path": "/attributes"}, [3, 5]),
        ({"path": "/attributes/a"}, [3]),
        ({"path": "/attributes", "new": "2"}, [5]),
        ({"new": '{"code":"POTENTIAL"}'}, [2]),
        ({"old": "null"}, []),
        ({"overlaps": (at("2026-02-28"), at("2026-03-01"))}, [2, 3, 5, 6]),
        ({"overlaps": (at("2026-03-01"), at("2026-03-02"))}, [2, 5, 6]),
        ({"customer_id": uuid7()}, []),
        ({"path": "/owner"}, []),
    ],
)
def test_a_search_can_be_narrowed(
    two_files: Callable[..., list[int]], wanted: dict[str, Any], found: list[int]
) -> None:
    assert two_files(**wanted) == found


def test_a_period_of_recording_is_half_open(two_files: Callable[..., list[int]]) -> None:
    second = RECORDING_STARTS + timedelta(hours=2)
    assert two_files(since=second) == [2, 3, 5, 6]
    assert two_files(until=second) == [1, 4]
    assert two_files(since=at("2027-01-01")) == two_files(until=at("2025-01-01")) == []


def test_a_page_that_looked_through_enough_says_where_to_go_on(world: World) -> None:
    stream = registered()
    for number in range(60):
        stream.attribute("a", number)
    world.project(*stream.events)

    async def ask(connection: AsyncConnection[Any]) -> list[tuple[int, int | None]]:
        pages, after = [], 0
        while True:
            page = await search(connection, 61, AuditFilter(new="50"), limit=1, after=after, most_looked_at=20)
            pages.append((len(page.items), page.go_on_after))
            if page.go_on_after is None:
                return pages
            after = page.go_on_after

    assert world.read(ask) == [(0, 20), (0, 40), (1, 52), (0, None)]


def test_a_search_by_path_follows_the_log_however_far_apart_events_are_and_their_rows_lie(
    world: World,
) -> None:
    stream = registered()
    for number in range(20):
        stream.attribute("a", number)
    world.project(*stream.events)
    with psycopg.connect(world.conninfo) as connection:
        for event in reversed(stream.events):  # the later, the further to the front
            for table in ("changes", "events"):
                connection.execute(
                    f"UPDATE read.{table} SET position = position * 300 WHERE version = {event.envelope.version}"  # noqa: S608
                )

    async def ask(connection: AsyncConnection[Any]) -> Items:
        await connection.execute("SET enable_seqscan = off")
        items: Items = []
        after: int | None = 600
        while after is not None:
            wanted = AuditFilter(path="/attributes/a")
            found, after = await search(connection, 6000, wanted, limit=2, after=after, most_looked_at=3)
            items += found
        return items

    assert [item["position"] for item in world.read(ask)] == list(range(900, 6001, 300))


def test_a_path_of_too_many_slots_is_looked_for_along_the_log(world: World) -> None:
    stream = registered()
    for number in range(60):
        stream.attribute(f"key {number}", number)
    stream.add(tier("POTENTIAL"))
    world.project(*stream.events)
    items = world.read(lambda connection: whole_search(connection, AuditFilter(path="/attributes"), limit=50))
    assert [item["position"] for item in items] == list(range(2, 62))
