"""Puts a backup back into an empty database: the tables of both archives, as they were, under the schema they had.

What must stay true: everything that can be known to be wrong is told before anything is written: an archive that is
not whole or not what was written, one of a newer program, a key encryption key that is not the one. Whatever else goes
wrong leaves the database marked (db/restoring.py), so that it is never served.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection
from pydantic import BaseModel, ConfigDict, ValidationError

from db.archive import (
    MANIFEST,
    AppliedMigration,
    Archive,
    check_archive,
    continue_sequences,
    load_table,
    read_archive,
    tables_of,
)
from db.errors import ArchiveDamaged
from db.migrate import MIGRATIONS, MIGRATIONS_OF_KEYS, migrate, migrate_keys, read_migrations, refuse_divergence
from ledger.backup import KEYS, LEDGER, LEFT_OUT
from ledger.epochs import Epoch, begin_epoch
from ledger.kek import KeyEncryptionKey
from ledger.origin import Signed
from ledger.sealer import Sealer

_Advance = Callable[[int], None]


class _Stated(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _WrappedBy(_Stated):
    """A data key that the key encryption key of this name wrapped."""

    kek: str
    keys: int
    subject: str
    wrapped: str

    def open_with(self, kek: KeyEncryptionKey) -> None:
        """Raises KeyEncryptionError."""
        kek.unwrap(UUID(self.subject), self.kek, b64decode(self.wrapped, validate=True))


class _AboutKeys(_Stated):
    own_database: bool
    wrapped_by: list[_WrappedBy]


class _Signatures(_Stated):
    note: str | None = None
    origins: list[str] = []


class _AboutLedger(_Stated):
    signed: _Signatures = _Signatures()


class Sources(NamedTuple):
    """The two archives of what is to be restored; not always of the same backup."""

    ledger: Archive
    keys: Archive

    @property
    def bytes(self) -> int:
        return self.ledger.manifest.bytes + self.keys.manifest.bytes


class Target(NamedTuple):
    """A database that is being restored (db/restoring.py); the connection is its owner's, in autocommit."""

    conninfo: str
    connection: Connection[Any]


def read_sources(ledger: Path, keys: Path) -> Sources:
    """Read both manifests. Raises ArchiveError, or MigrationError for a backup of another or a newer program."""
    sources = Sources(read_archive(ledger, LEDGER), read_archive(keys, KEYS))
    for archive in sources:
        folder, manifest = archive
        for stored in manifest.tables:
            if stored.schema_name != manifest.kind:
                wrong = f"{stored.file} does not belong into an archive of {manifest.kind}"
                raise ArchiveDamaged(folder, MANIFEST, wrong)
        shipped = read_migrations(MIGRATIONS_OF_KEYS if _had_its_own_database(archive) else MIGRATIONS)
        refuse_divergence(_digests(folder, manifest.migrations), shipped)
    return sources


def signed_in(sources: Sources) -> Signed:
    """How the log was signed that is to be restored. Raises ArchiveDamaged."""
    folder, manifest = sources.ledger
    try:
        signed = _AboutLedger.model_validate(manifest.about).signed
    except ValidationError as error:
        raise ArchiveDamaged(folder, MANIFEST, "what it says about the log makes no sense") from error
    return Signed(signed.note, frozenset(signed.origins))


def check_sources(sources: Sources, advance: _Advance = lambda _: None) -> None:
    """Hold every file against its manifest. Raises ArchiveDamaged."""
    for archive in sources:
        check_archive(archive, advance)


def require_kek(sources: Sources, kek: KeyEncryptionKey) -> None:
    """Raise KeyEncryptionError unless the key at hand opens what the archive of keys holds; ArchiveDamaged."""
    try:
        for wrapped in _about_keys(sources.keys).wrapped_by:
            wrapped.open_with(kek)
    except ValueError as error:
        raise ArchiveDamaged(sources.keys.folder, MANIFEST, "what it says about the keys makes no sense") from error


def put_back(ledger: Target, keys: Target | None, sources: Sources, advance: _Advance = lambda _: None) -> None:
    """Make the schema as it was, fill it, and bring it up to date; `keys` is the keys' own database, if they get one.

    Raises ArchiveDamaged, MigrationError or psycopg.Error.
    """
    if keys is None:
        # Each under the schema of its own day: the keys may have been taken by a newer program than the evidence.
        for archive in sorted(sources, key=_level):
            migrate(ledger.conninfo, first=_level(archive), restoring=True)
            _load(ledger.connection, archive, advance)
    else:
        own = _had_its_own_database(sources.keys)
        migrate_keys(keys.conninfo, first=_level(sources.keys) if own else None, restoring=True)
        _load(keys.connection, sources.keys, advance)
        migrate_keys(keys.conninfo, restoring=True)
        migrate(ledger.conninfo, first=_level(sources.ledger), restoring=True)
        _load(ledger.connection, sources.ledger, advance)
    migrate(ledger.conninfo, restoring=True)
    for target in {ledger, keys or ledger}:
        # The server knows nothing of what came in by COPY, and would plan as if it were empty.
        target.connection.execute("ANALYZE")


def _load(connection: Connection[Any], archive: Archive, advance: _Advance) -> None:
    _refuse_other_tables(connection, archive)
    for stored in archive.manifest.tables:
        with connection.transaction():
            load_table(connection, archive, stored, advance)
    continue_sequences(connection, archive.manifest.kind)


def _level(archive: Archive) -> int:
    """How many migrations made its tables; those of keys from a database of their own are as the newest make them."""
    if _had_its_own_database(archive):
        return len(read_migrations(MIGRATIONS))
    return len(archive.manifest.migrations)


def _had_its_own_database(archive: Archive) -> bool:
    return archive.manifest.kind == KEYS and _about_keys(archive).own_database


def _about_keys(archive: Archive) -> _AboutKeys:
    try:
        return _AboutKeys.model_validate(archive.manifest.about)
    except ValidationError as error:
        raise ArchiveDamaged(archive.folder, MANIFEST, "what it says about the keys makes no sense") from error


def begin_history(
    ledger: Target, actor: str, checkpoint: str | None, origin_of: Callable[[str], str | None] = lambda _: None
) -> Epoch:
    """Say in the log itself that it goes on from here otherwise than it did before: its next entry says so.

    Raises EpochsUnreadable, psycopg.Error.
    """
    with ledger.connection.transaction():
        epoch = begin_epoch(ledger.connection, actor, checkpoint, origin_of)
    # The only entry of this turn; what had waited for its place when the backup was taken comes after it.
    with closing(Sealer(ledger.conninfo, batch=1)) as sealer:
        sealer.seal_once()
    return epoch


def seal_all(ledger: Target) -> None:
    """Give everything its place that waits for one, so that read models are complete."""
    with closing(Sealer(ledger.conninfo)) as sealer:
        while sealer.seal_once():
            pass


def _refuse_other_tables(connection: Connection[Any], archive: Archive) -> None:
    folder, manifest = archive
    there = {table.name: table for table in tables_of(connection, manifest.kind, LEFT_OUT)}
    stored = {table.table: table.of_table for table in manifest.tables}
    for name in sorted(there.keys() ^ stored.keys()):
        raise ArchiveDamaged(folder, MANIFEST, f"table {manifest.kind}.{name} is only in one of archive and schema")
    for name, table in stored.items():
        if table != there[name]:
            raise ArchiveDamaged(
                folder, MANIFEST, f"table {manifest.kind}.{name} had other columns than its migrations make"
            )


def _digests(folder: Path, migrations: list[AppliedMigration]) -> dict[str, bytes]:
    try:
        return {migration.name: bytes.fromhex(migration.sha256) for migration in migrations}
    except ValueError as error:
        raise ArchiveDamaged(folder, MANIFEST, "a migration's digest is none") from error
