"""`dossier backup`: the evidence and the data keys as two archives, taken while the service runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from cli.errors import CliError, Damaged, UsageError
from cli.operate import database
from cli.options import DatabaseOption, DataOption, load_settings
from cli.stored import require_database
from db.archive import Manifest
from db.errors import FolderNotEmpty
from ledger.backup import Backup, Folders, back_up
from ledger.erasure_list import FILE as ERASURES
from settings import Settings


def backup(
    *,
    to: Annotated[Path, typer.Option("--to", help="A new folder: the evidence goes to ledger/ in it, keys to keys/.")],
    keys_to: Annotated[
        Path | None, typer.Option("--keys-to", help="A new folder for the data keys, in the place of keys/.")
    ] = None,
    keys_only: Annotated[
        bool, typer.Option("--keys-only", help="Take the data keys alone: small, and soon done.")
    ] = False,
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Write a backup, as of one moment; a service may be at work. It holds no key that opens it: keep those apart."""
    settings = load_settings(data=data, database_url=database_url)
    require_database(settings)
    folders = Folders(None if keys_only else to / "ledger", keys_to or to / "keys", to / ERASURES)
    begun = time.monotonic()
    with database(settings) as conninfo, _told_plainly(), _progress() as advance:
        taken = back_up(conninfo, folders, advance, keys_conninfo=settings.keys_conninfo)
    for line in _summary(taken, folders, settings, time.monotonic() - begun):
        typer.echo(line)


def _summary(taken: Backup, folders: Folders, settings: Settings, seconds: float) -> Iterator[str]:
    if taken.ledger is not None:
        events, about = taken.ledger.rows_of("event"), taken.ledger.about
        yield f"ledger: {events:,} events, log of {about['log']['size']:,}, {_size(taken.ledger)} in {folders.ledger}"
    yield f"keys: {taken.keys.rows_of('subject_key'):,} data keys, {_size(taken.keys)} in {folders.keys}"
    yield f"erasures: {taken.erasures:,} in {folders.erasures}"
    yield f"as of {taken.keys.made_at}, in {seconds:,.1f} s"
    yield f"not in it: {settings.kek_file}, without which nothing in it can be read; keep a copy in a third place"


def _size(manifest: Manifest) -> str:
    return f"{manifest.bytes / 1e6:,.1f} MB"


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Turn what can be wrong with the folders, or with what is stored, into one line."""
    try:
        yield
    except FolderNotEmpty as error:
        raise UsageError(str(error)) from error
    except psycopg.OperationalError:
        raise  # the database went away: told by `database`
    except psycopg.errors.InsufficientPrivilege as error:
        raise CliError("the login must be able to take the role dossier_reader, which reads everything") from error
    except psycopg.ProgrammingError as error:
        raise CliError(f"the schema is not this program's ({error.sqlstate}); try `dossier migrate`") from error
    except psycopg.Error as error:
        # Not repeated: the database's words may quote a row.
        raise Damaged(f"the database cannot read what it holds ({error.sqlstate}); see its own log") from error
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise CliError(f"the backup cannot be written: {place}{error.strerror or error}") from error


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """How much was written, on a terminal; what moves it on."""
    console = Console(stderr=True)
    columns = (TextColumn("backing up"), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda number: progress.advance(task, number)
