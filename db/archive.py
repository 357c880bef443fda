"""Archives: tables of a database as files in a folder, taken and put back by COPY.

    ledger.event.copy ...   one file per table, in COPY's binary format
    manifest.json           what is in them: written last, so that a folder without it is a backup that did not end

What must stay true: nothing that is there is ever written over; only their owner may read the files; every file is on
the disk before the manifest is; and an archive is held against its manifest, every byte, before anything of it is used.
This module knows tables and columns, and nothing of what is in them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier
from pydantic import BaseModel, ConfigDict, ValidationError

from db.errors import ArchiveDamaged, ArchiveMissing, ArchiveUnfinished, FolderNotEmpty
from db.queries import load

MANIFEST: Final = "manifest.json"

_QUERIES: Final = load("db", "archive.sql")
_BLOCK_BYTES: Final = 1024 * 1024
_LONGEST_MANIFEST_BYTES: Final = 16 * _BLOCK_BYTES


class Table(NamedTuple):
    """A table and those of its columns that are stored, each with its type as the server writes it."""

    schema: str
    name: str
    columns: Sequence[str]
    types: Sequence[str]

    @property
    def identifier(self) -> Identifier:
        return Identifier(self.schema, self.name)


class _Stated(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class StoredTable(_Stated):
    """One file of an archive."""

    schema_name: str
    table: str
    columns: list[str]
    types: list[str]
    rows: int
    bytes: int
    sha256: str

    @property
    def file(self) -> str:
        return f"{self.schema_name}.{self.table}.copy"

    @property
    def of_table(self) -> Table:
        return Table(self.schema_name, self.table, self.columns, self.types)


class AppliedMigration(_Stated):
    name: str
    sha256: str


class Manifest(_Stated):
    """What an archive says about itself; `about` is for whoever knows what is in the tables."""

    format: Literal["dossier-archive/1"]
    kind: str
    backup: str
    """The same in all archives of one backup."""
    made_at: str
    server: str
    migrations: list[AppliedMigration]
    tables: list[StoredTable]
    about: dict[str, Any]

    @property
    def made(self) -> datetime:
        return datetime.fromisoformat(self.made_at)

    @property
    def bytes(self) -> int:
        return sum(table.bytes for table in self.tables)

    def rows_of(self, table: str) -> int:
        return sum(stored.rows for stored in self.tables if stored.table == table)


# --- taking ---------------------------------------------------------------------------------------------------------


def tables_of(connection: Connection[Any], schema: str, leave_out: frozenset[str] = frozenset()) -> list[Table]:
    """Every table of a schema but those of the names to leave out, as the server describes them now."""
    rows = connection.execute(_QUERIES["tables"], {"schema": schema}).fetchall()
    return [Table(schema, name, columns, types) for name, columns, types in rows if name not in leave_out]


def migrations_of(connection: Connection[Any], schema: str) -> list[AppliedMigration]:
    """The migrations that a database has, as they are recorded in a schema."""
    recorded = SQL(_QUERIES["migrations"]).format(recorded=Identifier(schema, "schema_migration"))
    rows = connection.execute(recorded).fetchall()
    return [AppliedMigration(name=name, sha256=sha256) for name, sha256 in rows]


class ArchiveWriter:
    """Fills one folder, which it makes; `finish` makes an archive of it. Raises FolderNotEmpty, OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tables: list[StoredTable] = []
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FolderNotEmpty(folder, is_unfinished=not (folder / MANIFEST).exists() and _looks_unfinished(folder))

    def copy(self, connection: Connection[Any], table: Table, advance: Callable[[int], None]) -> None:
        """Write a table's rows as the transaction of `connection` sees them; `advance` is told of bytes."""
        digest, size = hashlib.sha256(), 0
        name = f"{table.schema}.{table.name}.copy"
        with connection.cursor() as cursor, _new_file(self.folder / name) as write:
            with cursor.copy(_statement("TO STDOUT", table)) as rows:
                for block in _blocks(rows):
                    digest.update(block)
                    size += len(block)
                    write(block)
                    advance(len(block))
            copied = cursor.rowcount
        self._tables.append(
            StoredTable(
                schema_name=table.schema,
                table=table.name,
                columns=list(table.columns),
                types=list(table.types),
                rows=copied,
                bytes=size,
                sha256=digest.hexdigest(),
            )
        )

    def finish(
        self, connection: Connection[Any], kind: str, backup: str, about: dict[str, Any], *, migrated: str = "ledger"
    ) -> Manifest:
        """Say what is in the folder: from then on it is an archive. `migrated`: the schema that has the migrations."""
        ((made_at, server),) = connection.execute(_QUERIES["describe"]).fetchall()
        manifest = Manifest(
            format="dossier-archive/1",
            kind=kind,
            backup=backup,
            made_at=made_at.isoformat(),
            server=server,
            migrations=migrations_of(connection, migrated),
            tables=self._tables,
            about=about,
        )
        # The files' names before the manifest's: if we die between the two, there is no archive yet.
        _sync_folder(self.folder)
        unfinished = self.folder / f".{MANIFEST}"
        with _new_file(unfinished) as write:
            write(manifest.model_dump_json(indent=2).encode() + b"\n")
        unfinished.rename(self.folder / MANIFEST)
        _sync_folder(self.folder)
        _sync_folder(self.folder.parent)
        return manifest


def discard_unfinished(folder: Path) -> None:
    """Remove what a backup that failed has left of this folder; one that ended is never touched."""
    if not (folder / MANIFEST).exists() and folder.is_dir() and _looks_unfinished(folder):
        for path in folder.iterdir():
            path.unlink()
        with suppress(OSError):
            folder.rmdir()


def _looks_unfinished(folder: Path) -> bool:
    return all(path.name.endswith(".copy") or path.name == f".{MANIFEST}" for path in folder.iterdir())


def _blocks(pieces: Any) -> Iterator[bytes]:
    """The pieces of a COPY, a row or a few, put together."""
    held, size = [], 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _BLOCK_BYTES:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


@contextmanager
def _new_file(path: Path) -> Iterator[Callable[[bytes], object]]:
    """What writes a file that is new, and its owner's alone; it is on the disk at the end."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file.write
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- putting back ---------------------------------------------------------------------------------------------------


class Archive(NamedTuple):
    """A folder and its manifest."""

    folder: Path
    manifest: Manifest


def read_archive(folder: Path, kind: str) -> Archive:
    """Read an archive's manifest; its files are not looked at yet.

    Raises ArchiveMissing, ArchiveUnfinished, or ArchiveDamaged for one that makes no sense or is of another kind.
    """
    if not folder.is_dir():
        raise ArchiveMissing(folder)
    try:
        with (folder / MANIFEST).open("rb") as file:
            content = file.read(_LONGEST_MANIFEST_BYTES)
    except FileNotFoundError:
        raise ArchiveUnfinished(folder) from None
    try:
        manifest = Manifest.model_validate_json(content)
        manifest.made.astimezone()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ArchiveDamaged(folder, MANIFEST, f"{place}: {first['msg']}" if place else first["msg"]) from error
    except ValueError as error:
        raise ArchiveDamaged(folder, MANIFEST, "made_at is no time") from error
    if manifest.kind != kind:
        raise ArchiveDamaged(folder, MANIFEST, f"this is an archive of {manifest.kind!r}, not of {kind!r}")
    return Archive(folder, manifest)


def check_archive(archive: Archive, advance: Callable[[int], None] = lambda _: None) -> None:
    """Hold every file against the manifest, and the folder against its list. Raises ArchiveDamaged, which names it."""
    folder, manifest = archive
    wanted = {stored.file: stored for stored in manifest.tables}
    present = {path.name for path in folder.iterdir()} - {MANIFEST}
    for name in sorted(present - wanted.keys()):
        raise ArchiveDamaged(folder, name, "is not named by the manifest")
    for name, stored in wanted.items():
        if name not in present:
            raise ArchiveDamaged(folder, name, "is missing")
        digest, size = hashlib.sha256(), 0
        with (folder / name).open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
                size += len(block)
                advance(len(block))
        _hold_against(archive, stored, size, digest.hexdigest())


def load_table(
    connection: Connection[Any], archive: Archive, stored: StoredTable, advance: Callable[[int], None]
) -> None:
    """Put a table's rows back, in the caller's transaction. Raises ArchiveDamaged, psycopg.Error."""
    digest, size = hashlib.sha256(), 0
    with connection.cursor() as cursor, (archive.folder / stored.file).open("rb") as file:
        with cursor.copy(_statement("FROM STDIN", stored.of_table)) as rows:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
                size += len(block)
                rows.write(block)
                advance(len(block))
        loaded = cursor.rowcount
    # Once more: between the check and now somebody may have changed the file.
    _hold_against(archive, stored, size, digest.hexdigest())
    if loaded != stored.rows:
        raise ArchiveDamaged(archive.folder, stored.file, f"holds {loaded} rows; {stored.rows} were written")


def continue_sequences(connection: Connection[Any], schema: str) -> None:
    """Have columns that draw numbers go on after those that were put back."""
    for table, column in connection.execute(_QUERIES["sequences"], {"schema": schema}).fetchall():
        highest = SQL("SELECT max({}) FROM {}").format(Identifier(column), Identifier(schema, table))
        ((last,),) = connection.execute(highest).fetchall()
        if last is not None and last >= 1:
            named = Identifier(schema, table).as_string(connection)
            connection.execute(_QUERIES["set_sequence"], {"table": named, "column": column, "last": last})


def _hold_against(archive: Archive, stored: StoredTable, size: int, sha256: str) -> None:
    if size != stored.bytes:
        raise ArchiveDamaged(archive.folder, stored.file, f"has {size} bytes; {stored.bytes} were written")
    if sha256 != stored.sha256:
        raise ArchiveDamaged(archive.folder, stored.file, "is not what was written (SHA-256)")


def _statement(direction: Literal["TO STDOUT", "FROM STDIN"], table: Table) -> Composed:
    return SQL("COPY {} ({}) {} (FORMAT binary)").format(
        table.identifier, SQL(", ").join(map(Identifier, table.columns)), SQL(direction)
    )
