"""The export of the rectangles: what is in the files, that they are the same each time, and how it fails."""

from __future__ import annotations

import hashlib
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from pyarrow import parquet

from ledger.verify import one_moment
from projections.comparison import hold_tables
from projections.errors import FolderTaken
from projections.export import Manifest, count_rows, export_facts
from projections.parquet_parts import Sizes
from tests.make import Stream, at
from tests.projections.files import registered
from tests.projections.portfolios import portfolio, recorded
from tests.projections.world import World

SMALL = Sizes(group_rows=7, file_bytes=2000)
NO_ROWS = {"facts": 0, "log": 0}


@contextmanager
def moment(world: World) -> Iterator[Connection[Any]]:
    with one_moment(world.conninfo) as connection:
        hold_tables(connection)
        yield connection


def export(world: World, folder: Path, **options: Any) -> Manifest:
    with moment(world) as connection:
        return export_facts(connection, folder, **options)


def manifest_of(folder: Path) -> Any:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def rows_of(folder: Path, table: str) -> list[dict[str, Any]]:
    """The rows of a table, in the order of its files."""
    parts = sorted((folder / table).rglob("*.parquet"))
    return [row for part in parts for row in parquet.ParquetFile(part).read().to_pylist()]


def test_every_rectangle_is_exported_as_it_is(world: World, tmp_path: Path) -> None:
    world.project(*recorded(portfolio(1)))
    export(world, tmp_path / "export", sizes=SMALL)
    with psycopg.connect(world.conninfo) as connection:
        expected = connection.execute("""
            SELECT customer_id::text, slot,
                   coalesce(value::text, (
                       SELECT read.shared(data, shared_from, shared_length) FROM read.events
                       WHERE events.customer_id = facts.customer_id AND events.version = facts.version
                   )), absent, lower(valid), upper(valid), lower(positions),
                   upper(positions), fact_from, rank, version
            FROM read.facts
            ORDER BY split_part(slot, '/', 2) COLLATE "C", slot COLLATE "C", customer_id, lower(valid), lower(positions)
        """).fetchall()
    rows = [tuple(row.values()) for row in rows_of(tmp_path / "export", "facts")]
    assert rows == expected
    assert len(rows) > 100


def test_the_log_says_which_event_each_position_is(world: World, tmp_path: Path) -> None:
    world.project(*recorded(portfolio(2, customers=3)))
    export(world, tmp_path / "export", sizes=SMALL)
    with psycopg.connect(world.conninfo) as connection:
        expected = connection.execute(
            "SELECT idx + 1, known_at, stream::text, version FROM ledger.log ORDER BY idx"
        ).fetchall()
    assert [tuple(row.values()) for row in rows_of(tmp_path / "export", "log")] == expected


def test_rows_lie_by_group_in_files_of_bounded_size(world: World, tmp_path: Path) -> None:
    world.project(*recorded(portfolio(1)))
    export(world, tmp_path / "export", sizes=SMALL)
    groups = sorted(folder.name for folder in (tmp_path / "export" / "facts").iterdir())
    assert groups == ["slot_group=attributes", "slot_group=contacts", "slot_group=primary_contact", "slot_group=tier"]
    for part in (tmp_path / "export" / "facts").rglob("*.parquet"):
        slots = parquet.read_table(part, partitioning=None).column("slot").to_pylist()
        assert {slot.split("/")[1] for slot in slots} == {part.parent.name.partition("=")[2]}
        assert parquet.ParquetFile(part).metadata.row_group(0).num_rows <= SMALL.group_rows
    assert (tmp_path / "export" / "facts" / "slot_group=contacts" / "part-00001.parquet").exists()


def test_the_manifest_describes_every_file(world: World, tmp_path: Path) -> None:
    world.project(*recorded(portfolio(1)))
    folder = tmp_path / "export"
    passed: list[int] = []
    export(world, folder, advance=passed.append, sizes=SMALL)
    manifest = manifest_of(folder)
    files = {file["path"]: file for file in manifest["files"]}
    assert files.keys() == {str(part.relative_to(folder)) for part in folder.rglob("*.parquet")}
    for path, file in files.items():
        content = (folder / path).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert file["rows"] == parquet.ParquetFile(folder / path).metadata.num_rows
    log = rows_of(folder, "log")
    assert (manifest["position"], manifest["known_at"]) == (len(log), log[-1]["known_at"].isoformat())
    assert manifest["rows"] == {"facts": len(rows_of(folder, "facts")), "log": len(log)}
    assert sum(passed) == sum(manifest["rows"].values())


def test_two_exports_at_one_position_are_the_same_bytes(world: World, tmp_path: Path) -> None:
    world.project(*recorded(portfolio(1)))
    export(world, tmp_path / "one")
    with psycopg.connect(world.conninfo) as connection:  # as a rebuild might have stored them
        columns = "customer_id, slot, value, absent, valid, positions, fact_from, rank, version"
        connection.execute("CREATE TEMPORARY TABLE shuffled AS SELECT * FROM read.facts ORDER BY md5(slot || version)")
        connection.execute("TRUNCATE read.facts")
        connection.execute(f"INSERT INTO read.facts ({columns}) SELECT {columns} FROM shuffled")  # noqa: S608 - literals
    export(world, tmp_path / "other")
    assert (tmp_path / "one" / "manifest.json").read_bytes() == (tmp_path / "other" / "manifest.json").read_bytes()


def test_an_export_is_of_one_moment(world: World, tmp_path: Path) -> None:
    stream = registered()
    stream.attribute("a", 1, at("2026-01-01"))
    world.project(*stream.events)
    with moment(world) as connection:
        assert count_rows(connection) == 3
        later = Stream(stream.customer_id, list(stream.events))
        world.project(later.attribute("a", 2, at("2026-01-02")))
        export_facts(connection, tmp_path / "before")
    export(world, tmp_path / "after")
    assert [manifest_of(tmp_path / name)["position"] for name in ("before", "after")] == [2, 3]
    assert [row["value"] for row in rows_of(tmp_path / "before", "facts")] == ["1"]
    assert len(rows_of(tmp_path / "before", "log")) == 2


def test_what_was_sealed_and_not_projected_is_left_out(world: World, tmp_path: Path) -> None:
    stream = registered()
    world.project(*stream.events)
    world.record([stream.attribute("a", 1)])
    world.seal()
    export(world, tmp_path / "export")
    manifest = manifest_of(tmp_path / "export")
    assert (manifest["position"], manifest["rows"]) == (1, {"facts": 0, "log": 1})


def test_where_nothing_was_projected_there_is_a_manifest_alone(world: World, tmp_path: Path) -> None:
    export(world, tmp_path / "export")
    manifest = manifest_of(tmp_path / "export")
    assert (manifest["position"], manifest["known_at"], manifest["rows"], manifest["files"]) == (0, None, NO_ROWS, [])


def test_the_folder_is_for_its_owner_alone(world: World, tmp_path: Path) -> None:
    world.project(*recorded(portfolio(1, customers=1)))
    export(world, tmp_path / "new" / "export")
    for path in (tmp_path / "new" / "export").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0
    assert (tmp_path / "new" / "export").stat().st_mode & 0o077 == 0


def test_a_folder_that_holds_anything_is_left_as_it_is(world: World, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(FolderTaken, match="not empty"):
        export(world, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_nothing_is_written_over_an_export(world: World, tmp_path: Path) -> None:
    export(world, tmp_path / "export")
    with pytest.raises(FolderTaken):
        export(world, tmp_path / "export")
    assert (tmp_path / "export" / "manifest.json").exists()


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """A disk that takes no longer file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_leaves_no_export_and_no_rubble(world: World, tmp_path: Path) -> None:
    world.project(*recorded(portfolio(1)))
    with files_up_to(1000), pytest.raises(OSError, match="too large"):
        export(world, tmp_path / "export")
    assert list((tmp_path / "export").iterdir()) == []


def test_a_connection_that_is_lost_leaves_none_either(world: World, tmp_path: Path) -> None:
    world.project(*recorded(portfolio(1)))

    def lose(_: int) -> None:
        with psycopg.connect(world.conninfo, autocommit=True) as other:
            other.execute("""
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'dossier_reader'
            """)

    with pytest.raises(psycopg.OperationalError):
        export(world, tmp_path / "export", advance=lose)
    assert list((tmp_path / "export").iterdir()) == []
    export(world, tmp_path / "export")
