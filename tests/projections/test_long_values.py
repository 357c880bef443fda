"""A rectangle leaves a long text to the row of its event; whoever asks what slots hold is told it all the same."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg.sql import SQL, Identifier, Placeholder

from db.migrate import MIGRATIONS, migrate
from db.queries import load
from domain.events.classification import OwnerAssigned, OwnerRole
from domain.events.contacts import ContactDetails, ContactDetailsChanged
from domain.events.identity import LegalNameChanged, NameKind
from domain.facts import ABSENT, Fact
from projections import facts
from projections.basis import at_position
from projections.causes import Point
from projections.diff import diff
from projections.differences import Difference, row_differences
from projections.errors import LongTextMissing
from projections.expected import EVENTS, FACTS, Followed, Row, expected_rows
from projections.knowledge import knowledge
from projections.moves import Positioned
from projections.past import PastFile, file_at
from projections.portfolio.answers import groups, page
from projections.portfolio.answers import whole as whole_portfolio
from projections.portfolio.movement import Movements, movements
from projections.portfolio.paths import path_of
from projections.portfolio.query import Condition, Grouping, Listing, Operator, Sort
from projections.portfolio.statement import listing
from projections.purge import whole
from projections.rebuild import Watch, check, rebuild
from projections.search import Wanted
from projections.search import search as list_customers
from projections.timelines import timeline
from tests.ledger.writing import KEK
from tests.make import Stream, at
from tests.projections.files import registered
from tests.projections.long_texts import LONG, OTHER, TABLES, a_stream, kept
from tests.projections.world import World
from tests.server import TestServer

COMPARISON: Final = load("projections", "comparison.sql")


def _as_text(value: Any) -> str:
    return orjson.dumps(value).decode()


def values_kept(world: World, stream: Stream) -> list[tuple[str, int, str | None]]:
    """Slot, version and value of the rectangles, as they stand there."""
    with psycopg.connect(world.conninfo) as connection:
        return connection.execute(
            "SELECT slot, version, value::text FROM read.facts WHERE customer_id = %s ORDER BY slot, version, valid",
            [stream.customer_id],
        ).fetchall()


@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_a_rectangle_that_is_cut_leaves_its_value_to_the_event_again(world: World, batch: int) -> None:
    """By a fact that is told later and became effective earlier."""
    stream = registered()
    stream.attribute("note", LONG, at("2026-01-10"), effective_to=at("2026-01-20"))
    stream.attribute("note", "short", at("2026-01-12"), effective_to=at("2026-01-14"))
    stream.attribute("note", OTHER, at("2026-01-08"))
    world.project(*stream.events, batch=batch)
    assert check(world.conninfo, KEK, Watch(lambda _: None), TABLES).differences == 0
    kept_values = {(version, value) for _, version, value in values_kept(world, stream)}
    assert kept_values == {(2, None), (3, '"short"'), (4, None)}

    async def ask(connection: AsyncConnection[Any]) -> list[object]:
        days = ("2026-01-09", "2026-01-11", "2026-01-13", "2026-01-15", "2026-01-25")
        found = [await facts.holders_at(connection, stream.customer_id, 4, at(day)) for day in days]
        return [held["/attributes/note"].value for held in found]

    assert world.read(ask) == [OTHER, LONG, "short", LONG, OTHER]


def test_a_value_that_its_event_does_not_share_stands_in_the_rectangle(world: World) -> None:
    stream = registered()
    details = ContactDetails(title="采购" * 50, department="采购主管" * 50)
    stream.add(ContactDetailsChanged(contact_id=stream.customer_id, changed=details))
    stream.attribute("listed", [LONG])
    stream.attribute("note", "short")
    world.project(*stream.events)
    assert [(version, value is None) for _, version, value in values_kept(world, stream)] == [
        (3, False),
        (4, False),
        (2, True),
        (2, False),
    ]
    assert check(world.conninfo, KEK, Watch(lambda _: None), TABLES).differences == 0


def test_those_by_which_customers_are_found_stand_there_as_well(world: World) -> None:
    stream = registered()
    name, owner = "Much " * 50 + "Ltd", "经理" * 50
    stream.add(LegalNameChanged(name_kind=NameKind.LEGAL, name=name))
    stream.add(OwnerAssigned(role=OwnerRole.ACCOUNT_MANAGER, to_staff=owner))
    world.project(*stream.events)
    assert kept(world, stream, name) == {"events.data": 1, "facts.value": 1}
    assert kept(world, stream, owner) == {"events.data": 1, "facts.value": 1, "facts.code": 1}

    async def ask(connection: AsyncConnection[Any]) -> list[list[dict[str, Any]]]:
        asked = [Wanted(name="much ltd"), Wanted(owner=("ACCOUNT_MANAGER", owner)), Wanted(owner=(None, owner[1:]))]
        return [await list_customers(connection, 100, at("2026-06-01"), each, limit=10) for each in asked]

    by_name, by_owner, by_nobody = world.read(ask)
    assert by_name == by_owner
    assert [(item["display_name"], item["owner"]) for item in by_name] == [(name, {"ACCOUNT_MANAGER": owner})]
    assert by_nobody == []


def test_every_view_of_slots_shows_it(world: World) -> None:
    """Told again by another event it is the same value; and the difference of two moments is told by what changed."""
    stream = a_stream()
    stream.attribute("note", LONG)
    world.project(*stream.events)
    whose, slot = stream.customer_id, "/attributes/note"

    async def ask(connection: AsyncConnection[Any]) -> dict[str, Any]:
        at_end = await at_position(connection, 6, at("2026-06-01"))
        file = await file_at(connection, whose, at_end)
        early = await at_position(connection, 2, at("2025-12-01"))
        before = await file_at(connection, whose, early)
        assert file is not None
        assert before is not None
        pages = [await knowledge(connection, whose, 6, slot, limit=10, value=each) for each in (None, _as_text(LONG))]
        ends = (Point(3, at("2026-06-01")), Point(6, at("2026-06-01")))
        several = await facts.holders_of(connection, [whose], [slot], 6, at("2026-06-01"))
        return {
            "now": file.values,
            "later": [later.value for later in before.later],
            "timeline": [item["value"] for item in await timeline(connection, whose, 6, limit=100)],
            "known": [[(item["value"], item["first"]["event"]["version"]) for _, item in page] for page in pages],
            "last": [item["last"]["event"]["version"] for _, item in pages[1]],
            "diff": [(each["path"], each["from"], each["to"]) for each in await diff(connection, whose, *ends)],
            "several": several[whose][slot].value,
        }

    assert world.read(ask) == {
        "now": {slot: LONG},
        "later": [LONG],
        "timeline": [LONG, LONG, OTHER, OTHER, {"new": OTHER}, "short", {"new": OTHER}, LONG],
        "known": [[(LONG, 2), (OTHER, 3), ({"new": OTHER}, 4), ("short", 5)], [(LONG, 2)]],
        "last": [6],
        "diff": [(slot, OTHER, LONG)],
        "several": LONG,
    }


def test_customers_are_asked_for_by_it(world: World) -> None:
    values = (LONG, LONG, OTHER, "short")
    streams = [registered() for _ in values]
    for stream, value in zip(streams, values, strict=True):
        stream.attribute("note", value)
    world.project(*(event for stream in streams for event in stream.events))
    path = path_of("/attributes/note")
    numbers = {str(stream.customer_id): number for number, stream in enumerate(streams)}
    wanted: dict[tuple[Operator, Any], set[int]] = {
        (Operator.EQ, LONG): {0, 1},
        (Operator.EQ, LONG[:-1]): set(),
        (Operator.EQ, "short"): {3},
        (Operator.IN, ("short", OTHER)): {2, 3},
        (Operator.IN, ("short", "other")): {3},
        (Operator.PREFIX, LONG[:-1]): {0, 1},
        (Operator.PREFIX, "s"): {3},
        (Operator.GE, LONG): {0, 1, 2, 3},
        (Operator.LT, "m"): {0, 1},
        (Operator.EXISTS, True): {0, 1, 2, 3},
    }

    async def ask(connection: AsyncConnection[Any]) -> tuple[list[set[int]], list[Any]]:
        found = []
        for asked in wanted:
            query = Listing((Condition(path, *asked),), (path_of("customer_id"), path), Sort(path))
            rows = (await page(connection, query, 8, at("2026-06-01"), limit=10)).rows
            assert rows == [
                row async for some in whole_portfolio(connection, query, 8, at("2026-06-01")) for row in some
            ]
            assert [value for _, value in rows] == sorted(value for _, value in rows)
            assert all(value == values[numbers[customer_id]] for customer_id, value in rows)
            found.append({numbers[customer_id] for customer_id, _ in rows})
        return found, await groups(connection, Grouping(by=(path,)), 8, at("2026-06-01"), most=9)

    found, counted = world.read(ask)
    assert found == list(wanted.values())
    assert counted == [[LONG, 2], ["short", 1], [OTHER, 1]]


def test_who_moved_from_one_to_another_is_found(world: World) -> None:
    stream = a_stream()
    world.project(*stream.events)
    path = path_of("/attributes/note")
    left, right = Point(2, at("2026-06-01")), Point(3, at("2026-06-01"))

    async def ask(connection: AsyncConnection[Any]) -> list[tuple[str, Any, Any]]:
        into = Movements((Condition(path, Operator.EQ, OTHER),))
        asked = [
            await movements(connection, each, left, right, limit=9, most=9) for each in (Movements((), path), into)
        ]
        return [(moved.movement, moved.before, moved.after) for each in asked for moved in each.moved]

    assert world.read(ask) == [("MOVED", LONG, OTHER), ("ENTERED", None, None)]


def test_a_correction_that_brings_an_older_fact_to_light_leaves_it_to_the_older_event(world: World) -> None:
    stream = registered()
    stream.attribute("note", LONG)
    wrong = stream.attribute("note", OTHER)
    stream.retract(wrong)
    world.project(*stream.events, batch=1)
    assert {(version, value) for _, version, value in values_kept(world, stream)} == {(2, None), (3, None)}

    async def ask(connection: AsyncConnection[Any]) -> list[object]:
        held = [await facts.holders_at(connection, stream.customer_id, each, at("2026-06-01")) for each in (3, 4)]
        return [each["/attributes/note"].value for each in held]

    assert world.read(ask) == [OTHER, LONG]


@pytest.mark.parametrize(
    ("operator", "operand", "asks_events"),
    [
        (Operator.EQ, "short", False),
        (Operator.EQ, LONG, True),
        (Operator.IN, ("short", 1), False),
        (Operator.IN, ("short", LONG), True),
        (Operator.PREFIX, "s", True),
    ],
)
def test_what_no_long_text_can_be_is_looked_for_in_rectangles_alone(
    world: World, operator: Operator, operand: Any, *, asks_events: bool
) -> None:
    """So that an index on the values that stand there can find it."""
    query = Listing((Condition(path_of("/attributes/note"), operator, operand),))
    laid = listing(query, 1, at("2026-06-01"), limit=None, after=None)
    with psycopg.connect(world.conninfo, cursor_factory=psycopg.ClientCursor) as connection:
        plan = connection.execute(SQL("EXPLAIN ") + laid.statement.text, laid.statement.params).fetchall()
    assert any(re.search(r"COALESCE\((\w+\.)?value,", line) for (line,) in plan) == asks_events


# --- held against the evidence, and as it was stored before ---------------------------------------------------------


def test_a_rectangle_that_says_it_all_the_same_is_found(world: World) -> None:
    stream = a_stream()
    world.project(*stream.events)
    with psycopg.connect(world.conninfo) as connection:
        connection.execute("UPDATE read.facts SET value = %s::jsonb WHERE version = 2", [_as_text(LONG)])
    found: list[Difference] = []
    rebuild(world.conninfo, KEK, Watch(found.append), TABLES)
    assert {(each.table, each.key, each.detail) for each in found} == {
        ("read.facts", "/attributes/note", "differs in value")
    }
    assert kept(world, stream, LONG) == {"events.data": 1, "events.changes": 1}


def test_a_past_file_without_the_row_that_has_its_text_is_not_made_up(world: World) -> None:
    stream = registered()
    stream.attribute("a", LONG)
    stream.attribute("b", 1)
    world.project(*stream.events)
    with psycopg.connect(world.conninfo) as connection:
        connection.execute("DELETE FROM read.events WHERE version = 2")

    async def ask(connection: AsyncConnection[Any]) -> PastFile | None:
        return await file_at(connection, stream.customer_id, await at_position(connection, 3, at("2026-06-01")))

    file = world.read(ask)
    assert file is not None
    with pytest.raises(LongTextMissing):
        _ = file.values


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_the_server_writes_strings_as_we_do(shared_world: World, text: str) -> None:
    """So that it does not matter who wrote down the one that is compared."""
    with psycopg.connect(shared_world.conninfo) as connection:
        row = connection.execute("SELECT %s::jsonb::text", [_as_text(text)]).fetchone()
    assert row == (_as_text(text),)


def test_what_was_stored_twice_before_is_stored_as_it_would_be_now(server: TestServer, tmp_path: Path) -> None:
    stream = a_stream()
    stream.add(LegalNameChanged(name="Much " * 50 + "Ltd"))
    stream.attribute("b", LONG, at("2026-01-10"))
    stream.attribute("b", "between", at("2026-01-12"), effective_to=at("2026-01-14"))
    known = [Positioned.of(*each) for each in enumerate(stream.events, start=1)]
    expected = expected_rows(known, dict.fromkeys((FACTS, EVENTS), len(known)))
    for path in MIGRATIONS.glob("*.sql"):
        if path.stem < "0023":
            shutil.copy(path, tmp_path)
    with server.database(template="template0") as conninfo:
        migrate(conninfo, tmp_path)
        with psycopg.connect(conninfo) as connection:
            for row in map(EVENTS.told, expected[EVENTS]):
                before = {name: value for name, value in _named(EVENTS, row) if "shared" not in name}
                _insert(connection, EVENTS, before)
            for row, fact in zip(expected[FACTS], _held_by(known), strict=True):
                value = "null" if fact.value is ABSENT else _as_text(fact.value)
                _insert(connection, FACTS, {**dict(_named(FACTS, row)), "value": value})
        assert migrate(conninfo)[0] == "0023_long_texts"
        with psycopg.connect(conninfo) as connection:
            connection.execute(COMPARISON["speak_plainly"])
            for table, rows in expected.items():
                statement = SQL(COMPARISON[table.name]).format(table=Identifier("read", table.name))
                held = connection.execute(statement, {"customer_ids": None}).fetchall()
                assert list(row_differences(table, stream.customer_id, rows, held)) == []
        assert {row[7:9] + row[-1:] for row in held} == {row[7:9] + row[-1:] for row in rows}  # events, to the letter


def _named(table: Followed, row: Row) -> list[tuple[str, str | None]]:
    return list(zip(table.columns, row, strict=True))


def _held_by(known: list[Positioned]) -> list[Fact]:
    """The facts of the rectangles, in the order of their rows."""
    return [rectangle.segment.fact for rectangle in whole(known).moves.rectangles]


def _insert(connection: psycopg.Connection[Any], table: Followed, row: Mapping[str, str | None]) -> None:
    columns = SQL(", ").join(map(Identifier, row))
    places = SQL(", ").join(map(Placeholder, row))
    connection.execute(
        SQL("INSERT INTO {} ({}) VALUES ({})").format(Identifier("read", table.name), columns, places), row
    )
