"""Read models held against the evidence: what the runner and the writer made is right, and damage is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection, IsolationLevel, Rollback
from uuid_utils.compat import uuid7

from domain.file import CustomerFile
from ledger.snapshot_keys import SnapshotKeys
from ledger.statements import FileChange
from ledger.verify import one_moment
from projections.comparison import FOLLOWED, Difference, compare
from projections.differences import row_differences
from projections.errors import StreamUnreadable
from projections.expected import CHANGES, EVERY_FOLLOWED, FACTS
from projections.profile import ProfileView
from projections.runner import EVERY_PROJECTION
from tests.ledger.writing import KEK, USCC
from tests.make import Stream
from tests.projections.histories import streams
from tests.projections.world import World, a_world
from tests.told import ACME, BETA

_ON_POSTGRES = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
IDENTIFIER_SLOT = f"/identifiers/{USCC[0]}/{USCC[1]}"


def differences(connection: Connection[Any]) -> list[tuple[str, str, str]]:
    """Table, key and detail of everything that is found wrong, in the transaction of the connection."""
    compared = compare(connection, SnapshotKeys(connection, KEK))
    found = [difference for each in compared for difference in each.differences]
    return [(each.table.removeprefix("read."), each.key, each.detail) for each in found]


@_ON_POSTGRES
@given(stream=streams(), batch=st.integers(1, 6))
def test_what_runner_and_writer_make_is_what_is_expected(shared_world: World, stream: Stream, batch: int) -> None:
    file = CustomerFile.folded(stream.customer_id, stream.events)
    shared_world.record(stream.events, inline=ProfileView().statements([FileChange(None, file)]))
    shared_world.seal()
    with shared_world.runner(batch=batch) as runner:
        runner.catch_up()
    with one_moment(shared_world.conninfo) as moment:
        assert differences(moment) == []


# --- damage ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def connection(never_changed: str) -> Iterator[Connection[Any]]:
    """A transaction in which a short history is damaged, and which is then taken back."""
    with psycopg.connect(never_changed) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        with connection.transaction() as transaction:
            connection.execute("ALTER TABLE read.facts DISABLE TRIGGER USER")  # as who owns a table can
            yield connection
            raise Rollback(transaction)


def test_an_undamaged_database_has_no_differences(connection: Connection[Any]) -> None:
    assert differences(connection) == []


DAMAGES = {
    "UPDATE read.facts SET value = '3' WHERE value = '2' AND upper(positions) IS NULL": [
        ("facts", "/attributes/n", "differs in value")
    ],
    """UPDATE read.facts SET valid = tstzrange(lower(valid), lower(valid) + interval '1 microsecond'), version = 77
       WHERE slot = '/attributes/n' AND value = '2' AND upper(valid) IS NOT NULL""": [
        ("facts", "/attributes/n", "differs in valid, version")
    ],
    """UPDATE read.facts SET valid = tstzrange(lower(valid) - interval '1 second', upper(valid))
       WHERE slot = '/identity/legal_name' AND value = '"Acme"'""": [
        ("facts", "/identity/legal_name", "differs in valid")
    ],
    "DELETE FROM read.facts WHERE slot = %(slot)s": [("facts", IDENTIFIER_SLOT, "is missing")],
    "INSERT INTO read.facts SELECT %(ghost)s, slot, value, absent, valid, positions, fact_from, rank, version "
    "FROM read.facts WHERE value = '4'": [("facts", "/attributes/n", "does not follow from the log")],
    "INSERT INTO read.facts SELECT customer_id, slot, value, absent, valid, '[99,)', fact_from, rank, version "
    "FROM read.facts WHERE value = '4'": [("facts", "/attributes/n", "does not follow from the log")],
    "UPDATE read.facts SET absent = true, fact_from = 'infinity' WHERE value = '4'": [
        ("facts", "/attributes/n", "differs in absent, fact_from")
    ],
    """UPDATE read.events SET envelope = replace(envelope, '"actor":{"id":"', '"actor":{"id":"x'), is_decision = true
       WHERE version = 8""": [("events", "8", "differs in is_decision, envelope")],
    "DELETE FROM read.events WHERE version = 9": [("events", "9", "is missing")],
    "UPDATE read.events SET version = 10 WHERE version = 9": [
        ("events", "9", "is missing"),
        ("events", "10", "does not follow from the log"),
    ],
    """UPDATE read.changes SET place = 1, kind = 'LATE' WHERE version = 8""": [
        ("changes", "8 /attributes/n", "differs in place, kind")
    ],
    """UPDATE read.events SET changes = '[]', may_be_sensitive = true WHERE version = 8""": [
        ("events", "8", "differs in may_be_sensitive, changes")
    ],
    "DELETE FROM read.changes WHERE slot = '/attributes/n' AND version = 7": [
        ("changes", "7 /attributes/n", "is missing")
    ],
    "UPDATE read.profile SET version = version + 1, as_of = 'infinity' WHERE customer_id = %(acme)s": [
        ("profile", "", "differs in version, as_of")
    ],
    "UPDATE read.profile SET next_boundary = now() WHERE customer_id = %(acme)s": [
        ("profile", "", "differs in next_boundary")
    ],
    "UPDATE read.profile SET state = state || ' ' WHERE customer_id = %(acme)s": [],
    """UPDATE read.profile SET state = convert_to(replace(convert_from(state, 'UTF8'), 'Acme', 'Akme'), 'UTF8')
        WHERE customer_id = %(acme)s""": [("profile", "", "differs in state")],
    "UPDATE read.profile SET state = '{' WHERE customer_id = %(acme)s": [("profile", "", "differs in state")],
    "UPDATE read.profile SET fold_version = fold_version - 1 WHERE customer_id = %(acme)s": [
        ("profile", "", "differs in fold_version")
    ],
    "DELETE FROM read.profile WHERE customer_id = %(acme)s": [("profile", "", "is missing")],
    "UPDATE read.profile SET customer_id = %(ghost)s WHERE customer_id = %(acme)s": [
        ("profile", "", "is missing"),
        ("profile", "", "does not follow from the log"),
    ],
    "DELETE FROM read.identifier": [("identifier", ":".join(USCC), "is missing")],
    "UPDATE read.identifier SET version = 1": [("identifier", ":".join(USCC), "differs in version")],
    "UPDATE read.identifier SET customer_id = %(beta)s": [
        ("identifier", ":".join(USCC), "is missing"),
        ("identifier", ":".join(USCC), "does not follow from the log"),
    ],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_named(connection: Connection[Any], damage: str) -> None:
    customers = {"acme": ACME, "beta": BETA, "ghost": uuid7(), "slot": IDENTIFIER_SLOT}
    assert connection.execute(damage.encode(), customers).rowcount == 1
    assert differences(connection) == DAMAGES[damage]


def test_a_difference_names_its_customer_and_no_value(connection: Connection[Any]) -> None:
    connection.execute("UPDATE read.facts SET value = '\"secret\"' WHERE value = '4'")
    compared = compare(connection, SnapshotKeys(connection, KEK), FOLLOWED)
    (difference,) = [difference for each in compared for difference in each.differences]
    assert difference == Difference("read.facts", ACME, "/attributes/n", "differs in value")


def test_a_row_that_stands_twice_is_surplus() -> None:
    row = (str(ACME), "1", "1", None, "0", "CHANGE", "/a")
    found = list(row_differences(CHANGES, ACME, [row], [row, row]))
    assert found == [Difference("read.changes", ACME, "1 /a", "does not follow from the log")]


def test_equal_json_is_equal_however_it_is_written() -> None:
    row = (str(ACME), "/a", '{"a": -0.0, "b": 1e300}', "false", "[,)", "[1,)", "", "1", "1")
    same = (*row[:2], f'{{"b":{10**300},"a":0.0}}', *row[3:])
    assert list(row_differences(FACTS, ACME, [row], [same])) == []
    (difference,) = row_differences(FACTS, ACME, [(*row[:2], "1", *row[3:])], [(*row[:2], "true", *row[3:])])
    assert difference.detail == "differs in value"


# --- moments and positions ------------------------------------------------------------------------------------------


def test_each_table_is_compared_at_the_position_that_it_has_reached(database: str) -> None:
    stream = Stream()
    for number in range(6):
        stream.attribute("a", number)
    stream.retract(stream.events[4])
    with a_world(database) as world:
        world.record(stream.events)
        world.seal()
        with world.runner(batch=3) as runner:
            runner.step()
        with world.runner([each for each in EVERY_PROJECTION if each.name != "changes"], batch=2) as runner:
            runner.step()
        with one_moment(database) as moment:
            compared = list(compare(moment, SnapshotKeys(moment, KEK), ["facts", "events", "changes"]))
            tracked = moment.execute("SELECT position FROM read.tracking ORDER BY projection").fetchall()
    assert sorted(tracked) == [(3,), *[(5,)] * 5]
    assert [(each.events, each.differences) for each in compared] == [(7, [])]
    assert {table.name: len(rows) for table, rows in compared[0].rows.items()} == {
        "facts": 9,
        "events": 5,
        "changes": 3,
    }


def test_what_is_not_projected_is_not_missed(connection: Connection[Any]) -> None:
    connection.execute("DELETE FROM read.tracking")
    connection.execute("TRUNCATE read.facts, read.events, read.changes")
    assert differences(connection) == []


def test_some_customers_rows_in_place_can_be_compared_alone(connection: Connection[Any]) -> None:
    connection.execute("UPDATE read.profile SET version = 70")
    keys = SnapshotKeys(connection, KEK)
    compared = list(compare(connection, keys, ["profile", "identifier"], customer_ids=[BETA]))
    assert [(each.customer_id, len(each.differences)) for each in compared] == [(BETA, 1)]


# --- what cannot be read --------------------------------------------------------------------------------------------


def break_version_3(connection: Connection[Any]) -> None:
    connection.execute("ALTER TABLE ledger.payload DISABLE TRIGGER USER")
    connection.execute("UPDATE ledger.payload SET ct = ct || '\\x00' WHERE version = 3 AND stream = %s", [ACME])


def lose_the_key(connection: Connection[Any]) -> None:
    connection.execute("DELETE FROM keys.subject_key WHERE subject = %s", [ACME])


@pytest.mark.parametrize(("loss", "version"), [(break_version_3, 3), (lose_the_key, 1)])
def test_a_stream_that_cannot_be_read_is_told_and_may_be_skipped(
    connection: Connection[Any], loss: Callable[[Connection[Any]], None], version: int
) -> None:
    loss(connection)
    connection.execute("UPDATE read.events SET actor = 'u-1' WHERE version = 2")
    with pytest.raises(StreamUnreadable) as caught:
        differences(connection)
    assert (caught.value.customer_id, caught.value.version) == (ACME, version)
    skipped: list[StreamUnreadable] = []
    compared = list(compare(connection, SnapshotKeys(connection, KEK), skip=skipped.append))
    assert [each.customer_id for each in skipped] == [ACME]
    assert [each.differences for each in compared] == [[Difference("read.events", BETA, "2", "differs in actor")]]


def test_every_column_of_the_tables_is_compared(connection: Connection[Any]) -> None:
    """But for those that the server makes of others."""
    for table in EVERY_FOLLOWED:
        named = connection.execute(
            "SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND attgenerated = ''",
            [f"read.{table.name}"],
        ).fetchone()
        assert named == (list(table.columns),)
