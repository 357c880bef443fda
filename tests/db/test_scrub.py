"""Scrubbing: what was deleted is in no file of the cluster any more, and what was not is all there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from db.embedded import EmbeddedPostgres
from db.errors import AnotherScrub, StillSeen, TableBusy
from db.scrub import scrub
from tests.canary import files_with, new_canary

_SMALL = {"shared_buffers": "16MB", "min_wal_size": "64MB", "max_wal_size": "80MB", "max_prepared_transactions": "1"}

_BOX = """
    CREATE SCHEMA box;
    CREATE TABLE box.held (id bigint PRIMARY KEY, kind int NOT NULL, said text NOT NULL, long text NOT NULL);
    CREATE INDEX ON box.held (said);
    CREATE INDEX ON box.held (lower(said));
    CREATE STATISTICS box.held_values (mcv) ON said, kind FROM box.held;
"""

_FILLING = """
    INSERT INTO box.held
    SELECT id, id %% 3, %(said)s,
           %(said)s || (SELECT string_agg(md5(concat(id, n)), '') FROM generate_series(1, 200) AS n)
    FROM generate_series(1, %(rows)s) AS id
"""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("scrubbed"), settings=_SMALL) as postgres:
        yield postgres


@pytest.fixture
def conninfo(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database with a table that holds nothing."""
    with psycopg.connect(postgres.conninfo("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE box")
        try:
            with psycopg.connect(postgres.conninfo("box"), autocommit=True) as box:
                box.execute(_BOX)
            yield postgres.conninfo("box")
        finally:
            connection.execute("DROP DATABASE box WITH (FORCE)")


@pytest.fixture
def cluster(conninfo: str) -> Path:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT current_setting('data_directory')").fetchone()
    assert row is not None
    return Path(row[0])


def fill(conninfo: str, said: str, *, rows: int = 500) -> None:
    """Rows that say this, and some that do not: in pages, indexes, out of line, compressed, in samples, in the log."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(_FILLING, {"said": said, "rows": rows})
        connection.execute("INSERT INTO box.held SELECT -id, 4, 'stays', 'stays' FROM generate_series(1, 100) AS id")
        connection.execute("ANALYZE box.held")
        connection.execute("CHECKPOINT")


def delete(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("DELETE FROM box.held WHERE id > 0")


def top_folders(paths: list[str]) -> set[str]:
    return {path.partition("/")[0] for path in paths}


def test_what_was_deleted_is_in_no_file_any_more(conninfo: str, cluster: Path) -> None:
    canary = new_canary()
    fill(conninfo, canary)
    delete(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("VACUUM (TRUNCATE off) box.held")
        connection.execute("CHECKPOINT")
    before = files_with(cluster, canary)
    assert top_folders(before) == {"base", "pg_wal"}
    with psycopg.connect(conninfo) as connection:
        named = connection.execute(
            "SELECT pg_relation_filepath(oid), oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'i', 't')"
        )
        held_by = {name for path, name in named.fetchall() if path in before}
    assert {"box.held", "pg_statistic", "pg_statistic_ext_data"} <= held_by
    assert any("pg_toast" in name for name in held_by)

    scrubbed = scrub(conninfo, schemas=["box"])

    assert files_with(cluster, canary) == []
    assert list(scrubbed.tables) == ["box.held", "pg_catalog.pg_statistic_ext_data", "pg_catalog.pg_statistic"]
    assert scrubbed.residues == []
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("SELECT count(*) FROM box.held WHERE said = 'stays'").fetchone() == (100,)


def test_segments_that_were_to_be_used_again_are_dropped_too(conninfo: str, cluster: Path) -> None:
    canary = new_canary()
    for _ in range(4):  # more log than is kept between two checkpoints
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("TRUNCATE box.held")
        fill(conninfo, canary, rows=4000)
    with psycopg.connect(conninfo) as connection:
        current = connection.execute("SELECT pg_walfile_name(pg_current_wal_insert_lsn())").fetchone()
    assert current is not None
    ahead = [name for name in files_with(cluster / "pg_wal", canary) if name > current[0]]
    assert ahead, "no segment stands ready that still holds what it once held"
    delete(conninfo)
    scrub(conninfo, schemas=["box"])
    assert files_with(cluster, canary) == []
    wait_for(conninfo, "on")


def test_what_a_scrubbing_that_died_had_set_is_taken_back_by_the_next_one(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET wal_recycle = off")
        connection.execute("SELECT pg_reload_conf()")
    wait_for(conninfo, "off")
    scrub(conninfo, schemas=["box"])
    wait_for(conninfo, "on")


def wait_for(conninfo: str, wal_recycle: str) -> None:
    """The server's processes hear of a new setting in their own time."""
    deadline = time.monotonic() + 60
    while True:
        with psycopg.connect(conninfo) as connection:
            if connection.execute("SELECT current_setting('wal_recycle')").fetchone() == (wal_recycle,):
                return
        assert time.monotonic() < deadline


def test_samples_of_what_is_empty_now_are_gone(conninfo: str, cluster: Path) -> None:
    """ANALYZE alone leaves them, of a table and of an index that have no row any more."""
    canary, other = new_canary(), new_canary()
    fill(conninfo, canary)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("CREATE TABLE box.emptied (said text)")
        connection.execute("CREATE INDEX ON box.held (upper(said)) WHERE id > 0")
        connection.execute("INSERT INTO box.emptied SELECT %s FROM generate_series(1, 100)", [other])
        connection.execute("ANALYZE box.emptied, box.held")
        connection.execute("DELETE FROM box.emptied")
        delete(conninfo)
        connection.execute("ANALYZE box.emptied, box.held")
        sampled = connection.execute("SELECT string_agg(most_common_vals::text, ' ') FROM pg_stats").fetchone()
    assert sampled is not None
    assert other in sampled[0]
    assert canary.upper() in sampled[0]
    scrub(conninfo, schemas=["box"])
    assert files_with(cluster, canary, canary.upper(), other) == []


def test_single_tables_are_rewritten_by_name(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("CREATE TABLE box.other (id int)")
    assert "box.other" not in scrub(conninfo, schemas=[], tables=["box.held"]).tables


def test_nothing_is_rewritten_while_somebody_still_sees_what_was_deleted(conninfo: str, cluster: Path) -> None:
    canary = new_canary()
    fill(conninfo, canary)
    with psycopg.connect(conninfo, application_name="an_export") as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1")
        delete(conninfo)
        with pytest.raises(StillSeen, match="an_export") as caught:
            scrub(conninfo, schemas=["box"], patience_seconds=0)
        assert len(caught.value.who) == 1
    scrub(conninfo, schemas=["box"])
    assert files_with(cluster, canary) == []


def test_a_prepared_transaction_that_sees_it_is_named(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO box.held VALUES (1, 1, '', '')")
        connection.execute("PREPARE TRANSACTION 'forgotten'")
        try:
            with pytest.raises(StillSeen, match="prepared transaction forgotten"):
                scrub(conninfo, schemas=["box"], patience_seconds=0)
        finally:
            connection.execute("ROLLBACK PREPARED 'forgotten'")


def test_a_table_that_is_never_free_is_named(conninfo: str) -> None:
    with psycopg.connect(conninfo) as user:
        user.execute("LOCK TABLE box.held IN ACCESS SHARE MODE")
        with pytest.raises(TableBusy) as caught:
            scrub(conninfo, schemas=["box"], patience_seconds=0)
    assert caught.value.table == "box.held"


def test_two_at_once_are_one_too_many(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('dossier scrub', 0))")
        with pytest.raises(AnotherScrub):
            scrub(conninfo, schemas=["box"])


def test_what_keeps_old_log_is_told(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SELECT pg_create_physical_replication_slot('replica', true)")
        try:
            residues = scrub(conninfo, schemas=["box"]).residues
        finally:
            connection.execute("SELECT pg_drop_replication_slot('replica')")
    assert any(residue.startswith("replication slot replica: ") for residue in residues)


def test_a_login_that_may_not_drop_the_log_is_told_so(postgres: EmbeddedPostgres, conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("CREATE ROLE plain LOGIN")
        connection.execute("ALTER DATABASE box OWNER TO plain")
        connection.execute("ALTER SCHEMA box OWNER TO plain")
        connection.execute("ALTER TABLE box.held OWNER TO plain")
    try:
        scrubbed = scrub(postgres.conninfo("box", user="plain"), schemas=["box"])
    finally:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("ALTER DATABASE box OWNER TO dossier")
            connection.execute("REASSIGN OWNED BY plain TO dossier")
            connection.execute("DROP ROLE plain")
    assert len(scrubbed.tables) == 3
    assert [residue.partition(":")[0] for residue in scrubbed.residues] == ["write-ahead log", "samples of values"]
