"""A long text is kept once, and everything that is asked about it is answered as if it stood everywhere."""

from __future__ import annotations

from typing import Any

import orjson
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection, errors

from domain.events.classification import AttributeRecorded
from domain.events.contacts import ContactDetails, ContactDetailsChanged
from projections.audit import AuditFilter, search
from projections.differences import Difference
from projections.events import HistoryFilter, PageAsked, history, items_of, whole_pages
from projections.expected import EVENTS, expected_rows
from projections.long_texts import LONG_BYTES, MARK, long_json, put_back, shared
from projections.moves import Positioned
from projections.rebuild import Watch, check, rebuild
from tests.ledger.writing import KEK
from tests.make import at
from tests.projections.files import blame, registered
from tests.projections.long_texts import LONG, OTHER, TABLES, a_stream, kept
from tests.projections.world import World

_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(), lambda inner: st.dictionaries(st.text(), inner)
)


def _as_text(value: Any) -> str:
    return orjson.dumps(value).decode()


# --- what is shared -------------------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(value=st.text(max_size=3) | st.text(min_size=LONG_BYTES // 6, max_size=LONG_BYTES + 1))
def test_a_string_is_long_by_the_bytes_of_its_json(value: str) -> None:
    text = orjson.dumps(value)
    assert long_json(value) == (text if len(text) >= LONG_BYTES else None)


@pytest.mark.parametrize("value", [None, 1, [LONG], {"new": LONG}, "short"])
def test_nothing_else_is_long(value: object) -> None:
    assert long_json(value) is None


@settings(max_examples=50, deadline=None)
@given(
    value=st.text(min_size=1, max_size=40).map(lambda text: text * (LONG_BYTES // len(text) + 1)),
    old=_JSON,
    before=_JSON,
)
def test_the_server_puts_back_what_was_shared(shared_world: World, value: str, old: Any, before: Any) -> None:
    """Whatever the characters, of which the server counts some as four bytes; and whatever else says the same."""
    changes = [{"path": "/attributes/a", "kind": "CHANGE", "old": old, "new": value}]
    data = orjson.dumps({"a": before, "value": value})
    text, span = shared(changes, data)
    assert span is not None
    assert orjson.dumps(value).decode() not in text
    assert span.of(data) == orjson.dumps(value)
    assert put_back(text, data.decode(), span) == orjson.dumps(changes).decode()
    with psycopg.connect(shared_world.conninfo) as connection:
        row = connection.execute("SELECT read.changes_json(%s, %s, %s, %s)", [text, data.decode(), *span]).fetchone()
    assert row == (orjson.dumps(changes).decode(),)


@given(value=_JSON)
def test_nothing_looks_like_the_mark(value: Any) -> None:
    assert MARK not in orjson.dumps(value).decode()
    assert MARK not in orjson.dumps([value, MARK, {MARK: MARK, "/": 0}]).decode()


def test_what_stands_elsewhere_or_not_at_all_is_not_shared() -> None:
    for changes, data in (
        ([{"path": "/a", "new": "short"}], '{"value":"short"}'),
        ([{"path": "/a", "new": LONG}], '{"value":"another"}'),
        ([{"path": "/a", "old": LONG}], _as_text({"value": LONG})),
        ([{"path": "/a", "new": [LONG]}], _as_text({"value": [LONG]})),
        ([], "{}"),
    ):
        assert shared(changes, data.encode()) == (_as_text(changes), None)


def test_the_longest_is_shared_and_of_equals_the_first() -> None:
    longer = LONG + "er"
    data = orjson.dumps({"a": LONG, "b": longer})
    text, span = shared(
        [{"path": "/a", "new": LONG}, {"path": "/b", "new": longer}, {"path": "/c", "new": longer}], data
    )
    assert span is not None
    assert data[span.start - 1 :].startswith(orjson.dumps(longer))
    told = orjson.loads(text)
    assert [change.get("new") for change in told] == [LONG, None, longer]


# --- what is asked --------------------------------------------------------------------------------------------------


def test_it_stands_once(world: World) -> None:
    stream = registered()
    stream.attribute("note", LONG)
    world.project(*stream.events)
    assert kept(world, stream, LONG) == {"events.data": 1}


def test_every_view_of_events_shows_it(world: World) -> None:
    stream = a_stream()
    world.project(*stream.events)
    places = [(stream.customer_id, event.envelope.version) for event in stream.events]

    async def ask(connection: AsyncConnection[Any]) -> list[list[dict[str, Any]]]:
        pages = [
            await history(connection, stream.customer_id, 100, HistoryFilter(), order=order, limit=100)
            for order in ("asc", "desc")
        ]
        asked = [PageAsked(stream.customer_id, None, order, 100) for order in ("asc", "desc")]
        whole = await whole_pages(connection, asked)
        pages += [orjson.loads(b"[%b]" % whole[page].items) for page in asked]
        return [*pages, await items_of(connection, places)]

    ascending, descending, *others = world.read(ask)
    assert descending == ascending[::-1]
    assert others == [ascending, descending, ascending]
    moved = [change for item in ascending for change in item["changes"]]
    assert moved == [
        {"path": "/attributes/note", "kind": "CHANGE", "new": LONG},
        {"path": "/attributes/note", "kind": "CHANGE", "old": LONG, "new": OTHER},
        {"path": "/attributes/note", "kind": "CHANGE", "old": OTHER, "new": {"new": OTHER}},
        {"path": "/attributes/note", "kind": "LATE", "new": "short"},
    ]


def test_the_audit_trail_is_searched_by_it(world: World) -> None:
    stream = a_stream()
    world.project(*stream.events)
    wanted = {
        AuditFilter(new=_as_text(LONG)): [2],
        AuditFilter(new=_as_text(OTHER), path="/attributes/note"): [3],
        AuditFilter(new=_as_text(OTHER), actor="u-118"): [3],
        AuditFilter(new=_as_text(OTHER), customer_id=stream.customer_id): [3],
        AuditFilter(old=_as_text(OTHER)): [4],
        AuditFilter(new=_as_text({"new": OTHER})): [4],
        AuditFilter(new=_as_text(LONG[:-1])): [],
        AuditFilter(new="0", path="/attributes/note"): [],
    }

    async def ask(connection: AsyncConnection[Any]) -> list[list[int]]:
        found = [await search(connection, 100, each, limit=100) for each in wanted]
        return [[item["version"] for item in each.items] for each in found]

    assert world.read(ask) == list(wanted.values())


def test_blame_tells_what_was_there_before(world: World) -> None:
    stream = a_stream()
    world.project(*stream.events)

    async def ask(connection: AsyncConnection[Any]) -> list[tuple[object, object]]:
        said = [
            await blame(connection, stream.customer_id, position, at("2026-02-01"), "/attributes/note")
            for position in (2, 3, 4)
        ]
        return [(item["value"], item["previous"] and item["previous"]["value"]) for (item,) in said]

    assert world.read(ask) == [(LONG, None), (OTHER, LONG), ({"new": OTHER}, OTHER)]


def test_an_event_that_moves_several_shares_one(world: World) -> None:
    stream = a_stream()
    contact = stream.customer_id
    details = ContactDetails(title="采购" * 50, department="采购主管" * 50)
    stream.add(ContactDetailsChanged(contact_id=contact, changed=details))
    wrong = stream.attribute("b", "wrong")
    stream.correct(wrong, AttributeRecorded(key="b", value=LONG))
    world.project(*stream.events)

    async def ask(connection: AsyncConnection[Any]) -> list[dict[str, Any]]:
        return await history(connection, contact, 100, HistoryFilter(from_position=6), limit=100)

    several, _, correction = world.read(ask)
    assert {change["path"].rpartition("/")[2]: change["new"] for change in several["changes"]} == {
        "title": details.title,
        "department": details.department,
    }
    assert correction["changes"] == [{"path": "/attributes/b", "kind": "CORRECTION", "old": "wrong", "new": LONG}]
    rows = expected_rows([Positioned.of(number, each) for number, each in enumerate(stream.events, 1)], {EVENTS: 100})
    *_, told, _, corrected = [dict(zip(EVENTS.columns, row, strict=True)) for row in rows[EVENTS]]
    assert told["shared_length"] == str(len('"采购主管"'.encode()) + len("采购主管".encode()) * 49)
    assert corrected["shared_length"] == str(len(LONG) + 2)


@pytest.mark.parametrize(
    "broken", ["shared_from = NULL", "shared_length = NULL", "shared_from = 0", "shared_length = 0"]
)
def test_a_row_says_all_or_nothing_about_what_is_shared(world: World, broken: str) -> None:
    stream = a_stream()
    world.project(*stream.events)
    with psycopg.connect(world.conninfo) as connection, pytest.raises(errors.CheckViolation):
        connection.execute(f"UPDATE read.events SET {broken} WHERE version = 2")  # noqa: S608 - a literal


# --- held against the evidence --------------------------------------------------------------------------------------


def damaged(world: World, damage: str) -> list[tuple[str, str]]:
    """What a check, and then a rebuild, which puts it right, tell after a change of the second event's row."""
    with psycopg.connect(world.conninfo) as connection:
        connection.execute(f"UPDATE read.events SET {damage} WHERE version = 2".encode())  # noqa: S608 - literals
    found: list[Difference] = []
    check(world.conninfo, KEK, Watch(found.append), TABLES)
    rebuilt: list[Difference] = []
    rebuild(world.conninfo, KEK, Watch(rebuilt.append), TABLES)
    assert rebuilt == found
    assert check(world.conninfo, KEK, Watch(rebuilt.append), TABLES).differences == 0
    return [(each.key, each.detail) for each in found]


@pytest.mark.parametrize(
    "damage",
    [
        "shared_from = shared_from + 1",
        "shared_length = shared_length - 1",
        "shared_from = shared_from + 100000",
        r"changes = replace(changes, '\/', '/')",
        """changes = replace(changes, '"\\/":0', '"new":"short"')""",
        "shared_from = NULL, shared_length = NULL",
    ],
)
def test_a_row_that_says_wrongly_what_is_shared_is_found(world: World, damage: str) -> None:
    stream = a_stream()
    world.project(*stream.events)
    assert damaged(world, damage) == [("2", "differs in changes")]


def test_who_wrote_down_an_event_may_have_put_its_words_in_another_place(world: World) -> None:
    """As where they came from a jsonb once."""
    stream = a_stream()
    world.project(*stream.events)
    elsewhere = "data = replace(data, ':', ': '), shared_from = shared_from + 2"
    assert damaged(world, elsewhere) == []
