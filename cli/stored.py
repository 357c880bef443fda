"""What the verbs that look at everything stored need first: a database that is there, and the key that opens it."""

from __future__ import annotations

from cli.errors import CliError, Unavailable
from cli.operate import told_plainly
from db.data_folder import DataFolder
from ledger.errors import KeyEncryptionError
from ledger.kek import FileKek
from settings import Settings


def require_database(settings: Settings) -> None:
    """Raise Unavailable where none was ever made: nothing is to be made here."""
    with told_plainly(settings):
        if settings.conninfo is None and not DataFolder.at(settings.data).clusters():
            raise Unavailable(f"there is no database in {settings.data}")


def stored_kek(settings: Settings) -> FileKek:
    """The key that wraps the data keys. Raises CliError when it is missing or cannot be used."""
    try:
        return FileKek.from_file(settings.kek_file)
    except KeyEncryptionError as error:
        raise CliError(f"{error}; without the key that wraps the data keys nothing can be read") from error
    except OSError as error:
        raise CliError(f"the key file {settings.kek_file} cannot be read: {error.strerror or error}") from error
