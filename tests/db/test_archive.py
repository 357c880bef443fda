"""Archives: what was stored comes back as it was, and nothing else is ever taken for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from db.archive import (
    MANIFEST,
    ArchiveWriter,
    check_archive,
    continue_sequences,
    discard_unfinished,
    load_table,
    read_archive,
    tables_of,
)
from db.errors import ArchiveDamaged, ArchiveMissing, ArchiveUnfinished, FolderNotEmpty

STORED = "ledger.stored.copy"
TABLE = """
    CREATE TABLE ledger.stored (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer uuid, name text, ct bytea, at timestamptz,
        number smallint, said jsonb, twice bigint GENERATED ALWAYS AS (id * 2) STORED
    )
"""
ROWS = """
    INSERT INTO ledger.stored (customer, name, ct, at, number, said)
    VALUES (gen_random_uuid(), 'Größe 衡', sha256('x'), '2026-06-30 23:59:59.999999Z', 7, '{"a": [null]}'),
           (NULL, '', '', '-infinity', NULL, 'null'), (NULL, NULL, NULL, 'infinity', -1, NULL)
"""
SEEN = "SELECT stored::text FROM ledger.stored ORDER BY id"


@pytest.fixture
def stored(database: str) -> str:
    with psycopg.connect(database) as connection:
        connection.execute(TABLE)
        connection.execute(ROWS)
    return database


@pytest.fixture
def folder(stored: str, tmp_path: Path) -> Path:
    """An archive of one table."""
    write(stored, tmp_path / "archive")
    return tmp_path / "archive"


def write(conninfo: str, folder: Path) -> None:
    writer = ArchiveWriter(folder)
    with psycopg.connect(conninfo) as connection:
        (table,) = [table for table in tables_of(connection, "ledger") if table.name == "stored"]
        writer.copy(connection, table, lambda _: None)
        writer.finish(connection, "ledger", "b", {})


def test_what_was_stored_comes_back_as_it_was(stored: str, folder: Path) -> None:
    with psycopg.connect(stored) as connection:
        before = connection.execute(SEEN).fetchall()
        connection.execute("DROP TABLE ledger.stored")
        connection.execute(TABLE)
        archive = read_archive(folder, "ledger")
        check_archive(archive)
        load_table(connection, archive, archive.manifest.tables[0], lambda _: None)
        continue_sequences(connection, "ledger")
        assert connection.execute(SEEN).fetchall() == before
        next_id = connection.execute("INSERT INTO ledger.stored DEFAULT VALUES RETURNING id").fetchone()
    assert len(before) == 3
    assert next_id == (4,)


def test_a_manifest_says_what_is_there(folder: Path) -> None:
    manifest = read_archive(folder, "ledger").manifest
    (table,) = manifest.tables
    assert (table.file, table.rows, table.bytes) == (STORED, 3, (folder / STORED).stat().st_size)
    assert table.columns == ["id", "customer", "name", "ct", "at", "number", "said"]
    assert manifest.migrations[0].name == "0001_ledger"
    assert manifest.made.tzinfo is not None


def test_only_the_owner_can_read_it(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_nothing_is_written_over(stored: str, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(FolderNotEmpty, match="is not empty"):
        write(stored, folder)
    discard_unfinished(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_backup_that_did_not_end_is_known_and_can_be_removed(stored: str, folder: Path) -> None:
    (folder / MANIFEST).unlink()
    with pytest.raises(ArchiveUnfinished):
        read_archive(folder, "ledger")
    with pytest.raises(FolderNotEmpty, match="did not end"):
        write(stored, folder)
    discard_unfinished(folder)
    write(stored, folder)


def test_a_folder_of_somebody_else_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "letter").touch()
    with pytest.raises(FolderNotEmpty, match="is not empty"):
        ArchiveWriter(tmp_path)
    discard_unfinished(tmp_path)
    assert (tmp_path / "letter").exists()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArchiveMissing):
        read_archive(tmp_path / "nowhere", "ledger")


def _change_a_byte(folder: Path) -> None:
    content = bytearray((folder / STORED).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / STORED).write_bytes(content)


def _state(**members: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        document = json.loads((folder / MANIFEST).read_bytes())
        (folder / MANIFEST).write_text(json.dumps({**document, **members}))

    return change


DAMAGES = {
    "a byte": (_change_a_byte, STORED, "not what was written"),
    "cut short": (lambda folder: (folder / STORED).write_bytes(b""), STORED, "has 0 bytes"),
    "a file missing": (lambda folder: (folder / STORED).unlink(), STORED, "is missing"),
    "a file more": (lambda folder: (folder / "more").touch(), "more", "is not named by the manifest"),
    "no JSON": (lambda folder: (folder / MANIFEST).write_bytes(b"{"), MANIFEST, "JSON"),
    "not UTF-8": (lambda folder: (folder / MANIFEST).write_bytes(b"\xff"), MANIFEST, "JSON"),
    "another kind": (_state(kind="keys"), MANIFEST, "an archive of 'keys'"),
    "another format": (_state(format="dossier-archive/2"), MANIFEST, "format"),
    "a member more": (_state(more=1), MANIFEST, "more"),
    "no time": (_state(made_at="yesterday"), MANIFEST, "made_at"),
    "no tables": (_state(tables=None), MANIFEST, "tables"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_is_named_by_its_file(folder: Path, damage: str) -> None:
    do, file, detail = DAMAGES[damage]
    do(folder)
    with pytest.raises(ArchiveDamaged, match=detail) as caught:
        check_archive(read_archive(folder, "ledger"))
    assert (caught.value.folder, caught.value.file) == (folder, file)


def test_a_file_that_changes_after_the_check_is_not_kept(stored: str, folder: Path) -> None:
    archive = read_archive(folder, "ledger")
    check_archive(archive)
    with psycopg.connect(stored) as connection:
        connection.execute("DROP TABLE ledger.stored")
        connection.execute(TABLE)
        content = (folder / STORED).read_bytes()
        (folder / STORED).write_bytes(content.replace("Größe".encode(), "größe".encode()))
        with pytest.raises(ArchiveDamaged, match="not what was written"):
            load_table(connection, archive, archive.manifest.tables[0], lambda _: None)
