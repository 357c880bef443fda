"""Brings a database's schema up to date with the numbered, append-only files of migrations/.

Owns ledger.schema_migration, and keys.schema_migration where the schema `keys` has a database of its own. Each file is
applied and recorded in one transaction, under an advisory lock: if we die anywhere, the file is applied as a whole or
not at all, and the next run goes on from there. A file that was applied never changes again; the digest tells.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed, Identifier

from db.conninfo import with_settings
from db.errors import (
    BeingRestored,
    DatabaseNewerThanCode,
    MalformedMigration,
    MigrationChanged,
    MigrationFailed,
    MigrationMissing,
    UnsuitableServer,
)
from db.postgres_binaries import OLDEST_MAJOR
from db.queries import load

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATIONS_OF_KEYS = Path(__file__).parent / "migrations_of_keys"

_QUERIES = load(Path(__file__).parent, "migrate.sql")
_FILE_NAME = re.compile(r"(?P<number>[0-9]{4})_[a-z0-9_]+")


@dataclass(frozen=True)
class Migration:
    """One numbered file; `name` is the file name without its ending."""

    name: str
    text: str

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.text.encode()).digest()


def migrate(
    conninfo: str, folder: Path = MIGRATIONS, *, first: int | None = None, restoring: bool = False
) -> list[str]:
    """Apply what is missing, as the login of `conninfo`, and return the names; safe to run twice at once.

    `first`: so many files and no more. `restoring`: it is the restore itself that asks. Raises a MigrationError, with
    nothing done beyond the files already applied; BeingRestored for a database that is not whole.
    """
    with _migrator(conninfo) as connection:
        return _apply_all(connection, read_migrations(folder)[:first], "ledger", restoring=restoring)


def migrate_keys(
    conninfo: str, folder: Path = MIGRATIONS_OF_KEYS, *, first: int | None = None, restoring: bool = False
) -> list[str]:
    """Do the same to a database that holds the schema `keys` alone. Raises UnsuitableServer for one with a ledger."""
    with _migrator(conninfo) as connection:
        if connection.execute(_QUERIES["holds_ledger"]).fetchone() == (True,):
            raise UnsuitableServer("the keys' own database is the ledger's; name another, or none at all")
        connection.commit()
        return _apply_all(connection, read_migrations(folder)[:first], "keys", restoring=restoring)


def _migrator(conninfo: str) -> Connection[TupleRow]:
    # What a migration must not inherit from the login's defaults: it may take long, and says NOTICE at every turn.
    settings = {"statement_timeout": "0", "client_min_messages": "warning", "timezone": "UTC"}
    return psycopg.connect(with_settings(conninfo, settings, application_name="dossier_migrate"))


def _apply_all(
    connection: Connection[TupleRow], shipped: list[Migration], schema: str, *, restoring: bool
) -> list[str]:
    applied: list[str] = []
    while name := _apply_next(connection, shipped, schema, restoring=restoring):
        applied.append(name)
    return applied


def take_migration_lock(connection: Connection[TupleRow]) -> None:
    """Keep every migrator of this database out until the caller's transaction ends."""
    connection.execute(_QUERIES["take_migration_lock"])


def read_migrations(folder: Path) -> list[Migration]:
    """Read the files in order; numbers must be dense from 0001. Raises MalformedMigration."""
    migrations = []
    for expected, path in enumerate(sorted(folder.glob("*.sql")), start=1):
        match = _FILE_NAME.fullmatch(path.stem)
        if match is None or int(match["number"]) != expected:
            raise MalformedMigration(f"{path.name} should be named {expected:04}_<name>.sql")
        migrations.append(Migration(path.stem, path.read_text(encoding="utf-8")))
    return migrations


def _apply_next(
    connection: Connection[TupleRow], shipped: list[Migration], schema: str, *, restoring: bool
) -> str | None:
    """Apply the first missing file and return its name, or None when there is none."""
    with connection.transaction():
        take_migration_lock(connection)
        # Looked at anew under the lock each time: another migrator may have been here in between.
        recorded = _read_applied(connection, schema, restoring=restoring)
        refuse_divergence(recorded, shipped)
        if len(recorded) == len(shipped):
            return None
        migration = shipped[len(recorded)]
        try:
            connection.execute(migration.text.encode())
            connection.execute(_of("record_applied", schema), {"name": migration.name, "sha256": migration.sha256})
        except psycopg.Error as error:
            raise MigrationFailed(migration.name, str(error)) from error
        return migration.name


def _read_applied(connection: Connection[TupleRow], schema: str, *, restoring: bool) -> dict[str, bytes]:
    """Return the digests of the applied migrations by name, in order; none in a database that we never touched."""
    recorded = {"recorded": f"{schema}.schema_migration"}
    description = connection.execute(_QUERIES["describe_server"], recorded).fetchall()[0]
    *requirements, is_migrated, is_being_restored = description
    refuse_unsuitable_server(*requirements)
    if is_being_restored and not restoring:
        raise BeingRestored
    return dict(connection.execute(_of("read_applied", schema)).fetchall()) if is_migrated else {}


def _of(query: str, schema: str) -> Composed:
    return SQL(_QUERIES[query]).format(recorded=Identifier(schema, "schema_migration"))


def refuse_unsuitable_server(version_number: int, version: str, encoding: str, has_btree_gist: bool) -> None:
    """Raise UnsuitableServer, saying what is missing."""
    if version_number < OLDEST_MAJOR * 10_000:
        raise UnsuitableServer(f"PostgreSQL {OLDEST_MAJOR} or newer is needed; this server is {version}")
    if encoding != "UTF8":
        raise UnsuitableServer(f"the database must be encoded in UTF8; this one is in {encoding}")
    if not has_btree_gist:
        raise UnsuitableServer(
            "the server lacks the extension btree_gist; install PostgreSQL's contrib package (postgresql-contrib)"
        )


def refuse_divergence(recorded: Mapping[str, bytes], shipped: Sequence[Migration]) -> None:
    """Refuse a database, or an archive of one, whose history is not the beginning of ours. Raises MigrationError."""
    digests = {migration.name: migration.sha256 for migration in shipped}
    unknown = sorted(recorded.keys() - digests.keys())
    newest = shipped[-1].name[:4] if shipped else "0000"
    if newer := [name for name in unknown if name[:4] > newest]:
        raise DatabaseNewerThanCode(newer)
    if unknown:
        raise MigrationMissing(unknown[0])
    for name, sha256 in recorded.items():
        if digests[name] != sha256:
            raise MigrationChanged(name)
