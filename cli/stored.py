"""What the verbs that look at everything stored need first: a database that is there, the key, one moment of both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection

from cli.errors import CliError, Damaged, Unavailable
from cli.operate import told_plainly
from db.data_folder import DataFolder
from ledger.errors import KeyEncryptionError
from ledger.ring import KekRing, ring_at
from ledger.verify import one_moment
from projections.comparison import hold_tables
from settings import Settings


def require_database(settings: Settings) -> None:
    """Raise Unavailable where none was ever made: nothing is to be made here."""
    with told_plainly(settings):
        if settings.conninfo is None and not DataFolder.at(settings.data).clusters():
            raise Unavailable(f"there is no database in {settings.data}")


def stored_kek(settings: Settings) -> KekRing:
    """The keys that wrap the data keys. Raises CliError when they are missing or cannot be used."""
    try:
        return ring_at(settings.kek_file, settings.kek_text)
    except KeyEncryptionError as error:
        raise CliError(f"{error}; without the key that wraps the data keys nothing can be read") from error
    except OSError as error:
        raise CliError(f"the key file {settings.kek_file} cannot be read: {error.strerror or error}") from error


@contextmanager
def reading_stored(conninfo: str) -> Iterator[Connection[Any]]:
    """A connection that sees everything as of one moment.

    Raises CliError for tables that are not ours, Damaged for rows that the database itself cannot read or compute with.
    """
    with one_moment(conninfo) as connection:
        try:
            hold_tables(connection)
            yield connection
        except psycopg.ProgrammingError as error:
            raise CliError(f"the schema is not this program's ({error.sqlstate}); try `dossier migrate`") from error
        except (psycopg.DataError, psycopg.InternalError, psycopg.NotSupportedError) as error:
            # Not repeated: the database's words may quote a row.
            raise Damaged(f"the database cannot read what it holds ({error.sqlstate}); see its own log") from error
