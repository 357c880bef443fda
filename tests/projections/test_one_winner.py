"""At any point of both times a slot has one value, whoever writes rectangles, however many at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection

from domain.streams import StreamKind
from projections.errors import ProjectionFailed, RectanglesOverlap
from projections.expected import FACTS, Row
from projections.facts import Facts
from projections.projection import Batch
from projections.shadow import Shadow
from tests.projections.test_runner import a_stream, count, eventually
from tests.projections.world import World

CUSTOMER = UUID("00000000-0000-7000-8000-00000000000c")
SLOT = "/attributes/a"
ALL_TIME = "[2024-01-01Z,)"
Rectangle = tuple[UUID, str, str, str]
"""Customer, slot, valid, positions."""


def insert(connection: Connection[Any], *rectangles: Rectangle) -> None:
    """All of them by one statement."""
    customer_ids, slots, valid, positions = zip(*rectangles, strict=True)
    connection.execute(
        """
        INSERT INTO read.facts (customer_id, slot, value, valid, positions, fact_from, rank, version)
        SELECT *, '2024-01-01Z', 1, 1
        FROM (SELECT customer_id, slot, '1'::jsonb, valid::tstzrange, positions::int8range
              FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]) AS one (customer_id, slot, valid, positions)
             ) AS rectangle
        """,
        [list(customer_ids), list(slots), list(valid), list(positions)],
    )


@pytest.fixture
def connection(database: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


# --- one after the other --------------------------------------------------------------------------------------------


def test_what_overlaps_an_older_rectangle_is_refused_and_named(connection: Connection[Any]) -> None:
    insert(connection, (CUSTOMER, SLOT, ALL_TIME, "[1,5)"))
    with pytest.raises(psycopg.errors.ExclusionViolation) as caught:
        insert(connection, (CUSTOMER, "/attributes/b", ALL_TIME, "[1,)"), (CUSTOMER, SLOT, "[,2025-01-01Z)", "[4,6)"))
    told = caught.value.diag
    assert (told.constraint_name, told.schema_name, told.table_name) == ("facts_one_winner", "read", "facts")
    assert told.message_detail == f"Rectangles of slot {SLOT} of customer {CUSTOMER} overlap."
    assert str(CUSTOMER) not in str(told.message_primary)  # the server's log leaves the detail out, and nothing else
    assert connection.execute("SELECT count(*) FROM read.facts").fetchone() == (1,)


@pytest.mark.parametrize("other", [("[2025-01-01Z,2026-01-01Z)", "[9,)"), (ALL_TIME, "[1,)")])
def test_what_overlaps_within_one_statement_is_refused(connection: Connection[Any], other: tuple[str, str]) -> None:
    with pytest.raises(psycopg.errors.ExclusionViolation):
        insert(connection, (CUSTOMER, SLOT, ALL_TIME, "[1,)"), (CUSTOMER, SLOT, *other))


def test_what_only_touches_or_is_of_another_slot_or_customer_is_not(connection: Connection[Any]) -> None:
    insert(
        connection,
        (CUSTOMER, SLOT, ALL_TIME, "[1,5)"),
        (CUSTOMER, SLOT, ALL_TIME, "[5,)"),
        (CUSTOMER, SLOT, "[2023-01-01Z,2024-01-01Z)", "[1,)"),
        (CUSTOMER, "/attributes/b", ALL_TIME, "[1,)"),
        (uuid4(), SLOT, ALL_TIME, "[1,)"),
    )


def test_slots_that_the_tree_cannot_tell_apart_are_told_apart(connection: Connection[Any]) -> None:
    ((alike,),) = connection.execute("""
        SELECT array_agg(slot)
        FROM (SELECT '/attributes/k' || generate_series(1, 1000)) AS made (slot)
        GROUP BY hashtext(slot) % 32768 HAVING count(*) > 1 ORDER BY 1 LIMIT 1
    """).fetchall()
    insert(connection, *((CUSTOMER, slot, ALL_TIME, "[1,)") for slot in alike))
    with pytest.raises(psycopg.errors.ExclusionViolation):
        insert(connection, (CUSTOMER, alike[0], ALL_TIME, "[7,)"))


@pytest.mark.parametrize(
    ("other", "change"),
    [
        ((CUSTOMER, SLOT, "[2023-01-01Z,2025-01-01Z)", "[9,)"), "valid = '[2023-01-01Z,2026-01-01Z)'"),
        ((CUSTOMER, SLOT, ALL_TIME, "[5,9)"), "positions = '[4,9)'"),
        ((CUSTOMER, "/attributes/b", ALL_TIME, "[9,)"), f"slot = '{SLOT}'"),
        ((uuid4(), SLOT, ALL_TIME, "[9,)"), f"customer_id = '{CUSTOMER}'"),
    ],
)
def test_what_grows_or_moves_into_another_one_is_refused(
    connection: Connection[Any], other: Rectangle, change: str
) -> None:
    insert(connection, other)
    insert(connection, (CUSTOMER, SLOT, "[2025-01-01Z,)", "[1,5)"), (CUSTOMER, SLOT, "[2025-01-01Z,)", "[9,)"))
    changed = f"UPDATE read.facts SET {change} WHERE (customer_id, slot, valid, positions) = (%s, %s, %s, %s)"  # noqa: S608
    with pytest.raises(psycopg.errors.ExclusionViolation) as caught:
        connection.execute(changed.encode(), other)
    assert caught.value.diag.constraint_name == "facts_one_winner"


def test_what_becomes_smaller_or_has_another_value_is_not_looked_at(connection: Connection[Any]) -> None:
    """Were it looked at, it would be refused in such a transaction."""
    insert(connection, (CUSTOMER, SLOT, ALL_TIME, "[1,)"))
    connection.execute("SET default_transaction_isolation = 'repeatable read'")
    connection.execute("UPDATE read.facts SET positions = '[1,5)', valid = '[2025-01-01Z,)', value = '2'")
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        connection.execute("UPDATE read.facts SET positions = '[1,6)'")
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        insert(connection, (CUSTOMER, SLOT, ALL_TIME, "[7,)"))


def test_rectangles_that_change_places_are_looked_at_when_all_have(connection: Connection[Any]) -> None:
    insert(connection, (CUSTOMER, SLOT, ALL_TIME, "[1,5)"), (CUSTOMER, SLOT, ALL_TIME, "[5,9)"))
    connection.execute("""
        UPDATE read.facts SET positions = CASE lower(positions) WHEN 1 THEN '[5,9)'::int8range ELSE '[1,5)' END
    """)


def test_what_is_copied_in_is_looked_at_and_nobody_is_above_it(connection: Connection[Any]) -> None:
    insert(connection, (CUSTOMER, SLOT, ALL_TIME, "[1,)"))
    connection.execute("SET session_replication_role = replica")
    columns = "customer_id, slot, value, valid, positions, fact_from, rank, version"
    with (
        pytest.raises(psycopg.errors.ExclusionViolation),
        connection.cursor().copy(f"COPY read.facts ({columns}) FROM STDIN") as copy,
    ):
        copy.write_row((CUSTOMER, SLOT, "1", ALL_TIME, "[3,)", "2024-01-01Z", 1, 1))


# --- at once --------------------------------------------------------------------------------------------------------


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def waits(database: str) -> bool:
    """Whether somebody waits for somebody else to commit."""
    with psycopg.connect(database) as connection:
        return bool(connection.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall())


def widen(connection: Connection[Any]) -> None:
    connection.execute("UPDATE read.facts SET positions = '[1,)' WHERE positions = '[1,5)'")


def add(connection: Connection[Any]) -> None:
    insert(connection, (CUSTOMER, SLOT, ALL_TIME, "[5,)"))


@pytest.mark.parametrize(("first_does", "second_does"), [(add, add), (add, widen), (widen, add)])
@pytest.mark.parametrize("turn", [1, -1], ids=["the one first", "the other first"])
def test_of_two_at_once_the_later_waits_and_is_refused(
    database: str, aside: ThreadPoolExecutor, first_does: Any, second_does: Any, turn: int
) -> None:
    with psycopg.connect(database) as one, psycopg.connect(database) as other:
        first, second = (one, other)[::turn]
        insert(first, (CUSTOMER, SLOT, ALL_TIME, "[1,5)"))
        first.commit()
        second.execute("SELECT FROM read.facts")  # both have begun before either writes
        first_does(first)
        later: Future[None] = aside.submit(second_does, second)
        eventually(lambda: waits(database))
        first.commit()
        with pytest.raises(psycopg.errors.ExclusionViolation):
            later.result()
        second.rollback()
        assert one.execute("SELECT count(*) FROM read.facts").fetchone() == (1 + (first_does is add),)


def test_of_two_at_once_the_later_goes_on_when_the_first_takes_it_back(
    database: str, aside: ThreadPoolExecutor
) -> None:
    with psycopg.connect(database) as first, psycopg.connect(database) as second:
        add(first)
        later = aside.submit(add, second)
        eventually(lambda: waits(database))
        first.rollback()
        later.result()


class Lingering:
    """A read model that keeps the batch open, rectangles in place, until it may go on."""

    name = "lingering"
    follows = StreamKind.CUSTOMER

    def __init__(self) -> None:
        self.has_come, self.may_go = threading.Event(), threading.Event()

    def apply(self, connection: Connection[Any], batch: Batch) -> None:
        del connection, batch
        self.has_come.set()
        assert self.may_go.wait(30)

    def forget(self, connection: Connection[Any], customer_id: UUID) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("turn", [1, -1], ids=["the one first", "the other first"])
def test_of_two_projectors_at_one_batch_the_later_waits_and_fails(
    world: World, aside: ThreadPoolExecutor, turn: int
) -> None:
    world.record(a_stream(3).events)
    world.seal()
    lingering = Lingering()
    with world.runner([Facts(), lingering]) as one, world.runner([Facts(), lingering]) as other:
        first, second = (one, other)[::turn]
        leading = threading.Thread(target=first.step)
        leading.start()
        assert lingering.has_come.wait(30)
        later = aside.submit(second.step)
        eventually(lambda: waits(world.conninfo))
        lingering.may_go.set()
        leading.join()
        with pytest.raises(ProjectionFailed) as caught:
            later.result()
        assert isinstance(caught.value.__cause__, psycopg.errors.ExclusionViolation)
        assert second.step() == 0
    assert count(world, "read.facts WHERE upper_inf(positions) AND upper_inf(valid)") == 1


# --- a rebuild ------------------------------------------------------------------------------------------------------


def row(valid: str, positions: str, slot: str = SLOT) -> Row:
    return (str(CUSTOMER), slot, "1", "false", valid, positions, "2024-01-01Z", "1", "1")


def a_shadow(owner: Connection[Any], *of_facts: Row) -> Shadow:
    shadow = Shadow(owner, [FACTS])
    shadow.begin()
    shadow.add({FACTS: list(of_facts)})
    shadow.flush()
    return shadow


def test_a_rebuild_puts_no_overlap_in_place(connection: Connection[Any]) -> None:
    rows = [row(ALL_TIME, "[1,)"), row(ALL_TIME, "[1,)", "/attributes/b"), row("[2026-01-01Z,)", "[9,)")]
    with pytest.raises(RectanglesOverlap) as caught, connection.transaction():
        a_shadow(connection, *rows).complete({"facts": 9})
    assert (caught.value.customer_id, caught.value.slot) == (CUSTOMER, SLOT)
    assert connection.execute("SELECT to_regnamespace('shadow')").fetchone() == (None,)


def test_a_shadow_refuses_what_the_live_table_refuses(connection: Connection[Any]) -> None:
    with connection.transaction():
        a_shadow(connection, row(ALL_TIME, "[1,5)"), row(ALL_TIME, "[5,)")).complete({"facts": 9})
    insert(connection, (CUSTOMER, SLOT, ALL_TIME, "[4,)"))  # the live table holds none
    copied = "customer_id, slot, value, valid, positions, fact_from, rank, version"
    with pytest.raises(psycopg.errors.ExclusionViolation) as caught:
        connection.execute(f"INSERT INTO shadow.facts ({copied}) SELECT {copied} FROM read.facts")  # noqa: S608
    assert caught.value.diag.schema_name == "shadow"
