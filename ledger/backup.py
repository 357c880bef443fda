"""Takes a backup: the evidence in one archive, the wrapped data keys in another, beside a service at work.

The two are apart so that the keys can lie elsewhere and be kept for a shorter time: who erases a person destroys a key,
and a backup of it is what could undo that. What must stay true: each archive is of one moment, and the keys' moment is
not before the evidence's, so that no event of the one is without its key in the other (a key is committed before the
first event that needs it). Read models are left out, for they follow from the evidence; so are the key that wraps the
data keys and every other key of the service, because whoever holds a backup must not hold what opens it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

from psycopg import Connection, IsolationLevel
from psycopg.sql import SQL

from db.archive import ArchiveWriter, Manifest, Table, discard_unfinished, tables_of
from db.conninfo import with_settings
from db.pool import connect
from db.queries import load

LEDGER: Final = "ledger"
KEYS: Final = "keys"

_QUERIES: Final = load("ledger", "backup.sql")
_SETTINGS: Final = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
LEFT_OUT: Final = frozenset(["schema_migration"])
"""What migrating a new database writes by itself; the manifest names the migrations."""


class Folders(NamedTuple):
    """Where the two archives go; the evidence's is None when only the keys are wanted."""

    ledger: Path | None
    keys: Path


class Backup(NamedTuple):
    ledger: Manifest | None
    keys: Manifest


def back_up(conninfo: str, folders: Folders, advance: Callable[[int], None] = lambda _: None) -> Backup:
    """Write both archives as of one moment; `advance` is told of bytes.

    Raises ArchiveError, OSError or psycopg.Error; then nothing is left of what had been written.
    """
    wanted = {KEYS: folders.keys} if folders.ledger is None else {LEDGER: folders.ledger, KEYS: folders.keys}
    begun: list[Path] = []
    try:
        with _one_moment(conninfo, list(wanted)) as (connection, tables):
            # Both before anything is written: a folder that cannot be used is told at once.
            writers = {}
            for kind, folder in wanted.items():
                writers[kind] = ArchiveWriter(folder)
                begun.append(folder)
            for kind, writer in writers.items():
                for table in tables[kind]:
                    writer.copy(connection, table, advance)
            manifests = _finished(connection, writers)
    except BaseException:
        for folder in begun:
            discard_unfinished(folder)
        raise
    return Backup(manifests.get(LEDGER), manifests[KEYS])


def _finished(connection: Connection[Any], writers: Mapping[str, ArchiveWriter]) -> dict[str, Manifest]:
    backup = str(uuid4())
    about = {LEDGER: _about_ledger, KEYS: _about_keys}
    # If we die between the manifests, one archive is there and the other one is not: no backup to restore from.
    return {kind: writer.finish(connection, kind, backup, about[kind](connection)) for kind, writer in writers.items()}


@contextmanager
def _one_moment(conninfo: str, schemas: Sequence[str]) -> Iterator[tuple[Connection[Any], dict[str, list[Table]]]]:
    """Lend a connection on which everything is read as of one moment, and the tables of these schemas.

    They are locked before anything is seen: a migration that rewrote one meanwhile would leave it empty for us.
    """
    with connect(with_settings(conninfo, _SETTINGS, application_name="dossier_backup"), "dossier_reader") as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        found: dict[str, list[Table]] = {}
        while True:
            if names := [table.identifier for tables in found.values() for table in tables]:
                connection.execute(SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(SQL(", ").join(names)))
            tables = {schema: tables_of(connection, schema, LEFT_OUT) for schema in schemas}
            if found and tables == found:
                break
            connection.rollback()
            found = tables
        yield connection, tables


def _about_ledger(connection: Connection[Any]) -> dict[str, Any]:
    ((size, known_at, unsealed, customers),) = connection.execute(_QUERIES["log"]).fetchall()
    return {
        "log": {"size": size, "known_at": None if known_at is None else known_at.isoformat()},
        "unsealed": unsealed,
        "customers": customers,
    }


def _about_keys(connection: Connection[Any]) -> dict[str, Any]:
    """Per key encryption key one data key that it wrapped, by which a wrong one is told before anything is restored."""
    rows = connection.execute(_QUERIES["wrapped_by"]).fetchall()
    return {
        "wrapped_by": [
            {"kek": kek, "keys": keys, "subject": str(subject), "wrapped": b64encode(wrapped).decode("ascii")}
            for kek, subject, wrapped, keys in rows
        ]
    }
