"""Rebuilding the read models that follow the log: what is switched, what is kept, and who goes on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from db.pool import connect
from ledger.sealer import Sealer
from projections.checksums import Checksum, TableChecksums
from projections.comparison import FOLLOWED, Difference
from projections.errors import AnotherRebuild, NeverFree, SchemaTaken, StreamUnreadable, TablesAltered
from projections.rebuild import Summary, Watch, check, rebuild
from projections.runner import Runner
from tests.checker import check as check_everything
from tests.db.test_schema import dump
from tests.ledger.writing import KEK, attribute, rows, write_path
from tests.make import Stream
from tests.projections.world import World, a_world
from tests.told import ACME, BETA

PHASES = ("comparing", "building indexes", "catching up", "switching")


class Notes:
    """A watch that keeps what it is told, and has something happen when a phase begins for the first time."""

    def __init__(self, at: Mapping[str, Callable[[], object]] | None = None) -> None:
        self._at = dict(at or {})
        self.found: list[Difference] = []
        self.passed: list[int] = []
        self.phases: list[str] = []

    @property
    def watch(self) -> Watch:
        return Watch(self.found.append, self.passed.append, self._doing)

    def _doing(self, phase: str) -> None:
        self.phases.append(phase)
        self._at.pop(phase, lambda: None)()


def execute(database: str, *statements: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def table_ids(database: str) -> list[tuple[str, int]]:
    tables = "SELECT relname, oid::bigint FROM pg_class WHERE relnamespace = 'read'::regnamespace AND relkind = 'r'"
    return sorted(rows(database, tables))


def shadow_is_there(database: str) -> bool:
    return bool(rows(database, "SELECT FROM pg_namespace WHERE nspname = 'shadow'"))


# --- what is switched -----------------------------------------------------------------------------------------------


def test_a_rebuild_names_what_was_wrong_and_leaves_it_right(told: str) -> None:
    execute(
        told,
        "UPDATE read.facts SET value = '3' WHERE value = '2' AND upper(positions) IS NULL",
        "DELETE FROM read.events WHERE version = 9",
        "UPDATE read.changes SET customer_id = gen_random_uuid() WHERE version = 8",
    )
    before, notes = Notes(), Notes()
    check(told, KEK, before.watch)
    summary = rebuild(told, KEK, notes.watch)
    assert notes.found == before.found
    assert [(each.table, each.key, each.detail) for each in notes.found if each.customer_id == ACME] == [
        ("read.facts", "/attributes/n", "differs in value"),
        ("read.events", "9", "is missing"),
        ("read.changes", "8 /attributes/n", "is missing"),
    ]
    assert (summary.customers, summary.events, summary.differences) == (2, 15, 4)
    assert sum(notes.passed) == 15
    assert notes.phases == list(PHASES)
    check_everything(told, KEK)
    assert not shadow_is_there(told)


def test_however_many_customers_are_wrong_each_is_named_in_order(told: str) -> None:
    columns = "version, slot, position, place, kind, old_version"
    execute(
        told,
        f"INSERT INTO read.changes (customer_id, {columns}) SELECT gen_random_uuid(), {columns}"  # noqa: S608
        " FROM read.changes, generate_series(1, 450) WHERE version = 8",
        "DELETE FROM read.events",
        "INSERT INTO read.facts SELECT customer_id, '/attributes/ghost', value, absent, valid, positions,"
        " fact_from, rank, version FROM read.facts WHERE value = '4'",
    )
    before, notes = Notes(), Notes()
    check(told, KEK, before.watch)
    rebuild(told, KEK, notes.watch)
    assert notes.found == before.found
    assert len(notes.found) > 450
    check_nothing_differs(told)


def test_json_is_compared_by_value_and_to_the_last_bracket(world: World) -> None:
    stream = Stream()
    world.project(stream.attribute("a", [[1, 2]]), stream.attribute("b", 4))
    change = "UPDATE read.facts SET value = '{}' WHERE value = '{}'"
    execute(world.conninfo, change.format("[[1], 2]", "[[1, 2]]"), change.format("4.0", "4"))
    notes = Notes()
    rebuild(world.conninfo, KEK, notes.watch, ["facts"])
    assert [(each.key, each.detail) for each in notes.found] == [("/attributes/a", "differs in value")]


def test_checksums_agree_where_rows_do_whatever_their_order(told: str) -> None:
    before = rebuild(told, KEK, Notes().watch).checksums
    assert [each.live == each.shadow for each in before] == [True] * len(FOLLOWED)
    columns = "customer_id, slot, value, absent, valid, positions, fact_from, rank, version"
    execute(told, "CREATE TABLE kept AS SELECT * FROM read.facts", "DELETE FROM read.facts")
    again = f"SELECT {columns} FROM kept ORDER BY slot DESC, positions DESC"  # noqa: S608 - literals
    execute(told, f"INSERT INTO read.facts ({columns}) {again}", "DROP TABLE kept")
    live = [each.live for each in check(told, KEK, Notes().watch).checksums]
    assert live == [each.shadow for each in before]
    execute(told, "UPDATE read.facts SET value = '77' WHERE value = '4'")
    (damaged,) = rebuild(told, KEK, Notes().watch, ["facts"]).checksums
    assert damaged.shadow == before[0].shadow
    assert damaged.live != damaged.shadow
    assert damaged.shadow is not None
    assert damaged.live.rows == damaged.shadow.rows
    assert damaged.live.digest != damaged.shadow.digest


def test_checksums_are_of_the_position_of_the_comparison_whatever_follows(told: str) -> None:
    notes = Notes({"building indexes": lambda: go_on(told)})
    assert {each.position for each in rebuild(told, KEK, notes.watch).checksums} == {15}
    assert {each.position for each in check(told, KEK, Notes().watch).checksums} == {18}


def test_a_check_changes_nothing(told: str) -> None:
    execute(told, "DELETE FROM read.changes")
    ids = table_ids(told)
    assert check(told, KEK, Notes().watch).differences == check(told, KEK, Notes().watch).differences > 0
    assert table_ids(told) == ids


def test_only_what_is_named_is_compared_and_replaced(told: str) -> None:
    damage = f"UPDATE read.profile SET version = 1 WHERE customer_id = '{BETA}'"  # noqa: S608
    execute(told, "DELETE FROM read.changes", "DELETE FROM read.events", damage)
    ids, notes = dict(table_ids(told)), Notes({"building indexes": lambda: go_on(told)})
    rebuild(told, KEK, notes.watch, ["changes"])
    assert {each.table for each in notes.found} == {"read.changes"}
    assert {name for name, oid in table_ids(told) if oid != ids[name]} == {"changes"}
    left = Notes()
    check(told, KEK, left.watch)
    assert {each.table for each in left.found} == {"read.events", "read.profile"}


def test_the_schema_is_what_it_was(told: str) -> None:
    execute(
        told,
        "CREATE INDEX my_own ON read.events (type) WHERE actor LIKE '% ON read.%'",
        "COMMENT ON INDEX read.my_own IS 'what''s mine'",
        "GRANT SELECT (slot) ON read.facts TO dossier_signer",
        "GRANT SELECT ON read.facts TO PUBLIC",
        "GRANT SELECT ON read.changes TO dossier_signer WITH GRANT OPTION",
        "ALTER TABLE read.changes SET (autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_enabled = false)",
        "ALTER TABLE read.events ALTER actor SET STATISTICS 500",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO dossier_eraser",
    )
    before = dump(told)
    rebuild(told, KEK, Notes().watch)
    assert dump(told) == before


def test_an_empty_database_is_rebuilt(database: str) -> None:
    nothing = [TableChecksums(name, 0, Checksum(), Checksum()) for name in FOLLOWED]
    assert rebuild(database, KEK, Notes().watch) == Summary(checksums=nothing)
    check_nothing_differs(database)


# --- meanwhile ------------------------------------------------------------------------------------------------------


def go_on(database: str, events: int = 3) -> None:
    """More is written, sealed and projected."""
    with a_world(database) as world, write_path(database) as path:
        for number in range(events):
            path.accept(attribute(ACME, "more", number))
        world.seal()
        with world.runner() as runner:
            runner.catch_up()


def check_nothing_differs(database: str) -> None:
    notes = Notes()
    check(database, KEK, notes.watch)
    assert notes.found == []


def test_what_is_recorded_meanwhile_is_in_it(told: str) -> None:
    rebuild(told, KEK, Notes({phase: lambda: go_on(told) for phase in ("building indexes", "switching")}).watch)
    assert rows(told, "SELECT count(*) FROM read.events") == [(15 + 2 * 3,)]
    check_everything(told, KEK)


def test_a_shadow_far_behind_comes_close_before_anything_stands_still(world: World) -> None:
    stream = Stream()

    def record(events: int) -> None:
        recorded = len(stream.events)
        for number in range(events):
            stream.attribute("a", number)
        stream.retract(stream.events[-2])
        world.project(*stream.events[recorded:])

    record(5)
    rebuild(world.conninfo, KEK, Notes({"building indexes": lambda: record(210)}).watch, ["facts", "events", "changes"])
    notes = Notes()
    check(world.conninfo, KEK, notes.watch, ["facts", "events", "changes"])
    assert notes.found == []


def test_what_waits_for_the_runner_waits_on(told: str) -> None:
    with a_world(told) as world, write_path(told) as path:
        path.accept(attribute(ACME, "n", 5))
        world.seal()
        rebuild(told, KEK, Notes().watch)
        assert rows(told, "SELECT DISTINCT position FROM read.tracking") == [(15,)]
        with world.runner() as runner:
            runner.catch_up()
    check_everything(told, KEK)


def test_prepared_statements_of_open_connections_find_the_new_tables(told: str) -> None:
    query = "SELECT count(*) FROM read.events JOIN read.facts USING (customer_id, version) WHERE customer_id = %s"
    with connect(told, "dossier_reader", autocommit=True) as connection:
        before = connection.execute(query, [ACME], prepare=True).fetchall()
        for _ in range(2):
            rebuild(told, KEK, Notes().watch, ["events", "facts"])
            assert connection.execute(query, [ACME], prepare=True).fetchall() == before


def test_nobody_who_writes_reads_or_projects_meets_an_error(told: str) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def keep(doing: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                while not stop.is_set():
                    doing()
            except BaseException as error:  # noqa: BLE001 - told in the test's own thread
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    with follower(told, stop), write_path(told) as path, reading(told) as read, capture_logs() as logs:
        numbers = iter(range(10**6))
        threads = [keep(lambda: path.accept(attribute(ACME, "n", next(numbers)))), keep(read)]
        try:
            for _ in range(2):
                rebuild(told, KEK, Notes().watch)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert failures == []
    assert logs == []
    with a_world(told) as world:
        world.seal()
        with world.runner() as runner:
            runner.catch_up()
    check_everything(told, KEK)


def test_a_snapshot_of_before_the_switch_finds_less_than_it_promises(told: str) -> None:
    """Why no read keeps a snapshot over several statements, and a statement of its own sees all (architecture.md)."""
    seen: list[Any] = []
    count = "SELECT (SELECT min(position) FROM read.tracking), (SELECT count(*) FROM read.events)"
    with connect(told, "dossier_reader") as kept, connect(told, "dossier_reader", autocommit=True) as apart:
        kept.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        promise = {
            "catching up": lambda: seen.append(kept.execute("SELECT min(position) FROM read.tracking").fetchone())
        }
        rebuild(told, KEK, Notes({"building indexes": lambda: go_on(told), **promise}).watch)
        assert seen == [(18,)]
        assert kept.execute(count).fetchone() == (18, 15)
        assert apart.execute(count).fetchone() == (18, 18)


@contextmanager
def follower(database: str, stop: threading.Event) -> Iterator[None]:
    """A sealer and a runner at work, until `stop` is set."""
    with a_world(database) as world, world.runner() as runner:
        assert isinstance(runner, Runner)
        threads = [
            threading.Thread(target=Sealer(database).run, args=[stop]),
            threading.Thread(target=runner.run, args=[stop]),
        ]
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.join()


@contextmanager
def reading(database: str) -> Iterator[Callable[[], None]]:
    """A reader that sees each customer's events, as many as the position it read just before promises."""
    with connect(database, "dossier_reader", autocommit=True) as connection:

        def read() -> None:
            reached = connection.execute("SELECT min(position) FROM read.tracking").fetchone()
            count = connection.execute("SELECT count(*) FROM read.events").fetchone()
            assert reached is not None
            assert count is not None
            assert count[0] >= reached[0]

        yield read


# --- nothing is touched ---------------------------------------------------------------------------------------------


def assert_refused(database: str, error: type[BaseException], notes: Notes, **how: Any) -> Any:
    """The rebuild fails, and has left neither another table nor a shadow."""
    ids = table_ids(database)
    with pytest.raises(error) as caught:
        rebuild(database, KEK, notes.watch, **how)
    assert table_ids(database) == ids
    assert not shadow_is_there(database)
    return caught.value


def test_a_stream_that_cannot_be_read_stops_it(told: str) -> None:
    execute(
        told,
        "ALTER TABLE ledger.payload DISABLE TRIGGER USER",
        f"UPDATE ledger.payload SET ct = ct || '\\x00' WHERE version = 3 AND stream = '{ACME}'",  # noqa: S608
        "DELETE FROM read.changes",
    )
    error = assert_refused(told, StreamUnreadable, Notes())
    assert (error.customer_id, error.version) == (ACME, 3)
    assert rows(told, "SELECT count(*) FROM read.changes") == [(0,)]
    summary = check(told, KEK, Notes().watch)
    assert [(each.customer_id, each.version) for each in summary.unreadable] == [(ACME, 3)]


def test_a_second_rebuild_refuses_and_a_check_does_not(told: str) -> None:
    def meanwhile() -> None:
        with pytest.raises(AnotherRebuild):
            rebuild(told, KEK, Notes().watch)
        check_nothing_differs(told)

    rebuild(told, KEK, Notes({"catching up": meanwhile}).watch)


def test_a_schema_of_somebody_else_is_left_alone(told: str) -> None:
    execute(told, "CREATE SCHEMA shadow", "CREATE TABLE shadow.mine ()")
    with pytest.raises(SchemaTaken):
        rebuild(told, KEK, Notes().watch)
    assert rows(told, "SELECT to_regclass('shadow.mine')::text") == [("shadow.mine",)]


def test_tables_that_were_altered_meanwhile_are_kept(told: str) -> None:
    notes = Notes({"catching up": lambda: execute(told, "CREATE INDEX my_own ON read.facts (version)")})
    assert_refused(told, TablesAltered, notes)
    assert rows(told, "SELECT to_regclass('read.my_own')::text") == [("read.my_own",)]


def test_a_reader_is_waited_for_as_long_as_said(told: str) -> None:
    with connect(told, "dossier_reader") as connection:
        connection.execute("SELECT FROM read.changes")
        error = assert_refused(told, NeverFree, Notes(), patience_seconds=0.3)
        assert error.process_ids == [connection.info.backend_pid]
        # nobody waits behind us either
        with connect(told, "dossier_reader") as other:
            other.execute("SET lock_timeout = '5s'")
            other.execute("SELECT FROM read.changes")


def test_a_reader_that_goes_lets_it_switch(told: str) -> None:
    ids = table_ids(told)
    with connect(told, "dossier_reader") as connection:
        connection.execute("SELECT FROM read.changes")
        leaving = threading.Timer(0.5, connection.rollback)
        rebuild(told, KEK, Notes({"switching": leaving.start}).watch)
        leaving.join()
    assert table_ids(told) != ids


@pytest.mark.parametrize("phase", ["comparing", "switching"])
def test_an_interrupted_rebuild_changes_nothing_and_leaves_nothing(told: str, phase: str) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    assert_refused(told, KeyboardInterrupt, Notes({phase: interrupt}))


@pytest.mark.parametrize("phase", ["building indexes", "switching"])
def test_after_a_crash_the_next_rebuild_clears_up(told: str, phase: str) -> None:
    ids = table_ids(told)
    with pytest.raises(psycopg.OperationalError):
        rebuild(told, KEK, Notes({phase: lambda: end_rebuild(told)}).watch)
    assert table_ids(told) == ids
    assert shadow_is_there(told) == (phase == "switching")
    check_nothing_differs(told)
    rebuild(told, KEK, Notes().watch)
    assert not shadow_is_there(told)


def end_rebuild(database: str) -> None:
    """Have the server end the connection of the rebuild, as the death of its process would."""
    execute(
        database,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'dossier_rebuild' AND datname = current_database()",
    )


def test_a_log_that_grows_faster_than_it_is_followed_is_not_waited_for_in_vain(world: World) -> None:
    stream = Stream()
    for number in range(250):
        stream.attribute("a", number)
    more = {"building indexes": lambda: world.project(*stream.events)}
    error = assert_refused(world.conninfo, NeverFree, Notes(more), patience_seconds=0, names=["events"])
    assert error.process_ids is None


def test_maintenance_is_waited_for_before_anything_stands_still(told: str) -> None:
    ids = table_ids(told)
    with psycopg.connect(told) as connection:
        connection.execute("LOCK TABLE read.facts IN SHARE UPDATE EXCLUSIVE MODE")
        ending = threading.Timer(0.5, connection.rollback)
        rebuild(told, KEK, Notes({"switching": ending.start}).watch, patience_seconds=0)
        ending.join()
    assert table_ids(told) != ids
