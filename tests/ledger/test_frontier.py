"""The tree grows with the log: whoever seals, and whatever comes in between, it is what one pass over the log gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from structlog.testing import capture_logs

from db.pool import connect
from ledger.errors import TreeDamaged
from ledger.frontier import fill_in, load_frontier
from ledger.sealer import Sealer
from tests.damages import disarm
from tests.ledger.sealing import (
    append,
    check_log,
    check_tree,
    checkpoints_of,
    copy_in,
    running,
    seal_all,
    wait_until,
)
from tests.server import TestServer

LONG = 256 * 256 + 256 + 5


@pytest.fixture(scope="module")
def long_log(server: TestServer) -> Iterator[str]:
    """A log that needs two levels of nodes, as if copied in: without a node, and its checkpoint without a root."""
    with server.database() as conninfo:
        with administrator(conninfo) as connection:
            copy_in(connection, LONG)
        yield conninfo


@pytest.fixture
def copied(server: TestServer, long_log: str) -> Iterator[str]:
    """A database of its own with that log."""
    with server.database(template=str(conninfo_to_dict(long_log)["dbname"])) as conninfo:
        yield conninfo


def administrator(conninfo: str) -> Connection[Any]:
    return psycopg.connect(conninfo, autocommit=True)


def append_some(app: Connection[TupleRow], events: int) -> None:
    stream = uuid4()
    for version in range(events):
        append(app, stream, version)
    app.commit()


# --- growing --------------------------------------------------------------------------------------------------------


def test_a_node_is_written_with_the_log_rows_that_complete_it(database: str, app: Connection[TupleRow]) -> None:
    sealer = Sealer(database, batch=100)
    for _ in range(6):
        append_some(app, 100)
    assert seal_all(sealer) == 600
    sealer.close()
    check_log(database)


def test_a_tick_carries_the_root(database: str, app: Connection[TupleRow]) -> None:
    sealer = Sealer(database)
    sealer.tick()
    append_some(app, 3)
    sealer.seal_once()
    sealer.tick()
    sealer.close()
    assert [size for _, size in checkpoints_of(database)] == [0, 3, 3]
    check_tree(database)


def test_a_tick_that_another_sealer_has_overtaken_speaks_of_what_is_there(
    database: str, app: Connection[TupleRow]
) -> None:
    sealer, other = Sealer(database), Sealer(database)
    sealer.tick()
    append_some(app, 3)
    other.seal_once()
    sealer.tick()
    assert [size for _, size in checkpoints_of(database)] == [0, 3, 3]
    check_tree(database)
    for each in (sealer, other):
        each.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 200)),
        st.tuples(st.sampled_from(["seal", "tick", "kill", "lose", "crash"]), st.integers(0, 1)),
    ),
    max_size=30,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(STEPS)
def test_two_sealers_that_take_turns_and_are_killed_make_the_tree_of_one_pass(
    database: str, steps: Sequence[tuple[str, int]]
) -> None:
    with ExitStack() as stack:
        app = stack.enter_context(connect(database, "dossier_app"))
        boss = stack.enter_context(administrator(database))
        sealers = [Sealer(database, batch=90), Sealer(database, batch=300)]
        stack.callback(_close_all, sealers)
        for verb, number in steps:
            match verb:
                case "append":
                    append_some(app, number)
                case "seal":
                    sealers[number].seal_once()
                case "tick":
                    sealers[number].tick()
                case "kill":  # its memory is gone
                    sealers[number].close()
                    sealers[number] = Sealer(database, batch=90)
                case "lose":
                    _end_backends(boss)
                    for sealer in sealers:
                        _fails(sealer, psycopg.OperationalError)
                case _:
                    append_some(app, 5)
                    _crash(boss, sealers[number])
        seal_all(sealers[0])
    check_log(database)


def _close_all(sealers: Sequence[Sealer]) -> None:
    for sealer in sealers:
        sealer.close()


def _end_backends(boss: Connection[Any]) -> None:
    boss.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'dossier_sealer'"
    )


def _crash(boss: Connection[Any], sealer: Sealer) -> None:
    """Everything of a batch is written but the commit."""
    boss.execute(
        "CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RAISE 'could not write' USING ERRCODE = 'disk_full'; END$$"
    )
    boss.execute(
        "CREATE CONSTRAINT TRIGGER crash AFTER INSERT ON ledger.checkpoint DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION crash()"
    )
    try:
        _fails(sealer, psycopg.errors.DiskFull)
    finally:
        boss.execute("DROP FUNCTION crash CASCADE")


def _fails(sealer: Sealer, how: type[psycopg.Error]) -> None:
    """Once; a sealer that has no connection yet makes one, and one that lost it learns of it."""
    try:
        sealer.seal_once()
    except how:
        sealer.close()


# --- a log without nodes --------------------------------------------------------------------------------------------


def test_the_nodes_of_a_log_from_before_the_tree_are_filled_in(copied: str) -> None:
    with connect(copied, "dossier_app") as app:
        append_some(app, 300)
    sealer = Sealer(copied)
    with capture_logs() as logs:
        assert sealer.seal_once() == 300
    sealer.close()
    assert [(log["event"], log["added"]) for log in logs] == [("the log's tree lacked nodes", 257 + 1)]
    with administrator(copied) as connection:
        disarm(connection)
        connection.execute("DELETE FROM ledger.checkpoint WHERE root IS NULL")
    check_log(copied)


def test_nodes_are_filled_in_from_where_the_last_one_got(copied: str) -> None:
    with administrator(copied) as connection:
        assert fill_in(connection) == 258
        assert fill_in(connection) == 0
        nodes = connection.execute("SELECT * FROM ledger.node ORDER BY level, idx").fetchall()
        disarm(connection)
        connection.execute("DELETE FROM ledger.node WHERE level = 2 OR idx >= 100")
        assert fill_in(connection) == 158
        assert connection.execute("SELECT * FROM ledger.node ORDER BY level, idx").fetchall() == nodes
        assert load_frontier(connection).size == LONG


def test_two_that_fill_in_at_once_do_not_hinder_each_other(copied: str, database: str) -> None:
    del database
    sealers = [Sealer(copied), Sealer(copied)]
    with running(*sealers), administrator(copied) as connection:
        wait_until(lambda: connection.execute("SELECT count(*) FROM ledger.node").fetchone() == (258,))
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO ledger.node VALUES (1, 0, sha256(''))")


# --- an edge that does not fit --------------------------------------------------------------------------------------

DAMAGES = {
    "a hash of the edge": "UPDATE ledger.log SET hash = sha256('') WHERE idx = 65795",
    "a node of the edge": "UPDATE ledger.node SET hash = sha256('') WHERE level = 2",
    "a lost node": "DELETE FROM ledger.node WHERE level = 2; INSERT INTO ledger.node VALUES (2, 1, sha256(''))",
    "a lost hash": "DELETE FROM ledger.log WHERE idx = 65793",
    "the last places": "DELETE FROM ledger.log WHERE idx >= 65793",
    "another root": "UPDATE ledger.checkpoint SET root = sha256('')",
    "no checkpoint": "DELETE FROM ledger.checkpoint",
    "a node beyond the edge": "INSERT INTO ledger.node VALUES (1, 257, sha256(''))",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_nobody_builds_on_a_damaged_edge(copied: str, damage: str) -> None:
    sealer = Sealer(copied)
    sealer.tick()
    sealer.close()
    with administrator(copied) as boss, connect(copied, "dossier_app") as app:
        disarm(boss)
        boss.execute("DELETE FROM ledger.checkpoint WHERE root IS NULL")
        boss.execute(damage.encode())
        append_some(app, 1)
        with pytest.raises(TreeDamaged):
            sealer.seal_once()
        with pytest.raises(TreeDamaged):
            sealer.tick()
    sealer.close()


def test_a_sealer_that_met_damage_says_so_and_goes_on_once_it_is_repaired(
    database: str, app: Connection[TupleRow]
) -> None:
    append_some(app, 3)
    first = Sealer(database)
    first.seal_once()
    first.close()
    with administrator(database) as boss:
        disarm(boss)
        (true,) = boss.execute("SELECT hash FROM ledger.log WHERE idx = 2").fetchall()[0]
        boss.execute("UPDATE ledger.log SET hash = sha256('') WHERE idx = 2")
        append_some(app, 1)
        with capture_logs() as logs, running(Sealer(database)):
            wait_until(lambda: any(log["log_level"] == "critical" for log in logs))
            assert boss.execute("SELECT count(*) FROM ledger.unsealed").fetchone() == (1,)
            boss.execute("UPDATE ledger.log SET hash = %s WHERE idx = 2", [true])
            wait_until(lambda: boss.execute("SELECT count(*) FROM ledger.unsealed").fetchone() == (0,))
    check_log(database)
