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
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

from psycopg import Connection, IsolationLevel
from psycopg.sql import SQL

from db.archive import ArchiveWriter, Manifest, Table, discard_unfinished, tables_of
from db.conninfo import with_settings
from db.pool import connect
from db.queries import load
from db.restoring import refuse_unfinished
from ledger.erasure_list import write_list
from ledger.origin import signed_of
from ledger.streams import OF_CUSTOMERS

LEDGER: Final = "ledger"
KEYS: Final = "keys"

_QUERIES: Final = load("ledger", "backup.sql")
_SETTINGS: Final = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
LEFT_OUT: Final = frozenset(["schema_migration", "erasure"])
"""What migrating a new database writes by itself, for the manifest names the migrations; and which erasures were
carried out: where keys and ciphertexts may have come back, all are to be carried out once more."""


class Folders(NamedTuple):
    """Where the two archives go, and the list of erasures; the evidence's is None when only the keys are wanted."""

    ledger: Path | None
    keys: Path
    erasures: Path


class Backup(NamedTuple):
    ledger: Manifest | None
    keys: Manifest
    erasures: int


def back_up(
    conninfo: str,
    folders: Folders,
    advance: Callable[[int], None] = lambda _: None,
    *,
    keys_conninfo: str | None = None,
) -> Backup:
    """Write both archives; `advance` is told of bytes. `keys_conninfo` names the keys' own database, if they have one.

    Raises ArchiveError, BeingRestored, OSError or psycopg.Error; then nothing is left of what had been written.
    """
    backup = str(uuid4())
    wanted = {KEYS: folders.keys} if folders.ledger is None else {LEDGER: folders.ledger, KEYS: folders.keys}
    writers: dict[str, ArchiveWriter] = {}
    is_listed = False
    try:
        with ExitStack() as stack:
            moments = _moments(stack, conninfo, keys_conninfo, list(wanted))
            # Both before anything is written: a folder that cannot be used is told at once.
            for kind, folder in wanted.items():
                writers[kind] = ArchiveWriter(folder)
            for kind, writer in writers.items():
                for table in moments[kind].tables[kind]:
                    writer.copy(moments[kind].connection, table, advance)
            # If we die between the manifests, one archive is there and the other one is not: nothing to restore from.
            own_database = keys_conninfo is not None
            manifests = {
                LEDGER: lambda: _finish_ledger(moments[LEDGER].connection, writers[LEDGER], backup),
                KEYS: lambda: _finish_keys(moments[KEYS].connection, writers[KEYS], backup, own_database=own_database),
            }
            destroyed = moments[KEYS].connection.execute(_QUERIES["destroyed"]).fetchall()
            erasures = write_list(folders.erasures, destroyed)
            is_listed = True
            finished = {kind: manifests[kind]() for kind in wanted}
    except BaseException:
        for writer in writers.values():
            discard_unfinished(writer.folder)
        if is_listed:
            folders.erasures.unlink()
        raise
    return Backup(finished.get(LEDGER), finished[KEYS], erasures)


class _Moment(NamedTuple):
    """A connection on which everything is as of one moment, and the tables of its schemas."""

    connection: Connection[Any]
    tables: Mapping[str, list[Table]]


def _moments(stack: ExitStack, conninfo: str, keys_conninfo: str | None, kinds: Sequence[str]) -> Mapping[str, _Moment]:
    """The same moment of both, or, where the keys have a database of their own, theirs after that of the evidence."""
    if keys_conninfo is None:
        moment = stack.enter_context(_one_moment(conninfo, kinds))
        return dict.fromkeys(kinds, moment)
    return {
        kind: stack.enter_context(_one_moment(keys_conninfo if kind == KEYS else conninfo, [kind])) for kind in kinds
    }


def _finish_ledger(connection: Connection[Any], writer: ArchiveWriter, backup: str) -> Manifest:
    ((size, root, known_at, unsealed, customers),) = connection.execute(_QUERIES["log"], OF_CUSTOMERS).fetchall()
    signed = signed_of(connection)
    about = {
        "log": {
            "size": size,
            "root": None if root is None else b64encode(root).decode("ascii"),
            "known_at": None if known_at is None else known_at.isoformat(),
        },
        "signed": {"note": signed.note, "origins": sorted(signed.origins)},
        "unsealed": unsealed,
        "customers": customers,
    }
    return writer.finish(connection, LEDGER, backup, about)


def _finish_keys(connection: Connection[Any], writer: ArchiveWriter, backup: str, *, own_database: bool) -> Manifest:
    """Per key encryption key one data key that it wrapped, by which a wrong one is told before anything is restored."""
    rows = connection.execute(_QUERIES["wrapped_by"]).fetchall()
    about = {
        "own_database": own_database,
        "wrapped_by": [
            {"kek": kek, "keys": keys, "subject": str(subject), "wrapped": b64encode(wrapped).decode("ascii")}
            for kek, subject, wrapped, keys in rows
        ],
    }
    return writer.finish(connection, KEYS, backup, about, migrated=KEYS if own_database else LEDGER)


@contextmanager
def _one_moment(conninfo: str, schemas: Sequence[str]) -> Iterator[_Moment]:
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
        refuse_unfinished(connection)
        yield _Moment(connection, tables)
